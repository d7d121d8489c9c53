/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: kernel/fake/fake_assert.c kernel/fake/fake_account.c kernel/fake/fake_pool.c kernel/pool.c */
/* test_xstate.c: what XRSTOR loads was checked, and what it leaves alone is not the last owner's. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/assert.h"
#include "kernel/fake/fake.h"
#include "kernel/pool.h"
#include "kernel/x86.h"
#include "kernel/xstate.h"

static char executed[512];

#include "kernel/fake/instructions.h"

void fake_instruction(const char *text)
{
    strncat(executed, text, sizeof executed - strlen(executed) - 1);
}

uint64_t x86_read_cr4(void)
{
    return 0;
}

void x86_write_cr4(uint64_t value)
{
    fail_msg("CR4 is set to %lx", value);
}

void x86_xsetbv(uint32_t index, uint64_t value)
{
    fail_msg("XCR%u is set to %lx", index, value);
}

#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wunused-variable"
#include "kernel/xstate.c" /* NOLINT(bugprone-suspicious-include): the real code, with instructions that are calls */

#define AREA_BYTES 1024

static struct xstate *area(void)
{
    static _Alignas(64) uint8_t bytes[AREA_BYTES];

    xstate_mask = XCR0_X87 | XCR0_SSE;
    memset(bytes, 0, sizeof bytes);
    return (struct xstate *)bytes;
}

/* APM Vol. 3 E.4.7, XSaveErPtr. */
static void where_xrstor_keeps_x87_pointers_they_are_cleared_first(void **state)
{
    (void)state;
    xstate_keeps_pointers = true;
    executed[0] = '\0';
    xstate_load(area());
    assert_non_null(strstr(executed, "fninit"));
    assert_true(strstr(executed, "fninit") < strstr(executed, "xrstor"));
    xstate_keeps_pointers = false;
    executed[0] = '\0';
    xstate_load(area());
    assert_null(strstr(executed, "fninit"));
    assert_non_null(strstr(executed, "xrstor"));
}

/* SDM Vol. 1 13.8.1: XRSTOR raises #GP, in the kernel, for reserved bits of MXCSR and of the header. */
static void xrstor_never_meets_what_was_not_checked(void **state)
{
    struct xstate *x = area();
    uint8_t data[256];
    uint64_t size;

    (void)state;
    memset(data, 0xFF, sizeof data);
    assert_int_equal(xstate_component(x, 0, data, true, &size), CL_BAD_ARGUMENT);
    memset(data + 24, 0, 4);
    assert_int_equal(xstate_component(x, 0, data, true, &size), CL_OK);
    assert_int_equal(size, 160);
    assert_int_equal(xstate_component(x, 1, data, true, &size), CL_OK);
    assert_int_equal(size, 256);
    for (uint64_t component = 2; component < 130; component++) /* nor the header, which is none */
        assert_int_equal(xstate_component(x, component, data, true, &size), CL_NOT_FOUND);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(x->area[512 + i], i == 0 ? 3 : 0);
}

static void an_absent_component_reads_as_the_initial_state(void **state)
{
    struct xstate *x = area();
    size_t xmm = 160;
    uint8_t data[256];
    uint64_t size;

    (void)state;
    memset(data, 0xFF, sizeof data);
    *(&x->area[0] + xmm) = 0x55; /* left by a processor that did not write it */
    assert_int_equal(xstate_component(x, 1, data, false, &size), CL_OK);
    for (unsigned i = 0; i < size; i++)
        assert_int_equal(data[i], 0);
    assert_int_equal(xstate_component(x, 0, data, false, &size), CL_OK);
    assert_int_equal(data[0] | data[1] << 8, 0x37F);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_xrstor_keeps_x87_pointers_they_are_cleared_first),
        cmocka_unit_test(xrstor_never_meets_what_was_not_checked),
        cmocka_unit_test(an_absent_component_reads_as_the_initial_state),
    };

    return cmocka_run_group_tests_name("xstate", tests, NULL, NULL);
}
