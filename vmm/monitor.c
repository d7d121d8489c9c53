/* SPDX-License-Identifier: Apache-2.0 */
/* monitor.c: the seam between device models and ring 3, and requests that end a run. */
#include <stdio.h>

#include "lib/log.h"
#include "lib/runtime.h"
#include "lib/syscall.h"
#include "vmm/monitor.h"

static void notify_self(const struct monitor *m, enum vmm_event event)
{
    (void)!cl_notify(m->events, UINT64_C(1) << event);
}

static void host_msi(void *context, uint64_t address, uint32_t data)
{
    const struct monitor *m = context;
    enum cl_status status = cl_vm_interrupt(m->vm, address, data);

    if (status != CL_OK)
        cl_log_refusal(status, "interrupt message %llx, %x", (unsigned long long)address, data);
}

static void host_extint(void *context, bool level)
{
    const struct monitor *m = context;
    enum cl_status status = cl_vcpu_extint(m->vcpu[0].slot, level ? 256 : 257);

    if (status != CL_OK)
        cl_log_refusal(status, "ExtINT line");
}

static uint64_t host_now_ns(void *context)
{
    const struct monitor *m = context;

    return cl_monotonic_ns() - m->state->base_ns;
}

static uint64_t host_wall_ns(void *context)
{
    (void)context;
    return cl_info()->boot_unix_ns + cl_monotonic_ns();
}

static void host_request(void *context, enum machine_request request, uint32_t value)
{
    monitor_request(context, request, value, "");
}

static size_t host_serial_write(void *context, unsigned port, uint64_t position, const uint8_t *bytes, size_t length)
{
    struct monitor *m = context;

    return port == 0 ? serial_write(&m->serial, position, bytes, length) : length;
}

static void host_serial_room(void *context, unsigned port)
{
    struct monitor *m = context;

    if (port == 0)
        serial_room(&m->serial);
}

static void host_deadline(void *context, uint64_t deadline_ns)
{
    struct monitor *m = context;

    if (deadline_ns < __atomic_load_n(&m->armed_ns, __ATOMIC_ACQUIRE))
        notify_self(m, VMM_EVENT_TIMER);
}

static void host_log(void *context, const char *text)
{
    (void)context;
    cl_log("%s", text);
}

static void host_yield(void *context)
{
    (void)context;
    cl_yield();
}

const struct host_ops monitor_host_ops = { .msi = host_msi,
                                           .extint = host_extint,
                                           .now_ns = host_now_ns,
                                           .wall_ns = host_wall_ns,
                                           .request = host_request,
                                           .serial_write = host_serial_write,
                                           .serial_room = host_serial_room,
                                           .deadline = host_deadline,
                                           .log = host_log,
                                           .yield = host_yield };

void monitor_tell(struct monitor *m, uint32_t kind, uint32_t cookie, const void *message, uint32_t length)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

    if (m->control.entries == 0)
        return;
    pthread_mutex_lock(&lock);
    if (channel_send(&m->control, message, length, kind, cookie) != CL_OK)
        cl_log("init does not read what it is told");
    if (channel_publish(&m->control) && m->control_peer != 0)
        (void)!cl_notify(m->control_peer, m->control_bit);
    pthread_mutex_unlock(&lock);
}

static void fill_report(struct vmm_report *report, enum machine_request request, uint32_t value, const char *reason)
{
    *report = (struct vmm_report){ .request = request, .value = value };
    (void)snprintf(report->reason, sizeof(report->reason), "%s", reason);
}

void monitor_report_end(struct monitor *m)
{
    if (__atomic_load_n(&m->report_waits, __ATOMIC_ACQUIRE) == 0 || !serial_flush(&m->serial))
        return;
    if (__atomic_exchange_n(&m->report_waits, 0, __ATOMIC_ACQ_REL) != 0)
        monitor_tell(m, VMM_CONTROL_REPORT, 0, &m->report, sizeof(m->report));
}

void monitor_request(struct monitor *m, enum machine_request request, uint32_t value, const char *reason)
{
    uint32_t none = MACHINE_RUN;
    struct vmm_report report;

    if (request == MACHINE_RUN || request == MACHINE_PANICKED) {
        fill_report(&report, request, value, reason);
        monitor_tell(m, VMM_CONTROL_REPORT, 0, &report, sizeof(report));
        return;
    }
    if (!__atomic_compare_exchange_n(&m->request, &none, request, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return; /* it has ended already, for the first reason */
    __atomic_store_n(&m->paused, 1, __ATOMIC_RELEASE);
    fill_report(&m->report, request, value, reason);
    __atomic_store_n(&m->report_waits, 1, __ATOMIC_RELEASE);
    monitor_report_end(m);
    notify_self(m, VMM_EVENT_REQUEST);
}
