/* SPDX-License-Identifier: Apache-2.0 */
/* refusal.h: why the calling thread's last failing system call failed, as text. */
#ifndef CL_LIB_REFUSAL_H
#define CL_LIB_REFUSAL_H

#include "abi/status.h"
#include "abi/syscall.h"

/* "CL_NO_MEMORY" and so on; a value that is none gives "an unknown status". */
const char *cl_status_name(enum cl_status status);

/* "memory_map" and so on. */
const char *cl_call_name(enum syscall_number number);

/* A sentence about `status`, which a system call of this thread just returned: call, status, and the kernel's words,
 * if the breadcrumb belongs to this failure; else the status alone. The text is the thread's own and stays until its
 * next call of this function. */
const char *cl_refusal(enum cl_status status);

#endif
