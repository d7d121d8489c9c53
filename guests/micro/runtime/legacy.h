/* SPDX-License-Identifier: Apache-2.0 */
/* legacy.h: routines in 32-bit protected mode, written in assembly with legacy.inc, and what they expect. */
#ifndef MICRO_LEGACY_H
#define MICRO_LEGACY_H

#include "micro.h"

struct legacy_expectation {
    const char *what;
    const char *departure; /* "": none; as in CHECK_DEPARTURE() */
    const uint32_t *value;
    uint64_t expected;
};

extern const struct legacy_expectation legacy_expectations[];
extern const uint32_t legacy_expectation_count;

/* Leave 64-bit mode, call `routine` in flat 32-bit protected mode without paging, come back. Interrupts must be off. */
void micro_call32(void (*routine)(void));

/* The same, and check all that it expects. */
void legacy_run(void (*routine)(void));

#endif
