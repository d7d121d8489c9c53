/* SPDX-License-Identifier: Apache-2.0 */
/* vmx.h: the processors that the unit tests of vmx/ run on, with what emulators hide (DESIGN.md rule 10).
 *
 *   - A VMCS that was loaded on a CPU is that CPU's own until VMCLEAR: memory has the old contents, and another CPU that
 *     loads or clears it is a panic. VMLAUNCH wants one that was cleared, VMRESUME one that was launched.
 *   - A new VMCS is full of garbage but for its revision, and loading it before VMCLEAR is a panic.
 *   - An exit leaves the limits of GDTR and TR as the manual has them; loading them anew is counted.
 *   - Registers that no VMCS holds stay whoever's they are until somebody writes them.
 */
#ifndef CL_KERNEL_FAKE_VMX_H
#define CL_KERNEL_FAKE_VMX_H

#include <stdbool.h>
#include <stdint.h>

#define FAKE_VMX_REVISION 0x2bu
#define FAKE_MSRS 0x100u

struct fake_vmx_cpu {
    bool on;           /* after VMXON */
    bool limits_stale; /* after an exit, until GDTR and TR are loaded */
    unsigned invepts, invvpids, nmis;
    unsigned msr_writes;
    uint64_t cr[5], dr[8];
};
extern struct fake_vmx_cpu fake_vmx_cpus[];

/* All CPUs off, no VMCS anywhere; this thread becomes CPU 0. */
void fake_vmx_start(void);
/* From now on this thread is CPU `index`. */
void fake_vmx_become(unsigned index);

/* Of any VMCS, loaded or not: its contents where they are now. */
uint64_t fake_vmcs_read(uint64_t pa, unsigned field);
void fake_vmcs_write(uint64_t pa, unsigned field, uint64_t value);
/* The CPU that holds it; -1: none. */
int fake_vmcs_holder(uint64_t pa);

/* An MSR of the CPU that this thread is. */
uint64_t *fake_vmx_msr(uint32_t index);

/* What the processor does with the local APIC of the guest that runs, where the current VMCS has it work on it (SDM Vol. 3C
 * 30.1, 30.2). The guest takes the interrupt that is recognised: its vector; -1: there is none. The guest writes EOI: true
 * when that exits, with `*vector`. It sends itself an interrupt, and writes TPR. */
int fake_vmx_take_interrupt(void);
bool fake_vmx_write_eoi(uint8_t *vector);
void fake_vmx_self_ipi(uint8_t vector);
void fake_vmx_write_tpr(uint32_t value);

/* What happens in the guest at each entry, after the checks of the launch state; the VMCS is the current one. */
extern void (*fake_vmx_guest)(void);

#endif
