/* SPDX-License-Identifier: Apache-2.0 */
/* domain.h: shadows kernel/domain.h in host tests, where the pool lies in the lower half of the address space.
 *
 * A capability keeps 48 bits of an object's address; the rest are the sign that all kernel addresses have. In a test
 * program they are zero: the constants of the file lose their upper 16 bits. What it includes comes first, so that only its
 * own are meant.
 */
#ifndef CL_KERNEL_FAKE_DOMAIN_H
#define CL_KERNEL_FAKE_DOMAIN_H

#include "kernel/memory.h"

#pragma push_macro("UINT64_C")
#undef UINT64_C
#define UINT64_C(value) (value##ull & 0x0000ffffffffffffull)
#include_next "kernel/domain.h"
#pragma pop_macro("UINT64_C")

#undef CAP_KERNEL
#define CAP_KERNEL UINT64_C(0)

#endif
