/* SPDX-License-Identifier: Apache-2.0 */
/* vcpu.c: a vCPU driven by hand: real-mode code of a few bytes, exits in the kernel and to here. */
#include <cpuid.h>

#include "abi/hypercall.h"
#include "abi/vcpu.h"
#include "tests/system/ring3/ring3.h"

#define RAM_ADDRESS UINT64_C(0x0000040000000000)
#define PAGE_ADDRESS UINT64_C(0x0000050000000000)
#define RAM_BYTES UINT64_C(0x400000)
#define CODE 0x1000
#define CPUID_VMX (1u << 5)
#define VMMCALL 17 /* where it stands in the code below */

enum { TEST_VM = SLOT_A, TEST_VCPU, TEST_RAM, TEST_EVENTS, TEST_ACCOUNT };

static struct vcpu_page *const page = (struct vcpu_page *)PAGE_ADDRESS;

static void build(const void *code, size_t size)
{
    static const struct vm_cpuid_entry leaf = { .leaf = 0, .eax = 0x42, .ebx = 1, .ecx = 2, .edx = 3 };
    struct account_arguments account = {
        .kernel_bytes = RAM_BYTES / 4, .memory_bytes = RAM_BYTES, .affinity = AFFINITY_ALL, .weight = WEIGHT_DEFAULT
    };

    expect_status(cl_account_create(TEST_ACCOUNT, INIT_SLOT_ACCOUNT, &account), CL_OK, "account_create");
    expect_status(cl_notification_create(TEST_EVENTS, TEST_ACCOUNT), CL_OK, "notification_create");
    expect_status(cl_vm_create(TEST_VM, TEST_ACCOUNT, TEST_EVENTS, 0, "test"), CL_OK, "vm_create");
    expect_status(cl_memory_create(TEST_RAM, TEST_ACCOUNT, RAM_BYTES, MEMORY_LARGE), CL_OK, "memory_create");
    expect_status(cl_memory_map(TEST_RAM, INIT_SLOT_DOMAIN, 0, RAM_BYTES, RAM_ADDRESS, MAP_READ | MAP_WRITE), CL_OK,
                  "memory_map");
    expect_status(cl_memory_map(TEST_RAM, TEST_VM, 0, RAM_BYTES, 0, MAP_READ | MAP_WRITE | MAP_EXECUTE), CL_OK,
                  "memory_map into the VM");
    expect_status(cl_vm_policy_cpuid(TEST_VM, 0, 1, &leaf), CL_OK, "vm_policy");
    expect_status(cl_vcpu_create(TEST_VCPU, TEST_VM, TEST_ACCOUNT, 0, PAGE_ADDRESS, VCPU_APIC_AUTO), CL_OK,
                  "vcpu_create");
    memcpy((uint8_t *)RAM_ADDRESS + CODE, code, size);
    expect_status(cl_vcpu_state_get(TEST_VCPU, VCPU_GROUP_SEGMENTS, 0, NULL, 0), CL_OK, "vcpu_state_get");
    page->segment[SEG_CS].base = 0;
    page->segment[SEG_CS].selector = 0;
    page->rip = CODE;
    page->dirty = VCPU_GROUP_SEGMENTS;
}

static void tear_down(void)
{
    expect_status(cl_object_destroy(TEST_ACCOUNT), CL_OK, "object_destroy");
    for (uint32_t slot = TEST_VM; slot <= TEST_ACCOUNT; slot++)
        expect_status(cl_cap_delete(INIT_SLOT_DOMAIN, slot), CL_OK, "cap_delete");
}

static void expect_io(uint64_t completed, uint16_t port)
{
    expect_status(cl_vcpu_run(TEST_VCPU, TEST_EVENTS, completed), CL_OK, "vcpu_run");
    if (page->exit.reason != VCPU_EXIT_IO || page->exit.io.port != port)
        fail("exit %u at port %x instead of an I/O exit at %x", page->exit.reason, page->exit.io.port, port);
}

static void cpuid_and_hypercall_stay_in_the_kernel(void)
{
    uint8_t code[] = {
        0x66, 0xbf, 0xe8, 0x03, 0,    0,    /* mov edi, 1000 */
        0x66, 0x31, 0xc0,                   /* xor eax, eax */
        0x0f, 0xa2,                         /* cpuid */
        0x66, 0xb8, 0,    0,    0x4c, 0x43, /* mov eax, CL_HYPERCALL_NOP */
        0x0f, 0x01, 0xd9,                   /* vmmcall */
        0x66, 0x4f,                         /* dec edi */
        0x75, 0xee,                         /* jnz to the xor */
        0xe6, 0xf4,                         /* out 0xf4, al */
    };
    unsigned eax, ebx, ecx, edx;

    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & CPUID_VMX) != 0)
        code[VMMCALL + 2] = 0xc1; /* vmcall */
    build(code, sizeof(code));
    expect_io(0, 0xf4);
    if (page->exits_in_kernel < 2000)
        fail("only %lu exits were served in the kernel", page->exits_in_kernel);
    if (page->gpr[GPR_RAX] != 0 || page->gpr[GPR_RBX] != 1 || page->gpr[GPR_RCX] != 2)
        fail("RAX %lx RBX %lx RCX %lx", page->gpr[GPR_RAX], page->gpr[GPR_RBX], page->gpr[GPR_RCX]);
    tear_down();
}

static void the_processor_works_on_a_local_apic_where_it_can(void)
{
    const bool can = cl_info()->features & INFO_FEATURE_LOCAL_APIC;
    static const uint8_t code[] = { 0xe6, 0x10 };

    if (can != (cl_info()->vendor == INFO_VENDOR_INTEL)) /* as the machines of the system tests are */
        fail("features %x", cl_info()->features);
    if (cl_info()->features & INFO_FEATURE_LOCAL_APIC_AUTO)
        fail("the processor does so for those who have no wish, though it is an emulator's");
    build(code, sizeof(code));
    expect_status(cl_vcpu_create(SLOT_F, TEST_VM, TEST_ACCOUNT, 1, PAGE_ADDRESS + 0x1000, VCPU_APIC_HARDWARE),
                  can ? CL_OK : CL_UNSUPPORTED, "vcpu_create");
    tear_down();
    if (can)
        expect_status(cl_cap_delete(INIT_SLOT_DOMAIN, SLOT_F), CL_OK, "cap_delete");
}

static void an_exit_stays_until_it_is_completed(void)
{
    static const uint8_t code[] = { 0xe6, 0x10, 0xe6, 0x20, 0xe6, 0x30 }; /* out 0x10; out 0x20; out 0x30 */

    build(code, sizeof(code));
    expect_io(0, 0x10);
    uint64_t first = page->exit.sequence;
    expect_io(0, 0x10);
    expect_io(first + 7, 0x10);
    if (page->exit.sequence != first)
        fail("the same exit came with another number");
    page->completion = VCPU_COMPLETE_ADVANCE;
    expect_io(first, 0x20);
    page->completion = VCPU_COMPLETE_RETRY;
    expect_io(page->exit.sequence, 0x20);
    page->completion = VCPU_COMPLETE_ADVANCE;
    expect_io(page->exit.sequence, 0x30);
    tear_down();
}

static void a_doorbell_only_sets_its_bit(void)
{
    static const uint8_t code[] = {
        0xb8, 0, 0, 0xe7, 0x50, 0xe7, 0x50, 0xe6, 0x60
    }; /* mov ax; out 0x50, ax twice; out 0x60, al */
    uint64_t bits = 0;

    build(code, sizeof(code));
    expect_status(cl_notification_create(SLOT_F, TEST_ACCOUNT), CL_OK, "notification_create");
    expect_status(cl_vm_doorbell(TEST_VM, 0x50, 2, SLOT_F, 9, true), CL_OK, "vm_doorbell");
    expect_status(cl_vm_doorbell(TEST_VM, 0x50, 2, SLOT_F, 9, true), CL_OCCUPIED, "the same doorbell again");
    expect_io(0, 0x60);
    expect_status(cl_wait(SLOT_F, 0, &bits), CL_OK, "wait");
    if (bits != UINT64_C(1) << 9)
        fail("bits %lx", bits);
    expect_status(cl_vm_doorbell(TEST_VM, 0x50, 2, 0, 0, false), CL_OK, "vm_doorbell remove");
    page->rip = CODE;
    page->completion = VCPU_COMPLETE_RETRY;
    expect_io(page->exit.sequence, 0x50);
    expect_status(cl_cap_delete(INIT_SLOT_DOMAIN, SLOT_F), CL_OK, "cap_delete");
    tear_down();
}

static void illegal_state_is_refused_with_the_rule(void)
{
    static const uint8_t code[] = { 0xf4 };

    build(code, sizeof(code));
    expect_status(cl_vcpu_state_get(TEST_VCPU, VCPU_GROUP_CONTROL, 0, NULL, 0), CL_OK, "vcpu_state_get");
    page->cr0 |= UINT64_C(1) << 31; /* PG without PE */
    expect_status(cl_vcpu_state_set(TEST_VCPU, VCPU_GROUP_CONTROL, 0, NULL, 0), CL_BAD_ARGUMENT,
                  "paging without protection");
    expect_status(cl_vcpu_state_get(TEST_VCPU, VCPU_GROUP_CONTROL, 0, NULL, 0), CL_OK, "vcpu_state_get");
    page->cr4 |= UINT64_C(1) << 63;
    expect_status(cl_vcpu_state_set(TEST_VCPU, VCPU_GROUP_CONTROL, 0, NULL, 0), CL_BAD_ARGUMENT,
                  "a reserved bit of CR4");
    tear_down();
}

void vcpu_tests(void)
{
    run_test("cpuid_and_hypercall_stay_in_the_kernel", cpuid_and_hypercall_stay_in_the_kernel);
    run_test("the_processor_works_on_a_local_apic_where_it_can", the_processor_works_on_a_local_apic_where_it_can);
    run_test("an_exit_stays_until_it_is_completed", an_exit_stays_until_it_is_completed);
    run_test("a_doorbell_only_sets_its_bit", a_doorbell_only_sets_its_bit);
    run_test("illegal_state_is_refused_with_the_rule", illegal_state_is_refused_with_the_rule);
}
