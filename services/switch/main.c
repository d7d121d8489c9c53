/* SPDX-License-Identifier: Apache-2.0 */
/* main.c of the switch: carries Ethernet frames between VMs. It sees the channels of its ports and nothing else.
 *
 * Sleep until a port or init rings; give each port its turn, until none has more; listen to init between the rounds.
 */
#include "lib/log.h"
#include "lib/runtime.h"
#include "lib/syscall.h"
#include "services/switch/ports.h"

static struct ports ports;
static struct link control;

union message {
    struct switch_attach attach;
    struct switch_port port;
};

static void answer(uint32_t cookie, enum cl_status status)
{
    uint32_t code = status;

    (void)!link_send(&control, status == CL_OK ? SWITCH_DONE : SWITCH_REFUSED, cookie, &code, sizeof(code));
}

static void obey(const struct channel_descriptor *descriptor, const union message *message)
{
    struct switch_counters counters;
    enum cl_status status;

    switch (descriptor->kind) {
    case SWITCH_ATTACH:
        answer(descriptor->cookie, ports_attach(&ports, &message->attach));
        break;
    case SWITCH_DETACH:
        ports_detach(&ports, message->port.port);
        answer(descriptor->cookie, CL_OK);
        break;
    case SWITCH_COUNTERS:
        status = bridge_counters(&ports.bridge, message->port.port, cl_monotonic_ns(), &counters);
        if (status == CL_OK)
            (void)!link_send(&control, SWITCH_COUNTERS_ARE, descriptor->cookie, &counters, sizeof(counters));
        else
            answer(descriptor->cookie, status);
        break;
    default:
        answer(descriptor->cookie, CL_UNSUPPORTED);
        break;
    }
}

static void listen(void)
{
    struct channel_descriptor descriptor;
    union message message = { 0 };

    while (link_receive(&control, &descriptor, &message, sizeof(message)) == CL_OK)
        obey(&descriptor, &message);
}

int main(void)
{
    uint64_t size, bits;
    const struct switch_start *start = cl_require_region(WIRE_REGION_SETUP, &size);
    uint32_t events = cl_require_slot(WIRE_SLOT_EVENTS);

    bridge_init(&ports.bridge);
    if (size < sizeof(*start) || link_open(&control, &start->control) != CL_OK) {
        cl_log("init gave no way to speak to it");
        return 1;
    }
    for (;;) {
        bool more = ports_round(&ports, cl_monotonic_ns());
        listen();
        if (more)
            continue;
        if (ports_arm(&ports) || link_arm(&control))
            continue;
        (void)!cl_wait(events, CL_NEVER, &bits);
    }
}
