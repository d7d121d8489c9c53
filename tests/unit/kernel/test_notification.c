/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: kernel/object.c kernel/object_table.c kernel/account.c kernel/domain.c kernel/memory.c kernel/mapping.c kernel/notification.c
 * kernel/thread.c kernel/timer.c kernel/time.c kernel/fake/fake_system.c kernel/vm.c kernel/doorbell.c kernel/vcpu.c
 * kernel/fake/fake_vcpu_run.c kernel/vcpu_exit.c kernel/vlapic.c kernel/irq.c kernel/frames.c kernel/pool.c kernel/pagetable.c
 * kernel/pagetable_formats_table.c kernel/sched.c kernel/heap.c kernel/cap.c kernel/fake/fake_machine.c
 * kernel/fake/fake_memory.c kernel/fake/fake_allocation.c kernel/fake/fake_virt.c kernel/fake/fake_xstate.c
 * kernel/fake/fake_assert.c kernel/fake/fake_pool.c kernel/fake/fake_random.c */
/* test_notification.c: bits, one waiter, one watcher, deadlines; and no wake-up is lost between two CPUs. */
#define _GNU_SOURCE
#define sched_yield libc_sched_yield /* the C library has one, too */
#include <pthread.h>
#undef sched_yield
#include <time.h>
#include <unistd.h>

#include "kernel_fixture.h"

#define NEVER UINT64_MAX

static struct notification *notification;
static struct thread *thread, *other;
static struct domain *domain;
static uint64_t bits;

/* One thread runs on CPU 1, another on CPU 2. */
static void begin(void)
{
    domain = fake_domain(fake_root);
    notification = new_notification();
    thread = fake_thread(domain, fake_root, 0x600000, 1);
    other = fake_thread(domain, fake_root, 0x601000, 2);
    fake_thread_run(thread);
    fake_thread_run(other);
    bits = 0;
}

static enum cl_status wait_on(uint32_t cpu, struct thread *waiter, uint64_t deadline)
{
    fake_cpu_become(cpu);
    enum cl_status status = notification_wait(notification, waiter, deadline, &bits);
    fake_cpu_become(0);
    return status;
}

static void bits_are_collected_once(void **state)
{
    (void)state;
    begin();
    notification_signal(notification, 5);
    notification_signal(notification, 4);
    notification_signal(notification, UINT64_C(1) << 63);
    assert_int_equal(wait_on(1, thread, NEVER), CL_OK);
    assert_int_equal(bits, 5 | UINT64_C(1) << 63);
    assert_int_equal(wait_on(1, thread, 0), CL_TIMED_OUT);
}

static void a_poll_and_a_deadline_that_has_passed_do_not_sleep(void **state)
{
    (void)state;
    begin();
    assert_int_equal(wait_on(1, thread, 0), CL_TIMED_OUT);
    assert_int_equal(wait_on(1, thread, fake_tsc), CL_TIMED_OUT);
    assert_int_equal(wait_on(1, thread, 1), CL_TIMED_OUT);
    assert_int_equal(fake_cpu_leave(1), FAKE_RING3);
}

static void a_sleeper_gets_its_bits_in_its_registers(void **state)
{
    (void)state;
    begin();
    assert_int_equal(wait_on(1, thread, NEVER), CL_IN_PROGRESS);
    assert_int_equal(fake_cpu_leave(1), FAKE_IDLE);
    (void)fake_ipis(1);
    notification_signal(notification, 0x30);
    assert_int_equal(fake_ipis(1), 1);
    assert_int_equal(fake_cpu_leave(1), FAKE_RING3);
    assert_ptr_equal(cpus[1].current, thread);
    assert_int_equal(thread->registers.rax, CL_OK);
    assert_int_equal(thread->registers.rdx, 0x30);
    assert_int_equal(notification->pending, 0);
}

static void a_second_waiter_is_refused(void **state)
{
    (void)state;
    begin();
    assert_int_equal(wait_on(1, thread, NEVER), CL_IN_PROGRESS);
    assert_int_equal(wait_on(2, other, NEVER), CL_BUSY);
    assert_int_equal(wait_on(2, other, 0), CL_TIMED_OUT);
    notification_signal(notification, 1);
    assert_int_equal(wait_on(2, other, NEVER), CL_IN_PROGRESS);
}

static void a_wait_times_out_at_its_deadline(void **state)
{
    (void)state;
    begin();
    uint64_t deadline = fake_tsc + 5000;
    assert_int_equal(wait_on(1, thread, deadline), CL_IN_PROGRESS);
    assert_int_equal(fake_cpu_leave(1), FAKE_IDLE);
    assert_int_equal(fake_timer_deadline[1], deadline);
    fake_tsc = deadline - 1;
    assert_int_equal(fake_cpu_leave(1), FAKE_IDLE);
    fake_tsc = deadline;
    assert_int_equal(fake_cpu_leave(1), FAKE_RING3);
    assert_int_equal(thread->registers.rax, CL_TIMED_OUT);
    assert_int_equal(thread->registers.rdx, 0);
    assert_null(notification->waiter);
    notification_signal(notification, 1); /* nobody's any more */
    assert_int_equal(notification->pending, 1);
}

static void a_deadline_ends_with_its_wait(void **state)
{
    (void)state;
    begin();
    uint64_t deadline = fake_tsc + 5000;
    assert_int_equal(wait_on(1, thread, deadline), CL_IN_PROGRESS);
    assert_int_equal(fake_cpu_leave(1), FAKE_IDLE);
    notification_signal(notification, 1);
    assert_int_equal(fake_cpu_leave(1), FAKE_RING3);
    assert_int_equal(wait_on(1, thread, NEVER), CL_IN_PROGRESS);
    fake_tsc = deadline + 1;
    assert_int_equal(fake_cpu_leave(1), FAKE_IDLE);
    assert_ptr_equal(notification->waiter, thread);
}

/* CPU 1 has taken the deadline of an earlier wait out of its heap; before it tells the thread, that was woken and waits
 * again. */
static void an_old_deadline_does_not_end_a_new_wait(void **state)
{
    (void)state;
    begin();
    assert_int_equal(wait_on(1, thread, fake_tsc + 100000), CL_IN_PROGRESS);
    thread_deadline_passed(thread);
    assert_ptr_equal(notification->waiter, thread);
    assert_int_equal(fake_cpu_leave(1), FAKE_IDLE);
}

static void destruction_wakes_the_waiter(void **state)
{
    (void)state;
    begin();
    assert_int_equal(wait_on(1, thread, NEVER), CL_IN_PROGRESS);
    assert_int_equal(fake_cpu_leave(1), FAKE_IDLE);
    assert_int_equal(object_destroy(&notification->object), CL_OK);
    assert_int_equal(fake_cpu_leave(1), FAKE_RING3);
    assert_int_equal(thread->registers.rax, CL_STOPPED);
}

static void a_destroyed_notification_refuses_with_a_sentence(void **state)
{
    (void)state;
    begin();
    object_reference(&notification->object);
    assert_int_equal(object_destroy(&notification->object), CL_OK);
    fake_refusal[0] = '\0';
    assert_int_equal(wait_on(1, thread, NEVER), CL_STOPPED);
    assert_string_not_equal(fake_refusal, "");
    fake_refusal[0] = '\0';
    assert_int_equal(notification_watch(notification, thread), CL_STOPPED);
    assert_string_not_equal(fake_refusal, "");
    object_drop(&notification->object);
}

static void a_stopped_thread_no_longer_waits(void **state)
{
    (void)state;
    begin();
    assert_int_equal(wait_on(1, thread, fake_tsc + 1000), CL_IN_PROGRESS);
    assert_int_equal(fake_cpu_leave(1), FAKE_IDLE);
    assert_true(thread_stop(thread));
    assert_null(notification->waiter);
    notification_signal(notification, 9);
    assert_int_equal(notification->pending, 9);
    assert_int_equal(fake_cpu_leave(1), FAKE_IDLE);
    fake_tsc += 2000;
    assert_int_equal(fake_cpu_leave(1), FAKE_IDLE);
    fake_thread_run(thread);
    assert_int_equal(thread->registers.rax, CL_STOPPED);
}

static void a_watcher_is_poked_and_the_bits_stay(void **state)
{
    (void)state;
    begin();
    assert_int_equal(notification_watch(notification, thread), CL_OK);
    assert_int_equal(notification_watch(notification, thread), CL_OK);
    assert_int_equal(notification_watch(notification, other), CL_BUSY);
    (void)fake_ipis(1);
    notification_signal(notification, 2);
    assert_int_equal(fake_ipis(1), 1);
    assert_true((cpus[1].attention & ATTENTION_GUEST) != 0);
    assert_int_equal(notification->pending, 2);
    assert_int_equal(notification_watch(NULL, other), CL_OK);
    assert_ptr_equal(notification->watcher, thread);
    assert_int_equal(notification_watch(NULL, thread), CL_OK);
    (void)fake_cpu_leave(1);
    (void)fake_ipis(1);
    notification_signal(notification, 2);
    assert_int_equal(fake_ipis(1), 0);
}

/* ---------------------------------------------------------------------------- two CPUs that are threads of the host */

#define ROUNDS 3000

static struct notification *ping, *pong;
static uint64_t collected;
static bool failed_to_wake;

/* wait() in ring 3: the system call, and leaving the kernel, on the CPU of this host thread. */
static void wait_for_bits(uint32_t cpu, struct thread *self, struct notification *from)
{
    uint64_t got = 0;

    enum cl_status status = notification_wait(from, self, NEVER, &got);
    if (status == CL_IN_PROGRESS) {
        (void)fake_cpu_leave(cpu); /* halts until a kick comes */
        assert_int_equal(self->registers.rax, CL_OK);
        got = self->registers.rdx;
    }
    assert_int_not_equal(got, 0);
    collected += got;
}

static void *player_one(void *unused)
{
    (void)unused;
    fake_cpu_become(1);
    for (unsigned i = 0; i < ROUNDS; i++) {
        notification_signal(ping, 1);
        wait_for_bits(1, thread, pong);
    }
    return NULL;
}

static void *player_two(void *unused)
{
    (void)unused;
    fake_cpu_become(2);
    for (unsigned i = 0; i < ROUNDS; i++) {
        wait_for_bits(2, other, ping);
        notification_signal(pong, 1);
    }
    return NULL;
}

/* Each signal has to end one wait, however the two interleave: a lost wake-up stops both for ever. */
static void two_cpus_that_wake_each_other_lose_no_wake_up(void **state)
{
    struct timespec deadline;
    pthread_t one, two;

    (void)state;
    begin();
    ping = new_notification();
    pong = new_notification();
    collected = 0;
    fake_halt_waits = true;
    assert_int_equal(pthread_create(&one, NULL, player_one, NULL), 0);
    assert_int_equal(pthread_create(&two, NULL, player_two, NULL), 0);
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += 30;
    failed_to_wake = pthread_timedjoin_np(one, NULL, &deadline) != 0 || pthread_timedjoin_np(two, NULL, &deadline) != 0;
    if (failed_to_wake) {
        print_error("a wake-up was lost after %lu of %u\n", collected, 2 * ROUNDS);
        _exit(1); /* the two still run */
    }
    fake_halt_waits = false;
    assert_int_equal(collected, 2 * ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bits_are_collected_once),
        TEST(a_poll_and_a_deadline_that_has_passed_do_not_sleep),
        TEST(a_sleeper_gets_its_bits_in_its_registers),
        TEST(a_second_waiter_is_refused),
        TEST(a_wait_times_out_at_its_deadline),
        TEST(a_deadline_ends_with_its_wait),
        TEST(an_old_deadline_does_not_end_a_new_wait),
        TEST(destruction_wakes_the_waiter),
        TEST(a_destroyed_notification_refuses_with_a_sentence),
        TEST(a_stopped_thread_no_longer_waits),
        TEST(a_watcher_is_poked_and_the_bits_stay),
        TEST(two_cpus_that_wake_each_other_lose_no_wake_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
