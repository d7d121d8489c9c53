/* SPDX-License-Identifier: Apache-2.0 */
/* program.h: one running program: its account, its domain, its first thread, and what it was given. */
#ifndef CL_SERVICES_INIT_PROGRAM_H
#define CL_SERVICES_INIT_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/status.h"
#include "lib/start_block.h"

/* Of the notification that init waits for. Bit 0 is what a program sets when it ends (lib/start_block.h). */
#define INIT_EVENT_ENDED (UINT64_C(1) << 0)
#define INIT_EVENT_CONSOLE_BIT 1u
#define INIT_EVENT_SWITCH_BIT 2u
#define INIT_EVENT_CONTROL_BIT 3u
#define INIT_EVENT_FAULT_BIT(index) (8u + (index))
#define PROGRAM_INDEX_CONSOLE 0u
#define PROGRAM_INDEX_SWITCH 1u
#define PROGRAM_INDEX_VM(number) (2u + (number))

#define PROGRAM_OWNED_MAX 32
#define PROGRAM_TABLE_SLOTS 256u /* of a capability table, where nothing needs more */
#define PROGRAM_LATE_SLOT 64u    /* from here on: capabilities that come while it runs, numbered by who gives them */
#define PROGRAM_FREE_SLOT 128u   /* from here on: the program's own */

struct program_limits {
    uint64_t kernel_bytes;
    uint64_t memory_bytes;
    uint32_t weight;
    uint64_t affinity; /* bit n: CPU n */
    uint32_t slots;    /* of its capability table */
};

struct program {
    bool alive;     /* made, and not yet destroyed */
    unsigned index; /* whose fault bit it is */
    char name[START_NAME_MAX];
    uint32_t account; /* slots in init's own table */
    uint32_t domain;
    uint32_t thread;
    uint32_t events; /* the program's notification; not its own: it outlives the program */
    uint32_t owned[PROGRAM_OWNED_MAX];
    uint32_t owned_count;
    uint32_t slots, next_slot; /* of and in the program's table */
    uint64_t next_address;     /* in the program's space */
    uint64_t entry;
    struct start_block block;
};

/* The slot of the notification that init itself waits for. */
uint32_t program_init_events(void);

/* Bits of it that were collected by somebody who waited for something else; program_noted_bits() takes them. The fault
 * of a program that is destroyed is forgotten, so that it is not taken for that of its successor. */
void program_note_bits(uint64_t bits);
uint64_t program_noted_bits(void);
bool program_bits_are_noted(void);
bool program_fault_noted(unsigned index);

/* Make init's own notification. Once. */
CL_MUST_CHECK enum cl_status program_begin(void);

/* Account, domain, text and data of image member `member`; nothing runs yet. `index` tells whose fault it is when it
 * faults; `events` is the notification that it will wait for. After a failure nothing of it is left. */
CL_MUST_CHECK enum cl_status program_create(struct program *program, const char *name, const char *member,
                                            unsigned index, uint32_t events, const struct program_limits *limits);

/* Give it a capability that init has, under a name of the start block. */
CL_MUST_CHECK enum cl_status program_give(struct program *program, const char *name, uint32_t slot, uint32_t rights);

/* The same without a name: slot `*there` of its table. For before and, with `late` (a number below 64), while it
 * runs. */
CL_MUST_CHECK enum cl_status program_give_unnamed(struct program *program, uint32_t slot, uint32_t rights,
                                                  uint32_t *there);
CL_MUST_CHECK enum cl_status program_give_late(struct program *program, uint32_t late, uint32_t slot, uint32_t rights,
                                               uint32_t *there);
void program_take_late(struct program *program, uint32_t late);

/* Map memory at the next free address, under a name if `name` is not NULL. */
CL_MUST_CHECK enum cl_status program_map(struct program *program, const char *name, uint32_t memory, uint64_t offset,
                                         uint64_t size_bytes, uint32_t rights, uint64_t *address);

/* A region "setup" that holds a copy of `data`, of up to a page. */
CL_MUST_CHECK enum cl_status program_setup(struct program *program, const void *data, size_t size);

/* Start it. `argument`: text for its start block, or NULL. */
CL_MUST_CHECK enum cl_status program_start(struct program *program, const char *argument);

/* The same without its first step: cl_thread_start(program->thread) lets it begin. */
CL_MUST_CHECK enum cl_status program_prepare(struct program *program, const char *argument);

/* True if it runs no more: it ended or faulted. */
bool program_has_ended(const struct program *program);

/* Stop it and destroy its account with everything on it. */
void program_destroy(struct program *program);

/* A new memory object on `account` with `size` bytes of `data` in it, padded with zeros to pages. */
CL_MUST_CHECK enum cl_status memory_with(uint32_t account, const void *data, size_t size, uint32_t *slot);

/* Allocate a slot of init's and note it to be given back with the program. */
CL_MUST_CHECK enum cl_status program_own_slot(struct program *program, uint32_t *slot);

#endif
