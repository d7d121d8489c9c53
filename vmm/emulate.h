/* SPDX-License-Identifier: Apache-2.0 */
/* emulate.h: carry out one intercepted guest instruction.
 *
 * For exits that name no instruction: nested page faults on device memory, string port I/O, and whatever the kernel
 * intercepts without knowing its length. The instruction is fetched through the guest's page tables, decoded and
 * carried out on a copy of the registers; the copy is published in the capsule before it reaches the vCPU page, so that
 * a crash in between can be made good.
 */
#ifndef CL_VMM_EMULATE_H
#define CL_VMM_EMULATE_H

#include "abi/vcpu.h"
#include "vmm/bus.h"
#include "vmm/decode.h"
#include "vmm/guest_paging.h"

/* What an instruction may need that is the kernel's or the machine's. Unit tests fake it. */
struct emulator_ops {
    /* The local APIC's page. False: refused, the guest gets #GP. */
    bool (*apic_read)(void *context, uint32_t offset, uint32_t *value);
    bool (*apic_write)(void *context, uint32_t offset, uint32_t value);
    /* False: #GP. */
    bool (*msr_read)(void *context, uint32_t index, uint64_t *value);
    bool (*msr_write)(void *context, uint32_t index, uint64_t value);
    /* EAX, EBX, ECX, EDX of the VM's CPUID. */
    void (*cpuid)(void *context, uint32_t leaf, uint32_t subleaf, uint32_t result[4]);
};

struct emulator {
    const struct guest_memory *memory;
    struct bus *bus;
    struct capsule_tx *tx;
    const struct emulator_ops *ops;
    void *context;
    uint64_t cr4_allowed; /* CR4 bits that this VM has */
    uint64_t xcr0_allowed;
    char reason[192]; /* of the last refusal */
    struct decode_cache cache;
    struct guest_path code; /* to the page of the instruction */

    /* of the exit at work */
    struct vcpu_page *page;
    const struct instruction *instruction;
    uint64_t *gpr; /* in the capsule's outcome, which counts only once it is published */
    uint64_t rflags;
    uint64_t next_rip;
    enum vcpu_completion completion;
    enum decode_mode mode;
    unsigned cpl;
    uint8_t fault_vector;
    bool fault_has_code;
    uint32_t fault_code;
    uint64_t fault_address;
};

/* Carry out the exit in `page` (VCPU_EXIT_MEMORY, VCPU_EXIT_DECODE, VCPU_EXIT_TASK_SWITCH, or VCPU_EXIT_IO with
 * VCPU_IO_STRING), which capsule_exit_begin() has begun. The groups RIP, CODE, CONTROL, for debug registers DEBUG,
 * and for a task switch SEGMENTS and DEBUG of the page must be valid. CL_OK: the page is ready for vcpu_run
 * (completion, next_rip, event, dirty). CL_UNSUPPORTED: this instruction cannot be emulated; `reason` is a sentence
 * with its bytes, and the page is unchanged. */
enum cl_status emulate(struct emulator *emulator, struct vcpu_page *page) CL_MUST_CHECK;

#endif
