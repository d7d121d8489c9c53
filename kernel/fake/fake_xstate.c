/* SPDX-License-Identifier: Apache-2.0 */
/* fake_xstate.c: XSAVE areas of a machine that has x87, SSE and AVX; its registers are a buffer for each CPU. */
#include <string.h>

#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/pool.h"
#include "kernel/xstate.h"

#define AREA_BYTES 832u

uint64_t xstate_mask = 7;
uint32_t xstate_size = AREA_BYTES;
bool xstate_keeps_pointers;

static uint8_t registers[MAX_CPUS][AREA_BYTES];

/* SDM Vol. 1 13.4: offset and size of components 0 to 2. */
static const struct {
    uint64_t offset, size;
} components[] = { { 0, 160 }, { 160, 256 }, { 576, 256 } };

struct xstate *xstate_create(struct account *account)
{
    return pool_take(account, AREA_BYTES);
}

void xstate_save(struct xstate *state)
{
    memcpy(state->area, registers[cpu_index()], AREA_BYTES);
}

void xstate_load(const struct xstate *state)
{
    memcpy(registers[cpu_index()], state->area, AREA_BYTES);
}

enum cl_status xstate_component(struct xstate *state, uint64_t component, void *data, bool set, uint64_t *size)
{
    if (component >= ARRAY_SIZE(components))
        return refuse(CL_NOT_FOUND, "XSAVE component %lu is not switched on this machine", component);
    *size = components[component].size;
    if (set)
        memcpy(state->area + components[component].offset, data, *size);
    else
        memcpy(data, state->area + components[component].offset, *size);
    return CL_OK;
}
