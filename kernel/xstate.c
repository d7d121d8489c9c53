/* SPDX-License-Identifier: Apache-2.0 */
/* xstate.c: XSAVE areas (SDM Vol. 1 ch. 13). XSAVEOPT where the CPU has it, plain XSAVE elsewhere. */
#include "kernel/xstate.h"

#include "kernel/assert.h"
#include "kernel/pool.h"
#include "kernel/string.h"
#include "kernel/x86.h"

/* x87, SSE, AVX, MPX is gone, AVX-512; never PKRU (switched with nobody), CET or AMX. */
#define XSTATE_SUPPORTED UINT64_C(0xe7)
#define XSAVE_HEADER 512
#define MXCSR_OFFSET 24
#define MXCSR_RESET 0x1f80
#define FCW_RESET 0x037f

uint64_t xstate_mask;
uint32_t xstate_size;
bool xstate_keeps_pointers;
static bool has_xsaveopt;

void xstate_probe(void)
{
    struct x86_cpuid features = x86_cpuid(1, 0);

    if ((features.ecx & (1u << 26)) == 0)
        panic("this CPU has no XSAVE (CPUID 1: ECX bit 26); Cloison needs it to keep guests' registers apart");
    struct x86_cpuid components = x86_cpuid(0xd, 0);
    xstate_mask = (components.eax | (uint64_t)components.edx << 32) & XSTATE_SUPPORTED;
    has_xsaveopt = (x86_cpuid(0xd, 1).eax & 1) != 0;
    xstate_enable();
    /* with XCR0 set, EBX is the size for just these components */
    xstate_size = x86_cpuid(0xd, 0).ebx;
    ASSERT(xstate_size <= PAGE_SIZE);
}

void xstate_enable(void)
{
    x86_write_cr4(x86_read_cr4() | CR4_OSXSAVE | CR4_OSFXSR | CR4_OSXMMEXCPT);
    x86_xsetbv(0, xstate_mask);
}

struct xstate *xstate_create(struct account *account)
{
    struct xstate *state = pool_take(account, xstate_size);

    if (state == NULL)
        return NULL;
    /* XSTATE_BV = 0 loads the initial state, but MXCSR is always read (SDM Vol. 1 13.8.1) */
    *(uint16_t *)state->area = FCW_RESET;
    *(uint32_t *)(state->area + MXCSR_OFFSET) = MXCSR_RESET;
    return state;
}

void xstate_save(struct xstate *state)
{
    if (has_xsaveopt)
        __asm__ volatile("xsaveopt64 (%0)" : : "r"(state), "a"(UINT32_MAX), "d"(UINT32_MAX) : "memory");
    else
        __asm__ volatile("xsave64 (%0)" : : "r"(state), "a"(UINT32_MAX), "d"(UINT32_MAX) : "memory");
}

/* Where XRSTOR loads the addresses and the opcode of the last x87 instruction only with an exception pending (APM
 * Vol. 3 E.4.7, XSaveErPtr), FNINIT clears them first: the registers' next owner shall not read the last one's. */
void xstate_load(const struct xstate *state)
{
    if (xstate_keeps_pointers)
        __asm__ volatile("fninit");
    __asm__ volatile("xrstor64 (%0)" : : "r"(state), "a"(UINT32_MAX), "d"(UINT32_MAX) : "memory");
}

#define MXCSR_VALID 0xffffu

/* EAX: bytes of a component, EBX: where it stands in the standard format (SDM Vol. 1 13.4). x87 and SSE have fixed
 * places: control words and ST0 to ST7, then XMM0 to XMM15. */
static enum cl_status component_place(uint64_t component, struct x86_cpuid *place)
{
    static const struct x86_cpuid legacy[] = { { .eax = 160, .ebx = 0 }, { .eax = 256, .ebx = 160 } };

    if (component >= 63 || (xstate_mask >> component & 1) == 0)
        return refuse(CL_NOT_FOUND, "XSAVE component %lu is not switched on this machine", component);
    *place = component < 2 ? legacy[component] : x86_cpuid(0xd, (uint32_t)component);
    return CL_OK;
}

enum cl_status xstate_component(struct xstate *state, uint64_t component, void *data, bool set, uint64_t *size)
{
    uint64_t *present = (uint64_t *)(state->area + XSAVE_HEADER), bit = UINT64_C(1) << component % 64;
    struct x86_cpuid place = { 0 };
    uint32_t mxcsr = 0;

    TRY(component_place(component, &place));
    *size = place.eax;
    if (component == 0)
        memcpy(&mxcsr, (set ? (const uint8_t *)data : state->area) + MXCSR_OFFSET, sizeof(mxcsr));
    if ((mxcsr & ~MXCSR_VALID) != 0)
        return refuse(CL_BAD_ARGUMENT, "MXCSR %x has reserved bits", mxcsr);
    if (set) {
        memcpy(state->area + place.ebx, data, place.eax);
        *present |= bit;
    } else if ((*present & bit) != 0) {
        memcpy(data, state->area + place.ebx, place.eax);
    } else {
        memset(data, 0, place.eax);
        *(uint16_t *)data = component == 0 ? FCW_RESET : 0;
    }
    if (component == 0) /* read once, checked: `data` is the VMM's */
        *(uint32_t *)((set ? state->area : (uint8_t *)data) + MXCSR_OFFSET) = mxcsr;
    return CL_OK;
}
