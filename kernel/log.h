/* SPDX-License-Identifier: Apache-2.0 */
/* log.h: the ring of text lines that boot, refusals and crashes leave behind, and the serial port while it is ours. */
#ifndef CL_KERNEL_LOG_H
#define CL_KERNEL_LOG_H

#include "kernel/types.h"

#define LOG_LINE_MAX 240

/* The UART that lines are echoed to until ring 3 takes it over; 0: none. */
void log_serial(uint16_t port);

/* One line with a tag in front ("kernel", or a domain's name). Takes the log lock, innermost of all. */
void log_append(const char *tag, const char *text, size_t length);

/* Copy out from `*position` (a count of all bytes ever written; moved forward over what was lost or read). Whole lines
 * where the room allows. Returns the number of bytes copied. */
size_t log_copy(uint64_t *position, char *buffer, size_t size);

/* Echo everything to the serial port again, whoever owns it: for a crash report. Takes no lock from then on. */
void log_panic_mode(void);

/* The last line shall arrive: wait until it has left the serial port. */
void log_drain(void);

#endif
