/* SPDX-License-Identifier: Apache-2.0 */
/* serial.c: bytes between COM1 and the console service. */
#include "vmm/serial.h"

#include "lib/syscall.h"
#include "vmm/start.h"
#include "vmm/uart16550.h"

#define FLUSH_NS UINT64_C(2000000) /* output without a line end waits that long for one */

static void notify_self(const struct serial *s, enum vmm_event event)
{
    (void)!cl_notify(s->events, UINT64_C(1) << event);
}

static void notify_peer(const struct serial *s)
{
    if (s->peer_slot != 0)
        (void)!cl_notify(s->peer_slot, s->peer_bits);
}

static uint64_t now_ns(const struct serial *s)
{
    return s->machine->host->now_ns(s->machine->host_context);
}

void serial_connect(struct serial *s, struct machine *machine, struct channel_end *end, uint32_t peer_slot,
                    uint64_t peer_bits, uint32_t events)
{
    *s = (struct serial){ .end = end,
                          .machine = machine,
                          .events = events,
                          .peer_slot = peer_slot,
                          .peer_bits = peer_bits,
                          .flush_ns = DEADLINE_NEVER };
    (void)pthread_mutex_init(&s->lock, NULL);
}

/* -------------------------------------------------------------------------------------------------------- output */

/* Send `out`. False: the channel has no room; the peer rings when it has. Under the lock. */
static bool send_collected(struct serial *s)
{
    if (s->out_count == 0)
        return true;
    s->flush_ns = DEADLINE_NEVER;
    if (channel_send(s->end, s->out, s->out_count, STREAM_BYTES, 0) != CL_OK)
        return false;
    s->out_count = 0;
    if (channel_publish(s->end))
        notify_peer(s);
    return true;
}

static bool patience_is_over(const struct serial *s)
{
    return s->refused_ns != 0 && now_ns(s) >= s->refused_ns + STREAM_PATIENCE_NS;
}

/* COM1 has to keep `length` bytes. Returns how many of them are dropped instead. Under the lock. */
static size_t refuse(struct serial *s, size_t length)
{
    if (s->refused_ns == 0) {
        s->refused_ns = now_ns(s) | 1;
        notify_self(s, VMM_EVENT_TIMER);
    }
    if (!patience_is_over(s))
        return 0;
    if (s->dropped == 0)
        s->machine->host->log(s->machine->host_context,
                              "com1: nobody takes what it sends; dropped until somebody does");
    s->dropped += length;
    return length;
}

/* Bytes are collected to lines, because a message and a wake-up for each would cost most of a slow guest's boot; what
 * has no line end is sent by the main thread a little later.
 *
 * `position` tells what was already taken before a crash of an operation; after a restart of the VMM it cannot be
 * known, and what waited here is lost, as what is in flight may be. */
size_t serial_write(struct serial *s, uint64_t position, const uint8_t *bytes, size_t length)
{
    size_t taken = 0;

    if (s->end == NULL)
        return length; /* nobody listens */
    pthread_mutex_lock(&s->lock);
    if (position < s->position && s->position - position <= length)
        taken = (size_t)(s->position - position);
    for (; taken < length; taken++) {
        if (s->out_count == sizeof(s->out) && !send_collected(s))
            break;
        s->refused_ns = 0;
        if (s->out_count == 0) {
            s->flush_ns = now_ns(s) + FLUSH_NS;
            notify_self(s, VMM_EVENT_TIMER);
        }
        s->out[s->out_count++] = bytes[taken];
        if (bytes[taken] == '\n')
            (void)!send_collected(s);
    }
    if (taken < length)
        taken += refuse(s, length - taken);
    s->position = position + taken;
    pthread_mutex_unlock(&s->lock);
    return taken;
}

bool serial_flush(struct serial *s)
{
    bool done;

    if (s->end == NULL)
        return true;
    pthread_mutex_lock(&s->lock);
    done = (send_collected(s) && s->refused_ns == 0) || patience_is_over(s);
    pthread_mutex_unlock(&s->lock);
    return done;
}

static void serve_output(struct serial *s, struct capsule_tx *tx)
{
    bool refused;

    pthread_mutex_lock(&s->lock);
    refused = s->refused_ns != 0;
    if (s->flush_ns == DEADLINE_NEVER || now_ns(s) >= s->flush_ns)
        (void)!send_collected(s);
    pthread_mutex_unlock(&s->lock);
    if (refused)
        uart16550_drain(s->machine->uart, tx);
}

uint64_t serial_deadline(struct serial *s)
{
    uint64_t deadline;

    if (s->end == NULL)
        return DEADLINE_NEVER;
    pthread_mutex_lock(&s->lock);
    deadline = s->flush_ns;
    if (s->refused_ns != 0 && !patience_is_over(s) && s->refused_ns + STREAM_PATIENCE_NS < deadline)
        deadline = s->refused_ns + STREAM_PATIENCE_NS;
    pthread_mutex_unlock(&s->lock);
    return deadline;
}

/* --------------------------------------------------------------------------------------------------------- input */

void serial_room(struct serial *s)
{
    if (__atomic_load_n(&s->input_waits, __ATOMIC_ACQUIRE))
        notify_self(s, VMM_EVENT_CONSOLE);
}

/* The next message into `input`. False: there is none. */
static bool fetch_input(struct serial *s)
{
    struct channel_descriptor descriptor;
    enum cl_status status;

    do
        status = channel_receive(s->end, &descriptor, s->input, sizeof(s->input));
    while (status == CL_LIMIT);
    if (status == CL_CORRUPT && !s->input_broken) {
        s->input_broken = true;
        s->machine->host->log(s->machine->host_context, "com1: the console service broke the protocol; no more input");
    }
    if (status != CL_OK)
        return false;
    s->input_first = 0;
    s->input_count = descriptor.length;
    return true;
}

static void serve_input(struct serial *s, struct capsule_tx *tx)
{
    while (s->input_count > 0 || fetch_input(s)) {
        size_t taken;

        /* Set first: the guest may empty the FIFO right after it refused. */
        __atomic_store_n(&s->input_waits, 1, __ATOMIC_SEQ_CST);
        taken = uart16550_receive(s->machine->uart, tx, s->input + s->input_first, s->input_count);
        if (taken == 0 && s->input_count > 0)
            break; /* serial_room() wakes us */
        __atomic_store_n(&s->input_waits, 0, __ATOMIC_RELEASE);
        s->input_first += taken;
        s->input_count -= taken;
    }
    if (channel_made_room(s->end))
        notify_peer(s);
}

void serial_serve(struct serial *s, struct capsule_tx *tx)
{
    if (s->end == NULL)
        return;
    serve_output(s, tx);
    serve_input(s, tx);
}

bool serial_arm(struct serial *s)
{
    return s->end != NULL && !s->input_broken && s->input_count == 0 && channel_arm(s->end);
}
