/* SPDX-License-Identifier: Apache-2.0 */
/* thread.h: an execution context of ring 3, and perhaps of the guest that it runs. */
#ifndef CL_KERNEL_THREAD_H
#define CL_KERNEL_THREAD_H

#include "abi/syscall.h"
#include "abi/thread_page.h"
#include "kernel/lock.h"
#include "kernel/object.h"
#include "kernel/sched.h"
#include "kernel/timer.h"

/* Ring 3's registers, in the order in which entry.asm and the CPU push them. */
struct registers {
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    uint64_t vector; /* why the kernel was entered: a vector, or VECTOR_SYSCALL */
    uint64_t error;
    uint64_t rip, cs, rflags, rsp, ss;
};

#define VECTOR_SYSCALL 0x100

struct domain;
struct notification;
struct vcpu;
struct xstate;

/* What a thread that is not running waits for. */
enum wait_kind {
    WAIT_NONE,         /* ready or running */
    WAIT_STOPPED,      /* THREAD_START */
    WAIT_NOTIFICATION, /* bits of `waiting` or the deadline */
    WAIT_HALT,         /* its vCPU executed HLT: an event for it, bits of `watched`, or a kick */
};

struct thread {
    struct object object;
    struct registers registers __attribute__((aligned(16)));
    struct thread_page *page; /* [o] in the pool, mapped in its domain */
    uint64_t page_address;    /* [o] where */
    struct domain *domain;    /* [o] holds a reference */
    struct xstate *xstate;    /* [o] */
    struct sched_thread sched;
    uint64_t fs_base; /* [c] */

    struct spinlock lock;
    enum wait_kind wait;          /* [l] */
    struct notification *waiting; /* [n] for whose bits; NULL: for none */
    uint64_t wait_deadline;       /* [n] TSC: a timer of an earlier wait does not end this one */
    struct timer deadline;        /* of the wait, or of the vCPU's timer */
    bool stop;                    /* [a] leave ring 3 and guest at the next kernel entry */
    bool faulted;                 /* [c] */
    uint64_t fault_address;       /* [c] CR2 of its page fault */

    struct vcpu *vcpu;            /* [c] inside vcpu_run; NULL: in ring 3 */
    struct notification *watched; /* [c] of the last vcpu_run; holds a reference while set */
};
/* [o] set once; [c] its own CPU only; [l] thread->lock; [n] lock of the notification; [s] structure lock; [a] atomic */

/* Make a waiting thread ready if it waits for `kind`; true if it did. Any CPU. */
bool thread_wake(struct thread *thread, enum wait_kind kind);

/* Something changed for the vCPU that `thread` runs: wake it from HLT, or make its CPU leave the guest and look. */
void thread_poke(struct thread *thread);

/* The current thread goes to sleep; kernel_exit() runs another. */
void thread_block(struct thread *thread, enum wait_kind kind);

/* thread->deadline is due: the wait times out, or the vCPU's timer has to be looked at. From timer_run. */
void thread_deadline_passed(struct thread *thread);

/* Stop it at its next kernel entry, wherever it runs. True once it no longer occupies a CPU. */
bool thread_stop(struct thread *thread);

/* Stop it for good and unmap its page: CL_IN_PROGRESS until that is done everywhere. Structure lock. */
enum cl_status thread_destroy(struct object *object) CL_MUST_CHECK;

/* The last thing of an object's life: no reference is left. */
bool thread_free(struct object *object);

/* A thread that is stopped until thread_start(). Structure lock. CL_BAD_ARGUMENT, CL_NO_MEMORY, CL_NO_AUTHORITY,
 * CL_OCCUPIED (the address of its page). */
enum cl_status thread_create(struct domain *domain, struct account *account, const struct thread_arguments *arguments,
                             struct thread **created) CL_MUST_CHECK;
void thread_start(struct thread *thread);

#endif
