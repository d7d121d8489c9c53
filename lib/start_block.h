/* SPDX-License-Identifier: Apache-2.0 */
/* start_block.h: what a program is told when it begins: its name, its capabilities, its memory.
 *
 * A program is entered with RDI = address of this page, which whoever created the domain filled in and mapped
 * readable. The kernel starts init with RDI = 0: init's runtime makes the block itself, out of enum init_slot of
 * abi/syscall.h and the constants below.
 *
 * Names in the tables are the creator's and the program's agreement ("console", "capsule", "ram"); they end with a
 * NUL. The program stack is part of the program file (lib/program.ld); the creator maps none.
 */
#ifndef CL_LIB_START_BLOCK_H
#define CL_LIB_START_BLOCK_H

#include <assert.h>
#include <stdint.h>

#include "abi/info_page.h"
#include "abi/status.h"

/* The user half of a domain, as lib/ and init lay it out. Everything between is free for mappings that init makes. */
#define PROGRAM_TEXT_ADDRESS UINT64_C(0x400000)
#define PROGRAM_END_ADDRESS UINT64_C(0x40000000)            /* text and data end below 1 GiB */
#define PROGRAM_REGION_ADDRESS UINT64_C(0x0000010000000000) /* suggested: first of the regions that init maps */
#define PROGRAM_HEAP_ADDRESS UINT64_C(0x0000700000000000)
#define PROGRAM_HEAP_SIZE_BYTES UINT64_C(0x0000001000000000) /* 64 GiB of addresses, not of memory */
#define PROGRAM_START_BLOCK_ADDRESS UINT64_C(0x00007ffffffc0000)
#define PROGRAM_THREAD_PAGE_ADDRESS (INFO_PAGE_ADDRESS - UINT64_C(0x10000)) /* of the first thread */

/* Where the kernel maps the page of init's first thread. */
#define INIT_THREAD_PAGE_ADDRESS PROGRAM_THREAD_PAGE_ADDRESS

/* Slots that init may use, from INIT_SLOT_FIRST_FREE on: the size of the table that the kernel gives it. */
#define INIT_SLOT_COUNT 1024u

#define START_BLOCK_MAGIC UINT32_C(0x74536c43) /* "ClSt" */
#define START_BLOCK_VERSION 1
#define START_NAME_MAX 24
#define START_SLOTS_MAX 48
#define START_REGIONS_MAX 48

/* A name that the runtime itself looks for: a notification whose bit 0 it sets when the program has ended. */
#define START_SLOT_EXIT "exit"

struct start_slot {
    char name[START_NAME_MAX];
    uint32_t slot;
    uint32_t reserved;
};

struct start_region {
    char name[START_NAME_MAX];
    uint64_t address;
    uint64_t size_bytes;
};

struct start_block {
    uint32_t magic;
    uint32_t version;
    char name[START_NAME_MAX];    /* of the program, as the log shows it */
    uint64_t argument_address;    /* text (JSON by custom), followed by a NUL; 0: none */
    uint64_t argument_size_bytes; /* without the NUL */
    uint32_t domain_slot;         /* its own domain, with RIGHT_CONFIGURE | RIGHT_MAP: threads and heap */
    uint32_t account_slot;        /* with RIGHT_CHARGE: what heap and threads are paid from */
    uint32_t first_free_slot;     /* lib/slots.c hands out [first_free_slot, first_free_slot + free_slot_count) */
    uint32_t free_slot_count;
    uint64_t thread_page_address; /* of the first thread */
    uint64_t heap_address;        /* free addresses for heap, thread stacks and thread pages */
    uint64_t heap_size_bytes;
    uint8_t entropy[32];
    uint32_t slot_count;
    uint32_t region_count;
    uint64_t reserved[64];
    struct start_slot slot[START_SLOTS_MAX];
    struct start_region region[START_REGIONS_MAX];
};

static_assert(sizeof(struct start_block) == 4096, "the start block is one page");

/* For the creator: a block with the customary addresses and nothing in the tables; `entropy` is 32 random bytes. The
 * caller fills in the slots of domain and account and the free slots. CL_BAD_ARGUMENT: the name is too long. */
CL_MUST_CHECK enum cl_status start_block_init(struct start_block *block, const char *name, const uint8_t *entropy);

/* For the creator: add a named capability slot, or a memory region that is already mapped.
 *
 * CL_LIMIT: the table is full. CL_OCCUPIED: the name is taken. CL_BAD_ARGUMENT: the name is empty or too long. */
CL_MUST_CHECK enum cl_status start_block_add_slot(struct start_block *block, const char *name, uint32_t slot);
CL_MUST_CHECK enum cl_status start_block_add_region(struct start_block *block, const char *name, uint64_t address,
                                                    uint64_t size_bytes);

/* Whether `block` has the shape that this version of the runtime knows. CL_CORRUPT: it has not. */
CL_MUST_CHECK enum cl_status start_block_check(const struct start_block *block);

/* Look a name up. CL_NOT_FOUND: the creator gave nothing of this name. */
CL_MUST_CHECK enum cl_status start_block_slot(const struct start_block *block, const char *name, uint32_t *slot);
CL_MUST_CHECK enum cl_status start_block_region(const struct start_block *block, const char *name, uint64_t *address,
                                                uint64_t *size_bytes);

#endif
