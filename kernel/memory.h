/* SPDX-License-Identifier: Apache-2.0 */
/* memory.h: memory objects: a map offset → frame, the only truth about contents; and their mappings into spaces.
 *
 * Frames are taken and scrubbed when they are first mapped, a bounded piece per call. A mapping is known to both its
 * memory and its space, so that destroying either removes it everywhere before a frame is used again.
 */
#ifndef CL_KERNEL_MEMORY_H
#define CL_KERNEL_MEMORY_H

#include "kernel/object.h"
#include "kernel/pagetable.h"

/* An address space, of a domain or of a VM: its page table, its mappings. */
struct space {
    struct pt pt;
    struct link *mappings;  /* [s] sorted by address */
    uint32_t mapping_count; /* [s] */
};

struct memory {
    struct object object;
    struct pt map;          /* [s] pt_format_memory: the frames that it has, all scrubbed */
    uint64_t size_bytes;    /* [o] */
    uint32_t flags;         /* [o] MEMORY_*, and the two below */
    enum pt_type type;      /* [o] */
    struct memory *parent;  /* [o] of a slice; holds a reference */
    uint64_t parent_offset; /* [o] */
    uint32_t depth;         /* [o] 0: no slice */
    struct hpa base;        /* [o] MEMORY_FIXED: contiguous range that never came from the frame allocator */
    struct link *mappings;  /* [s] by of_memory */
    struct link *slices;    /* [s] by of_parent */
    struct link of_parent;  /* [s] */
    struct pt_leaf fresh;   /* [s] taken for fresh_offset and not yet scrubbed; page_shift 0: nothing is */
    uint64_t fresh_offset;
    uint64_t scrubbed;     /* [s] how far that is */
    uint64_t freed_offset; /* [s] progress of the destruction */
};
/* [o] set once; [s] structure lock */

#define MEMORY_FIXED (1u << 16) /* kernel-internal: image, framebuffer */

/* One stretch of a memory object (or, `memory` NULL, the page of the kernel's pool at `offset`) in a space. */
struct mapping {
    struct link of_space;  /* [s] by address */
    struct link of_memory; /* [s] */
    struct space *space;
    struct memory *memory;
    uint64_t address, offset, length;
    uint64_t done;   /* bytes entered so far; == length: complete */
    uint64_t cursor; /* what is below this address has been taken out again */
    uint64_t flush;  /* generation after which it is gone, 0: alive */
    uint32_t rights; /* enum pt_right */
};

enum cl_status memory_create(struct account *account, uint64_t size_bytes, uint32_t flags,
                             struct memory **created) CL_MUST_CHECK;

/* A fixed physical range, for init: the system image, the framebuffer. */
enum cl_status memory_create_fixed(struct hpa base, uint64_t size_bytes, enum pt_type type,
                                   struct memory **created) CL_MUST_CHECK;

enum cl_status memory_slice(struct account *account, struct memory *parent, uint64_t offset, uint64_t length,
                            struct memory **created) CL_MUST_CHECK;

/* CL_OK if [offset, offset + length) is whole pages, one at least, of `memory`. */
enum cl_status memory_check(const struct memory *memory, uint64_t offset, uint64_t length) CL_MUST_CHECK;

/* Enter [offset, offset + length) of `memory` at `address`; the space pays. CL_IN_PROGRESS after a bounded piece; `*done` says how far.
 * The same arguments go on where the last call stopped, also after CL_NO_MEMORY. Structure lock. */
enum cl_status memory_map(struct memory *memory, struct space *space, uint64_t offset, uint64_t length,
                          uint64_t address, unsigned rights, uint64_t *done) CL_MUST_CHECK;

/* A guest has fetched code at `address`, which its tables refused, where only small pages are code (pt_small_code): have one
 * there. No flush: what the tables allow becomes more, and of the larger page no processor has a translation for code.
 * CL_NOT_FOUND: there is nothing to be executed; CL_NO_MEMORY: the space's account has none for tables, without a sentence.
 * Structure lock; at most two tables are filled. */
enum cl_status space_fetched(struct space *space, uint64_t address) CL_MUST_CHECK;

/* Map one page of the kernel's pool for ring 3 (thread, vCPU, info, trace pages). `rights` without PT_WRITE: read-only. */
enum cl_status space_map_kernel_page(struct space *space, const void *page, uint64_t address,
                                     unsigned rights) CL_MUST_CHECK;

/* Remove the mapping that starts at `address`: CL_IN_PROGRESS until no CPU can still use it. Structure lock. */
enum cl_status space_unmap(struct space *space, uint64_t address) CL_MUST_CHECK;

/* The same for a page entered by space_map_kernel_page; one that is not there, or not any more, is fine. */
enum cl_status space_unmap_kernel_page(struct space *space, const void *page, uint64_t address) CL_MUST_CHECK;

/* Remove some mapping of a space that is being destroyed; CL_OK when none is left. */
enum cl_status space_unmap_all(struct space *space) CL_MUST_CHECK;

/* The frame behind `offset`, taken and scrubbed if it was not there yet; `*budget` frames may be zeroed, CL_IN_PROGRESS
 * when that was not enough. The leaf's frame is that of `offset` itself. Structure lock. */
enum cl_status memory_frame(struct memory *memory, uint64_t offset, unsigned *budget,
                            struct pt_leaf *leaf) CL_MUST_CHECK;

/* A bounded piece of removing one mapping. CL_OK: it is gone, everywhere. Structure lock. */
enum cl_status mapping_remove(struct mapping *mapping) CL_MUST_CHECK;

enum cl_status memory_destroy(struct object *object) CL_MUST_CHECK;

#endif
