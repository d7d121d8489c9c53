/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmm/capsule.c */
/* test_capsule.c: transactions, replay and recovery of the capsule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vmm/capsule.h"

#define BYTES (64u * 1024)

struct state {
    uint64_t a;
    uint32_t b;
    uint8_t c;
};

static uint8_t *block;
static struct capsule *capsule;
static struct capsule_section *section;
static struct state *state;
static struct capsule_tx tx;

static int prepare(void **unused)
{
    bool created;

    (void)unused;
    block = aligned_alloc(4096, BYTES);
    memset(block, 0, BYTES);
    assert_int_equal(capsule_create(block, BYTES, 3, &capsule), CL_OK);
    assert_int_equal(capsule_section(capsule, "thing", 1, sizeof(*state), &section, &created), CL_OK);
    assert_true(created);
    state = capsule_section_state(capsule, section);
    capsule_tx_init(&tx, capsule, 1);
    return 0;
}

static int finish(void **unused)
{
    (void)unused;
    free(block);
    return 0;
}

static void an_open_operation_is_rolled_back(void **unused)
{
    (void)unused;
    capsule_exit_begin(&tx, 1);
    CAPSULE_SET(&tx, state->a, 1);
    CAPSULE_SET(&tx, state->b, 2);
    capsule_commit(&tx, 77);
    CAPSULE_SET(&tx, state->a, 10);
    CAPSULE_SET(&tx, state->a, 11);
    CAPSULE_SET(&tx, state->c, 3);
    section->lock = 1;
    capsule_recover(capsule);
    assert_int_equal(state->a, 1);
    assert_int_equal(state->b, 2);
    assert_int_equal(state->c, 0);
    assert_int_equal(section->lock, 0);
}

static void recovery_can_be_repeated(void **unused)
{
    (void)unused;
    CAPSULE_SET(&tx, state->a, 5);
    capsule_recover(capsule);
    capsule_recover(capsule);
    assert_int_equal(state->a, 0);
}

static void a_published_step_is_replayed_and_the_next_is_not(void **unused)
{
    uint64_t value = 0;

    (void)unused;
    capsule_exit_begin(&tx, 9);
    assert_false(capsule_replay(&tx, &value));
    CAPSULE_SET(&tx, state->a, 1);
    capsule_commit(&tx, 123);
    capsule_recover(capsule);
    capsule_tx_init(&tx, capsule, 1);
    capsule_exit_begin(&tx, 9);
    assert_true(capsule_replay(&tx, &value));
    assert_int_equal(value, 123);
    assert_false(capsule_replay(&tx, &value));
    capsule_commit(&tx, 124);
    capsule_tx_init(&tx, capsule, 1);
    capsule_exit_begin(&tx, 10);
    assert_false(capsule_replay(&tx, &value));
}

static void quiet_commits_keep_what_was_published(void **unused)
{
    uint64_t value;

    (void)unused;
    capsule_exit_begin(&tx, 4);
    capsule_commit(&tx, 8);
    CAPSULE_SET(&tx, state->b, 6);
    capsule_commit_quietly(&tx);
    capsule_tx_init(&tx, capsule, 1);
    capsule_exit_begin(&tx, 4);
    assert_true(capsule_replay(&tx, &value));
    assert_int_equal(value, 8);
}

static void an_outcome_belongs_to_its_exit(void **unused)
{
    (void)unused;
    capsule_exit_begin(&tx, 4);
    assert_false(capsule_outcome_known(&tx));
    capsule_outcome_buffer(&tx)->rflags = 2;
    capsule_outcome_publish(&tx);
    capsule_tx_init(&tx, capsule, 1);
    capsule_exit_begin(&tx, 4);
    assert_true(capsule_outcome_known(&tx));
    capsule_exit_begin(&tx, 5);
    assert_false(capsule_outcome_known(&tx));
}

static void an_aborted_operation_leaves_nothing(void **unused)
{
    (void)unused;
    CAPSULE_SET(&tx, state->a, 5);
    CAPSULE_SET(&tx, state->c, 1);
    capsule_abort(&tx);
    assert_int_equal(state->a, 0);
    assert_int_equal(state->c, 0);
    assert_int_equal(tx.count, 0);
}

static void attach_finds_sections_and_refuses_damage(void **unused)
{
    struct capsule *again;
    struct capsule_section *found;
    bool created;

    (void)unused;
    assert_int_equal(capsule_attach(block, BYTES, &again), CL_OK);
    assert_int_equal(capsule_section(again, "thing", 1, sizeof(*state), &found, &created), CL_OK);
    assert_false(created);
    assert_ptr_equal(found, section);
    assert_int_equal(capsule_section(again, "thing", 2, sizeof(*state), &found, &created), CL_CORRUPT);
    assert_int_equal(capsule_attach(block, BYTES - 4096, &again), CL_CORRUPT);
    section->offset = BYTES - 64;
    assert_int_equal(capsule_attach(block, BYTES, &again), CL_CORRUPT);
    section->offset = 64;
    assert_int_equal(capsule_attach(block, BYTES, &again), CL_CORRUPT);
    memset(block, 0, BYTES);
    assert_int_equal(capsule_attach(block, BYTES, &again), CL_NOT_FOUND);
}

static void a_full_capsule_says_so(void **unused)
{
    struct capsule_section *s;
    bool created;

    (void)unused;
    assert_int_equal(capsule_section(capsule, "big", 1, BYTES, &s, &created), CL_NO_MEMORY);
    assert_int_equal(capsule_section(capsule, "huge", 1, UINT32_MAX, &s, &created), CL_NO_MEMORY);
    assert_int_equal(capsule_section(capsule, "a name of 16 char", 1, 8, &s, &created), CL_BAD_ARGUMENT);
}

static void a_damaged_log_cannot_write_elsewhere(void **unused)
{
    (void)unused;
    CAPSULE_SET(&tx, state->a, 5);
    tx.log->entry[0].offset = UINT32_MAX - 3;
    capsule_recover(capsule);
    assert_int_equal(state->a, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_open_operation_is_rolled_back, prepare, finish),
        cmocka_unit_test_setup_teardown(recovery_can_be_repeated, prepare, finish),
        cmocka_unit_test_setup_teardown(a_published_step_is_replayed_and_the_next_is_not, prepare, finish),
        cmocka_unit_test_setup_teardown(quiet_commits_keep_what_was_published, prepare, finish),
        cmocka_unit_test_setup_teardown(an_outcome_belongs_to_its_exit, prepare, finish),
        cmocka_unit_test_setup_teardown(an_aborted_operation_leaves_nothing, prepare, finish),
        cmocka_unit_test_setup_teardown(attach_finds_sections_and_refuses_damage, prepare, finish),
        cmocka_unit_test_setup_teardown(a_full_capsule_says_so, prepare, finish),
        cmocka_unit_test_setup_teardown(a_damaged_log_cannot_write_elsewhere, prepare, finish),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
