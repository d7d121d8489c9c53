/* SPDX-License-Identifier: Apache-2.0 */
/* x86.h: instructions that C has no words for. */
#ifndef CL_KERNEL_X86_H
#define CL_KERNEL_X86_H

#include <cpuid.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernel/x86_table.h"

struct x86_cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct x86_cpuid x86_cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct x86_cpuid r;

    __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
    return r;
}

/* A leaf, zero above the highest one: some processors answer those with another leaf. */
static inline struct x86_cpuid x86_cpuid_leaf(uint32_t leaf)
{
    return x86_cpuid(leaf & 0x80000000u, 0).eax < leaf ? (struct x86_cpuid){ 0 } : x86_cpuid(leaf, 0);
}

static inline uint64_t x86_rdmsr(uint32_t index)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
    return ((uint64_t)high << 32) | low;
}

static inline void x86_wrmsr(uint32_t index, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

static inline uint64_t x86_rdtsc(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return ((uint64_t)high << 32) | low;
}

#define X86_REGISTER(name)                                                                                             \
    static inline uint64_t x86_read_##name(void)                                                                       \
    {                                                                                                                  \
        uint64_t value;                                                                                                \
        __asm__ volatile("mov %%" #name ", %0" : "=r"(value));                                                         \
        return value;                                                                                                  \
    }                                                                                                                  \
    static inline void x86_write_##name(uint64_t value)                                                                \
    {                                                                                                                  \
        __asm__ volatile("mov %0, %%" #name : : "r"(value) : "memory");                                                \
    }
X86_REGISTER(cr0)
X86_REGISTER(cr2)
X86_REGISTER(cr3)
X86_REGISTER(cr4)
X86_REGISTER(dr0)
X86_REGISTER(dr1)
X86_REGISTER(dr2)
X86_REGISTER(dr3)
X86_REGISTER(dr6)
X86_REGISTER(dr7)
#undef X86_REGISTER

static inline void x86_invlpg(const void *address)
{
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

static inline void x86_outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t x86_inb(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint64_t x86_xgetbv(uint32_t index)
{
    uint32_t low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(index));
    return (uint64_t)high << 32 | low;
}

static inline void x86_xsetbv(uint32_t index, uint64_t value)
{
    __asm__ volatile("xsetbv" : : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

/* a * b / c without losing the upper half of the product; the quotient saturates. */
static inline uint64_t x86_multiply_divide(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t low, high, quotient, remainder;

    __asm__("mulq %3" : "=a"(low), "=d"(high) : "a"(a), "r"(b));
    if (high >= c)
        return UINT64_MAX;
    __asm__("divq %4" : "=a"(quotient), "=d"(remainder) : "a"(low), "d"(high), "r"(c));
    return quotient;
}

/* Zero `count` quadwords. */
static inline void x86_zero_quads(void *destination, uint64_t count)
{
    __asm__ volatile("rep stosq" : "+D"(destination), "+c"(count) : "a"(0) : "memory");
}

#endif
