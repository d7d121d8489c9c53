/* SPDX-License-Identifier: Apache-2.0 */
/* vcpu_run.h: vCPUs: their life, and the loop that runs a guest until somebody else has to act. */
#ifndef CL_KERNEL_VCPU_RUN_H
#define CL_KERNEL_VCPU_RUN_H

#include "kernel/vcpu.h"

struct cpu;
struct thread;
struct notification;
struct domain;
struct xstate;

/* vcpu.c */

/* A vCPU in reset state; its page is mapped at `page_address` of `domain`. CL_UNSUPPORTED: no processor works on its local
 * APIC here. Structure lock. */
enum cl_status vcpu_create(struct vm *vm, struct account *account, uint32_t index, enum vcpu_apic apic,
                           struct domain *domain, uint64_t page_address, struct vcpu **created) CL_MUST_CHECK;
/* CL_IN_PROGRESS while it runs or is loaded somewhere: kicks it. Structure lock. */
enum cl_status vcpu_destroy(struct object *object) CL_MUST_CHECK;
bool vcpu_free(struct object *object);

/* Become the only one who touches the vCPU's state: the thread that runs it, or one that reads or changes its registers
 * for the length of a call. CL_BUSY, also while another CPU still has it loaded. */
enum cl_status vcpu_hold(struct vcpu *vcpu, struct thread *thread) CL_MUST_CHECK;
void vcpu_release(struct vcpu *vcpu);

/* Whoever runs it has something new to look at, these signals or something else. Any CPU. */
void vcpu_signal(struct vcpu *vcpu, uint32_t signals);

/* The backend forgets the vCPU that is loaded on this CPU. */
void vcpu_unload(struct cpu *cpu);

/* vcpu_run.c */

/* The system call: take the vCPU, complete its pending exit, load what the VMM changed. The thread then runs the guest
 * in vcpu_loop. */
enum cl_status vcpu_run_begin(struct thread *thread, struct vcpu *vcpu, struct notification *notification,
                              uint64_t completed) CL_MUST_CHECK;

/* Load register groups from the page after checking them, and what the kernel keeps beside them. The vCPU is held. */
enum cl_status vcpu_set_groups(struct vcpu *vcpu, uint32_t groups) CL_MUST_CHECK;

/* The rules of VM entry that entering the vCPU here and now would break: how many; the log gets their words. The vCPU is
 * held, and not broken. */
unsigned vcpu_audit(struct vcpu *vcpu);

/* Run the guest of this CPU's current thread until the CPU has to attend to something, the thread sleeps, or its VMM
 * has to act (then thread->vcpu is NULL and its registers hold the result). */
void vcpu_loop(struct cpu *cpu, struct thread *thread);

/* Take the physical interrupt that ended a stay in the guest, or that has to wait for one to end. */
void vcpu_interrupt_window(void);

/* vcpu_exit.c */

/* Serve what the kernel serves: VCPU_EXIT_NONE; otherwise why the VMM has to act, with vcpu->exit filled in. */
enum vcpu_exit_reason vcpu_handle_exit(struct vcpu *vcpu, const struct virt_exit *exit);

/* The guest has accessed its local APIC, by register or MSR: send, tell, arm. The vCPU is held. */
void vcpu_apic_accessed(struct vcpu *vcpu, const struct vlapic_access *access);

/* Arm the running thread's timer for the vCPU's local APIC timer. */
void vcpu_arm_timer(struct vcpu *vcpu, struct thread *thread);

/* system.c: bring an XSAVE area into the registers, with XCR0; and take note of what the guest, whose area is in the
 * registers, has made of XCR0 where its XSETBV does not exit. */
void xstate_note_xcr0(struct cpu *cpu);
void xstate_switch(struct cpu *cpu, struct xstate *xstate, uint64_t xcr0);

#endif
