/* SPDX-License-Identifier: Apache-2.0 */
/* fault.c: what ring 3 must not do, done in a child domain: it is stopped with the right vector, nothing else is. */
#include "tests/system/ring3/ring3.h"

#include <stdio.h>

#define VECTOR_DE 0
#define VECTOR_DB 1
#define VECTOR_BP 3
#define VECTOR_UD 6
#define VECTOR_GP 13
#define VECTOR_PF 14

#define BYTES(...) (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })

static const struct fault_case {
    const char *name;
    const uint8_t *code;
    size_t size;
    uint32_t vector;
    uint64_t address; /* of a page fault */
} cases[] = {
    { "divide_by_zero", BYTES(0x31, 0xc9, 0xf7, 0xf1), VECTOR_DE, 0 },
    { "invalid_opcode", BYTES(0x0f, 0x0b), VECTOR_UD, 0 },
    { "breakpoint", BYTES(0xcc), VECTOR_BP, 0 },
    { "single_step", BYTES(0x9c, 0x81, 0x0c, 0x24, 0x00, 0x01, 0x00, 0x00, 0x9d, 0x90, 0x90), VECTOR_DB, 0 },
    { "cli", BYTES(0xfa), VECTOR_GP, 0 },
    { "hlt", BYTES(0xf4), VECTOR_GP, 0 },
    { "read_cr0", BYTES(0x0f, 0x20, 0xc0), VECTOR_GP, 0 },
    { "wrmsr", BYTES(0x0f, 0x30), VECTOR_GP, 0 },
    { "in_from_a_port", BYTES(0xe4, 0x80), VECTOR_GP, 0 },
    { "int_80h", BYTES(0xcd, 0x80), VECTOR_GP, 0 },
    { "int_of_the_timer_vector", BYTES(0xcd, 0xe0), VECTOR_GP, 0 },
    /* mov rax, 0x0000800000000000; jmp rax: where a careless IRET or SYSRET would fault in ring 0 */
    { "jump_to_a_non_canonical_address", BYTES(0x48, 0xb8, 0, 0, 0, 0, 0, 0x80, 0, 0, 0xff, 0xe0), VECTOR_GP, 0 },
    { "stack_pointer_non_canonical_at_syscall", /* mov rsp, 0x0000800000000000; mov eax, 999; syscall; ud2 */
      BYTES(0x48, 0xbc, 0, 0, 0, 0, 0, 0x80, 0, 0, 0xb8, 0xe7, 0x03, 0, 0, 0x0f, 0x05, 0x0f, 0x0b), VECTOR_UD, 0 },
    { "read_kernel_memory", BYTES(0x48, 0xc7, 0xc0, 0, 0, 0, 0x80, 0x8b, 0x00), VECTOR_PF,
      UINT64_C(0xffffffff80000000) },
    { "read_the_null_page", BYTES(0x31, 0xc0, 0x8b, 0x00), VECTOR_PF, 0 },
    { "write_its_own_code", BYTES(0xc6, 0x04, 0x25, 0x00, 0x00, 0x40, 0x00, 0x01), VECTOR_PF, CHILD_CODE_ADDRESS },
    { "execute_its_data", BYTES(0xb8, 0x00, 0x00, 0x60, 0x00, 0xff, 0xe0), VECTOR_PF, CHILD_DATA_ADDRESS },
    { "write_the_info_page", /* mov rax, INFO_PAGE_ADDRESS; mov byte [rax], 1 */
      BYTES(0x48, 0xb8, 0x00, 0x00, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0xc6, 0x00, 0x01), VECTOR_PF, INFO_PAGE_ADDRESS },
};

static const struct fault_case *current;

static void run_case(void)
{
    struct child_end end;

    child_run(current->code, current->size, &end);
    if (end.state != THREAD_STATE_FAULTED)
        fail("the thread ended in state %u", end.state);
    else if (end.vector != current->vector)
        fail("vector %u instead of %u at %lx", end.vector, current->vector, end.rip);
    else if (current->vector == VECTOR_PF && end.address != current->address)
        fail("page fault at %lx instead of %lx", end.address, current->address);
}

void fault_tests(void)
{
    char name[64];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        current = &cases[i];
        snprintf(name, sizeof(name), "fault_%s", current->name);
        run_test(name, run_case);
    }
}
