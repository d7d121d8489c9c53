/* SPDX-License-Identifier: Apache-2.0 */
/* vmx_fixture.h: a machine with a VM and a vCPU in reset state for the tests of vmx/.
 *
 * A test plays the guest through fake_vmx_guest, or writes the VMCS where it is (kernel/fake/vmx.h).
 */
#ifndef CL_TESTS_VMX_FIXTURE_H
#define CL_TESTS_VMX_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/cpu.h"
#include "kernel/fake/fake.h"
#include "kernel/fake/fake_account.h"
#include "kernel/fake/vmx.h"
#include "kernel/pool.h"
#include "vmx/audit.h"
#include "vmx/instructions.h"
#include "vmx/vmx.h"

/* What a VMCS begins with on Bochs' corei7_skylake_x. */
#define FIXTURE_PIN 0x7Fu
#define FIXTURE_PRIMARY                                                                                                \
    (0x04006172u | PRIMARY_TSC_OFFSET | PRIMARY_HLT | PRIMARY_MWAIT | PRIMARY_RDPMC | PRIMARY_TPR_SHADOW |             \
     PRIMARY_IO | PRIMARY_MSR_BITMAP | PRIMARY_MONITOR | PRIMARY_SECONDARY)
#define FIXTURE_SECONDARY                                                                                              \
    (SECONDARY_EPT | SECONDARY_RDTSCP | SECONDARY_VPID | SECONDARY_WBINVD | SECONDARY_UNRESTRICTED)
#define FIXTURE_EXIT (0x36DFBu | EXIT_SAVE_DEBUG | EXIT_HOST_64 | EXIT_LOAD_PAT | EXIT_SAVE_EFER | EXIT_LOAD_EFER)
#define FIXTURE_ENTRY (0x11FBu | ENTRY_LOAD_DEBUG | ENTRY_LOAD_PAT | ENTRY_LOAD_EFER)

struct fixture {
    struct account *account;
    struct vm vm;
    struct vcpu vcpu;
    struct vmx_vcpu *vmx;
    struct vcpu_page *page;
};

static inline uint64_t vmcs(const struct fixture *f, unsigned field)
{
    return fake_vmcs_read(f->vmx->vmcs_pa, field);
}

static inline void vmcs_set(const struct fixture *f, unsigned field, uint64_t value)
{
    fake_vmcs_write(f->vmx->vmcs_pa, field, value);
}

static inline void fixture_host(void)
{
    const uint32_t used[WORD_COUNT] = { FIXTURE_PIN,       FIXTURE_PRIMARY,
                                        FIXTURE_EXIT,      FIXTURE_ENTRY & ~ENTRY_GUEST_64,
                                        FIXTURE_SECONDARY, EPT_2M,
                                        VPID_INVVPID_ALL };

    vmx_host = (struct vmx_host){
        .revision = FAKE_VMX_REVISION,
        .may = { UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX >> 1, EPT_2M, VPID_INVVPID_ALL },
        .must = { 0x16, 0x04006172, 0x36DFB, 0x11FB & ~ENTRY_GUEST_64, 0 },
        .cr0_must = CR0_NE,
        .cr4_must = CR4_VMXE,
        .cr4_may = 0x3767FF,
    };
    guest_cpu = (struct guest_cpu){
        .physical_bits = 40,
        .canonical_high = ~UINT64_C(0) << 47,
        .cr4_valid = 0x7FF | CR4_VMXE | CR4_FSGSBASE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP | CR4_PCIDE,
        .efer_valid = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE,
        .has_rdtscp = true,
    };
    memcpy(vmx_host.used, used, sizeof used);
    memset(vmx_cpus, 0, sizeof vmx_cpus);
}

/* CPU `index` as a kernel that runs has it. */
static inline void fixture_cpu(unsigned index)
{
    fake_vmx_become(index);
    *fake_vmx_msr(MSR_FEATURE_CONTROL) = FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX;
    *fake_vmx_msr(MSR_EFER) = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
    *fake_vmx_msr(MSR_STAR) = UINT64_C(0x0013000800000000);
    *fake_vmx_msr(MSR_LSTAR) = UINT64_C(0xFFFFFFFF80001000);
    *fake_vmx_msr(MSR_SFMASK) = 0x47700;
    fake_vmx_cpus[index].cr[0] = CR0_PE | CR0_PG | CR0_NE | CR0_WP | CR0_ET;
    fake_vmx_cpus[index].cr[3] = 0x5000 + index * PAGE_SIZE;
    fake_vmx_cpus[index].cr[4] = CR4_PAE | CR4_OSXSAVE;
    assert_int_equal(vmx_cpu_enable(), CL_OK);
}

/* Only the test that tools/mutate wants. */
static inline void fixture_filter(void)
{
    if (getenv("ONLY_TEST") != NULL)
        cmocka_set_test_filter(getenv("ONLY_TEST"));
}

static inline int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    fake_pool_create(UINT64_C(8) << 20);
    f->account = fake_account_create(UINT64_C(4) << 20, 0);
    fake_vmx_start();
    fixture_host();
    fixture_cpu(1);
    fixture_cpu(0);
    f->vcpu.vm = &f->vm;
    f->vcpu.xcr0 = 1;
    f->vcpu.page = f->page = pool_take(f->account, PAGE_SIZE);
    f->vcpu.lapic.reg = pool_take(f->account, PAGE_SIZE);
    assert_int_equal(pt_create(&f->vm.space.pt, &pt_format_ept, f->account), CL_OK);
    assert_int_equal(vmx_vm_create(&f->vm, f->account), CL_OK);
    assert_int_equal(vmx_vcpu_create(&f->vcpu, f->account), CL_OK);
    f->vmx = f->vcpu.virt;
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    if (f->vmx->loaded) {
        fake_vmx_become((unsigned)fake_vmcs_holder(f->vmx->vmcs_pa));
        vmx_vcpu_unload(&f->vcpu);
    }
    vmx_vcpu_destroy(&f->vcpu, f->account);
    vmx_vm_destroy(&f->vm, f->account);
    assert_true(pt_destroy(&f->vm.space.pt, 1000));
    pool_give(f->account, f->page);
    pool_give(f->account, f->vcpu.lapic.reg);
    assert_int_equal(fake_account_spent(f->account, PURSE_KERNEL), 0);
    fake_account_destroy(f->account);
    fake_pool_destroy();
    free(f);
    return 0;
}

/* 64-bit ring 0, as an operating system runs. Set from ring 3, so it is parked. */
static inline void fixture_long_mode(struct fixture *f)
{
    vmx_vcpu_park(&f->vcpu);
    vmx_vcpu_get(&f->vcpu, VCPU_GROUP_ALL);
    f->page->cr0 = CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_PE;
    f->page->cr3 = 0x1000;
    f->page->cr4 = CR4_PAE | CR4_PGE | CR4_OSFXSR;
    f->page->efer = EFER_LME | EFER_NXE | EFER_SCE;
    f->page->segment[SEG_CS] = (struct vcpu_segment){ .selector = 8, .limit = UINT32_MAX, .attributes = 0xA09B };
    f->page->segment[SEG_SS] = (struct vcpu_segment){ .selector = 16, .limit = UINT32_MAX, .attributes = 0xC093 };
    assert_int_equal(vmx_vcpu_set(&f->vcpu, VCPU_GROUP_CONTROL | VCPU_GROUP_SEGMENTS), CL_OK);
}

#define VMX_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

#endif
