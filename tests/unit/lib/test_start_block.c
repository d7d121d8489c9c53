/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: lib/start_block.c */
/* test_start_block.c: what the creator writes is what the program reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lib/start_block.h"

static const uint8_t entropy[32] = { 1, 2, 3 };

static void names_are_found_again(void **state)
{
    struct start_block block;
    uint64_t address, size;
    uint32_t slot;

    (void)state;
    assert_int_equal(start_block_init(&block, "switch", entropy), CL_OK);
    assert_int_equal(start_block_add_slot(&block, "port0", 12), CL_OK);
    assert_int_equal(start_block_add_slot(&block, "port1", 13), CL_OK);
    assert_int_equal(start_block_add_region(&block, "port0", 0x10000, 8192), CL_OK);
    assert_int_equal(start_block_check(&block), CL_OK);
    assert_int_equal(start_block_slot(&block, "port1", &slot), CL_OK);
    assert_int_equal(slot, 13);
    assert_int_equal(start_block_slot(&block, "port", &slot), CL_NOT_FOUND);
    assert_int_equal(start_block_region(&block, "port0", &address, &size), CL_OK);
    assert_int_equal(address, 0x10000);
    assert_int_equal(size, 8192);
    assert_int_equal(start_block_region(&block, "port1", &address, &size), CL_NOT_FOUND);
}

static void a_name_is_given_once_and_has_to_fit(void **state)
{
    struct start_block block;

    (void)state;
    assert_int_equal(start_block_init(&block, "a name of over 24 characters", entropy), CL_BAD_ARGUMENT);
    assert_int_equal(start_block_init(&block, "", entropy), CL_BAD_ARGUMENT);
    assert_int_equal(start_block_init(&block, "vmm", entropy), CL_OK);
    assert_int_equal(start_block_add_slot(&block, "vm", 9), CL_OK);
    assert_int_equal(start_block_add_slot(&block, "vm", 10), CL_OCCUPIED);
    assert_int_equal(start_block_add_slot(&block, "a name of over 24 characters", 10), CL_BAD_ARGUMENT);
    assert_int_equal(start_block_add_region(&block, "", 0, 0), CL_BAD_ARGUMENT);
}

static void a_full_table_is_a_limit(void **state)
{
    struct start_block block;
    char name[START_NAME_MAX];

    (void)state;
    assert_int_equal(start_block_init(&block, "vmm", entropy), CL_OK);
    for (unsigned i = 0; i < START_SLOTS_MAX; i++) {
        snprintf(name, sizeof(name), "slot%u", i);
        assert_int_equal(start_block_add_slot(&block, name, i), CL_OK);
        assert_int_equal(start_block_add_region(&block, name, i * 4096, 4096), CL_OK);
    }
    assert_int_equal(start_block_add_slot(&block, "more", 9), CL_LIMIT);
    assert_int_equal(start_block_add_region(&block, "more", 0, 4096), CL_LIMIT);
}

static void a_page_that_is_no_start_block_is_corrupt(void **state)
{
    struct start_block block;

    (void)state;
    memset(&block, 0, sizeof(block));
    assert_int_equal(start_block_check(&block), CL_CORRUPT);
    assert_int_equal(start_block_init(&block, "vmm", entropy), CL_OK);
    block.slot_count = START_SLOTS_MAX + 1;
    assert_int_equal(start_block_check(&block), CL_CORRUPT);
    block.slot_count = 0;
    memset(block.name, 'x', sizeof(block.name));
    assert_int_equal(start_block_check(&block), CL_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found_again),
        cmocka_unit_test(a_name_is_given_once_and_has_to_fit),
        cmocka_unit_test(a_full_table_is_a_limit),
        cmocka_unit_test(a_page_that_is_no_start_block_is_corrupt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
