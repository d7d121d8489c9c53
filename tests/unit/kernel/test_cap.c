/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: kernel/object.c kernel/object_table.c kernel/account.c kernel/domain.c kernel/memory.c kernel/mapping.c kernel/notification.c
 * kernel/thread.c kernel/timer.c kernel/time.c kernel/fake/fake_system.c kernel/vm.c kernel/doorbell.c kernel/vcpu.c
 * kernel/fake/fake_vcpu_run.c kernel/vcpu_exit.c kernel/vlapic.c kernel/irq.c kernel/frames.c kernel/pool.c kernel/pagetable.c
 * kernel/pagetable_formats_table.c kernel/sched.c kernel/heap.c kernel/cap.c kernel/fake/fake_machine.c
 * kernel/fake/fake_memory.c kernel/fake/fake_allocation.c kernel/fake/fake_virt.c kernel/fake/fake_xstate.c
 * kernel/fake/fake_assert.c kernel/fake/fake_pool.c kernel/fake/fake_random.c */
/* test_cap.c: capabilities: a slot says what, and what may be done with it; nothing else reaches an object. */
#include "kernel/syscall.h"
#include "kernel_fixture.h"

static struct domain *domain;
static struct notification *notification;

/* Whatever is found goes to `found`, even beside a refusal. */
static struct object *found;
static unsigned has;

static enum cl_status look_up(uint64_t slot, enum object_type type, unsigned rights)
{
    struct call call = { .domain = domain, .argument = { [2] = slot } };
    enum cl_status status = call_lookup(&call, 2, type, rights);

    found = call.object[2];
    has = call.rights[2];
    return status;
}

static void begin(void)
{
    domain = fake_domain(fake_root);
    notification = new_notification();
    cap_insert(domain, 5, &notification->object, RIGHT_SIGNAL | RIGHT_WAIT);
}

static void a_capability_gives_its_object(void **state)
{
    (void)state;
    begin();
    assert_int_equal(look_up(5, OBJECT_NOTIFICATION, RIGHT_SIGNAL), CL_OK);
    assert_ptr_equal(found, &notification->object);
    assert_int_equal(look_up(5, OBJECT_NOTIFICATION, 0), CL_OK);
}

static void an_empty_slot_and_one_beyond_the_table_give_nothing(void **state)
{
    static const uint64_t slots[] = { 0, 6, 63, 64, UINT32_MAX, UINT64_C(1) << 32 | 5, UINT64_MAX };

    (void)state;
    begin();
    for (unsigned i = 0; i < ARRAY_SIZE(slots); i++) {
        fake_refusal[0] = '\0';
        assert_int_equal(look_up(slots[i], OBJECT_NOTIFICATION, 0), CL_BAD_CAPABILITY);
        assert_string_not_equal(fake_refusal, "");
    }
}

static void another_type_is_refused_by_name(void **state)
{
    (void)state;
    begin();
    for (unsigned type = OBJECT_NONE + 1; type < OBJECT_TYPE_COUNT; type++) {
        if (type == OBJECT_NOTIFICATION)
            continue;
        assert_int_equal(look_up(5, (enum object_type)type, 0), CL_BAD_CAPABILITY);
        assert_non_null(strstr(fake_refusal, "is a notification"));
    }
}

static void every_right_that_is_missing_is_missed(void **state)
{
    (void)state;
    begin();
    for (unsigned rights = 0; rights <= RIGHT_ALL; rights++) {
        bool has_all = (rights & ~(unsigned)(RIGHT_SIGNAL | RIGHT_WAIT)) == 0;
        assert_int_equal(look_up(5, OBJECT_NOTIFICATION, rights), has_all ? CL_OK : CL_NO_RIGHT);
    }
}

static void all_rights_fit_beside_the_address(void **state)
{
    (void)state;
    begin();
    for (unsigned wanted = 0; wanted <= RIGHT_ALL; wanted++) {
        cap_insert(domain, 9, &notification->object, wanted);
        assert_int_equal(look_up(9, OBJECT_NONE, 0), CL_OK);
        assert_ptr_equal(found, &notification->object);
        assert_int_equal(has, wanted);
        cap_remove(domain, 9);
    }
}

static void a_destroyed_object_is_refused_although_it_is_there(void **state)
{
    (void)state;
    begin();
    assert_int_equal(fake_destroy(&notification->object), CL_OK);
    fake_all_leave();
    assert_int_equal(look_up(5, OBJECT_NOTIFICATION, 0), CL_STOPPED);
    assert_int_equal(look_up(5, OBJECT_NONE, 0), CL_STOPPED);
    cap_insert(domain, 6, found, RIGHT_DESTROY);
    assert_int_equal(look_up(6, OBJECT_NONE, RIGHT_DESTROY), CL_OK); /* whoever destroys it may go on */
    assert_int_equal(found->dead, 2);
}

static void only_a_free_slot_within_the_table_can_be_filled(void **state)
{
    (void)state;
    begin();
    assert_int_equal(cap_check_free(domain, 0), CL_BAD_CAPABILITY);
    assert_int_equal(cap_check_free(domain, 1), CL_OK);
    assert_int_equal(cap_check_free(domain, 5), CL_OCCUPIED);
    assert_int_equal(cap_check_free(domain, 63), CL_OK);
    assert_int_equal(cap_check_free(domain, 64), CL_BAD_CAPABILITY);
    assert_int_equal(cap_check_free(domain, UINT64_MAX), CL_BAD_CAPABILITY);
}

static void a_deleted_capability_is_gone_and_its_object_lives(void **state)
{
    (void)state;
    begin();
    cap_remove(domain, 5);
    cap_remove(domain, 5);
    assert_int_equal(look_up(5, OBJECT_NOTIFICATION, 0), CL_BAD_CAPABILITY);
    assert_int_equal(notification->object.dead, 0);
    assert_int_equal(notification->object.references, 1);
}

static void the_husk_goes_with_its_last_capability(void **state)
{
    uint64_t free;

    (void)state;
    begin();
    cap_insert(domain, 6, &notification->object, 0);
    free = pool_free_bytes();
    assert_int_equal(fake_destroy(&notification->object), CL_OK);
    cap_remove(domain, 5);
    fake_all_leave();
    assert_int_equal(pool_free_bytes(), free);
    cap_remove(domain, 6);
    fake_all_leave();
    assert_true(pool_free_bytes() > free);
}

static void a_domain_that_goes_drops_all_its_capabilities(void **state)
{
    (void)state;
    begin();
    for (uint64_t slot = 6; slot < 64; slot++)
        cap_insert(domain, slot, &notification->object, RIGHT_ALL);
    assert_int_equal(notification->object.references, 60);
    assert_int_equal(fake_destroy(&domain->object), CL_OK);
    assert_int_equal(notification->object.references, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_capability_gives_its_object),
        TEST(an_empty_slot_and_one_beyond_the_table_give_nothing),
        TEST(another_type_is_refused_by_name),
        TEST(every_right_that_is_missing_is_missed),
        TEST(all_rights_fit_beside_the_address),
        TEST(a_destroyed_object_is_refused_although_it_is_there),
        TEST(only_a_free_slot_within_the_table_can_be_filled),
        TEST(a_deleted_capability_is_gone_and_its_object_lives),
        TEST(the_husk_goes_with_its_last_capability),
        TEST(a_domain_that_goes_drops_all_its_capabilities),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
