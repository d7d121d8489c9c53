/* SPDX-License-Identifier: Apache-2.0 */
/* slots.h: which slots of the program's own capability table are free.
 *
 * The kernel lets the caller choose "a free slot" for a new capability; this is who keeps count. Slots that the
 * creator of the domain filled in are outside the range given to cl_slots_begin().
 */
#ifndef CL_LIB_SLOTS_H
#define CL_LIB_SLOTS_H

#include <stdint.h>

#include "abi/status.h"

#define CL_SLOTS_MAX 4096 /* a longer range is used up to here */

/* Start-up: [first, first + count) is free. */
void cl_slots_begin(uint32_t first, uint32_t count);

/* A free slot, the lowest one. CL_LIMIT: there is none. Callable from any thread. */
CL_MUST_CHECK enum cl_status cl_slot_alloc(uint32_t *slot);

/* `slot`, which cl_slot_alloc() gave and which is empty again, is free. */
void cl_slot_free(uint32_t slot);

/* Empty the slot and free it; the object lives on. The slot stays taken if the kernel refuses. */
CL_MUST_CHECK enum cl_status cl_slot_delete(uint32_t slot);

/* The same after destroying the object (RIGHT_DESTROY), if it is not destroyed already. */
CL_MUST_CHECK enum cl_status cl_slot_destroy(uint32_t slot);

#endif
