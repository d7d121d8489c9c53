/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: lib/elf_load.c lib/slots.c lib/lock.c */
/* test_elf_load.c: which mappings a program becomes, and that a refusal at any step leaves no slot taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "lib/elf_load.h"
#include "lib/runtime.h"
#include "lib/slots.h"
#include "lib/syscall.h"

enum { OWN_DOMAIN = 1, IMAGE = 4, TARGET_DOMAIN = 20, TARGET_ACCOUNT = 21, FIRST_FREE = 100 };

struct call {
    enum syscall_number number;
    uint64_t argument[6];
};

static struct call calls[32];
static unsigned call_count, fail_at;
static struct start_block block = { .domain_slot = OWN_DOMAIN };
static uint8_t window[0x4000];
static uint8_t file[0x4000];

const struct start_block *cl_start(void)
{
    return &block;
}

struct cl_thread *cl_thread_self(void)
{
    static struct thread_page page;
    static struct cl_thread self = { .page = &page };

    return &self;
}

struct cl_result cl_syscall6(enum syscall_number number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                             uint64_t f)
{
    assert_true(call_count < 32);
    calls[call_count++] = (struct call){ number, { a, b, c, d, e, f } };
    return (struct cl_result){ call_count == fail_at ? CL_NO_MEMORY : CL_OK, 0 };
}

static const struct elf_program program = {
    .entry = 0x400100,
    .segment_count = 4,
    .segment = { { 0x400000, 0x2000, 0, 0x1800, MAP_READ | MAP_EXECUTE, 0 },
                 { 0x402000, 0x1000, 0x2000, 0x800, MAP_READ, 0 },
                 { 0x403000, 0x2000, 0x3000, 0x90, MAP_READ | MAP_WRITE, 0 },
                 { 0x408000, 0x1000, 0, 0, MAP_READ | MAP_WRITE, 0 } },
};

static enum cl_status load(uint32_t *data_slot)
{
    const struct elf_source source = { .image_slot = IMAGE, .image_offset = 0x7000, .file = file };
    const struct elf_target target = { .domain_slot = TARGET_DOMAIN,
                                       .account_slot = TARGET_ACCOUNT,
                                       .window = (uint64_t)window };

    call_count = 0;
    memset(window, 0, sizeof(window));
    cl_slots_begin(FIRST_FREE, 4);
    return elf_load(&program, &source, &target, data_slot);
}

static void assert_mapped(const struct call *call, uint64_t memory, uint64_t offset, uint64_t length, uint64_t address,
                          uint64_t rights)
{
    assert_int_equal(call->number, SYS_MEMORY_MAP);
    assert_int_equal(call->argument[0], memory);
    assert_int_equal(call->argument[1], TARGET_DOMAIN);
    assert_int_equal(call->argument[2], offset);
    assert_int_equal(call->argument[3], length);
    assert_int_equal(call->argument[4], address);
    assert_int_equal(call->argument[5], rights);
}

static void text_is_shared_and_data_is_copied(void **state)
{
    uint32_t data_slot;

    (void)state;
    for (unsigned i = 0; i < sizeof(file); i++)
        file[i] = (uint8_t)(i * 7 + 1);
    fail_at = 0;
    assert_int_equal(load(&data_slot), CL_OK);
    assert_int_equal(data_slot, FIRST_FREE);
    assert_int_equal(call_count, 7);
    assert_int_equal(calls[0].number, SYS_MEMORY_CREATE);
    assert_int_equal(calls[0].argument[1], TARGET_ACCOUNT);
    assert_int_equal(calls[0].argument[2], 0x3000);
    assert_int_equal(calls[1].argument[1], OWN_DOMAIN);
    assert_int_equal(calls[2].number, SYS_MEMORY_UNMAP);
    assert_int_equal(calls[2].argument[1], (uint64_t)window);
    assert_mapped(&calls[3], IMAGE, 0x7000, 0x2000, 0x400000, MAP_READ | MAP_EXECUTE);
    assert_mapped(&calls[4], IMAGE, 0x9000, 0x1000, 0x402000, MAP_READ);
    assert_mapped(&calls[5], FIRST_FREE, 0, 0x2000, 0x403000, MAP_READ | MAP_WRITE);
    assert_mapped(&calls[6], FIRST_FREE, 0x2000, 0x1000, 0x408000, MAP_READ | MAP_WRITE);
    assert_memory_equal(window, file + 0x3000, 0x90);
    for (unsigned i = 0x90; i < sizeof(window); i++)
        assert_int_equal(window[i], 0);
}

static void a_refusal_at_any_step_leaves_no_slot_taken(void **state)
{
    uint32_t data_slot, slot;

    (void)state;
    for (fail_at = 1; fail_at <= 7; fail_at++) {
        assert_int_equal(load(&data_slot), CL_NO_MEMORY);
        assert_int_equal(data_slot, 0);
        if (fail_at > 1) { /* the object was made: it is destroyed */
            assert_int_equal(calls[call_count - 2].number, SYS_OBJECT_DESTROY);
            assert_int_equal(calls[call_count - 1].number, SYS_CAP_DELETE);
        }
        assert_int_equal(cl_slot_alloc(&slot), CL_OK);
        assert_int_equal(slot, FIRST_FREE);
    }
}

static void slots_are_given_lowest_first_until_there_are_none(void **state)
{
    uint32_t slot;

    (void)state;
    cl_slots_begin(FIRST_FREE, 70);
    for (uint32_t i = 0; i < 70; i++) {
        assert_int_equal(cl_slot_alloc(&slot), CL_OK);
        assert_int_equal(slot, FIRST_FREE + i);
    }
    assert_int_equal(cl_slot_alloc(&slot), CL_LIMIT);
    cl_slot_free(FIRST_FREE + 66);
    assert_int_equal(cl_slot_alloc(&slot), CL_OK);
    assert_int_equal(slot, FIRST_FREE + 66);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_shared_and_data_is_copied),
        cmocka_unit_test(a_refusal_at_any_step_leaves_no_slot_taken),
        cmocka_unit_test(slots_are_given_lowest_first_until_there_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
