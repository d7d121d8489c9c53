/* SPDX-License-Identifier: Apache-2.0 */
/* tsc.c: what the other CPU reads between two readings of ours lies between them, if the TSCs agree. */
#include "boot/tsc.h"

#include "boot/cpu.h"

#define ROUNDS 8u
#define CORRECTIONS 4u

/* Have the other CPU read its TSC. `*took`: how long that was. */
static bool ask(volatile struct boot_start *place, uint64_t patience, int64_t *ahead, uint64_t *took)
{
    uint64_t begin = cpu_tsc(), end;

    place->asked++;
    while (place->answered != place->asked)
        if (cpu_tsc() - begin > patience)
            return false;
    __asm__ volatile("lfence" : : : "memory"); /* RDTSC does not wait for the loads before it */
    end = cpu_tsc();
    *took = end - begin;
    *ahead = (int64_t)(place->tsc - begin - *took / 2);
    return true;
}

/* The shortest round tells most. 0: no difference can be seen. */
static bool measure(volatile struct boot_start *place, uint64_t patience, int64_t *ahead)
{
    uint64_t took, least = UINT64_MAX;
    int64_t reading;

    for (unsigned i = 0; i < ROUNDS; i++) {
        if (!ask(place, patience, &reading, &took))
            return false;
        if (took < least) {
            least = took;
            *ahead = (uint64_t)(reading < 0 ? -reading : reading) <= took / 2 + 1 ? 0 : reading;
        }
    }
    return true;
}

bool tsc_align(volatile struct boot_start *place, uint32_t msr, uint64_t patience, int64_t *ahead)
{
    int64_t left, reading, lost = 0;
    uint64_t took;

    if (!measure(place, patience, ahead))
        return false;
    left = *ahead;
    for (unsigned i = 0; left != 0; i++) {
        if (i == CORRECTIONS)
            return false;
        /* writing the TSC itself loses the time from reading to writing it, which the first attempt shows */
        lost -= i == 0 ? 0 : left;
        place->add = lost - left;
        place->msr = msr;
        if (!ask(place, patience, &reading, &took))
            return false;
        place->msr = 0;
        if (!measure(place, patience, &left))
            return false;
    }
    return true;
}
