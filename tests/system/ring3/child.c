/* SPDX-License-Identifier: Apache-2.0 */
/* child.c: a domain, one page of code, one page of data, one thread; and what became of it. */
#include "tests/system/ring3/ring3.h"

#define SCRATCH UINT64_C(0x0000020000000000)
#define KIB UINT64_C(1024)
#define PATIENCE_NS UINT64_C(2000000000)

enum { CHILD_ACCOUNT = SLOT_A, CHILD_DOMAIN, CHILD_CODE, CHILD_DATA, CHILD_THREAD, CHILD_FAULTS };

static const struct info_page *const info = (const struct info_page *)INFO_PAGE_ADDRESS;

static uint64_t tsc(void)
{
    return __builtin_ia32_rdtsc();
}

static void build(const void *code, size_t size)
{
    struct account_arguments account = {
        .kernel_bytes = 256 * KIB, .memory_bytes = 64 * KIB, .affinity = AFFINITY_ALL, .weight = WEIGHT_DEFAULT
    };
    struct thread_arguments thread = { .entry = CHILD_CODE_ADDRESS,
                                       .stack = CHILD_DATA_ADDRESS + 4096,
                                       .page_address = CHILD_PAGE_ADDRESS,
                                       .cpu = UINT32_MAX };

    expect_status(cl_account_create(CHILD_ACCOUNT, INIT_SLOT_ACCOUNT, &account), CL_OK, "account_create");
    expect_status(cl_notification_create(CHILD_FAULTS, INIT_SLOT_ACCOUNT), CL_OK, "notification_create");
    expect_status(cl_domain_create(CHILD_DOMAIN, CHILD_ACCOUNT, 16, CHILD_FAULTS, 3, "child"), CL_OK, "domain_create");
    expect_status(cl_memory_create(CHILD_CODE, CHILD_ACCOUNT, 4096, 0), CL_OK, "memory_create");
    expect_status(cl_memory_create(CHILD_DATA, CHILD_ACCOUNT, 4096, 0), CL_OK, "memory_create");
    expect_status(cl_memory_map(CHILD_CODE, INIT_SLOT_DOMAIN, 0, 4096, SCRATCH, MAP_READ | MAP_WRITE), CL_OK,
                  "memory_map");
    memcpy((void *)SCRATCH, code, size);
    expect_status(cl_memory_unmap(INIT_SLOT_DOMAIN, SCRATCH), CL_OK, "memory_unmap");
    expect_status(cl_memory_map(CHILD_CODE, CHILD_DOMAIN, 0, 4096, CHILD_CODE_ADDRESS, MAP_READ | MAP_EXECUTE), CL_OK,
                  "memory_map of code");
    expect_status(cl_memory_map(CHILD_DATA, CHILD_DOMAIN, 0, 4096, CHILD_DATA_ADDRESS, MAP_READ | MAP_WRITE), CL_OK,
                  "memory_map of data");
    expect_status(cl_thread_create(CHILD_THREAD, CHILD_DOMAIN, CHILD_ACCOUNT, &thread), CL_OK, "thread_create");
}

static void tear_down(void)
{
    expect_status(cl_object_destroy(CHILD_ACCOUNT), CL_OK, "object_destroy of the account");
    expect_status(cl_object_destroy(CHILD_FAULTS), CL_OK, "object_destroy of the notification");
    for (uint32_t slot = CHILD_ACCOUNT; slot <= CHILD_FAULTS; slot++)
        expect_status(cl_cap_delete(INIT_SLOT_DOMAIN, slot), CL_OK, "cap_delete");
}

void child_run(const void *code, size_t size, struct child_end *end)
{
    struct thread_report report = { 0 };
    uint64_t deadline = tsc() + PATIENCE_NS / 1000 * (info->tsc_hz / 1000) / 1000;
    uint64_t bits = 0;

    build(code, size);
    expect_status(cl_thread_start(CHILD_THREAD), CL_OK, "thread_start");
    /* it ends by a fault, or by thread_exit, which tells nobody */
    do {
        enum cl_status status = cl_wait(CHILD_FAULTS, tsc() + info->tsc_hz / 200, &bits);
        if (status != CL_TIMED_OUT)
            expect_status(status, CL_OK, "wait");
        expect_status(cl_thread_report(CHILD_THREAD, &report), CL_OK, "thread_control");
    } while (report.state != THREAD_STATE_FAULTED && report.state != THREAD_STATE_STOPPED && tsc() < deadline);
    /* the state is there a moment before the signal */
    if (report.state == THREAD_STATE_FAULTED && bits == 0)
        expect_status(cl_wait(CHILD_FAULTS, deadline, &bits), CL_OK, "wait for the fault notification");
    if (report.state == THREAD_STATE_FAULTED && bits != UINT64_C(1) << 3)
        fail("the fault notification has bits %lx", bits);
    *end = (struct child_end){ report.state, report.vector, report.address, report.rip };
    tear_down();
}
