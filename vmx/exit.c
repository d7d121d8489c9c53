/* SPDX-License-Identifier: Apache-2.0 */
/* exit.c: from the exit reason to the kernel's words (SDM Vol. 3C 28.2). */
#include "kernel/assert.h"
#include "vmx/exit_table.h"
#include "vmx/instructions.h"

static void finish_instruction(const struct vcpu *vcpu, struct virt_exit *exit)
{
    exit->length = (uint8_t)vmx_read(VMCS_INSTRUCTION_LENGTH);
    exit->next_rip = vcpu->page->rip + exit->length;
}

/* CR0, CR4 and, without a TPR shadow, CR8: MOV, CLTS and LMSW. */
static void finish_cr(struct virt_exit *exit)
{
    uint32_t qualification = (uint32_t)vmx_read(VMCS_QUALIFICATION);

    exit->detail = qualification & CR_NUMBER;
    if ((qualification >> CR_ACCESS_SHIFT & 3) == CR_MOV_FROM)
        exit->intercept = VCPU_INTERCEPT_CR_READ;
}

static void finish_io(struct virt_exit *exit)
{
    static const uint8_t bits[] = { 16, 32, 64, 0 };
    uint32_t qualification = (uint32_t)vmx_read(VMCS_QUALIFICATION), info = 0;
    bool string = qualification & IO_STRING;

    if (string)
        info = (uint32_t)vmx_read(VMCS_INSTRUCTION_INFO);
    exit->io = (struct vcpu_exit_io){
        .port = (uint16_t)(qualification >> IO_PORT_SHIFT),
        .size_bytes = (uint8_t)((qualification & IO_SIZE) + 1),
        .flags = (uint8_t)((qualification & IO_IN ? VCPU_IO_IN : 0) | (string ? VCPU_IO_STRING : 0) |
                           (qualification & IO_REP ? VCPU_IO_REP : 0)),
        .address_bits = bits[info >> INFO_ADDRESS_SHIFT & 3],
        .segment = string && !(qualification & IO_IN) ? info >> INFO_SEGMENT_SHIFT & 7 : 0xFF,
    };
}

/* An IRET that ended NMI blocking and then faulted is going to be run again: NMIs stay blocked (28.2.3, table 28-7). */
static void keep_nmis_blocked(struct vmx_vcpu *vmx, uint64_t information)
{
    if (information & EVENT_NMI_UNBLOCKED)
        vmx_block(vmx, vmx->blocking | BLOCKED_BY_NMI);
}

static void finish_memory(struct vmx_vcpu *vmx, struct virt_exit *exit, uint32_t vectoring)
{
    uint64_t q = vmx_read(VMCS_QUALIFICATION);
    bool in_walk = (q & EPT_VIOLATION_LINEAR) && !(q & EPT_VIOLATION_FINAL);

    exit->memory = (struct vcpu_exit_memory){
        .address = vmx_read(VMCS_GUEST_PHYSICAL),
        .flags = (q & EPT_VIOLATION_WRITE ? VCPU_MEMORY_WRITE : 0) | (q & EPT_VIOLATION_FETCH ? VCPU_MEMORY_FETCH : 0) |
                 (in_walk ? VCPU_MEMORY_TABLE : 0) | (q & EPT_VIOLATION_MAPPED ? VCPU_MEMORY_PRESENT : 0),
    };
    if (!(vectoring & EVENT_VALID))
        keep_nmis_blocked(vmx, q);
}

/* DR6 is as before a debug exception that exits: its bits are in the qualification (28.2.1). INT1 is done when it traps,
 * and the event that the kernel injects in its place has no length. */
static void finish_debug(struct vcpu *vcpu, uint32_t event)
{
    if (guest_event_type(event) == EVENT_TYPE_INT1)
        vcpu->page->rip += vmx_read(VMCS_INSTRUCTION_LENGTH);
    else
        vmx_debug_status(vcpu->virt, vmx_read(VMCS_QUALIFICATION) & DR6_EVENTS);
}

static void finish_exception(struct vcpu *vcpu, struct virt_exit *exit, uint32_t vectoring)
{
    uint32_t event = (uint32_t)vmx_read(VMCS_EXIT_EVENT);

    exit->vector = (uint8_t)event;
    exit->has_error_code = event & EVENT_ERROR_VALID;
    exit->error_code = exit->has_error_code ? (uint32_t)vmx_read(VMCS_EXIT_ERROR) : 0;
    if (exit->vector == VECTOR_NMI) {
        vmx_take_nmi();
        exit->kind = VIRT_EXIT_NMI;
        return;
    }
    if (exit->vector == VECTOR_MC)
        exit->kind = VIRT_EXIT_MACHINE_CHECK;
    if (exit->vector == VECTOR_DB)
        finish_debug(vcpu, event);
    if (!(vectoring & EVENT_VALID))
        keep_nmis_blocked(vcpu->virt, event);
}

static void finish_task(struct virt_exit *exit, uint32_t vectoring)
{
    uint32_t qualification = (uint32_t)vmx_read(VMCS_QUALIFICATION);

    exit->task.selector = (uint16_t)qualification;
    exit->task.source = (uint8_t)(qualification >> TASK_SOURCE_SHIFT);
    exit->has_error_code = (vectoring & (EVENT_VALID | EVENT_ERROR_VALID)) == (EVENT_VALID | EVENT_ERROR_VALID);
    exit->error_code = exit->has_error_code ? (uint32_t)vmx_read(VMCS_VECTORING_ERROR) : 0;
}

/* An entry that the processor refused, or an exit that nobody asked for. A machine check on the way in is not the guest's. */
void vmx_exit_refused(struct virt_exit *exit, uint32_t reason)
{
    bool machine = reason == (EXIT_ENTRY_FAILED | EXIT_BAD_MACHINE);

    *exit = (struct virt_exit){ .kind = machine ? VIRT_EXIT_MACHINE_CHECK : VIRT_EXIT_INVALID_STATE, .detail = reason };
}

void vmx_exit_decode(struct vcpu *vcpu, struct virt_exit *exit, uint32_t reason, uint32_t vectoring)
{
    const struct vmx_exit_row *row = vmx_exit_row(reason);
    struct vmx_vcpu *vmx = vcpu->virt;

    exit->kind = row->kind;
    exit->intercept = row->intercept;
    exit->detail = 0;
    exit->length = 0;
    exit->next_rip = 0;
    vmx->special &= ~(uint32_t)(SPECIAL_INJECT | SPECIAL_BLOCKING); /* the entry has taken them */
    vmx->injection = 0;
    switch ((enum vmx_exit_finish)row->finish) {
    case VMX_EXIT_UNKNOWN:
        vmx_exit_refused(exit, reason);
        break;
    case VMX_EXIT_PLAIN:
        break;
    case VMX_EXIT_INSTRUCTION:
    case VMX_EXIT_DECODE:
        finish_instruction(vcpu, exit);
        break;
    case VMX_EXIT_EXCEPTION:
        finish_exception(vcpu, exit, vectoring);
        break;
    case VMX_EXIT_CR:
        finish_instruction(vcpu, exit);
        finish_cr(exit);
        break;
    case VMX_EXIT_IO:
        finish_instruction(vcpu, exit);
        finish_io(exit);
        break;
    case VMX_EXIT_TASK:
        finish_task(exit, vectoring);
        break;
    case VMX_EXIT_MEMORY:
        finish_memory(vmx, exit, vectoring);
        break;
    case VMX_EXIT_EOI:
        exit->vector = (uint8_t)vmx_read(VMCS_QUALIFICATION);
        break;
    case VMX_EXIT_SELF_IPI:
        exit->vector = (uint8_t)vcpu->lapic.reg[VLAPIC_REG_SELF_IPI].value;
        break;
    }
    if (vectoring & EVENT_VALID)
        vmx_event_requeue(vmx, exit, vectoring);
}
