/* SPDX-License-Identifier: Apache-2.0 */
/* serial.h: what COM1 is plugged into: the channel to the console service (services/protocol/stream.h).
 *
 * Both ways a byte stays where it is until the next place has room for it, and is moved on by a bell, never by looking
 * again and again: typed bytes wait in the channel for the guest's FIFO, sent ones in COM1's transmitter for the channel.
 */
#ifndef CL_VMM_SERIAL_H
#define CL_VMM_SERIAL_H

#include <pthread.h>

#include "lib/channel.h"
#include "services/protocol/stream.h"
#include "vmm/machine.h"

struct serial {
    struct channel_end *end; /* NULL: COM1 is not plugged in */
    struct machine *machine;
    uint32_t events;    /* the VMM's own notification: VMM_EVENT_CONSOLE and VMM_EVENT_TIMER are set here */
    uint32_t peer_slot; /* 0: the console service cannot be rung */
    uint64_t peer_bits;

    uint32_t input_waits; /* [a] `input` waits for room in the FIFO */
    bool input_broken;    /* the peer wrote what cannot be: nothing is received any more */
    size_t input_first, input_count;
    uint8_t input[STREAM_MESSAGE_MAX];

    pthread_mutex_t lock;
    uint64_t position; /* [l] bytes of COM1 that were taken */
    uint64_t flush_ns; /* [l] machine time at which the main thread sends `out`; DEADLINE_NEVER: when the peer rings */
    uint64_t refused_ns; /* [l] machine time since which COM1 has to wait; 0: it does not */
    uint64_t dropped;    /* [l] bytes, because the peer took nothing for STREAM_PATIENCE_NS */
    uint32_t out_count;
    uint8_t out[STREAM_MESSAGE_MAX]; /* [l] */
}; /* [l] = lock;  [a] = atomic;  the rest is set before threads start, or the main thread's own */

/* Plug COM1 in. `end` is of side A and open. */
void serial_connect(struct serial *serial, struct machine *machine, struct channel_end *end, uint32_t peer_slot,
                    uint64_t peer_bits, uint32_t events);

/* host_ops.serial_write and .serial_room for COM1. */
size_t serial_write(struct serial *serial, uint64_t position, const uint8_t *bytes, size_t length);
void serial_room(struct serial *serial);

/* Send what has been collected, without waiting for the end of a line. False: something still waits for the peer. */
bool serial_flush(struct serial *serial) CL_MUST_CHECK;

/* The main thread's share: move on what can move, both ways. */
void serial_serve(struct serial *serial, struct capsule_tx *tx);

/* Machine time at which serial_serve() wants to run if no bell comes before; DEADLINE_NEVER. */
uint64_t serial_deadline(struct serial *serial);

/* Before sleeping. True: something was typed meanwhile, do not sleep. */
bool serial_arm(struct serial *serial) CL_MUST_CHECK;

#endif
