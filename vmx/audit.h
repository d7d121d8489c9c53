/* SPDX-License-Identifier: Apache-2.0 */
/* audit.h: which of the manual's rules for VM entry a VMCS breaks, in words. */
#ifndef CL_VMX_AUDIT_H
#define CL_VMX_AUDIT_H

#include "kernel/audit.h"
#include "vmx/vmx.h"

/* The guest-state area, as the rules look at it. */
struct vmx_guest {
    struct vcpu_page page; /* RIP, RFLAGS, segments, GDTR, IDTR, CR3, EFER, PDPTEs, DR7 and MSRs as the VMCS has them */
    uint64_t cr0, cr4;     /* and these not as the guest sees them */
    uint64_t debugctl, pending_debug, link;
    uint32_t blocking, activity;
    uint64_t event;
};

/* The control fields and the host-state area. */
struct vmx_controls {
    uint32_t word[5]; /* the controls, by enum vmx_word */
    uint32_t vpid, tpr_threshold, tpr;
    uint64_t msr_bitmap, virtual_apic, eptp;
    uint64_t event;
    uint32_t event_length;
    uint64_t guest_cr0, guest_efer;
    uint32_t cr3_targets;
    struct {
        uint32_t count;
        uint64_t address;
    } msr_area[3]; /* stored and loaded at exits, loaded at entries */
    uint64_t host_cr0, host_cr3, host_cr4, host_efer, host_pat, host_rip;
    uint64_t host_fs_base, host_gs_base, host_tr_base, host_gdtr_base, host_idtr_base;
    uint64_t host_sysenter_esp, host_sysenter_eip;
    uint16_t host_selector[7]; /* ES, CS, SS, DS, FS, GS, TR */
};

/* Broken rules, up to `capacity` of them, in `findings`; the number of all. Guest state; the controls and the host's
 * state. */
unsigned vmx_audit_state(const struct vmx_guest *g, struct finding *findings, unsigned capacity);
unsigned vmx_audit_controls(const struct vmx_controls *c, struct finding *findings, unsigned capacity);

/* In audit.c: fill them in from the VMCS, which is open or loaded. Of `g` only what `groups` does not name: the rest
 * stands there already. */
void vmx_guest_read(const struct vmx_vcpu *vmx, struct vmx_guest *g, uint32_t groups);
void vmx_controls_read(const struct vcpu *vcpu, struct vmx_controls *c);

#endif
