/* SPDX-License-Identifier: Apache-2.0 */
/* svm.h: what the files of the AMD-V backend share: this machine, each CPU, each vCPU.
 *
 * Reached from outside only through svm_ops (kernel/virt.h); the twins are in vmx/. "APM" is the AMD64 Architecture
 * Programmer's Manual.
 */
#ifndef CL_SVM_SVM_H
#define CL_SVM_SVM_H

#include "kernel/guest_cpu.h"
#include "kernel/vcpu.h"
#include "kernel/virt.h"
#include "kernel/vm.h"
#include "kernel/x86.h"
#include "svm/vmcb_table.h"

/* What svm_probe() found. Sealed after boot. */
struct svm_host {
    uint32_t features; /* SVM_FEATURE_* */
    uint32_t asid_count;
    uint64_t iopm_pa;
    bool has_rdpru;
    bool is_tcg; /* QEMU's emulator, whose faults are worked around: see find_faults() */
};
extern struct svm_host svm_host;

/* One physical CPU. Touched by that CPU only, but for cpu_enable's callers at boot. */
struct svm_cpu {
    uint64_t generation; /* ASIDs given out under another number are void; never 0 */
    uint32_t next_asid;
    uint64_t host_pa;       /* of host_area */
    struct vmcb *host_area; /* what VMLOAD gives back to the host after an exit; behind it the page of VM_HSAVE_PA */
};
extern struct svm_cpu svm_cpus[MAX_CPUS];

/* Reasons to leave the fast path of an entry. */
enum svm_special {
    SPECIAL_STEP = 1 << 0,    /* one hidden single step: over the IRET that ends an NMI handler, or over a shadow */
    SPECIAL_WAITING = 1 << 1, /* `pending_debug` */
    SPECIAL_WINDOW = 1 << 2,  /* the virtual interrupt is armed */
};

struct svm_vcpu {
    struct vmcb *vmcb;
    uint64_t vmcb_pa;
    struct svm_cpu *cpu;    /* where it was loaded last */
    uint32_t *tpr;          /* of its local APIC */
    uint64_t generation;    /* of cpu's ASIDs; 0: it has none */
    uint32_t special;       /* enum svm_special */
    bool loaded;            /* DR0 to DR3 and TSC_AUX are in the registers of `cpu` */
    bool nmi_blocked;       /* from the NMI until its IRET */
    bool step_guest_tf;     /* the guest steps itself */
    uint64_t step_dr6;      /* the guest's, while a step uses the register */
    uint64_t cr0, cr4;      /* the guest's view; SVM_HOST_CR0 and SVM_HOST_CR4 differ from the VMCB's */
    uint64_t pending_debug; /* causes, as in DR6, of a trap before the next instruction */
    uint64_t dr[4];
    uint64_t dr7; /* the guest's, where the VMCB's is not: is_tcg */
    uint64_t tsc_aux;
    uint64_t pat; /* the guest's: read and written, and not what its memory has */
};

/* probe.c, cpu.c */
enum cl_status svm_probe(uint64_t *guest_cpus);
enum cl_status svm_cpu_enable(void);
void svm_cpu_flush(void);

/* asid.c: an ASID for the next entry; a flush of this vCPU's translations. */
void svm_asid_assign(struct svm_cpu *cpu, struct svm_vcpu *svm);
void svm_asid_flush(struct svm_vcpu *svm);
void svm_asid_void_all(struct svm_cpu *cpu);
void svm_asid_entry_failed(struct svm_cpu *cpu, struct svm_vcpu *svm);

/* permissions.c */
enum cl_status svm_vm_create(struct vm *vm, struct account *account);
void svm_vm_destroy(struct vm *vm, struct account *account);

/* enter.c */
void svm_vcpu_enter(struct vcpu *vcpu, struct virt_exit *exit);

/* vcpu.c; reset_table.c: the VMCB of a new vCPU */
extern const struct vmcb_control svm_reset_control;
extern const struct vmcb_save svm_reset_save;
enum cl_status svm_vcpu_create(struct vcpu *vcpu, struct account *account);
void svm_vcpu_destroy(struct vcpu *vcpu, struct account *account);
void svm_vcpu_load(struct vcpu *vcpu);
void svm_vcpu_unload(struct vcpu *vcpu);
void svm_vcpu_advance(struct vcpu *vcpu, uint64_t next_rip);
/* DR0 to DR3, and TSC_AUX, which is known; nothing happens unless it is loaded and one of the groups has them. */
void svm_registers_save(struct svm_vcpu *svm, uint32_t groups);
void svm_registers_load(const struct svm_vcpu *svm, uint32_t groups);

/* event.c */
bool svm_vcpu_interruptible(struct vcpu *vcpu, bool nmi);
void svm_vcpu_inject(struct vcpu *vcpu, enum vcpu_event_type type, uint8_t vector, bool has_error, uint32_t error);
void svm_vcpu_window(struct vcpu *vcpu, bool interrupt, bool nmi, unsigned cr8_threshold);
void svm_event_prepare(struct svm_vcpu *svm);
void svm_event_requeue(struct svm_vcpu *svm, const struct virt_exit *exit);
void svm_nmi_block(struct svm_vcpu *svm, bool blocked);
void svm_step_begin(struct svm_vcpu *svm);
void svm_step_end(struct svm_vcpu *svm);
void svm_step_exit(struct svm_vcpu *svm, struct virt_exit *exit);

/* exit.c: the exits that need more than their row's kind. */
void svm_exit_decode(struct svm_vcpu *svm, struct virt_exit *exit);

/* state.c, segment.c, msr.c */
void svm_vcpu_get(struct vcpu *vcpu, uint32_t groups);
enum cl_status svm_vcpu_set(struct vcpu *vcpu, uint32_t groups);
void svm_control_intercepts(struct svm_vcpu *svm);
void svm_segments_get(struct vmcb_save *save, struct vcpu_page *page, bool all);
void svm_segments_set(struct vmcb_save *save, const struct vcpu_page *page);
bool svm_vcpu_msr(struct vcpu *vcpu, uint32_t index, bool write, uint64_t *value);

/* audit.c */
unsigned svm_vcpu_audit(struct vcpu *vcpu);

/* enter.asm: VMSAVE into the page at this physical address. */
void svm_vmsave(uint64_t area_pa);

#endif
