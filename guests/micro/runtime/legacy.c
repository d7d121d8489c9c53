/* SPDX-License-Identifier: Apache-2.0 */
/* legacy.c: what a 32-bit routine found, against what it expects. */
#include "legacy.h"

#pragma weak legacy_expectations
#pragma weak legacy_expectation_count

extern uint32_t micro_unexpected32[3];

void legacy_run(void (*routine)(void))
{
    micro_call32(routine);
    if (micro_unexpected32[0] != 0)
        micro_error("unexpected exception %u at %#x in 32-bit mode, error code %#x", micro_unexpected32[0] - 1,
                    micro_unexpected32[2], micro_unexpected32[1]);
    for (uint32_t i = 0; i < legacy_expectation_count; i++) {
        const struct legacy_expectation *e = &legacy_expectations[i];

        if (e->departure[0] != '\0')
            CHECK_DEPARTURE(e->departure, *e->value == (uint32_t)e->expected, "%s: %#x, expected %#x", e->what,
                            *e->value, (uint32_t)e->expected);
        else
            CHECK(*e->value == (uint32_t)e->expected, "%s: %#x, expected %#x", e->what, *e->value,
                  (uint32_t)e->expected);
    }
}
