/* SPDX-License-Identifier: Apache-2.0 */
/* authority.c: numbers, slots, rights, accounts: what is refused, with which words, and what comes back. */
#include <time.h>

#include "tests/system/ring3/ring3.h"

#define MIB UINT64_C(0x100000)
#define ROUNDS 100
#define FUZZ_CALLS 20000

static void unknown_call_is_refused_with_a_breadcrumb(void)
{
    struct cl_result result = cl_syscall6((enum syscall_number)999, 0, 0, 0, 0, 0, 0);

    expect_status(result.status, CL_BAD_CALL, "call 999");
    if (strstr(cl_refusal(result.status), "999") == NULL)
        fail("the breadcrumb does not name the number: %s", cl_refusal(result.status));
}

static void slots_are_checked(void)
{
    expect_status(cl_notify(SLOT_A, 1), CL_BAD_CAPABILITY, "notify on an empty slot");
    expect_status(cl_notify(UINT32_MAX, 1), CL_BAD_CAPABILITY, "notify beyond the table");
    expect_status(cl_notify(INIT_SLOT_ACCOUNT, 1), CL_BAD_CAPABILITY, "notify on an account");
    expect_status(cl_notification_create(INIT_SLOT_SYSTEM, INIT_SLOT_ACCOUNT), CL_OCCUPIED, "a taken slot");
    expect_status(cl_notification_create(0, INIT_SLOT_ACCOUNT), CL_BAD_CAPABILITY, "slot 0");
}

static void copies_never_gain_rights(void)
{
    uint64_t bits;

    expect_status(cl_notification_create(SLOT_A, INIT_SLOT_ACCOUNT), CL_OK, "notification_create");
    expect_status(cl_cap_copy(SLOT_A, INIT_SLOT_DOMAIN, SLOT_B, RIGHT_SIGNAL | RIGHT_COPY), CL_OK, "cap_copy");
    expect_status(cl_notify(SLOT_B, 1), CL_OK, "notify by a copy");
    expect_status(cl_wait(SLOT_B, 0, &bits), CL_NO_RIGHT, "wait without the right");
    expect_status(cl_cap_copy(SLOT_B, INIT_SLOT_DOMAIN, SLOT_C, RIGHT_WAIT), CL_NO_RIGHT, "a copy with more rights");
    expect_status(cl_object_destroy(SLOT_B), CL_NO_RIGHT, "destroy without the right");
    expect_status(cl_wait(SLOT_A, 0, &bits), CL_OK, "wait");
    expect_status(cl_object_destroy(SLOT_A), CL_OK, "object_destroy");
    expect_status(cl_notify(SLOT_B, 1), CL_STOPPED, "notify on a destroyed object");
    expect_status(cl_cap_delete(INIT_SLOT_DOMAIN, SLOT_A), CL_OK, "cap_delete");
    expect_status(cl_cap_delete(INIT_SLOT_DOMAIN, SLOT_B), CL_OK, "cap_delete");
}

static struct account_arguments small_account(void)
{
    return (struct account_arguments){
        .kernel_bytes = MIB / 4, .memory_bytes = MIB, .affinity = AFFINITY_ALL, .weight = WEIGHT_DEFAULT
    };
}

static void an_account_cannot_be_overdrawn(void)
{
    struct account_arguments arguments = small_account();

    expect_status(cl_account_create(SLOT_A, INIT_SLOT_ACCOUNT, &arguments), CL_OK, "account_create");
    expect_status(cl_memory_create(SLOT_B, SLOT_A, MIB, 0), CL_OK, "memory within the limit");
    expect_status(cl_memory_create(SLOT_C, SLOT_A, 4096, 0), CL_NO_MEMORY, "memory beyond the limit");
    arguments.memory_bytes = 4096;
    expect_status(cl_account_create(SLOT_C, SLOT_A, &arguments), CL_NO_MEMORY, "a child richer than its parent");
    expect_status(cl_object_destroy(SLOT_A), CL_OK, "object_destroy");
    expect_status(cl_notification_create(SLOT_C, SLOT_A), CL_STOPPED, "charging a destroyed account");
    expect_status(cl_cap_delete(INIT_SLOT_DOMAIN, SLOT_A), CL_OK, "cap_delete");
    expect_status(cl_cap_delete(INIT_SLOT_DOMAIN, SLOT_B), CL_OK, "cap_delete");
}

/* What a hundred accounts with memory, mappings, domains and threads took is there again afterwards. */
static void destroying_an_account_returns_everything(void)
{
    static const uint8_t spin[] = { 0xeb, 0xfe };
    const struct timespec settle = { 0, 50000000 };
    struct memory_report before, after;
    struct child_end end;

    child_run(spin, sizeof(spin), &end); /* what is made once and kept, is made now */
    nanosleep(&settle, NULL);
    expect_status(cl_info_memory(&before), CL_OK, "system_info");
    for (unsigned i = 0; i < ROUNDS; i++) {
        static const uint8_t leave[] = { 0xb8, SYS_THREAD_EXIT, 0, 0, 0, 0x0f, 0x05 }; /* mov eax, n; syscall */
        child_run(leave, sizeof(leave), &end);
    }
    /* what the last round left behind goes as soon as every CPU has passed */
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct timespec moment = { 0, 1000000 };
        expect_status(cl_info_memory(&after), CL_OK, "system_info");
        if (before.free == after.free && before.pool_free == after.pool_free)
            break;
        nanosleep(&moment, NULL);
    }
    if (before.free != after.free || before.pool_free != after.pool_free)
        fail("lost %ld bytes of memory and %ld of the pool in %u rounds", (long)(before.free - after.free),
             (long)(before.pool_free - after.pool_free), ROUNDS);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Any call with any arguments: refused or done, but nothing breaks. Slots that the test itself lives on are spared. */
static void random_calls_break_nothing(void)
{
    uint64_t random = UINT64_C(0x9e3779b97f4a7c15);

    for (unsigned i = 0; i < FUZZ_CALLS; i++) {
        enum syscall_number number = (enum syscall_number)(next_random(&random) % (SYS_COUNT + 2));
        uint64_t a[6];
        for (unsigned j = 0; j < 6; j++) {
            uint64_t r = next_random(&random);
            a[j] = (r & 3) == 0   ? r
                   : (r & 3) == 1 ? SLOT_A + r % 4
                   : (r & 3) == 2 ? r % 70000
                                  : r & UINT64_C(0xfffff000);
        }
        /* it must neither sleep, end, switch the machine off, nor lose its own memory */
        if (number == SYS_WAIT || number == SYS_THREAD_EXIT || number == SYS_SYSTEM_CONTROL || number == SYS_VCPU_RUN ||
            number == SYS_MEMORY_UNMAP || number == SYS_THREAD_CONTROL || a[0] == INIT_SLOT_DOMAIN)
            continue;
        for (unsigned j = 0; j < 16; j++)
            cl_thread_page()->argument[j] = next_random(&random) >> (next_random(&random) % 64);
        (void)cl_syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    }
    for (uint32_t slot = SLOT_A; slot < SLOT_A + 4; slot++) {
        if (cl_object_destroy(slot) != CL_BAD_CAPABILITY)
            (void)!cl_cap_delete(INIT_SLOT_DOMAIN, slot);
    }
}

void authority_tests(void)
{
    run_test("unknown_call_is_refused_with_a_breadcrumb", unknown_call_is_refused_with_a_breadcrumb);
    run_test("slots_are_checked", slots_are_checked);
    run_test("copies_never_gain_rights", copies_never_gain_rights);
    run_test("an_account_cannot_be_overdrawn", an_account_cannot_be_overdrawn);
    run_test("destroying_an_account_returns_everything", destroying_an_account_returns_everything);
    run_test("random_calls_break_nothing", random_calls_break_nothing);
}
