/* SPDX-License-Identifier: Apache-2.0 */
/* log.h: lines of this program in the kernel's log.
 *
 * The kernel puts the domain's name before each line, so a program can neither forget nor forge it. printf() to
 * stdout and stderr ends here too, line by line.
 */
#ifndef CL_LIB_LOG_H
#define CL_LIB_LOG_H

#include <stddef.h>

#include "abi/status.h"

#define CL_LOG_LINE_MAX 200 /* longer ones are broken into several */

/* printf() for one line, without a newline at its end. Text that is too long is cut. Callable from any thread. */
__attribute__((format(printf, 1, 2))) void cl_log(const char *format, ...);

/* The same with a refusal behind it: "what: memory_map: CL_NO_MEMORY (the account …)". */
__attribute__((format(printf, 2, 3))) void cl_log_refusal(enum cl_status status, const char *format, ...);

/* Text as it comes out of the C library's streams: collected, and logged at each newline. `stream` is 1 or 2. */
void cl_log_stream(int stream, const char *text, size_t length);

#endif
