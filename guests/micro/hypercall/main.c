/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: Cloison's hypercalls: numbers, results, registers that must survive, and a caller at CPL 3.
 *
 * APM Vol. 2 15.8.1 (VMMCALL), SDM Vol. 3C "VMCALL". Bare machines have nobody to call: SKIP.
 */
#include "abi/hypercall.h"
#include "paging.h"
#include "trap.h"

void hypercall_vmcall(void);
void hypercall_vmmcall(void);

asm(".pushsection .text\n"
    "hypercall_vmcall: vmcall; ret\n"
    "hypercall_vmmcall: vmmcall; ret\n"
    ".popsection");

/* One hypercall; false when it raised an exception. */
static bool hypercall(uint64_t number, uint64_t argument, uint64_t *result)
{
    bool amd = micro_on_amd(); /* a call behind the next line could change R10 */
    register uint64_t r10 asm("r10") = argument;

    if (amd)
        TRY("vmmcall", : "+a"(number) : "D"(argument), "S"(argument), "d"(argument), "r"(r10) : "memory");
    else
        TRY("vmcall", : "+a"(number) : "D"(argument), "S"(argument), "d"(argument), "r"(r10) : "memory");
    *result = number;
    return micro_trap.vector == VECTOR_NONE;
}

static void check_result(uint64_t number, uint64_t expected, const char *what)
{
    uint64_t result = 0;

    if (CHECK(hypercall(number, 0, &result), "%s raised %s", what, trap_name(micro_trap.vector)))
        CHECK_EQUAL(result, expected, what);
}

static void check_registers(void)
{
    uint64_t registers[16], expected[16];

    for (uint64_t i = 0; i < ARRAY_LENGTH(registers); i++)
        registers[i] = expected[i] = 0xA5A5000000000000ull + i * 0x1111;
    registers[0] = CL_HYPERCALL_NOP;
    expected[0] = 0;
    micro_call_with_registers(registers, micro_on_amd() ? hypercall_vmmcall : hypercall_vmcall);
    for (uint64_t i = 0; i < ARRAY_LENGTH(registers); i++)
        CHECK(registers[i] == expected[i], "register %lu is %#lx behind a hypercall, expected %#lx", i, registers[i],
              expected[i]);
}

static uint64_t hypercall_of_user(uint64_t number)
{
    if (micro_on_amd())
        TRY_USER(2, "vmmcall", : "+a"(number) : : "memory");
    else
        TRY_USER(2, "vmcall", : "+a"(number) : : "memory");
    return number;
}

/* CPL 3 is told what everybody may know, and nothing else. */
static void check_user(void)
{
    paging_allow_user();
    CHECK_EQUAL(hypercall_of_user(CL_HYPERCALL_NOP), 0, "hypercall NOP of CPL 3");
    CHECK_EQUAL(hypercall_of_user(CL_HYPERCALL_IDENTIFY), CL_HYPERCALL_VERSION, "IDENTIFY of CPL 3");
    CHECK_EQUAL(hypercall_of_user(CL_HYPERCALL_NOP + 0xFFFF), CL_HYPERCALL_UNKNOWN, "an unknown number of CPL 3");
}

void micro_main(void)
{
    uint64_t version = 0;

    if (!micro_on_cloison())
        micro_skip("not on Cloison: there is nobody to call");
    check_result(CL_HYPERCALL_NOP, 0, "hypercall NOP");
    if (CHECK(hypercall(CL_HYPERCALL_IDENTIFY, 0, &version), "IDENTIFY raised %s", trap_name(micro_trap.vector)))
        CHECK_EQUAL(version, CL_HYPERCALL_VERSION, "IDENTIFY");
    CHECK_EQUAL(cpuid(CL_CPUID_VERSION, 0).eax, CL_HYPERCALL_VERSION, "EAX of CPUID 40000101h");
    check_result(CL_HYPERCALL_NOP + 0xFFFF, CL_HYPERCALL_UNKNOWN, "the last number of Cloison's range");
    check_result(CL_HYPERCALL_NOP | 1ull << 32, CL_HYPERCALL_UNKNOWN, "a number of 33 bits");
    check_result(0xFFF, (uint64_t)KVM_HYPERCALL_ENOSYS, "an unknown number in KVM's range");
    check_result(0x1000, CL_HYPERCALL_UNKNOWN, "the number behind KVM's range");
    check_result(~0ull, CL_HYPERCALL_UNKNOWN, "number -1");
    check_registers();
    check_user();
}
