/* SPDX-License-Identifier: Apache-2.0 */
/* broken_rules.h: for each rule of VMRUN, how to break it and no other in a guest that runs 64-bit code. For the unit
 * test of the auditor, and for the kernel that shows it to a processor (tests/system/refused).
 */
#ifndef CL_TESTS_UNIT_SVM_BROKEN_RULES_H
#define CL_TESTS_UNIT_SVM_BROKEN_RULES_H

#include "svm/svm.h"
#include "tests/unit/broken.h"

#define CONTROL(field) offsetof(struct vmcb, control.field), sizeof(((struct vmcb *)0)->control.field)
#define SAVE(field) offsetof(struct vmcb, save.field), sizeof(((struct vmcb *)0)->save.field)

static const struct broken broken_rules[] = {
    { "EFER.SVME is zero", SAVE(efer), 0, EFER_SVME },
    { "CR0.CD is zero and CR0.NW is set", SAVE(cr0), CR0_NW, 0 },
    { "CR0[63:32] are not zero", SAVE(cr0), UINT64_C(1) << 40, 0 },
    { "an MBZ bit of CR3 is set", SAVE(cr3), UINT64_C(1) << 51, 0 },
    { "an MBZ bit of CR4 is set", SAVE(cr4), UINT64_C(1) << 40, 0 },
    { "DR6[63:32] are not zero", SAVE(dr6), UINT64_C(1) << 32, 0 },
    { "DR7[63:32] are not zero", SAVE(dr7), UINT64_C(1) << 63, 0 },
    { "an MBZ bit of EFER is set", SAVE(efer), UINT64_C(1) << 20, 0 },
    { "EFER.LME and CR0.PG are both set and CR4.PAE is zero", SAVE(cr4), 0, CR4_PAE },
    { "EFER.LME and CR0.PG are both set and CR0.PE is zero", SAVE(cr0), 0, CR0_PE },
    { "EFER.LME, CR0.PG, CR4.PAE, CS.L and CS.D are all set", SAVE(cs.attributes), 0x400, 0 },
    { "G_PAT has an unsupported type or a reserved bit", SAVE(g_pat), 2, 7 },
    { "the VMRUN intercept is clear", CONTROL(intercept_2), 0, INTERCEPT_VMRUN },
    { "the MSR permission map reaches beyond physical memory", CONTROL(msrpm_base), UINT64_C(0xFFFFFFFFFF000), 0 },
    { "the I/O permission map reaches beyond physical memory", CONTROL(iopm_base), UINT64_C(0xFFFFFFFFFE000), 0 },
    { "ASID is zero", CONTROL(asid), 0, UINT32_MAX },
    { "ASID is not below the processor's number of ASIDs", CONTROL(asid), UINT32_MAX, 0 },
    { "EVENTINJ has a reserved type", CONTROL(event_injection), EVENT_VALID | 0x500, 0 },
    { "EVENTINJ is an exception with vector 2 or above 31", CONTROL(event_injection), EVENT_VALID | 0x302, 0 },
    { "EVENTINJ is an exception with vector 2 or above 31", CONTROL(event_injection), EVENT_VALID | 0x320, 0 },
    { "EVENTINJ is #BR in 64-bit mode", CONTROL(event_injection), EVENT_VALID | 0x305, 0 },
    { "an MBZ bit of nCR3 is set", CONTROL(nested_cr3), UINT64_C(1) << 51, 0 },
};

#endif
