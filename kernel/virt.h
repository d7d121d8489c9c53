/* SPDX-License-Identifier: Apache-2.0 */
/* virt.h: the seam between the kernel and the two backends, svm/ and vmx/.
 *
 * The kernel decides, the backend does: `virt_ops` has at most 20 entries, an exit comes out in one neutral form, and
 * nothing outside svm/ and vmx/ knows a vendor. A backend's functions are exact twins: svm_vcpu_enter, vmx_vcpu_enter.
 *
 * All functions run with interrupts off on the CPU concerned. Those that take a vCPU need it to be held by the caller
 * (the thread that runs it, or vcpu->lock with no thread running it).
 */
#ifndef CL_KERNEL_VIRT_H
#define CL_KERNEL_VIRT_H

#include "abi/vcpu.h"
#include "kernel/pagetable.h"
#include "kernel/types.h"

struct vcpu;
struct vm;
struct account;

/* What ended a stay in the guest, in the kernel's words. */
enum virt_exit_kind {
    VIRT_EXIT_INTERRUPT, /* a physical interrupt is pending: the kernel opens a window for it */
    VIRT_EXIT_NMI,       /* a physical NMI was taken, or is pending */
    VIRT_EXIT_WINDOW,    /* the guest can perhaps take what waits now */
    VIRT_EXIT_CPUID,
    VIRT_EXIT_HLT,
    VIRT_EXIT_RDMSR,
    VIRT_EXIT_WRMSR,
    VIRT_EXIT_HYPERCALL,
    VIRT_EXIT_XSETBV,
    VIRT_EXIT_PAUSE,
    VIRT_EXIT_IO,        /* exit->io, exit->next_rip */
    VIRT_EXIT_MEMORY,    /* exit->memory */
    VIRT_EXIT_EXCEPTION, /* an intercepted exception: exit->vector, exit->error_code */
    VIRT_EXIT_DECODE,    /* exit->intercept, exit->detail: for the VMM */
    VIRT_EXIT_TASK_SWITCH,
    VIRT_EXIT_TRIPLE_FAULT,
    VIRT_EXIT_EOI,      /* the level interrupt exit->vector has ended */
    VIRT_EXIT_SELF_IPI, /* the guest has sent itself exit->vector, which the processor does not do */
    VIRT_EXIT_INIT,
    VIRT_EXIT_MACHINE_CHECK,
    VIRT_EXIT_INVALID_STATE, /* entry refused; nothing of the guest ran */
};

struct virt_exit {
    enum virt_exit_kind kind;
    uint8_t
        length; /* of the instruction; 0: hardware did not say. CPUID, HLT, RDMSR, WRMSR, HYPERCALL, XSETBV without a
                         length: the kernel uses the sensible encoding's if the backend says `plain_encoding` */
    uint8_t vector;
    bool has_error_code;
    uint32_t error_code;
    uint32_t intercept; /* enum vcpu_intercept */
    uint32_t detail;
    uint64_t next_rip; /* for VIRT_EXIT_IO always set */
    union {
        struct vcpu_exit_io io;
        struct vcpu_exit_memory memory;
        struct {
            uint16_t selector;
            uint8_t source; /* 0 CALL, 1 IRET, 2 JMP, 3 task gate */
        } task;
    };
};

struct virt_ops {
    const char *name; /* "AMD-V", "VT-x" */
    const struct pt_format *nested_format;

    /* Can this machine run VMs? Fills the feature words used by the other functions and logs each feature, found or
     * absent with what is used instead. `guest_cpus`: bit n for each CPU n; those that no guest should be put on are
     * taken out, with a line in the log. Boot CPU, once. CL_UNSUPPORTED with a sentence. */
    enum cl_status (*probe)(uint64_t *guest_cpus);
    /* Turn it on for this CPU (EFER.SVME + VM_HSAVE_PA; VMXON). */
    enum cl_status (*cpu_enable)(void);

    /* Per-VM tables (MSR and I/O permission maps), charged to `account`; `vm->virt`. */
    enum cl_status (*vm_create)(struct vm *vm, struct account *account);
    void (*vm_destroy)(struct vm *vm, struct account *account);

    /* Control block in reset state (SDM Vol. 3A table 10-1: a CPU after RESET), charged to `account`; `vcpu->virt`. */
    enum cl_status (*vcpu_create)(struct vcpu *vcpu, struct account *account);
    void (*vcpu_destroy)(struct vcpu *vcpu, struct account *account);
    /* The vCPU is about to run here after it ran elsewhere, or another ran here (VMPTRLD; host state of this CPU; ASID). */
    void (*vcpu_load)(struct vcpu *vcpu);
    /* Ring 3 is next: give back what the guest has in registers that ring 3 or its way into the kernel needs. It stays
     * loaded. NULL: no exit leaves any. */
    void (*vcpu_park)(struct vcpu *vcpu);
    /* Forget it on this CPU (VMCLEAR); it may be loaded on another one afterwards. */
    void (*vcpu_unload)(struct vcpu *vcpu);
    /* One entry and one exit. General registers, RIP, RFLAGS travel through vcpu->page. An event that was being
     * delivered when the guest exited is queued again inside the backend before this returns. */
    void (*vcpu_enter)(struct vcpu *vcpu, struct virt_exit *exit);

    /* Copy the groups from the control block to the page, or from the page to the control block after checking them:
     * CL_BAD_ARGUMENT with a sentence if the values are not a legal state. */
    void (*vcpu_get)(struct vcpu *vcpu, uint32_t groups);
    enum cl_status (*vcpu_set)(struct vcpu *vcpu, uint32_t groups);

    /* Can an interrupt (or, `nmi`, an NMI) be injected at the next entry? */
    bool (*vcpu_interruptible)(struct vcpu *vcpu, bool nmi);
    /* Inject at the next entry. Only an exception may come while something is queued: it takes the place of an exception,
     * and an interrupt or NMI is deferred (vcpu_defer()). */
    void (*vcpu_inject)(struct vcpu *vcpu, enum vcpu_event_type type, uint8_t vector, bool has_error, uint32_t error);
    /* Ask for an exit as soon as an interrupt or NMI can be taken, or CR8 falls below the threshold, if it is not 0; turn
     * the wish off again. Where vcpu->lapic.hardware: go on with the local APIC, and in the mode, as it is now. */
    void (*vcpu_window)(struct vcpu *vcpu, bool interrupt, bool nmi, unsigned cr8_threshold);
    /* The instruction is done: RIP = next_rip, interrupt shadow over, single-step trap pending if RFLAGS.TF. */
    void (*vcpu_advance)(struct vcpu *vcpu, uint64_t next_rip);
    /* Read or write an MSR of the architectural list that the backend keeps, if its accesses exit. False: #GP, or
     * another's business. */
    bool (*vcpu_msr)(struct vcpu *vcpu, uint32_t index, bool write, uint64_t *value);
    /* Drop this CPU's translations of every guest before the next entry. */
    void (*cpu_flush)(void);
    /* Print every rule of the manual that the control block breaks; the number of broken ones. */
    unsigned (*vcpu_audit)(struct vcpu *vcpu);
};

extern const struct virt_ops svm_ops;
extern const struct virt_ops vmx_ops;

/* The backend of this machine, NULL when it cannot run VMs. Sealed after boot. */
extern const struct virt_ops *virt;

#endif
