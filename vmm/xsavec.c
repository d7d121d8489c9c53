/* SPDX-License-Identifier: Apache-2.0 */
/* xsavec.c: Bochs (seen in 2.7) lets AVX state follow SSE state, 160 bytes before its place and over the header: a guest that
 * switches tasks with XSAVEC loses registers, or its XRSTOR raises #GP. */
#include "vmm/xsavec.h"

#include <cpuid.h>

#define HAS_XSAVEC (1u << 1) /* CPUID 0Dh, 1: EAX */
#define XCR0_AVX (UINT64_C(1) << 2)
#define SSE_AND_AVX 6u
#define AVX_OFFSET 576 /* the first component behind legacy region and header, in both formats */

bool xsavec_works(uint64_t xcr0)
{
    static uint8_t area[1024] __attribute__((aligned(64)));
    uint32_t eax, ebx, ecx, edx;

    if (!(xcr0 & XCR0_AVX) || !__get_cpuid_count(0xD, 1, &eax, &ebx, &ecx, &edx) || !(eax & HAS_XSAVEC))
        return true;
    __asm__ volatile("vcmptrueps %%ymm0, %%ymm0, %%ymm0\n\t"
                     "xsavec %0\n\t"
                     "vxorps %%ymm0, %%ymm0, %%ymm0"
                     : "+m"(area)
                     : "a"(SSE_AND_AVX), "d"(0)
                     : "xmm0", "memory");
    return area[AVX_OFFSET] == 0xFF;
}
