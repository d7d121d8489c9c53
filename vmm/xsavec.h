/* SPDX-License-Identifier: Apache-2.0 */
/* xsavec.h: whether XSAVEC can be given to guests. */
#ifndef CL_VMM_XSAVEC_H
#define CL_VMM_XSAVEC_H

#include <stdbool.h>
#include <stdint.h>

/* XSAVEC stores AVX state where XRSTOR looks for it (SDM Vol. 1 13.4.3). It is tried, which overwrites YMM0; true where there
 * is nothing to try: no XSAVEC, or no AVX in `xcr0`, the host's. */
bool xsavec_works(uint64_t xcr0);

#endif
