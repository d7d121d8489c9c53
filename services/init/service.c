/* SPDX-License-Identifier: Apache-2.0 */
/* service.c: made, started, buried. */
#include "services/init/service.h"

#include "lib/runtime.h"
#include "lib/slots.h"
#include "lib/syscall.h"
#include "services/init/supervisor.h"

#define MIB (UINT64_C(1) << 20)

static const struct program_limits limits = { 1 * MIB, 4 * MIB, 4 * WEIGHT_DEFAULT, AFFINITY_ALL, PROGRAM_TABLE_SLOTS };

static enum cl_status make_events(struct service *service)
{
    if (service->events != 0)
        return CL_OK;
    TRY(cl_slot_alloc(&service->events));
    return cl_notification_create(service->events, INIT_SLOT_ACCOUNT);
}

enum cl_status service_create(struct service *service, struct wire *control)
{
    TRY(make_events(service));
    TRY(cable_create(INIT_SLOT_ACCOUNT, service->ring_entries, service->here_bytes, service->there_bytes,
                     &service->cable));
    TRY(cable_open_here(&service->cable, service->place, CHANNEL_SIDE_A, service->events, service->control_bit,
                        &service->link));
    TRY(program_create(&service->program, service->name, service->member, service->index, service->events, &limits));
    return cable_give(&service->cable, &service->program, CHANNEL_SIDE_B, service->control_bit, program_init_events(),
                      UINT64_C(1) << service->init_bit, control);
}

enum cl_status service_start(struct service *service, const void *setup, size_t size)
{
    service->started_ns = cl_monotonic_ns();
    TRY(program_setup(&service->program, setup, size));
    return program_start(&service->program, NULL);
}

bool service_died(const struct service *service, uint64_t bits)
{
    bool faulted = (bits & UINT64_C(1) << INIT_EVENT_FAULT_BIT(service->index)) != 0;

    return service->program.alive && (faulted || program_has_ended(&service->program));
}

bool service_bury(struct service *service)
{
    if (cl_monotonic_ns() - service->started_ns < SERVICE_DEATH_WINDOW_NS)
        service->deaths++;
    else
        service->deaths = 1;
    program_destroy(&service->program);
    cable_close_here(service->place, &service->link);
    cable_destroy(&service->cable);
    if (service->deaths <= SERVICE_DEATHS_MAX)
        return true;
    supervisor_tell("the %s has died %u times in a row, at once each time: it is not started again", service->name,
                    service->deaths);
    return false;
}

enum cl_status service_kill(struct service *service)
{
    if (!service->program.alive)
        return CL_NOT_FOUND;
    TRY(cl_domain_stop(service->program.domain));
    program_note_bits(UINT64_C(1) << INIT_EVENT_FAULT_BIT(service->index));
    return CL_OK;
}
