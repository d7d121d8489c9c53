/* SPDX-License-Identifier: Apache-2.0 */
/* wiring.h: who talks to whom: channels made, mapped into both ends, and each end given the other's bell. */
#ifndef CL_SERVICES_INIT_WIRING_H
#define CL_SERVICES_INIT_WIRING_H

#include "services/common/link.h"
#include "services/init/program.h"
#include "services/protocol/wire.h"

/* Where init maps its own ends: a VM's control channel at the VM's number, below these. */
#define PLACE_CONSOLE 62u
#define PLACE_SWITCH 63u

/* The memory of one channel. */
struct cable {
    uint32_t memory; /* slot in init; 0: there is no cable */
    uint64_t size_bytes;
};

/* A channel of `entries` descriptors in each direction; each end's messages have up to `bytes_a`, `bytes_b` bytes. */
CL_MUST_CHECK enum cl_status cable_create(uint32_t account, uint32_t entries, uint32_t bytes_a, uint32_t bytes_b,
                                          struct cable *cable);

/* Give the slot back; the memory goes with its account. */
void cable_forget(struct cable *cable);

/* The same for a cable on an account that stays: the memory goes at once, from under whoever has it mapped. */
void cable_destroy(struct cable *cable);

/* init's own end: mapped at channel place `place` (a number of the caller's, below 64). */
CL_MUST_CHECK enum cl_status cable_open_here(const struct cable *cable, unsigned place, enum channel_side side,
                                             uint32_t peer_slot, uint64_t peer_bits, struct link *link);
void cable_close_here(unsigned place, struct link *link);

/* A program's end, before it runs: mapped, the peer's notification copied; the wire is filled in. */
CL_MUST_CHECK enum cl_status cable_give(const struct cable *cable, struct program *program, enum channel_side side,
                                        uint64_t own_bits, uint32_t peer_events, uint64_t peer_bits, struct wire *wire);

/* The same for a program that runs: `late` numbers its late capabilities and addresses. */
CL_MUST_CHECK enum cl_status cable_give_late(const struct cable *cable, struct program *program, uint32_t late,
                                             enum channel_side side, uint64_t own_bits, uint32_t peer_events,
                                             uint64_t peer_bits, struct wire *wire);
void cable_take_late(struct program *program, uint32_t late);

#endif
