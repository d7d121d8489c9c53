/* SPDX-License-Identifier: Apache-2.0 */
/* kernel_fixture.h: what the tests of the kernel's object layer share: cmocka, the fake machine, a machine per test. */
#ifndef CL_TESTS_KERNEL_FIXTURE_H
#define CL_TESTS_KERNEL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/assert.h"
#include "kernel/fake/machine.h"
#include "kernel/frames.h"
#include "kernel/pool.h"

#define CPUS 3

/* tools/mutate asks for one test at a time. */
__attribute__((constructor)) static void choose_test(void)
{
    if (getenv("ONLY_TEST") != NULL)
        cmocka_set_test_filter(getenv("ONLY_TEST"));
}

/* Each test has a machine of its own; at its end all must have been given back. */
static int power_on(void **state)
{
    (void)state;
    fake_machine_start(CPUS);
    return 0;
}

static int power_off_clean(void **state)
{
    (void)state;
    fake_cpu_become(0);
    if (!FAKE_PANICS(fake_machine_stop()))
        return 0;
    print_error("%s\n", fake_panic_text);
    return -1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, power_on, power_off_clean)

static inline struct memory *new_memory(uint64_t frames, uint32_t flags)
{
    struct memory *memory = NULL;

    assert_int_equal(memory_create(fake_root, frames * PAGE_SIZE, flags, &memory), CL_OK);
    return memory;
}

/* Map to the end, in as many calls as it takes; the status of the last one. */
static inline enum cl_status map_all(struct memory *memory, struct space *space, uint64_t offset, uint64_t length,
                                     uint64_t address)
{
    enum cl_status status = CL_IN_PROGRESS;
    uint64_t done;

    while (status == CL_IN_PROGRESS)
        status = memory_map(memory, space, offset, length, address, PT_READ | PT_WRITE | PT_USER, &done);
    return status;
}

/* Unmap to the end, with every CPU passing. */
static inline enum cl_status unmap_all(struct space *space, uint64_t address)
{
    enum cl_status status = CL_IN_PROGRESS;

    while (status == CL_IN_PROGRESS) {
        status = space_unmap(space, address);
        if (status == CL_IN_PROGRESS)
            fake_all_leave();
    }
    return status;
}

static inline struct notification *new_notification(void)
{
    struct notification *notification = object_create(fake_root, OBJECT_NOTIFICATION);

    assert_non_null(notification);
    return notification;
}

static inline struct vm *new_vm(struct notification *events)
{
    static const char name[VM_NAME_MAX] = "guest";
    struct vm *vm = NULL;

    assert_int_equal(vm_create(fake_root, name, events, 7, &vm), CL_OK);
    return vm;
}

#endif
