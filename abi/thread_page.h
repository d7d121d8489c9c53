/* SPDX-License-Identifier: Apache-2.0 */
/* thread_page.h: the page that each thread shares with the kernel.
 *
 * System calls pass up to six words in registers; what does not fit travels here. The frame belongs to the kernel's
 * pool and is mapped into the thread's domain, so the kernel never follows a user pointer. The kernel copies what it
 * reads before it checks it: another thread of the domain may write at any time.
 */
#ifndef CL_ABI_THREAD_PAGE_H
#define CL_ABI_THREAD_PAGE_H

#include <assert.h>
#include <stdint.h>

#define THREAD_PAGE_TEXT_MAX 184
#define THREAD_PAGE_ARGUMENT_WORDS 64
#define THREAD_PAGE_DATA_MAX 3072

/* Why the last failing call of this thread failed. Written by the kernel together with any status but CL_OK,
 * CL_IN_PROGRESS and CL_TIMED_OUT; never cleared. */
struct breadcrumb {
    uint32_t status;                 /* enum cl_status */
    uint32_t call;                   /* enum syscall_number */
    char text[THREAD_PAGE_TEXT_MAX]; /* a sentence, NUL-terminated */
};

struct thread_page {
    uint64_t self; /* user virtual address of this page: lib/ finds it through FS (thread control block) */
    struct breadcrumb breadcrumb;
    uint64_t reserved[39];
    uint64_t argument[THREAD_PAGE_ARGUMENT_WORDS]; /* structures named *_arguments in abi/syscall.h */
    uint8_t data[THREAD_PAGE_DATA_MAX];            /* text, tables and register state, in and out */
};

static_assert(sizeof(struct thread_page) == 4096, "the thread page is one page");

#endif
