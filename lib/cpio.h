/* SPDX-License-Identifier: Apache-2.0 */
/* cpio.h: walk a cpio archive (newc, "070701") that lies in memory: the system image.
 *
 * Nothing is believed: every number is checked against the archive's size before it is used. A name may be padded with
 * NULs, which is how tools/image makes each member's data begin on a page.
 */
#ifndef CL_LIB_CPIO_H
#define CL_LIB_CPIO_H

#include <stdint.h>

#include "abi/status.h"

struct cpio_member {
    const char *name; /* in the archive, NUL-terminated */
    const uint8_t *data;
    uint64_t offset; /* of the data in the archive */
    uint64_t size_bytes;
};

/* The member at `*cursor`, which moves on to the next one; begin with 0.
 *
 * CL_NOT_FOUND: the trailer was reached. CL_CORRUPT: what is there is no member that could be. */
CL_MUST_CHECK enum cl_status cpio_next(const uint8_t *archive, uint64_t size_bytes, uint64_t *cursor,
                                       struct cpio_member *member);

/* The first member named `name`. CL_NOT_FOUND, CL_CORRUPT as above. */
CL_MUST_CHECK enum cl_status cpio_find(const uint8_t *archive, uint64_t size_bytes, const char *name,
                                       struct cpio_member *member);

#endif
