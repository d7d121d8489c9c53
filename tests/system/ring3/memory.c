/* SPDX-License-Identifier: Apache-2.0 */
/* memory.c: mappings: where they may stand, that they are clean, that they go. */
#include "tests/system/ring3/ring3.h"

#define PLACE UINT64_C(0x0000030000000000)
#define MIB UINT64_C(0x100000)

static void mappings_stay_in_the_user_half(void)
{
    expect_status(cl_memory_create(SLOT_A, INIT_SLOT_ACCOUNT, 8192, 0), CL_OK, "memory_create");
    /* a SYSCALL as the last instruction of this page would return to a non-canonical address */
    expect_status(cl_memory_map(SLOT_A, INIT_SLOT_DOMAIN, 0, 4096, UINT64_C(0x7ffffffff000), MAP_READ), CL_BAD_ARGUMENT,
                  "the last canonical page");
    expect_status(cl_memory_map(SLOT_A, INIT_SLOT_DOMAIN, 0, 4096, UINT64_C(0xffff800000000000), MAP_READ),
                  CL_BAD_ARGUMENT, "the kernel half");
    expect_status(cl_memory_map(SLOT_A, INIT_SLOT_DOMAIN, 0, 4096, 0, MAP_READ), CL_BAD_ARGUMENT, "the null page");
    expect_status(cl_memory_map(SLOT_A, INIT_SLOT_DOMAIN, 0, 4096, PLACE + 12, MAP_READ), CL_BAD_ARGUMENT,
                  "a crooked address");
    expect_status(cl_memory_map(SLOT_A, INIT_SLOT_DOMAIN, 4096, 8192, PLACE, MAP_READ), CL_BAD_ARGUMENT,
                  "beyond the end");
    expect_status(cl_memory_map(SLOT_A, INIT_SLOT_DOMAIN, 0, 4096, PLACE, MAP_READ | MAP_WRITE | MAP_EXECUTE),
                  CL_BAD_ARGUMENT, "writable and executable");
    expect_status(cl_memory_map(SLOT_A, INIT_SLOT_DOMAIN, 0, 8192, PLACE, MAP_READ), CL_OK, "an ordinary place");
    expect_status(cl_memory_map(SLOT_A, INIT_SLOT_DOMAIN, 0, 4096, PLACE + 4096, MAP_READ), CL_OCCUPIED,
                  "a taken place");
    expect_status(cl_object_destroy(SLOT_A), CL_OK, "object_destroy");
    expect_status(cl_memory_unmap(INIT_SLOT_DOMAIN, PLACE), CL_NOT_FOUND, "the mapping of a destroyed memory");
    expect_status(cl_cap_delete(INIT_SLOT_DOMAIN, SLOT_A), CL_OK, "cap_delete");
}

static void fill_and_check(uint32_t flags, uint64_t size)
{
    uint64_t *words = (uint64_t *)PLACE;

    expect_status(cl_memory_create(SLOT_A, INIT_SLOT_ACCOUNT, size, flags), CL_OK, "memory_create");
    expect_status(cl_memory_map(SLOT_A, INIT_SLOT_DOMAIN, 0, size, PLACE, MAP_READ | MAP_WRITE), CL_OK, "memory_map");
    for (uint64_t i = 0; i < size / 8; i++) {
        if (words[i] != 0) {
            fail("word %lx of fresh memory is %lx", i, words[i]);
            break;
        }
        words[i] = UINT64_C(0xdeadbeef00000000) + i;
    }
    expect_status(cl_object_destroy(SLOT_A), CL_OK, "object_destroy");
    expect_status(cl_cap_delete(INIT_SLOT_DOMAIN, SLOT_A), CL_OK, "cap_delete");
}

/* Twice: the second time gets the frames that the first one wrote to. */
static void fresh_memory_is_zero(void)
{
    fill_and_check(0, MIB);
    fill_and_check(0, MIB);
    fill_and_check(MEMORY_LARGE, 6 * MIB);
    fill_and_check(MEMORY_LARGE, 6 * MIB + 4096);
}

static void a_slice_dies_with_its_parent(void)
{
    uint8_t *place = (uint8_t *)PLACE;

    expect_status(cl_memory_create(SLOT_A, INIT_SLOT_ACCOUNT, 16384, 0), CL_OK, "memory_create");
    expect_status(cl_memory_map(SLOT_A, INIT_SLOT_DOMAIN, 0, 16384, PLACE, MAP_READ | MAP_WRITE), CL_OK, "memory_map");
    memset(place + 8192, 7, 4096);
    expect_status(cl_memory_slice(SLOT_B, SLOT_A, 8192, 4096), CL_OK, "memory_slice");
    expect_status(cl_memory_map(SLOT_B, INIT_SLOT_DOMAIN, 0, 4096, PLACE + MIB, MAP_READ), CL_OK,
                  "memory_map of the slice");
    if (place[MIB] != 7 || place[MIB + 4095] != 7)
        fail("the slice shows other bytes");
    expect_status(cl_memory_slice(SLOT_C, SLOT_A, 12288, 8192), CL_BAD_ARGUMENT, "a slice beyond the end");
    expect_status(cl_object_destroy(SLOT_A), CL_OK, "object_destroy");
    expect_status(cl_memory_map(SLOT_B, INIT_SLOT_DOMAIN, 0, 4096, PLACE, MAP_READ), CL_STOPPED,
                  "a slice without parent");
    expect_status(cl_cap_delete(INIT_SLOT_DOMAIN, SLOT_A), CL_OK, "cap_delete");
    expect_status(cl_cap_delete(INIT_SLOT_DOMAIN, SLOT_B), CL_OK, "cap_delete");
}

void memory_tests(void)
{
    run_test("mappings_stay_in_the_user_half", mappings_stay_in_the_user_half);
    run_test("fresh_memory_is_zero", fresh_memory_is_zero);
    run_test("a_slice_dies_with_its_parent", a_slice_dies_with_its_parent);
}
