/* SPDX-License-Identifier: Apache-2.0 */
/* guest_cpu.c: bits, values and events that are the same for both vendors' guests. */
#include "kernel/guest_cpu_table.h"
#include "kernel/vcpu.h"
#include "kernel/x86.h"

struct guest_cpu guest_cpu;

void guest_cpu_probe(void)
{
    struct x86_cpuid sizes = x86_cpuid_leaf(0x80000008u);
    unsigned linear_bits = sizes.eax != 0 ? (sizes.eax >> 8) & 0xFF : 48;

    guest_cpu.physical_bits = sizes.eax != 0 ? sizes.eax & 0xFF : 36;
    guest_cpu.canonical_high = ~UINT64_C(0) << (linear_bits - 1);
    guest_cpu.has_rdtscp = x86_cpuid_leaf(0x80000001u).edx & (1u << 27);
    guest_cpu.cr4_valid = CR4_EVERYWHERE;
    guest_cpu.efer_valid = EFER_EVERYWHERE;
    for (unsigned i = 0; i < CONDITIONAL_BITS; i++) {
        const struct conditional_bit *bit = &conditional_bits[i];
        struct x86_cpuid found = x86_cpuid_leaf(bit->leaf);
        const uint32_t registers[] = { found.eax, found.ebx, found.ecx, found.edx };

        if (registers[bit->reg] & (1u << bit->bit))
            *bit->valid |= bit->value;
    }
}

static_assert((int)VCPU_EVENT_NMI == EVENT_TYPE_NMI && (int)VCPU_EVENT_EXCEPTION == EVENT_TYPE_EXCEPTION &&
                  EVENT_TYPE_INTR == 0,
              "but for interrupts the processor's types are those of abi/vcpu.h");

uint64_t guest_event_make(enum vcpu_event_type type, uint8_t vector, bool has_error, uint32_t error)
{
    uint64_t its_type = type == VCPU_EVENT_INTERRUPT ? EVENT_TYPE_INTR : type;

    if (type == VCPU_EVENT_NONE || type > VCPU_EVENT_EXCEPTION)
        return 0;
    return EVENT_VALID | its_type << EVENT_TYPE_SHIFT | (type == VCPU_EVENT_NMI ? VECTOR_NMI : vector) |
           (has_error && type == VCPU_EVENT_EXCEPTION ? EVENT_ERROR_VALID | ((uint64_t)error << EVENT_ERROR_SHIFT) : 0);
}

void guest_event_tell(uint64_t event, uint64_t cr2, uint64_t dr6, struct vcpu_events *told)
{
    unsigned type = guest_event_type(event);

    if (!(event & EVENT_VALID))
        return;
    told->type = (uint8_t)(type == EVENT_TYPE_INTR ? VCPU_EVENT_INTERRUPT : type);
    told->vector = event & EVENT_VECTOR;
    told->has_error_code = (event & EVENT_ERROR_VALID) != 0;
    told->error_code = told->has_error_code ? (uint32_t)(event >> EVENT_ERROR_SHIFT) : 0;
    if (type == EVENT_TYPE_EXCEPTION && told->vector == VECTOR_PF)
        told->payload = cr2;
    if (type == EVENT_TYPE_EXCEPTION && told->vector == VECTOR_DB)
        told->payload = dr6 & DR6_EVENTS;
}

void guest_event_defer(struct vcpu *vcpu, uint64_t event)
{
    unsigned type = guest_event_type(event);

    if ((event & EVENT_VALID) && type != EVENT_TYPE_EXCEPTION)
        vcpu_defer(vcpu, type == EVENT_TYPE_NMI ? VCPU_EVENT_NMI : VCPU_EVENT_INTERRUPT, event & EVENT_VECTOR);
}

void guest_segments_normalise(struct vcpu_page *page)
{
    page->gdtr.reserved = page->idtr.reserved = 0;
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        struct vcpu_segment *s = &page->segment[i], is = { .selector = s->selector };

        if (s->attributes & SEG_ATTR_UNUSABLE) {
            is.attributes = SEG_ATTR_UNUSABLE | (i == SEG_SS ? s->attributes & ATTR_DPL : 0);
            is.base = i == SEG_FS || i == SEG_GS ? s->base : 0;
        } else {
            is.attributes = s->attributes;
            is.limit = s->limit;
            is.base = s->base;
        }
        *s = is;
    }
}

bool guest_exception_has_error(unsigned vector)
{
    return vector < 32 && (EXCEPTIONS_WITH_ERROR & (1u << vector));
}

bool guest_pat_valid(uint64_t pat)
{
    for (unsigned i = 0; i < 8; i++, pat >>= 8)
        if ((pat & 0xFF) > 7 || (pat & 0xFE) == 2)
            return false;
    return true;
}
