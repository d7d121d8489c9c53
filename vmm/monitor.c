/* SPDX-License-Identifier: Apache-2.0 */
/* monitor.c: the seam between device models and ring 3, and requests that end a run. */
#include <stdio.h>

#include "lib/log.h"
#include "lib/runtime.h"
#include "lib/syscall.h"
#include "vmm/monitor.h"

#define SERIAL_TRIES 1000u /* yields to the console service before output is dropped */

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

/* Send what has been collected. Under out_lock. */
static bool flush_locked(struct monitor *m)
{
    uint32_t room = 0;

    if (m->out_count == 0)
        return false;
    (void)channel_buffer(&m->stream, &room);
    if (room < m->out_count || channel_send(&m->stream, m->out, m->out_count, 0, 0) != CL_OK)
        return true;
    m->out_count = 0;
    if (channel_publish(&m->stream) && m->console_peer != 0)
        (void)!cl_notify(m->console_peer, m->console_bit);
    return false;
}

bool monitor_flush(struct monitor *m)
{
    bool full;

    if (!m->serial)
        return false;
    pthread_mutex_lock(&m->out_lock);
    full = flush_locked(m);
    pthread_mutex_unlock(&m->out_lock);
    return full;
}

/* Bytes are collected to lines, because a message and a wake-up for each would cost most of a slow guest's boot; what
 * has no line end is sent by the main thread a little later. A full channel holds the guest back for as long as the
 * console service takes to run; bytes are dropped only when it does not run at all.
 *
 * `position` tells what was already taken before a crash of an operation; after a restart of the VMM it cannot be
 * known, and what waited here is lost, as what is in flight may be. */
static size_t host_serial_write(void *context, unsigned port, uint64_t position, const uint8_t *bytes, size_t length)
{
    struct monitor *m = context;
    size_t taken = 0;
    bool was_empty;

    if (port != 0 || !m->serial)
        return length; /* nobody listens */
    pthread_mutex_lock(&m->out_lock);
    was_empty = m->out_count == 0;
    if (position < m->out_position && m->out_position - position <= length)
        taken = (size_t)(m->out_position - position);
    for (; taken < length; taken++) {
        if (m->out_count == sizeof(m->out)) {
            for (unsigned tries = 0; flush_locked(m) && tries < SERIAL_TRIES; tries++)
                cl_yield();
            m->out_count = m->out_count == sizeof(m->out) ? 0 : m->out_count;
        }
        m->out[m->out_count++] = bytes[taken];
        if (bytes[taken] == '\n')
            (void)!flush_locked(m);
    }
    m->out_position = position + taken;
    if (was_empty && m->out_count != 0)
        notify_self(m, VMM_EVENT_TIMER);
    pthread_mutex_unlock(&m->out_lock);
    return taken;
}

static void host_serial_room(void *context, unsigned port)
{
    const struct monitor *m = context;

    if (port == 0 && __atomic_load_n(&m->input_waits, __ATOMIC_ACQUIRE))
        notify_self(m, VMM_EVENT_CONSOLE);
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

static void report(struct monitor *m, enum machine_request request, uint32_t value, const char *reason)
{
    struct vmm_report message = { .request = request, .value = value };

    (void)snprintf(message.reason, sizeof(message.reason), "%s", reason);
    monitor_tell(m, VMM_CONTROL_REPORT, 0, &message, sizeof(message));
}

void monitor_request(struct monitor *m, enum machine_request request, uint32_t value, const char *reason)
{
    uint32_t none = MACHINE_RUN;

    if (request == MACHINE_RUN || request == MACHINE_PANICKED) {
        report(m, request, value, reason);
        return;
    }
    if (!__atomic_compare_exchange_n(&m->request, &none, request, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return; /* it has ended already, for the first reason */
    __atomic_store_n(&m->paused, 1, __ATOMIC_RELEASE);
    m->request_value = value;
    (void)!monitor_flush(m); /* last words come before the end */
    report(m, request, value, reason);
    notify_self(m, VMM_EVENT_REQUEST);
}
