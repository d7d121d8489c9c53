/* SPDX-License-Identifier: Apache-2.0 */
/* image.h: the system image, mapped into init: where programs, the configuration and the guests' files come from. */
#ifndef CL_SERVICES_INIT_IMAGE_H
#define CL_SERVICES_INIT_IMAGE_H

#include <stdint.h>

#include "abi/status.h"
#include "lib/cpio.h"

/* Where things are mapped in init itself. */
#define INIT_IMAGE_ADDRESS UINT64_C(0x0000010000000000)
#define INIT_WINDOW_ADDRESS UINT64_C(0x0000020000000000) /* for a moment: what is being filled in */
#define INIT_CHANNELS_ADDRESS UINT64_C(0x0000030000000000)

/* Map the whole image. CL_CORRUPT: it is no archive. */
CL_MUST_CHECK enum cl_status image_map(void);

/* A member by its name. CL_NOT_FOUND. */
CL_MUST_CHECK enum cl_status image_find(const char *name, struct cpio_member *member);

/* A memory object with just this member (and what the archive has on its last page): a slice of the image, read-only.
 * `*size_bytes`: in whole pages. */
CL_MUST_CHECK enum cl_status image_slice(const struct cpio_member *member, uint32_t *slot, uint64_t *size_bytes);

#endif
