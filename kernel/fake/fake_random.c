/* SPDX-License-Identifier: Apache-2.0 */
/* fake_random.c: a reproducible sequence for property tests (splitmix64). */
#include "kernel/fake/fake.h"

static uint64_t state = 1;

void fake_random_seed(uint64_t seed)
{
    state = seed;
}

uint64_t fake_random(uint64_t below)
{
    uint64_t mixed = state += UINT64_C(0x9e3779b97f4a7c15);

    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (mixed ^ (mixed >> 31)) % below;
}
