/* SPDX-License-Identifier: Apache-2.0 */
/* xstate.h: x87, SSE, AVX state of threads and vCPUs (SDM Vol. 1 ch. 13), one XSAVE area each, standard format. */
#ifndef CL_KERNEL_XSTATE_H
#define CL_KERNEL_XSTATE_H

#include "kernel/types.h"

struct account;

/* The XSAVE area itself: 64-byte aligned, `xstate_size` bytes, in the pool. */
struct xstate {
    uint8_t area[64];
};

extern uint64_t xstate_mask;       /* components that Cloison switches: XCR0 of ring 3, upper bound for guests */
extern uint32_t xstate_size;       /* bytes of a standard-format area for xstate_mask */
extern bool xstate_keeps_pointers; /* XRSTOR may leave those of the last x87 instruction. Set by the backend's probe */

#define XCR0_X87 UINT64_C(1)
#define XCR0_SSE UINT64_C(2)
#define XCR0_AVX UINT64_C(4)
#define XCR0_BOUND UINT64_C(0x18)
#define XCR0_AVX512 UINT64_C(0xE0)

/* Whether XCR0 may be so, with the components `allowed` (SDM Vol. 1 13.3). */
static inline bool xstate_xcr0_valid(uint64_t xcr0, uint64_t allowed)
{
    uint64_t bound = xcr0 & XCR0_BOUND, avx512 = xcr0 & XCR0_AVX512;

    return (xcr0 & XCR0_X87) && !(xcr0 & ~(allowed | XCR0_X87)) && (!(xcr0 & XCR0_AVX) || (xcr0 & XCR0_SSE)) &&
           (bound == 0 || bound == XCR0_BOUND) && (avx512 == 0 || (avx512 == XCR0_AVX512 && (xcr0 & XCR0_AVX)));
}

/* Find the components of this CPU. Boot CPU; then xstate_enable on every CPU (CR4.OSXSAVE, XCR0). */
void xstate_probe(void);
void xstate_enable(void);

/* An area in the initial state, a block of the pool charged to `account`. */
struct xstate *xstate_create(struct account *account) CL_MUST_CHECK;

/* Save to / load from the area with XCR0 = `xcr0`-independent full mask. */
void xstate_save(struct xstate *state);
void xstate_load(const struct xstate *state);

/* One component of an area that is not loaded, out to `data` or, `set`, in from there; `*size` gets its bytes. In
 * the initial state it reads as the initial values. CL_NOT_FOUND: there is no such component. CL_BAD_ARGUMENT:
 * reserved bits. */
enum cl_status xstate_component(struct xstate *state, uint64_t component, void *data, bool set,
                                uint64_t *size) CL_MUST_CHECK;

#endif
