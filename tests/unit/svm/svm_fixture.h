/* SPDX-License-Identifier: Apache-2.0 */
/* svm_fixture.h: a machine with a VM and a vCPU in reset state for the tests of svm/, and what the linker misses.
 *
 * Nothing here runs a guest but test_cpu.c: a test plays the processor by writing the VMCB. The registers that no VMCB
 * holds are those of kernel/fake/vmx.h's processors.
 */
#ifndef CL_TESTS_SVM_FIXTURE_H
#define CL_TESTS_SVM_FIXTURE_H

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
#include "kernel/lapic.h"
#include "kernel/pool.h"
#include "svm/audit.h"
#include "svm/svm.h"

#define FIXTURE_ASIDS 16u

static uint64_t fixture_saved; /* where VMSAVE put the host's state last */

void svm_vmsave(uint64_t area_pa)
{
    fixture_saved = area_pa;
}

#ifndef FIXTURE_ENTERS /* test_cpu.c has svm/enter.c */
void svm_vcpu_enter(struct vcpu *vcpu, struct virt_exit *exit)
{
    fail_msg("a unit test enters vCPU %u (%p)", vcpu->index, (void *)exit);
}
#endif

void lapic_repeat_timer(void)
{
    fail_msg("a unit test probes the processor");
}

struct fixture {
    struct account *account;
    struct vm vm;
    struct vcpu vcpu;
    struct svm_vcpu *svm;
    struct vmcb *vmcb;
    struct vcpu_page *page;
};

static inline void fixture_host(void)
{
    svm_host = (struct svm_host){
        .features = SVM_FEATURE_NP,
        .asid_count = FIXTURE_ASIDS,
    };
    guest_cpu = (struct guest_cpu){
        .physical_bits = 40,
        .canonical_high = ~UINT64_C(0) << 47,
        .cr4_valid = 0x7FF | CR4_FSGSBASE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP | CR4_PCIDE,
        .efer_valid = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE,
    };
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

    fake_vmx_start();
    fake_pool_create(UINT64_C(8) << 20);
    f->account = fake_account_create(UINT64_C(4) << 20, 0);
    fixture_host();
    f->vcpu.vm = &f->vm;
    f->vcpu.xcr0 = 1;
    f->vcpu.page = f->page = pool_take(f->account, PAGE_SIZE);
    f->vcpu.lapic.reg = pool_take(f->account, PAGE_SIZE);
    assert_int_equal(pt_create(&f->vm.space.pt, &pt_format_npt, f->account), CL_OK);
    assert_int_equal(svm_vm_create(&f->vm, f->account), CL_OK);
    assert_int_equal(svm_vcpu_create(&f->vcpu, f->account), CL_OK);
    f->svm = f->vcpu.virt;
    f->vmcb = f->svm->vmcb;
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    svm_vcpu_destroy(&f->vcpu, f->account);
    svm_vm_destroy(&f->vm, f->account);
    assert_true(pt_destroy(&f->vm.space.pt, 1000));
    pool_give(f->account, f->page);
    pool_give(f->account, f->vcpu.lapic.reg);
    assert_int_equal(fake_account_spent(f->account, PURSE_KERNEL), 0);
    fake_account_destroy(f->account);
    fake_pool_destroy();
    free(f);
    return 0;
}

/* 64-bit ring 0, as an operating system runs. */
static inline void fixture_long_mode(struct fixture *f)
{
    svm_vcpu_get(&f->vcpu, VCPU_GROUP_ALL);
    f->page->cr0 = CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_PE;
    f->page->cr3 = 0x1000;
    f->page->cr4 = CR4_PAE | CR4_PGE | CR4_OSFXSR;
    f->page->efer = EFER_LME | EFER_NXE | EFER_SCE;
    f->page->segment[SEG_CS] = (struct vcpu_segment){ .selector = 8, .limit = UINT32_MAX, .attributes = 0xA09B };
    f->page->segment[SEG_SS] = (struct vcpu_segment){ .selector = 16, .limit = UINT32_MAX, .attributes = 0xC093 };
    assert_int_equal(svm_vcpu_set(&f->vcpu, VCPU_GROUP_CONTROL | VCPU_GROUP_SEGMENTS), CL_OK);
}

#define SVM_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

#endif
