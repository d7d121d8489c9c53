/* SPDX-License-Identifier: Apache-2.0 */
/* notification.c: bits, sleepers, deadlines; and that threads keep their registers while others run. */
#include <pthread.h>

#include "tests/system/ring3/ring3.h"

#define TURNS 2000

static const struct info_page *const info = (const struct info_page *)INFO_PAGE_ADDRESS;

static void bits_are_collected_once(void)
{
    uint64_t bits = 0;

    expect_status(cl_notification_create(SLOT_A, INIT_SLOT_ACCOUNT), CL_OK, "notification_create");
    expect_status(cl_notify(SLOT_A, 5), CL_OK, "notify");
    expect_status(cl_notify(SLOT_A, 6), CL_OK, "notify");
    expect_status(cl_wait(SLOT_A, UINT64_MAX, &bits), CL_OK, "wait");
    if (bits != 7)
        fail("bits %lx instead of 7", bits);
    expect_status(cl_wait(SLOT_A, 0, &bits), CL_TIMED_OUT, "a second wait");
    expect_status(cl_object_destroy(SLOT_A), CL_OK, "object_destroy");
    expect_status(cl_cap_delete(INIT_SLOT_DOMAIN, SLOT_A), CL_OK, "cap_delete");
}

static void a_deadline_ends_the_wait_not_before_its_time(void)
{
    uint64_t deadline = __builtin_ia32_rdtsc() + info->tsc_hz / 50;
    uint64_t bits;

    expect_status(cl_notification_create(SLOT_A, INIT_SLOT_ACCOUNT), CL_OK, "notification_create");
    expect_status(cl_wait(SLOT_A, deadline, &bits), CL_TIMED_OUT, "wait");
    if (__builtin_ia32_rdtsc() < deadline)
        fail("woken before the deadline");
    expect_status(cl_object_destroy(SLOT_A), CL_OK, "object_destroy");
    expect_status(cl_cap_delete(INIT_SLOT_DOMAIN, SLOT_A), CL_OK, "cap_delete");
}

/* Fill XMM0 to XMM7 with a pattern, make a call that switches threads, and look whether they are still there. */
static enum cl_status wait_with_pattern(uint32_t slot, uint8_t pattern, uint64_t *bits)
{
    uint8_t before[128], after[128];
    enum cl_status status;

    memset(before, pattern, sizeof(before));
    __asm__ volatile("movdqu (%0), %%xmm0; movdqu 16(%0), %%xmm1; movdqu 32(%0), %%xmm2; movdqu 48(%0), %%xmm3\n\t"
                     "movdqu 64(%0), %%xmm4; movdqu 80(%0), %%xmm5; movdqu 96(%0), %%xmm6; movdqu 112(%0), %%xmm7"
                     :
                     : "r"(before)
                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7");
    status = cl_wait(slot, UINT64_MAX, bits);
    __asm__ volatile("movdqu %%xmm0, (%0); movdqu %%xmm1, 16(%0); movdqu %%xmm2, 32(%0); movdqu %%xmm3, 48(%0)\n\t"
                     "movdqu %%xmm4, 64(%0); movdqu %%xmm5, 80(%0); movdqu %%xmm6, 96(%0); movdqu %%xmm7, 112(%0)"
                     :
                     : "r"(after)
                     : "memory");
    if (memcmp(before, after, sizeof(before)) != 0)
        fail("vector registers changed while the thread waited");
    return status;
}

static void *echo(void *unused)
{
    uint64_t bits;

    for (unsigned i = 0; i < TURNS; i++) {
        expect_status(wait_with_pattern(SLOT_A, (uint8_t)i, &bits), CL_OK, "wait of the echo");
        expect_status(cl_notify(SLOT_B, 2), CL_OK, "notify of the echo");
    }
    return unused;
}

static void two_threads_play_ping_pong(void)
{
    pthread_t thread;
    uint64_t bits;

    expect_status(cl_notification_create(SLOT_A, INIT_SLOT_ACCOUNT), CL_OK, "notification_create");
    expect_status(cl_notification_create(SLOT_B, INIT_SLOT_ACCOUNT), CL_OK, "notification_create");
    if (pthread_create(&thread, NULL, echo, NULL) != 0) {
        fail("no thread");
        return;
    }
    for (unsigned i = 0; i < TURNS; i++) {
        expect_status(cl_notify(SLOT_A, 1), CL_OK, "notify");
        expect_status(wait_with_pattern(SLOT_B, (uint8_t)~i, &bits), CL_OK, "wait");
    }
    pthread_join(thread, NULL);
    for (uint32_t slot = SLOT_A; slot <= SLOT_B; slot++) {
        expect_status(cl_object_destroy(slot), CL_OK, "object_destroy");
        expect_status(cl_cap_delete(INIT_SLOT_DOMAIN, slot), CL_OK, "cap_delete");
    }
}

static void *sleeper(void *status)
{
    uint64_t bits;

    *(enum cl_status *)status = cl_wait(SLOT_A, UINT64_MAX, &bits);
    return NULL;
}

static void destroying_a_notification_wakes_its_waiter(void)
{
    enum cl_status status = CL_OK;
    struct timespec moment = { 0, 10000000 };
    pthread_t thread;

    expect_status(cl_notification_create(SLOT_A, INIT_SLOT_ACCOUNT), CL_OK, "notification_create");
    if (pthread_create(&thread, NULL, sleeper, &status) != 0) {
        fail("no thread");
        return;
    }
    nanosleep(&moment, NULL);
    expect_status(cl_object_destroy(SLOT_A), CL_OK, "object_destroy");
    pthread_join(thread, NULL);
    expect_status(status, CL_STOPPED, "the sleeper's wait");
    expect_status(cl_cap_delete(INIT_SLOT_DOMAIN, SLOT_A), CL_OK, "cap_delete");
}

void notification_tests(void)
{
    run_test("bits_are_collected_once", bits_are_collected_once);
    run_test("a_deadline_ends_the_wait_not_before_its_time", a_deadline_ends_the_wait_not_before_its_time);
    run_test("two_threads_play_ping_pong", two_threads_play_ping_pong);
    run_test("destroying_a_notification_wakes_its_waiter", destroying_a_notification_wakes_its_waiter);
}
