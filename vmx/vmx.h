/* SPDX-License-Identifier: Apache-2.0 */
/* vmx.h: what the files of the VT-x backend share: this machine, each CPU, each vCPU.
 *
 * Reached from outside only through vmx_ops (kernel/virt.h); the twins are in svm/. "SDM" is the Intel Software
 * Developer's Manual.
 */
#ifndef CL_VMX_VMX_H
#define CL_VMX_VMX_H

#include "kernel/guest_cpu.h"
#include "kernel/vcpu.h"
#include "kernel/virt.h"
#include "kernel/vm.h"
#include "kernel/x86.h"
#include "vmx/vmcs_table.h"

/* Words of capabilities: the five groups of controls, then the halves of IA32_VMX_EPT_VPID_CAP. */
enum vmx_word { WORD_PIN, WORD_PRIMARY, WORD_EXIT, WORD_ENTRY, WORD_SECONDARY, WORD_EPT, WORD_VPID, WORD_COUNT };
#define WORD_CONTROLS WORD_EPT /* below it */

/* What vmx_probe() found. Sealed after boot. */
struct vmx_host {
    uint32_t must[WORD_CONTROLS]; /* bits that have to be set */
    uint32_t may[WORD_COUNT];     /* bits that can be set */
    uint32_t used[WORD_COUNT];    /* what every VMCS begins with */
    uint32_t revision;
    uint64_t cr0_must, cr4_must, cr4_may;
};
extern struct vmx_host vmx_host;

/* MSRs that no VMCS holds and that ring 3 or its way into the kernel needs: STAR, LSTAR, CSTAR, SFMASK,
 * KERNEL_GS_BASE, the first of enum vcpu_msr. */
#define VMX_SWITCHED 5u
static_assert(VCPU_MSR_STAR == 0 && VCPU_MSR_KERNEL_GS_BASE == VMX_SWITCHED - 1, "abi/vcpu.h");

/* One physical CPU. Touched by that CPU only, but for cpu_enable's callers at boot. */
struct vmx_cpu {
    uint64_t generation; /* VPIDs given out under another number are void; never 0 */
    uint32_t next_vpid;
    uint32_t *vmxon; /* the page that VMXON wants */
    uint64_t host_msr[VMX_SWITCHED];
};
extern struct vmx_cpu vmx_cpus[MAX_CPUS];

/* Reasons to leave the fast path of an entry. */
enum vmx_special {
    SPECIAL_INJECT = 1 << 0,   /* `injection`: the event of the next entry */
    SPECIAL_WAITING = 1 << 1,  /* `pending_debug` */
    SPECIAL_BLOCKING = 1 << 2, /* `blocking` is not what the VMCS has */
};

struct vmx_vcpu {
    uint32_t *vmcs;
    uint64_t vmcs_pa;
    struct vmx_cpu *cpu; /* where it was loaded last */
    uint64_t generation; /* of cpu's VPIDs; 0: it has none */
    uint64_t host_rsp;   /* these four as the VMCS has them */
    uint64_t host_fs_base;
    uint64_t tsc_offset;
    uint32_t primary;
    uint32_t special;       /* enum vmx_special */
    uint32_t blocking;      /* interruptibility state */
    bool loaded;            /* its VMCS is the current one of `cpu`; DR0 to DR3, DR6 and TSC_AUX are in the registers */
    bool launched;          /* since it was cleared last */
    bool assisted;          /* the VMCS has the processor work on the local APIC */
    bool live;              /* CR2 and `msr` are in the registers of `cpu` */
    uint64_t injection;     /* interruption information of the next entry, above it the error code; 0: none */
    uint64_t pending_debug; /* causes, as in DR6, of a trap before the next instruction */
    uint64_t dr[4], dr6, cr2;
    uint64_t msr[VMX_SWITCHED];
    uint64_t tsc_aux;
    uint64_t eoi_exits[4]; /* as the VMCS has it */
};

/* probe.c, cpu.c */
enum cl_status vmx_probe(uint64_t *guest_cpus);
void vmx_find_faults(void); /* the part of vmx_probe() that knows of processors' faults */
enum cl_status vmx_cpu_enable(void);
void vmx_cpu_flush(void);

/* vpid.c: a VPID for the next entry; a flush of this vCPU's translations. */
void vmx_vpid_assign(struct vmx_cpu *cpu, struct vmx_vcpu *vmx);
void vmx_vpid_flush(struct vmx_vcpu *vmx);

/* permissions.c */
enum cl_status vmx_vm_create(struct vm *vm, struct account *account);
void vmx_vm_destroy(struct vm *vm, struct account *account);

/* enter.c */
void vmx_vcpu_enter(struct vcpu *vcpu, struct virt_exit *exit);

/* reset_table.c: the VMCS of a new vCPU, where it does not depend on the machine */
struct vmx_setting {
    uint16_t field;
    uint64_t value;
};
#define VMX_RESET_COUNT 47
#define VMX_RESET_ZERO_COUNT 32
extern const struct vmx_setting vmx_reset[VMX_RESET_COUNT];
extern const uint16_t vmx_reset_zero[VMX_RESET_ZERO_COUNT];

/* vcpu.c */
extern const uint32_t vmx_switched[VMX_SWITCHED]; /* indices */
enum cl_status vmx_vcpu_create(struct vcpu *vcpu, struct account *account);
void vmx_vcpu_destroy(struct vcpu *vcpu, struct account *account);
void vmx_vcpu_load(struct vcpu *vcpu);
void vmx_vcpu_park(struct vcpu *vcpu);
void vmx_vcpu_unload(struct vcpu *vcpu);
void vmx_vcpu_advance(struct vcpu *vcpu, uint64_t next_rip);
void vmx_vcpu_unpark(struct vmx_vcpu *vmx); /* take back what vmx_vcpu_park gave */
/* What is in no VMCS. DR0 to DR3, DR6 and TSC_AUX: nothing happens unless it is loaded and one of the groups has them. */
void vmx_registers_save(struct vmx_vcpu *vmx, uint32_t groups);
void vmx_registers_load(const struct vmx_vcpu *vmx, uint32_t groups);
/* Between the two the VMCS can be read and written although it may not be loaded; no entry. */
void vmx_open(const struct vmx_vcpu *vmx);
void vmx_close(const struct vmx_vcpu *vmx);

/* event.c */
bool vmx_vcpu_interruptible(struct vcpu *vcpu, bool nmi);
void vmx_vcpu_inject(struct vcpu *vcpu, enum vcpu_event_type type, uint8_t vector, bool has_error, uint32_t error);
void vmx_vcpu_window(struct vcpu *vcpu, bool interrupt, bool nmi, unsigned cr8_threshold);
void vmx_event_prepare(struct vmx_vcpu *vmx, uint64_t rflags);
void vmx_event_requeue(struct vmx_vcpu *vmx, const struct virt_exit *exit, uint32_t vectoring);
uint64_t vmx_pending_step(uint32_t blocking, uint64_t rflags, uint64_t pending); /* PENDING_DEBUG as it has to be */
void vmx_block(struct vmx_vcpu *vmx, uint32_t blocking);
uint32_t vmx_nmi_blocked(const struct vmx_vcpu *vmx, uint32_t blocking);
void vmx_debug_status(struct vmx_vcpu *vmx, uint64_t causes); /* a debug exception's, into DR6. Loaded */

/* apic.c: what the guest's local APIC has become is what the next entry goes on with. */
void vmx_apic_update(struct vcpu *vcpu);

/* exit.c: the exits that need more than their row's kind. */
void vmx_exit_decode(struct vcpu *vcpu, struct virt_exit *exit, uint32_t reason, uint32_t vectoring);
void vmx_exit_refused(struct virt_exit *exit, uint32_t reason);

/* state.c, msr.c */
void vmx_vcpu_get(struct vcpu *vcpu, uint32_t groups);
enum cl_status vmx_vcpu_set(struct vcpu *vcpu, uint32_t groups);
bool vmx_vcpu_msr(struct vcpu *vcpu, uint32_t index, bool write, uint64_t *value);
void vmx_efer_write(uint64_t efer); /* with what the entry controls say of it */

/* audit.c */
unsigned vmx_vcpu_audit(struct vcpu *vcpu);

#endif
