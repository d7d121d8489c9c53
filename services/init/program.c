/* SPDX-License-Identifier: Apache-2.0 */
/* program.c: from an ELF file in the image to a thread that runs, and back to nothing. */
#include "services/init/program.h"

#include <stdio.h>
#include <string.h>

#include <sys/random.h>

#include "lib/elf_load.h"
#include "lib/entropy.h"
#include "lib/log.h"
#include "lib/runtime.h"
#include "lib/slots.h"
#include "lib/syscall.h"
#include "services/init/image.h"
#include "services/protocol/wire.h"

#define PAGE UINT64_C(4096)
#define LARGE_PAGE (UINT64_C(2) << 20)
#define PROGRAM_SLOT_DOMAIN 1u
#define PROGRAM_SLOT_ACCOUNT 2u
#define PROGRAM_SLOT_FIRST 3u

static uint32_t init_events;
static uint64_t noted_bits;

void program_note_bits(uint64_t bits)
{
    noted_bits |= bits;
}

uint64_t program_noted_bits(void)
{
    uint64_t bits = noted_bits;

    noted_bits = 0;
    return bits;
}

bool program_bits_are_noted(void)
{
    return noted_bits != 0;
}

bool program_fault_noted(unsigned index)
{
    return (noted_bits >> INIT_EVENT_FAULT_BIT(index) & 1) != 0;
}

uint32_t program_init_events(void)
{
    return init_events;
}

enum cl_status program_begin(void)
{
    TRY(cl_slot_alloc(&init_events));
    return cl_notification_create(init_events, INIT_SLOT_ACCOUNT);
}

enum cl_status program_own_slot(struct program *program, uint32_t *slot)
{
    if (program->owned_count == PROGRAM_OWNED_MAX)
        return CL_LIMIT;
    TRY(cl_slot_alloc(slot));
    program->owned[program->owned_count++] = *slot;
    return CL_OK;
}

static enum cl_status create_objects(struct program *program, unsigned index, const struct program_limits *limits)
{
    const struct account_arguments arguments = {
        .kernel_bytes = limits->kernel_bytes,
        .memory_bytes = limits->memory_bytes,
        .affinity = limits->affinity,
        .scheduling_class = CLASS_FAIR,
        .weight = limits->weight,
    };
    char name[64] = ""; /* what a domain's name may be long in the call */

    memcpy(name, program->name, sizeof(program->name));
    TRY(cl_slot_alloc(&program->account));
    TRY(cl_account_create(program->account, INIT_SLOT_ACCOUNT, &arguments));
    TRY(program_own_slot(program, &program->domain));
    TRY(cl_domain_create(program->domain, program->account, limits->slots, init_events, INIT_EVENT_FAULT_BIT(index),
                         name));
    TRY(cl_cap_copy(program->domain, program->domain, PROGRAM_SLOT_DOMAIN, RIGHT_CONFIGURE | RIGHT_MAP));
    return cl_cap_copy(program->account, program->domain, PROGRAM_SLOT_ACCOUNT, RIGHT_CHARGE);
}

static enum cl_status load(struct program *program, const char *member)
{
    struct elf_program elf;
    struct cpio_member file;
    uint32_t data_slot;

    if (image_find(member, &file) != CL_OK) {
        cl_log("%s: the system image has no program %s", program->name, member);
        return CL_NOT_FOUND;
    }
    if (elf_check(file.data, file.size_bytes, &elf) != CL_OK) {
        cl_log("%s: %s: %s", program->name, member, elf.refusal);
        return CL_CORRUPT;
    }
    const struct elf_source source = { INIT_SLOT_IMAGE, file.offset, file.data };
    const struct elf_target target = { program->domain, program->account, INIT_WINDOW_ADDRESS };
    TRY(elf_load(&elf, &source, &target, &data_slot));
    if (data_slot != 0 && program->owned_count < PROGRAM_OWNED_MAX)
        program->owned[program->owned_count++] = data_slot;
    program->entry = elf.entry;
    return CL_OK;
}

static enum cl_status create(struct program *program, const char *member, unsigned index,
                             const struct program_limits *limits)
{
    uint8_t entropy[ENTROPY_SEED_BYTES];

    /* out of init's generator: no program can work another one's seed out from its own */
    if (getrandom(entropy, sizeof(entropy), 0) != (ssize_t)sizeof(entropy))
        return CL_UNSUPPORTED;
    TRY(start_block_init(&program->block, program->name, entropy));
    TRY(create_objects(program, index, limits));
    TRY(load(program, member));
    TRY(program_give(program, WIRE_SLOT_EVENTS, program->events, RIGHT_WAIT | RIGHT_SIGNAL));
    return program_give(program, START_SLOT_EXIT, init_events, RIGHT_SIGNAL);
}

enum cl_status program_create(struct program *program, const char *name, const char *member, unsigned index,
                              uint32_t events, const struct program_limits *limits)
{
    enum cl_status status;

    memset(program, 0, sizeof(*program));
    snprintf(program->name, sizeof(program->name), "%s", name);
    program->alive = true;
    program->index = index;
    program->events = events;
    program->slots = limits->slots;
    program->next_slot = PROGRAM_SLOT_FIRST;
    program->next_address = PROGRAM_REGION_ADDRESS;
    status = create(program, member, index, limits);
    if (status != CL_OK)
        program_destroy(program);
    return status;
}

enum cl_status program_give_unnamed(struct program *program, uint32_t slot, uint32_t rights, uint32_t *there)
{
    if (program->next_slot == PROGRAM_LATE_SLOT)
        return CL_LIMIT;
    TRY(cl_cap_copy(slot, program->domain, program->next_slot, rights));
    *there = program->next_slot++;
    return CL_OK;
}

enum cl_status program_give(struct program *program, const char *name, uint32_t slot, uint32_t rights)
{
    uint32_t there;

    TRY(program_give_unnamed(program, slot, rights, &there));
    return start_block_add_slot(&program->block, name, there);
}

enum cl_status program_give_late(struct program *program, uint32_t late, uint32_t slot, uint32_t rights,
                                 uint32_t *there)
{
    if (late >= PROGRAM_FREE_SLOT - PROGRAM_LATE_SLOT)
        return CL_LIMIT;
    *there = PROGRAM_LATE_SLOT + late;
    return cl_cap_copy(slot, program->domain, *there, rights);
}

void program_take_late(struct program *program, uint32_t late)
{
    enum cl_status status = cl_cap_delete(program->domain, PROGRAM_LATE_SLOT + late);

    if (status != CL_OK && status != CL_NOT_FOUND)
        cl_log_refusal(status, "%s: taking a capability back", program->name);
}

enum cl_status program_map(struct program *program, const char *name, uint32_t memory, uint64_t offset,
                           uint64_t size_bytes, uint32_t rights, uint64_t *address)
{
    uint64_t at = program->next_address;

    TRY(cl_memory_map(memory, program->domain, offset, size_bytes, at, rights));
    /* a gap, so that running over the end of one region is a fault; and large pages can be used for each */
    program->next_address = (at + size_bytes + LARGE_PAGE) / LARGE_PAGE * LARGE_PAGE;
    if (address != NULL)
        *address = at;
    return name == NULL ? CL_OK : start_block_add_region(&program->block, name, at, size_bytes);
}

enum cl_status memory_with(uint32_t account, const void *data, size_t size, uint32_t *slot)
{
    uint64_t bytes = (size + PAGE - 1) / PAGE * PAGE;
    enum cl_status status;

    TRY(cl_slot_alloc(slot));
    status = cl_memory_create(*slot, account, bytes, 0);
    if (status != CL_OK) {
        cl_slot_free(*slot);
        return status;
    }
    status = cl_memory_map(*slot, INIT_SLOT_DOMAIN, 0, bytes, INIT_WINDOW_ADDRESS, MAP_READ | MAP_WRITE);
    if (status == CL_OK) {
        memcpy((void *)INIT_WINDOW_ADDRESS, data, size);
        status = cl_memory_unmap(INIT_SLOT_DOMAIN, INIT_WINDOW_ADDRESS);
    }
    if (status != CL_OK)
        (void)!cl_slot_delete(*slot);
    return status;
}

/* A page or more with `data`, which goes away with the program. */
static enum cl_status own_memory_with(struct program *program, const void *data, size_t size, uint32_t *slot)
{
    if (program->owned_count == PROGRAM_OWNED_MAX)
        return CL_LIMIT;
    TRY(memory_with(program->account, data, size, slot));
    program->owned[program->owned_count++] = *slot;
    return CL_OK;
}

enum cl_status program_setup(struct program *program, const void *data, size_t size)
{
    uint32_t slot;

    TRY(own_memory_with(program, data, size, &slot));
    return program_map(program, WIRE_REGION_SETUP, slot, 0, (size + PAGE - 1) / PAGE * PAGE, MAP_READ, NULL);
}

static enum cl_status finish_block(struct program *program, const char *argument)
{
    struct start_block *block = &program->block;
    uint64_t address;
    uint32_t slot;

    if (argument != NULL) {
        size_t size = strlen(argument) + 1;
        TRY(own_memory_with(program, argument, size, &slot));
        TRY(program_map(program, NULL, slot, 0, (size + PAGE - 1) / PAGE * PAGE, MAP_READ, &address));
        block->argument_address = address;
        block->argument_size_bytes = size - 1;
    }
    block->domain_slot = PROGRAM_SLOT_DOMAIN;
    block->account_slot = PROGRAM_SLOT_ACCOUNT;
    block->first_free_slot = PROGRAM_FREE_SLOT;
    block->free_slot_count = program->slots - PROGRAM_FREE_SLOT;
    TRY(own_memory_with(program, block, sizeof(*block), &slot));
    return cl_memory_map(slot, program->domain, 0, sizeof(*block), PROGRAM_START_BLOCK_ADDRESS, MAP_READ);
}

enum cl_status program_prepare(struct program *program, const char *argument)
{
    const struct thread_arguments arguments = {
        .entry = program->entry,
        .argument = PROGRAM_START_BLOCK_ADDRESS,
        .page_address = PROGRAM_THREAD_PAGE_ADDRESS,
        .cpu = UINT32_MAX,
    };

    TRY(finish_block(program, argument));
    TRY(program_own_slot(program, &program->thread));
    return cl_thread_create(program->thread, program->domain, program->account, &arguments);
}

enum cl_status program_start(struct program *program, const char *argument)
{
    TRY(program_prepare(program, argument));
    return cl_thread_start(program->thread);
}

bool program_has_ended(const struct program *program)
{
    struct thread_report report;

    if (!program->alive || program->thread == 0 || cl_thread_report(program->thread, &report) != CL_OK)
        return false;
    return report.state == THREAD_STATE_STOPPED || report.state == THREAD_STATE_FAULTED;
}

static void forget_fault(const struct program *program)
{
    uint64_t bits;

    (void)!cl_wait(init_events, CL_POLL, &bits);
    noted_bits = (noted_bits | bits) & ~(UINT64_C(1) << INIT_EVENT_FAULT_BIT(program->index));
}

void program_destroy(struct program *program)
{
    enum cl_status status;

    if (!program->alive)
        return;
    program->alive = false;
    if (program->domain != 0) /* first: its threads would run into what is not there any more */
        (void)!cl_object_destroy(program->domain);
    if (program->account != 0) {
        status = cl_object_destroy(program->account);
        if (status != CL_OK && status != CL_BAD_CAPABILITY)
            cl_log_refusal(status, "%s: destroying its account", program->name);
    }
    forget_fault(program);
    /* Slices of the image are init's to pay for and to destroy; the rest died with the account. Slots that were allocated
     * and never filled are free at once. */
    for (uint32_t i = program->owned_count; i-- > 0;) {
        (void)!cl_object_destroy(program->owned[i]);
        if (cl_slot_delete(program->owned[i]) != CL_OK)
            cl_slot_free(program->owned[i]);
    }
    if (program->account != 0 && cl_slot_delete(program->account) != CL_OK)
        cl_slot_free(program->account);
    program->owned_count = 0;
    program->account = program->domain = program->thread = 0;
}
