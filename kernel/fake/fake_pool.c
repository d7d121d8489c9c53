/* SPDX-License-Identifier: Apache-2.0 */
/* fake_pool.c: the kernel's pool in memory of the test program. */
#include <stdlib.h>
#include <string.h>

#include "kernel/assert.h"
#include "kernel/fake/fake.h"
#include "kernel/pool.h"

static void *fake_range;

void fake_pool_create_at(struct hpa physical_base, uint64_t size_bytes)
{
    fake_pool_destroy();
    fake_range = aligned_alloc(PAGE_SIZE, size_bytes);
    ASSERT(fake_range != NULL);
    memset(fake_range, 0xa5, size_bytes);
    pool_init(fake_range, physical_base, size_bytes);
}

void fake_pool_create(uint64_t size_bytes)
{
    fake_pool_create_at(hpa(FAKE_POOL_BASE), size_bytes);
}

void fake_pool_destroy(void)
{
    free(fake_range);
    fake_range = NULL;
}
