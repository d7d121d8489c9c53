/* SPDX-License-Identifier: Apache-2.0 */
/* main.c of init: the supervisor, the only program that grants.
 *
 * It reads the configuration, starts console and switch, makes the VMs, and then waits: for programs that die, for VMMs
 * that report, for the operator's wishes. Whoever talks to whom does so over memory that init mapped into both.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/log.h"
#include "lib/runtime.h"
#include "lib/syscall.h"
#include "services/init/console.h"
#include "services/init/host_end.h"
#include "services/init/image.h"
#include "services/init/operator.h"
#include "services/init/supervisor.h"
#include "services/init/switch.h"

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
    char reason[OPERATOR_TEXT_MAX];

    if (image_find("config.json", &member) != CL_OK) {
        (void)!config_read("{}", 2, &config, &error);
        host_end_nothing_to_run("the system image holds no configuration, so there are no VMs");
    } else if (config_read((const char *)member.data, member.size_bytes, &config, &error) != CL_OK) {
        (void)snprintf(reason, sizeof(reason), "the configuration is refused, so there are no VMs: %.360s", error.text);
        host_end_nothing_to_run(reason);
    }
    vms_begin();
    if (config.host.headless)
        host_end_set_headless();
}

static enum cl_status start_services(void)
{
    TRY(console_start(config.host.headless));
    return config.network_count > 0 ? switch_start() : CL_OK;
}

int main(void)
{
    uint64_t bits = 0;

    must(program_begin(), "init's own notification");
    must(image_map(), "mapping the system image");
    read_config();
    if (host_end_no_vms()[0] != '\0')
        cl_log("%s", host_end_no_vms());
    else
        cl_log("host %s: %u VM%s, %u network%s", config.host.hostname, config.vm_count, config.vm_count == 1 ? "" : "s",
               config.network_count, config.network_count == 1 ? "" : "s");
    must(start_services(), "starting the services");
    wish_autostart();
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
