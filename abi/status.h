/* SPDX-License-Identifier: Apache-2.0 */
/* status.h: the one result type of system calls, kernel functions and ring-3 libraries.
 *
 * Zero is success. Every other value says what kind of refusal it was; the sentence that a person reads travels
 * beside it (the breadcrumb of abi/thread_page.h in ring 3, the log in the kernel).
 */
#ifndef CL_ABI_STATUS_H
#define CL_ABI_STATUS_H

enum cl_status {
    CL_OK = 0,
    CL_BAD_CALL = 1,       /* no system call has this number */
    CL_BAD_ARGUMENT = 2,   /* a value is outside its range, misaligned, or contradicts another */
    CL_BAD_CAPABILITY = 3, /* the slot is empty, out of the table, or holds another type of object */
    CL_NO_RIGHT = 4,       /* the capability lacks a right that the call needs */
    CL_NO_MEMORY = 5,      /* the account, or the machine, has no memory left for this */
    CL_NO_AUTHORITY = 6,   /* the account may not give this priority, CPU, budget or share */
    CL_OCCUPIED = 7,       /* the slot, address range, port or vector is taken */
    CL_NOT_FOUND = 8,      /* nothing is there that could be removed, changed or read */
    CL_BUSY = 9,           /* somebody else is in the middle of it: a second waiter, a running vCPU */
    CL_IN_PROGRESS = 10,   /* a bounded piece was done; call again with the same arguments to go on */
    CL_TIMED_OUT = 11,     /* the deadline passed first */
    CL_STOPPED = 12,       /* the object is being destroyed, or its domain was stopped */
    CL_UNSUPPORTED = 13,   /* this machine, build or vendor cannot do it; the breadcrumb names what is missing */
    CL_LIMIT = 14,         /* a fixed limit of the design (docs/limits.md) */
    CL_STALE = 15,         /* the sequence number is not that of the pending exit */
    CL_CORRUPT = 16,       /* data failed its check: image, capsule, ring */
    CL_STATUS_COUNT
};

#define CL_MUST_CHECK __attribute__((warn_unused_result))

/* Go on only if `call` succeeded; hand any other status to the caller. */
#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        enum cl_status try_status_ = (call);                                                                           \
        if (try_status_ != CL_OK)                                                                                      \
            return try_status_;                                                                                        \
    } while (0)

#endif
