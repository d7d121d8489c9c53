/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: kernel/pagetable.c kernel/pagetable_formats_table.c kernel/pool.c kernel/fake/fake_vmx.c kernel/fake/fake_assert.c kernel/fake/fake_account.c kernel/fake/fake_pool.c */
/* test_hostmap.c: a window shows the frame that it was opened for, on a CPU that keeps translations until INVLPG. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/cpu.h"
#include "kernel/fake/fake.h"
#include "kernel/fake/vmx.h"
#include "kernel/types.h"
#include "kernel/x86.h"

#define ENTRIES 512u
#define PRESENT 1u
#define ADDRESS UINT64_C(0x000FFFFFFFFFF000)

static void zero_through_tlb(void *destination, uint64_t count);

#define x86_zero_quads zero_through_tlb
#include "kernel/hostmap.c" /* NOLINT(bugprone-suspicious-include): it is the page that is zeroed which matters here */
#undef x86_zero_quads

const char kernel_start[1], kernel_text_end[1], kernel_rodata_end[1], kernel_end[1];

static uint64_t table[ENTRIES];
static uint64_t tlb[MAX_CPUS][ENTRIES];
static uint64_t zeroed; /* the frame */

static unsigned window_of(const void *address)
{
    return (unsigned)(((uint64_t)address - LAYOUT_WINDOWS) / PAGE_SIZE);
}

static void zero_through_tlb(void *destination, uint64_t count)
{
    unsigned window = window_of(destination);
    uint64_t *cached = &tlb[cpu_index()][window];

    assert_int_equal(count, PAGE_SIZE / 8);
    if (*cached == 0)
        *cached = table[window];
    assert_true(*cached & PRESENT);
    zeroed = *cached & ADDRESS;
}

void x86_invlpg(const void *address)
{
    tlb[cpu_index()][window_of(address)] = 0;
}

static void a_closed_window_leaves_no_translation(void **state)
{
    (void)state;
    fake_vmx_start();
    windows = table;
    for (unsigned cpu = 0; cpu < 4; cpu++) {
        fake_vmx_become(cpu);
        for (uint64_t frame = 1; frame < 5; frame++) {
            window_zero(hpa((cpu * 16 + frame) * PAGE_SIZE));
            assert_int_equal(zeroed, (cpu * 16 + frame) * PAGE_SIZE);
            for (unsigned i = 0; i < ENTRIES; i++)
                assert_int_equal(table[i] | tlb[cpu][i], 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_closed_window_leaves_no_translation),
    };

    if (getenv("ONLY_TEST") != NULL)
        cmocka_set_test_filter(getenv("ONLY_TEST"));
    return cmocka_run_group_tests_name("hostmap", tests, NULL, NULL);
}
