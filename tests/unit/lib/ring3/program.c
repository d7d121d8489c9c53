/* SPDX-License-Identifier: Apache-2.0 */
/* program.c: a ring-3 program that tries its own runtime: C library, memory, threads, clocks. Each behaviour prints one
 * line in cmocka's form; the last line is "all passed".
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/pages.h"
#include "lib/refusal.h"
#include "lib/runtime.h"
#include "lib/slots.h"
#include "lib/syscall.h"

static int failures;

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            printf("program.c:%d: %s\n", __LINE__, #condition);                                                        \
            return false;                                                                                              \
        }                                                                                                              \
    } while (0)

static uint64_t objects(void)
{
    return cl_syscall6(SYS_SYSTEM_INFO, 0, 0, 0, 0, 0, 0).value;
}

static _Thread_local int own_number = 17;
static _Thread_local volatile char own_text[5000];

static bool standard_library_works(void)
{
    char text[64];
    double value = strtod("2.5", NULL);

    snprintf(text, sizeof(text), "%d %s %.3f %lx", 42, "words", value * 2, 0xfeedUL);
    CHECK(strcmp(text, "42 words 5.000 feed") == 0);
    return true;
}

static bool memory_is_cleared_and_recycled(void)
{
    enum { PIECES = 300 };
    static unsigned char *piece[PIECES];
    uint64_t before = 0;

    for (unsigned round = 0; round < 8; round++) {
        for (unsigned i = 0; i < PIECES; i++) {
            size_t size = (size_t)(i * 977 + round * 131) % 60000 + 1;
            piece[i] = calloc(1, size);
            CHECK(piece[i] != NULL && piece[i][0] == 0 && piece[i][size - 1] == 0);
            memset(piece[i], (int)i, size);
        }
        for (unsigned i = 0; i < PIECES; i++) {
            CHECK(piece[i][0] == (unsigned char)i);
            free(piece[i]);
        }
        if (round == 3)
            before = objects();
    }
    CHECK(objects() <= before + 2);
    return true;
}

static bool large_memory_goes_back_to_the_account(void)
{
    uint64_t before = objects();

    for (unsigned i = 0; i < 50; i++) {
        char *large = malloc(5000000);
        CHECK(large != NULL);
        large[0] = 1;
        large[4999999] = 2;
        large = realloc(large, 9000000);
        CHECK(large != NULL && large[0] == 1 && large[4999999] == 2 && large[8999999] == 0);
        free(large);
    }
    CHECK(objects() == before);
    return true;
}

static bool too_much_memory_is_refused(void)
{
    errno = 0;
    CHECK(malloc((size_t)1 << 45) == NULL && errno == ENOMEM);
    return true;
}

enum { WORKERS = 6, ROUNDS = 2000 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static unsigned turn, counter;

static void *count_up(void *argument)
{
    (void)argument;
    own_text[4999] = 1;
    own_number++;
    for (unsigned i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        pthread_mutex_unlock(&mutex);
    }
    return (void *)(uintptr_t)own_number;
}

static void *take_turns(void *argument)
{
    unsigned own = (unsigned)(uintptr_t)argument;

    for (unsigned i = 0; i < 50; i++) {
        pthread_mutex_lock(&mutex);
        while (turn % WORKERS != own)
            pthread_cond_wait(&condition, &mutex);
        turn++;
        pthread_cond_broadcast(&condition);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static bool run_workers(void *(*function)(void *), uintptr_t expected)
{
    pthread_t worker[WORKERS];
    void *result;

    for (uintptr_t i = 0; i < WORKERS; i++)
        CHECK(pthread_create(&worker[i], NULL, function, (void *)i) == 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        CHECK(pthread_join(worker[i], &result) == 0);
        CHECK((uintptr_t)result == expected);
    }
    return true;
}

static bool threads_share_a_mutex(void)
{
    counter = 0;
    CHECK(run_workers(count_up, 18));
    CHECK(counter == WORKERS * ROUNDS);
    CHECK(own_number == 17);
    return true;
}

static bool threads_take_turns_by_a_condition(void)
{
    turn = 0;
    CHECK(run_workers(take_turns, 0));
    CHECK(turn == WORKERS * 50);
    return true;
}

static bool two_hundred_threads_leave_nothing_behind(void)
{
    uint64_t before = 0;

    for (unsigned i = 0; i < 40; i++) {
        CHECK(run_workers(count_up, 18));
        if (i == 20)
            before = objects();
    }
    /* kernel objects of the last ones wait for the next clean-up */
    CHECK(objects() <= before + WORKERS);
    return true;
}

static unsigned detached_ended;

static void *end_detached(void *argument)
{
    (void)argument;
    __atomic_fetch_add(&detached_ended, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static bool detached_threads_give_their_stacks_back(void)
{
    pthread_attr_t attributes;
    struct timespec pause = { .tv_nsec = 3000000 };
    uint64_t before = objects();

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    for (unsigned i = 0; i < 100; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, &attributes, end_detached, NULL) == 0);
        if (i % 10 == 9)
            nanosleep(&pause, NULL);
    }
    while (__atomic_load_n(&detached_ended, __ATOMIC_SEQ_CST) < 100)
        nanosleep(&pause, NULL);
    nanosleep(&pause, NULL);
    CHECK(run_workers(count_up, 18));
    /* kernel objects of the last ones wait for the next clean-up */
    CHECK(objects() <= before + WORKERS + 2);
    return true;
}

static uint64_t now_ns(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static bool sleep_lasts_as_long_as_asked(void)
{
    struct timespec pause = { .tv_nsec = 20000000 };
    uint64_t before = now_ns(CLOCK_MONOTONIC);

    CHECK(nanosleep(&pause, NULL) == 0);
    uint64_t slept = now_ns(CLOCK_MONOTONIC) - before;
    CHECK(slept >= 20000000 && slept < 2000000000);
    CHECK(now_ns(CLOCK_REALTIME) > UINT64_C(1600000000) * 1000000000);
    return true;
}

static bool timed_wait_times_out(void)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 10000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&mutex);
    CHECK(pthread_cond_timedwait(&condition, &mutex, &until) == ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
    return true;
}

static bool slots_are_reused(void)
{
    uint32_t first, second;

    CHECK(cl_slot_alloc(&first) == CL_OK);
    CHECK(cl_slot_alloc(&second) == CL_OK && second != first);
    cl_slot_free(first);
    cl_slot_free(second);
    CHECK(cl_slot_alloc(&second) == CL_OK && second == first);
    cl_slot_free(second);
    return true;
}

static bool random_bytes_never_come_twice_nor_from_the_seed_itself(void)
{
    uint8_t first[64], second[64];

    CHECK(getrandom(first, sizeof(first), 0) == sizeof(first));
    CHECK(getrandom(second, sizeof(second), 0) == sizeof(second));
    CHECK(memcmp(first, second, sizeof(first)) != 0);
    CHECK(memcmp(first, first + 32, 32) != 0);
    CHECK(memcmp(first, cl_start()->entropy, 32) != 0);
    return true;
}

static bool missing_calls_are_refused_by_name(void)
{
    CHECK(chdir("/") == -1 && errno == ENOSYS);
    CHECK(chdir("/") == -1 && errno == ENOSYS);
    enum cl_status status = cl_system_control(3, SYSTEM_RESET);
    CHECK(strcmp(cl_refusal(status), "system_control: CL_BAD_CALL (not in this machine)") == 0);
    return true;
}

static bool the_start_block_is_read(int argc, char **argv)
{
    uint64_t size;

    if (strcmp(cl_start()->name, "init") == 0) {
        CHECK(argc == 1 && strcmp(argv[0], "init") == 0 && cl_start()->domain_slot == INIT_SLOT_DOMAIN);
        return true;
    }
    CHECK(argc == 2 && strcmp(argv[0], "program") == 0 && strcmp(argv[1], "{\"colour\": \"blue\"}") == 0);
    CHECK(cl_require_slot("console") == 6);
    CHECK(cl_require_region("ram", &size) == (void *)UINT64_C(0x10000000000) && size == 8192);
    return true;
}

static void report(const char *name, bool passed)
{
    printf("[ RUN      ] %s\n", name);
    printf(passed ? "[       OK ] %s\n" : "[  FAILED  ] %s\n", name);
    failures += !passed;
}

#define TRY_OUT(test) report(#test, test())

int main(int argc, char **argv)
{
    report("the_start_block_is_read", the_start_block_is_read(argc, argv));
    TRY_OUT(standard_library_works);
    TRY_OUT(slots_are_reused);
    TRY_OUT(memory_is_cleared_and_recycled);
    TRY_OUT(large_memory_goes_back_to_the_account);
    TRY_OUT(too_much_memory_is_refused);
    TRY_OUT(sleep_lasts_as_long_as_asked);
    TRY_OUT(threads_share_a_mutex);
    TRY_OUT(threads_take_turns_by_a_condition);
    TRY_OUT(two_hundred_threads_leave_nothing_behind);
    TRY_OUT(detached_threads_give_their_stacks_back);
    TRY_OUT(timed_wait_times_out);
    TRY_OUT(random_bytes_never_come_twice_nor_from_the_seed_itself);
    TRY_OUT(missing_calls_are_refused_by_name);
    cl_log("%s", failures == 0 ? "all passed" : "some failed");
    return failures;
}
