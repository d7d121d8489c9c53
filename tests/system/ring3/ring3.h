/* SPDX-License-Identifier: Apache-2.0 */
/* ring3.h: what the groups of system-call tests share. */
#ifndef CL_TESTS_RING3_H
#define CL_TESTS_RING3_H

#include <stdint.h>
#include <string.h>

#include "abi/info_page.h"
#include "lib/refusal.h"
#include "lib/syscall.h"

/* Slots of the tests, far from those that the runtime takes. Each test empties what it fills. */
enum test_slot { SLOT_A = 900, SLOT_B, SLOT_C, SLOT_D, SLOT_E, SLOT_F, SLOT_G, SLOT_H };

/* The running test fails for this reason; it goes on. */
void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void expect_status(enum cl_status status, enum cl_status wanted, const char *what);
void run_test(const char *name, void (*test)(void));

/* A child domain that runs a few bytes of machine code: slots SLOT_A (account) to SLOT_F. */
#define CHILD_CODE_ADDRESS UINT64_C(0x400000)
#define CHILD_DATA_ADDRESS UINT64_C(0x600000)
#define CHILD_PAGE_ADDRESS UINT64_C(0x700000)
struct child_end {
    uint32_t state;  /* enum thread_state */
    uint32_t vector; /* of its fault */
    uint64_t address;
    uint64_t rip;
};
void child_run(const void *code, size_t size, struct child_end *end);

void authority_tests(void);
void memory_tests(void);
void fault_tests(void);
void notification_tests(void);
void vcpu_tests(void);

#endif
