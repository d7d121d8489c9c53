/* SPDX-License-Identifier: Apache-2.0 */
/* thread.h: the runtime's record of a thread, and what the C library's threads are made of.
 *
 * Programs use pthread_create() and its family; this is what stands below. A record belongs to one thread at a time
 * and keeps its notification for good, so that a wake-up that comes late can reach a later thread of the same record,
 * where it is one spurious bit, but never a stranger's object.
 */
#ifndef CL_LIB_THREAD_H
#define CL_LIB_THREAD_H

#include <stdint.h>

#include "abi/status.h"
#include "abi/thread_page.h"

#define THREADS_MAX 72 /* of one program, the first included */

enum cl_thread_use {
    CL_THREAD_FREE = 0,
    CL_THREAD_ALIVE = 1,
    CL_THREAD_EXITED = 2, /* its kernel object is still to be deleted */
    CL_THREAD_CLEANING = 3
};

struct cl_thread {
    struct thread_page *page;   /* [s] first: lib/syscall.h reads it through FS */
    uint32_t thread_slot;       /* [s] 0 for the first thread: nobody gave it a capability of itself */
    uint32_t notification_slot; /* [s] the thread alone waits here, for futexes and in sleep; its bits mean nothing */
    uint32_t use;               /* [a] enum cl_thread_use; EXITED is the last store of the thread itself */
    int32_t tid;                /* [s] record number + 1 */
    int32_t *clear_tid;         /* [o] set to 0, and its futex woken, when the thread has ended; NULL: nothing */
    void *unmap;                /* [o] the stack that a detached thread leaves behind */
    uint64_t unmap_bytes;       /* [o] */
    uint32_t child_priority;    /* [o] of the threads that this one creates, in a real-time account; 0 at first */
    uint32_t child_cpu;         /* [o] preferred CPU of those; ~0, the first value: any */
};                              /* [s] = set before the thread runs;  [a] = atomic;  [o] = its own thread only */

/* The caller's record. The C library keeps the pointer in its thread control block, at FS:20h (`sysinfo`). */
#if CL_HOST_TEST
struct cl_thread *cl_thread_self(void);
#else
static inline struct cl_thread *cl_thread_self(void)
{
    struct cl_thread *self;

    __asm__("mov %%fs:0x20, %0" : "=r"(self));
    return self;
}
#endif

/* Start-up: the record of the first thread, and a thread control block for it that serves until the C library sets
 * up its own. Called before anything that uses FS; `canary` goes to FS:28h. CL_OK, or the kernel's refusal. */
CL_MUST_CHECK enum cl_status cl_thread_begin(uint64_t page_address, uint64_t canary);

/* Start-up: give the first thread its notification; later threads have their pages at `pages_address`: THREADS_MAX
 * free pages. */
CL_MUST_CHECK enum cl_status cl_thread_begin_others(uint64_t pages_address);

/* What the C library asks for, in its own terms: 0 or a negated errno. */
int cl_thread_set_pointer(void *thread_control_block);
int cl_thread_clone(int (*function)(void *), void *stack, int flags, void *argument, int32_t *parent_tid,
                    void *thread_control_block, int32_t *clear_tid);

/* The end of the calling thread; its stack at [unmap, unmap + bytes) is given back if `unmap` is not NULL. */
_Noreturn void cl_thread_exit(void *unmap, uint64_t bytes);

#endif
