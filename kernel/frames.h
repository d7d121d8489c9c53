/* SPDX-License-Identifier: Apache-2.0 */
/* frames.h: physical memory outside the pool, which memory objects are made of.
 *
 * Never mapped in the kernel: free frames are known by bits in the pool. A freed frame is dirty until it has been
 * scrubbed; whoever maps a frame scrubs it first (lazily), so the allocator only keeps count.
 */
#ifndef CL_KERNEL_FRAMES_H
#define CL_KERNEL_FRAMES_H

#include "kernel/types.h"

/* A range of free RAM joins the allocator; page-aligned, no overlap with another, below the highest address given to
 * frames_init. Boot CPU only. Both take bookkeeping from the pool: 8 bytes for each 84 MiB of addresses and 32 for
 * each GiB, and a page for each 84 MiB that hold RAM. */
void frames_init(struct hpa highest);
void frames_add(struct hpa base, uint64_t size_bytes);

/* One 4 KiB frame, or one naturally aligned block of 2 MiB or 1 GiB; CL_NO_MEMORY when there is none. 4 KiB frames come
 * from blocks that are already broken as long as there are such, 2 MiB blocks from such GiBs. O(1). `below_4gib` limits
 * the choice. Takes the frame lock. */
enum cl_status frames_take(unsigned page_shift, bool below_4gib, struct hpa *frame) CL_MUST_CHECK;
void frames_give(struct hpa frame, unsigned page_shift);

uint64_t frames_total(void);
uint64_t frames_free(void); /* in 4 KiB frames */

#endif
