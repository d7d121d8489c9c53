/* SPDX-License-Identifier: Apache-2.0 */
/* switch.c: init's side of the switch.
 *
 * As with the console, every answer is awaited with a deadline, and a channel that the switch does not let go of is
 * taken away under it.
 */
#include "services/init/switch.h"

#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/runtime.h"
#include "lib/syscall.h"
#include "services/protocol/vmm.h"

#define ANSWER_NS (UINT64_C(1000) * 1000 * 1000)

static struct service network = {
    .name = "switch",
    .member = "switch.elf",
    .index = PROGRAM_INDEX_SWITCH,
    .place = PLACE_SWITCH,
    .ring_entries = SWITCH_RING_ENTRIES,
    .here_bytes = SWITCH_MESSAGE_MAX,
    .there_bytes = SWITCH_MESSAGE_MAX,
    .control_bit = SWITCH_EVENT_CONTROL,
    .init_bit = INIT_EVENT_SWITCH_BIT,
};
static bool port_taken[SWITCH_PORTS_MAX];
static uint32_t cookies;

struct service *switch_service(void)
{
    return &network;
}

enum cl_status switch_start(void)
{
    struct switch_start setup = { { 0 } };

    TRY(service_create(&network, &setup.control));
    return service_start(&network, &setup, sizeof(setup));
}

/* One request and its answer. CL_TIMED_OUT: the switch does not answer. CL_NO_RIGHT: it refused. */
static enum cl_status ask_switch(uint32_t kind, const void *message, uint32_t length, struct switch_counters *counters)
{
    uint64_t deadline = cl_deadline_after_ns(ANSWER_NS), bits;
    uint32_t cookie = ++cookies;
    struct channel_descriptor descriptor;
    uint8_t answer[SWITCH_MESSAGE_MAX];

    if (!network.program.alive)
        return CL_NOT_FOUND;
    TRY(link_send(&network.link, kind, cookie, message, length));
    for (;;) {
        while (link_receive(&network.link, &descriptor, answer, sizeof(answer)) == CL_OK) {
            if (descriptor.cookie != cookie)
                continue;
            if (descriptor.kind == SWITCH_COUNTERS_ARE && counters != NULL && descriptor.length == sizeof(*counters)) {
                memcpy(counters, answer, sizeof(*counters));
                return CL_OK;
            }
            return descriptor.kind == SWITCH_DONE ? CL_OK : CL_NO_RIGHT;
        }
        if (!network.link.open)
            return CL_CORRUPT;
        if (link_arm(&network.link))
            continue;
        if (cl_wait(program_init_events(), deadline, &bits) == CL_TIMED_OUT)
            return CL_TIMED_OUT;
        program_note_bits(bits);
        if (program_fault_noted(PROGRAM_INDEX_SWITCH))
            return CL_STOPPED;
    }
}

void switch_take_ports(struct vm *vm)
{
    for (uint32_t i = 0; i < CONFIG_NICS_MAX; i++)
        vm->port[i] = SWITCH_PORTS_MAX;
    for (uint32_t i = 0; i < vm->config->nic_count; i++) {
        for (uint32_t port = 0; port < SWITCH_PORTS_MAX; port++) {
            if (!port_taken[port]) {
                port_taken[port] = true;
                vm->port[i] = port;
                break;
            }
        }
    }
}

enum cl_status switch_give(struct vm *vm)
{
    char name[START_NAME_MAX];

    for (uint32_t i = 0; i < vm->config->nic_count; i++) {
        if (vm->port[i] == SWITCH_PORTS_MAX)
            return CL_LIMIT;
        snprintf(name, sizeof(name), VMM_NET "%u", i);
        TRY(program_give(&vm->vmm, name, network.events, RIGHT_SIGNAL));
    }
    return CL_OK;
}

static void attach_port(struct vm *vm, uint32_t card)
{
    const struct config_nic *nic = &vm->config->nic[card];
    struct switch_attach attach = { .port = vm->port[card], .network = nic->network_index };
    enum cl_status status;

    memcpy(attach.mac, nic->mac, sizeof(attach.mac));
    status = cable_give_late(&vm->nic_cable[card], &network.program, attach.port, CHANNEL_SIDE_B,
                             SWITCH_EVENT_PORT(attach.port), vm->events, UINT64_C(1) << (VMM_EVENT_NIC_FIRST + card),
                             &attach.wire);
    if (status == CL_OK) {
        status = ask_switch(SWITCH_ATTACH, &attach, sizeof(attach), NULL);
        if (status != CL_OK)
            cable_take_late(&network.program, attach.port);
    }
    if (status != CL_OK)
        cl_log_refusal(status, "%s: network card %u is not connected", vm->config->name, card);
}

void switch_attach(struct vm *vm)
{
    for (uint32_t i = 0; i < vm->config->nic_count; i++)
        attach_port(vm, i);
}

static void detach_port(struct vm *vm, uint32_t card)
{
    const struct switch_port port = { vm->port[card] };

    if (port.port == SWITCH_PORTS_MAX)
        return;
    vm->port[card] = SWITCH_PORTS_MAX;
    port_taken[port.port] = false;
    if (!network.program.alive)
        return;
    if (ask_switch(SWITCH_DETACH, &port, sizeof(port), NULL) != CL_OK)
        cl_log("the switch does not let go of %s's port", vm->config->name);
    cable_take_late(&network.program, port.port);
}

void switch_detach(struct vm *vm)
{
    for (uint32_t i = 0; i < CONFIG_NICS_MAX; i++)
        detach_port(vm, i);
}

enum cl_status switch_port_counters(uint32_t port, struct switch_counters *counters)
{
    const struct switch_port message = { port };

    return ask_switch(SWITCH_COUNTERS, &message, sizeof(message), counters);
}

bool switch_revive(uint64_t bits)
{
    enum cl_status status;

    if (!service_died(&network, bits))
        return false;
    cl_log("the switch has died");
    if (!service_bury(&network))
        return false;
    status = switch_start();
    if (status != CL_OK) {
        cl_log_refusal(status, "the switch cannot be started again");
        program_destroy(&network.program);
        return false;
    }
    for (uint32_t i = 0; i < config.vm_count; i++) {
        if (vms[i].held)
            switch_attach(&vms[i]);
    }
    return true;
}
