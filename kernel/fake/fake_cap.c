/* SPDX-License-Identifier: Apache-2.0 */
/* fake_cap.c: kernel/cap.c for a machine whose pool lies in the lower half of the address space.
 *
 * A capability keeps 48 bits of an object's address; the rest are the sign that all kernel addresses have. In a test
 * program they are zero: every 64-bit constant of the file loses its upper 16 bits. What it includes comes first, so that
 * only its own constants are meant.
 */
#include "kernel/assert.h"
#include "kernel/domain.h"
#include "kernel/system.h"

#undef UINT64_C
#define UINT64_C(value) (value##ull & 0x0000ffffffffffffull)

#include "kernel/cap.c"
