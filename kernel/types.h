/* SPDX-License-Identifier: Apache-2.0 */
/* types.h: the words that every kernel file uses: sizes, addresses that cannot be mixed up, small helpers. */
#ifndef CL_KERNEL_TYPES_H
#define CL_KERNEL_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/status.h"

#define PAGE_SHIFT 12
#define PAGE_SIZE UINT64_C(4096)
#define LARGE_SHIFT 21
#define LARGE_SIZE UINT64_C(0x200000)
#define HUGE_SHIFT 30
#define HUGE_SIZE UINT64_C(0x40000000)
#define MAX_CPUS 64

/* A host-physical address: mixing it with others must not compile. */
struct hpa {
    uint64_t value;
};

static inline struct hpa hpa(uint64_t value)
{
    return (struct hpa){ value };
}

static inline struct hpa hpa_add(struct hpa base, uint64_t bytes)
{
    return (struct hpa){ base.value + bytes };
}

static inline uint64_t align_down(uint64_t value, uint64_t alignment)
{
    return value & ~(alignment - 1);
}

static inline uint64_t align_up(uint64_t value, uint64_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}

static inline bool is_aligned(uint64_t value, uint64_t alignment)
{
    return (value & (alignment - 1)) == 0;
}

/* The structure of `type` whose `member` is at `pointer`. */
#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* One read or write of memory that another CPU, ring 3 or a guest may change at any time. */
#define READ_ONCE(lvalue) (*(const volatile __typeof__(lvalue) *)&(lvalue))
#define WRITE_ONCE(lvalue, value) (*(volatile __typeof__(lvalue) *)&(lvalue) = (value))

#endif
