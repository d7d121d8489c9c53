/* SPDX-License-Identifier: Apache-2.0 */
/* futex.h: wait until a word changes; what mutexes, conditions and joins of the C library are made of.
 *
 * Waiters stand in one queue in the order in which they came; each sleeps on its thread's own notification. A bit
 * there is a hint, the truth is in the queue.
 */
#ifndef CL_LIB_FUTEX_H
#define CL_LIB_FUTEX_H

#include <stdint.h>

#include "abi/status.h"

/* Sleep if *word is `value`, until a wake-up or `deadline_tsc` (CL_NEVER: none).
 *
 * CL_OK: woken. CL_STALE: *word is another value. CL_TIMED_OUT. Never returns without one of the three. */
CL_MUST_CHECK enum cl_status futex_wait(const int32_t *word, int32_t value, uint64_t deadline_tsc);

/* Wake up to `count` of those who wait at `word`, and let up to `move` of the others wait at `other` from now on.
 * How many were woken or moved. */
uint32_t futex_wake(const int32_t *word, uint32_t count, const int32_t *other, uint32_t move);

#endif
