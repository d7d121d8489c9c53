/* SPDX-License-Identifier: Apache-2.0 */
/* main.c of init: the supervisor, the only program that grants.
 *
 * It reads the configuration, starts console and switch, makes the VMs, and then waits: for programs that die, for VMMs
 * that report, for the operator's wishes. Whoever talks to whom does so over memory that init mapped into both.
 */
#include <stdlib.h>

#include "lib/log.h"
#include "lib/runtime.h"
#include "lib/syscall.h"
#include "services/init/image.h"
#include "services/init/services.h"
#include "services/init/supervisor.h"

static void must(enum cl_status status, const char *what)
{
    if (status == CL_OK)
        return;
    cl_log_refusal(status, "%s", what);
    exit(EXIT_FAILURE);
}

/* A machine whose configuration is wrong still comes up, with a console that says so and no VMs. */
static void read_config(void)
{
    struct config_error error;
    struct cpio_member member;

    if (image_find("config.json", &member) != CL_OK) {
        cl_log("the system image has no configuration: there are no VMs");
        (void)!config_read("{}", 2, &config, &error);
    } else if (config_read((const char *)member.data, member.size_bytes, &config, &error) != CL_OK) {
        cl_log("the configuration is refused, there are no VMs: %s", error.text);
        (void)!config_read("{}", 2, &config, &error);
    }
    vms_begin();
    if (config.host.headless)
        supervisor_set_headless();
}

int main(void)
{
    uint64_t bits = 0;

    must(program_begin(), "init's own notification");
    must(image_map(), "mapping the system image");
    read_config();
    cl_log("%s: %u VMs, %u networks", config.host.hostname, config.vm_count, config.network_count);
    must(services_start(), "starting the services");
    supervisor_autostart();
    for (;;) {
        uint64_t next;

        supervisor_serve(bits);
        bits = 0;
        if (supervisor_arm())
            continue;
        next = supervisor_next_ns();
        (void)!cl_wait(program_init_events(), next == UINT64_MAX ? CL_NEVER : cl_deadline_at_ns(next), &bits);
    }
}
