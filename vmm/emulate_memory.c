/* SPDX-License-Identifier: Apache-2.0 */
/* emulate_memory.c: segmentation, paging, and what lies behind: RAM, a device, the local APIC. */
#include "vmm/emulate_internal.h"

#define PAGE_BYTES 4096u
#define SEGMENT_EXPAND_DOWN 4u
#define SEGMENT_CODE 8u

enum outcome linear_in_segment(struct emulator *e, unsigned segment, uint64_t offset, unsigned size, uint64_t *linear)
{
    const struct vcpu_segment *s = &e->page->segment[segment];
    uint8_t vector = segment == SEG_SS ? VECTOR_SS : VECTOR_GP;

    if (e->mode == DECODE_64) /* the address is not canonical */
        return raise_code(e, vector, 0);
    if (s->attributes & SEG_ATTR_UNUSABLE)
        return raise_code(e, vector, 0);
    if ((s->attributes & (SEGMENT_CODE | SEGMENT_EXPAND_DOWN)) == SEGMENT_EXPAND_DOWN) {
        uint64_t top = s->attributes & SEG_ATTR_DEFAULT_BIG ? UINT32_MAX : UINT16_MAX;

        if (offset <= s->limit || offset + size - 1 > top)
            return raise_code(e, vector, 0);
    } else if (offset + size - 1 > s->limit) {
        return raise_code(e, vector, 0);
    }
    *linear = (s->base + offset) & UINT32_MAX;
    return DONE;
}

static enum outcome translate(struct emulator *e, uint64_t linear, uint32_t access, uint64_t *physical)
{
    const struct vcpu_exit *exit = &e->page->exit;
    uint32_t code = 0;

    /* A nested page fault has told where its operand lies. Strings have two. */
    if (exit->reason == VCPU_EXIT_MEMORY && ((exit->memory.address ^ linear) & (PAGE_BYTES - 1)) == 0 &&
        (e->instruction->operation < OP_MOVS && e->instruction->operation != OP_PUSH &&
         e->instruction->operation != OP_POP) &&
        (!(access & PAGE_FAULT_WRITE) || exit->memory.flags & VCPU_MEMORY_WRITE)) {
        *physical = exit->memory.address;
        return DONE;
    }
    if (e->cpl == 3)
        access |= PAGE_FAULT_USER;
    switch (guest_translate(e->memory, e->page, linear, access, physical, &code)) {
    case CL_OK:
        return DONE;
    case CL_NOT_FOUND:
        e->fault_address = linear;
        return raise_code(e, VECTOR_PF, code);
    default:
        return REFUSED;
    }
}

static __attribute__((noinline)) enum outcome apic_access(struct emulator *e, uint64_t physical, unsigned size,
                                                          bool write, uint64_t *value)
{
    uint32_t offset = (uint32_t)physical & (PAGE_BYTES - 1), word = 0;

    /* SDM Vol. 3A 11.4.1: 32-bit accesses on 16-byte boundaries; what else is tried reads as zero and is lost. */
    if ((offset & 15) + size > 4 && (offset & 15) != 0) {
        *value = write ? *value : 0;
        return DONE;
    }
    if (write)
        return e->ops->apic_write(e->context, offset & ~15u, (uint32_t)*value) ? DONE : raise_code(e, VECTOR_GP, 0);
    if (!e->ops->apic_read(e->context, offset & ~15u, &word))
        return raise_code(e, VECTOR_GP, 0);
    *value = (uint64_t)word >> (offset & 3) * 8 & size_mask(size);
    return DONE;
}

static enum outcome physical_access(struct emulator *e, uint64_t physical, unsigned size, bool write, uint64_t *value);

/* A part of an access that crosses a page. */
static enum outcome access_by_bytes(struct emulator *e, uint64_t physical, unsigned size, bool write, uint64_t *value)
{
    uint64_t byte, all = 0;

    for (unsigned i = 0; i < size; i++) {
        byte = *value >> i * 8 & 0xFF;
        STEP(physical_access(e, physical + i, 1, write, &byte));
        all |= byte << i * 8;
    }
    *value = all;
    return DONE;
}

/* One access within a page. */
static enum outcome physical_access(struct emulator *e, uint64_t physical, unsigned size, bool write, uint64_t *value)
{
    void *ram = guest_memory_at(e->memory, physical, size);

    if (ram != NULL) {
        if (write) {
            memcpy(ram, value, size);
        } else {
            *value = 0;
            memcpy(value, ram, size);
        }
        return DONE;
    }
    if ((physical & ~(uint64_t)(PAGE_BYTES - 1)) == PLATFORM_LAPIC)
        return apic_access(e, physical, size, write, value);
    if (size & (size - 1))
        return access_by_bytes(e, physical, size, write, value);
    if (write)
        bus_memory_write(e->bus, e->tx, physical, size, *value);
    else
        *value = bus_memory_read(e->bus, e->tx, physical, size);
    return DONE;
}

bool device_move(struct emulator *e)
{
    const struct vcpu_exit *exit = &e->page->exit;
    const struct instruction *i = e->instruction;
    bool flat = e->mode == DECODE_64 && i->segment != SEG_FS && i->segment != SEG_GS;
    uint64_t linear, address = exit->memory.address, in_page = address & (PAGE_BYTES - 1);
    bool write = i->to.kind == OPERAND_MEMORY;

    if (!i->plain_move || exit->reason != VCPU_EXIT_MEMORY || (write && !(exit->memory.flags & VCPU_MEMORY_WRITE)))
        return false;
    if (guest_memory_at(e->memory, address, 1) != NULL || address - in_page == PLATFORM_LAPIC)
        return false;
    linear = effective_offset(e) + (flat ? 0 : e->page->segment[i->segment].base);
    if ((linear & (PAGE_BYTES - 1)) != in_page || in_page + i->size > PAGE_BYTES || !is_canonical(linear))
        return false;
    if (write)
        bus_memory_write(e->bus, e->tx, address, i->size, e->gpr[i->from.reg] & size_mask(i->size));
    else
        register_write(e, i->to.reg, i->size, bus_memory_read(e->bus, e->tx, address, i->size));
    return true;
}

static enum outcome memory_access(struct emulator *e, uint64_t linear, unsigned size, uint32_t access, bool write,
                                  uint64_t *value)
{
    unsigned first = PAGE_BYTES - (unsigned)(linear & (PAGE_BYTES - 1));
    uint64_t low, high, low_value, high_value;

    STEP(translate(e, linear, access, &low));
    if (first >= size)
        return physical_access(e, low, size, write, value);
    STEP(translate(e, linear + first, access, &high));
    low_value = *value & size_mask(first);
    high_value = *value >> first * 8;
    STEP(physical_access(e, low, first, write, &low_value));
    STEP(physical_access(e, high, size - first, write, &high_value));
    *value = low_value | high_value << first * 8;
    return DONE;
}

enum outcome memory_read(struct emulator *e, uint64_t linear, unsigned size, uint32_t access, uint64_t *value)
{
    *value = 0;
    return memory_access(e, linear, size, access, false, value);
}

enum outcome memory_write(struct emulator *e, uint64_t linear, unsigned size, uint64_t value)
{
    value &= size_mask(size);
    return memory_access(e, linear, size, PAGE_FAULT_WRITE, true, &value);
}

/* The bytes lie on two pages, or not all of them can be had. */
static __attribute__((noinline)) enum outcome fetch_by_pages(struct emulator *e, uint64_t linear, uint32_t access,
                                                             uint64_t bytes[2], unsigned *available)
{
    uint64_t physical;
    uint32_t code = 0;
    unsigned done = 0;

    while (done < DECODE_BYTES) {
        unsigned part = PAGE_BYTES - (unsigned)(linear & (PAGE_BYTES - 1));
        enum cl_status status = guest_translate(e->memory, e->page, linear, access, &physical, &code);
        const void *ram = NULL;

        if (part > DECODE_BYTES - done)
            part = DECODE_BYTES - done;
        if (status == CL_OK)
            ram = guest_memory_at(e->memory, physical, part);
        if (ram == NULL) {
            e->fault_address = linear;
            *available = done;
            return status == CL_NOT_FOUND ? raise_code(e, VECTOR_PF, code) : REFUSED;
        }
        memcpy((uint8_t *)bytes + done, ram, part);
        done += part;
        linear += part;
    }
    *available = done;
    return DONE;
}

enum outcome fetch(struct emulator *e, uint64_t bytes[2], unsigned *available)
{
    uint64_t linear = e->page->rip, physical;
    uint32_t access = PAGE_FAULT_FETCH | (e->cpl == 3 ? PAGE_FAULT_USER : 0), code = 0;
    const void *ram;

    if (e->mode != DECODE_64)
        linear = (e->page->segment[SEG_CS].base + linear) & UINT32_MAX;
    if ((linear & (PAGE_BYTES - 1)) > PAGE_BYTES - DECODE_BYTES ||
        guest_translate_again(&e->code, e->memory, e->page, linear, access, &physical, &code) != CL_OK)
        return fetch_by_pages(e, linear, access, bytes, available);
    ram = guest_memory_at(e->memory, physical, DECODE_BYTES);
    if (ram == NULL)
        return fetch_by_pages(e, linear, access, bytes, available);
    memcpy(bytes, ram, DECODE_BYTES);
    *available = DECODE_BYTES;
    return DONE;
}
