/* SPDX-License-Identifier: Apache-2.0 */
/* exit.c: from EXITCODE to the kernel's words (APM Vol. 2 appendix C, 15.7 to 15.14). */
#include "svm/exit_table.h"

/* The segment of OUTS is known only with decode assists, which are not used. */
static void finish_io(const struct vmcb *vmcb, struct virt_exit *exit)
{
    uint32_t info = (uint32_t)vmcb->control.exit_info_1;

    exit->next_rip = vmcb->control.exit_info_2;
    exit->length = (uint8_t)(exit->next_rip - vmcb->save.rip);
    exit->io = (struct vcpu_exit_io){
        .port = (uint16_t)(info >> IOIO_PORT_SHIFT),
        .size_bytes = (info >> IOIO_SIZE_SHIFT) & 7,
        .flags = (uint8_t)((info & IOIO_IN ? VCPU_IO_IN : 0) | (info & IOIO_STRING ? VCPU_IO_STRING : 0) |
                           (info & IOIO_REP ? VCPU_IO_REP : 0)),
        .address_bits = (uint8_t)(((info >> IOIO_ADDRESS_SHIFT) & 7) * 16),
        .segment = 0xFF,
    };
}

/* A debug trap that comes without its cause in DR6 is a single step: an emulator commits DR6 only on delivery. */
static void finish_exception(struct vmcb *vmcb, struct virt_exit *exit)
{
    exit->vector = vmcb->control.exit_code & 31;
    if (exit->vector == VECTOR_DB && !(vmcb->save.dr6 & DR6_EVENTS) && (vmcb->save.rflags & RFLAGS_TF))
        vmcb->save.dr6 |= DR6_BS;
    if (exit->vector == VECTOR_PF)
        vmcb->save.cr2 = vmcb->control.exit_info_2;
    if (exit->vector == VECTOR_MC)
        exit->kind = VIRT_EXIT_MACHINE_CHECK;
    exit->has_error_code = guest_exception_has_error(exit->vector);
    exit->error_code = (uint32_t)vmcb->control.exit_info_1;
}

static void finish_task(const struct vmcb *vmcb, struct virt_exit *exit)
{
    uint64_t info = vmcb->control.exit_info_2;
    bool gate = vmcb->control.exit_int_info & EVENT_VALID;

    exit->task.selector = (uint16_t)vmcb->control.exit_info_1;
    exit->task.source = info & TASK_IRET ? 1 : info & TASK_JUMP ? 2 : gate ? 3 : 0;
    exit->has_error_code = info & TASK_ERROR_CODE;
    exit->error_code = (uint32_t)info;
}

static void finish_memory(const struct vmcb *vmcb, struct virt_exit *exit)
{
    uint64_t info = vmcb->control.exit_info_1;

    exit->memory = (struct vcpu_exit_memory){
        .address = vmcb->control.exit_info_2,
        .flags = (info & NPF_WRITE ? VCPU_MEMORY_WRITE : 0) | (info & NPF_FETCH ? VCPU_MEMORY_FETCH : 0) |
                 (info & NPF_TABLE ? VCPU_MEMORY_TABLE : 0) | (info & NPF_PRESENT ? VCPU_MEMORY_PRESENT : 0),
    };
}

void svm_exit_decode(struct svm_vcpu *svm, struct virt_exit *exit)
{
    struct vmcb *vmcb = svm->vmcb;
    struct vmcb_control *control = &vmcb->control;
    uint64_t code = control->exit_code;
    const struct svm_exit_row *row = &svm_exit_rows[code < VMEXIT_TABLE_END ? code
                                                    : code == VMEXIT_NPF    ? SVM_EXIT_ROW_NPF
                                                                            : SVM_EXIT_ROW_OTHER];
    bool stepped = svm->special & SPECIAL_STEP;

    exit->kind = row->kind;
    exit->intercept = row->intercept;
    /* with a fault some processors save a next RIP that means nothing */
    exit->next_rip = row->finish == SVM_EXIT_MEMORY || row->finish == SVM_EXIT_EXCEPTION ? 0 : control->next_rip;
    exit->length = exit->next_rip != 0 ? (uint8_t)(exit->next_rip - vmcb->save.rip) : 0;
    switch ((enum svm_exit_finish)row->finish) {
    case SVM_EXIT_UNKNOWN:
        exit->kind = VIRT_EXIT_INVALID_STATE;
        exit->detail = (uint32_t)code;
        if (exit->detail == VMEXIT_INVALID_LOW) {
            svm_asid_entry_failed(svm->cpu, svm);
            return; /* which leaves EVENTINJ to the auditor */
        }
        break;
    case SVM_EXIT_PLAIN:
        break;
    case SVM_EXIT_DECODE:
        exit->detail = code < VMEXIT_EXCEPTION ? code & 15 : 0;
        break;
    case SVM_EXIT_EXCEPTION:
        finish_exception(vmcb, exit);
        break;
    case SVM_EXIT_INTERRUPT: /* in an NMI handler, where none gets in, the shadow does not matter */
        if (svm_host.is_tcg && (control->interrupt_state & INTERRUPT_SHADOW) && !svm->nmi_blocked)
            svm_step_begin(svm);
        break;
    case SVM_EXIT_IO:
        finish_io(vmcb, exit);
        break;
    case SVM_EXIT_MEMORY:
        finish_memory(vmcb, exit);
        break;
    case SVM_EXIT_MSR:
        exit->kind = control->exit_info_1 & 1 ? VIRT_EXIT_WRMSR : VIRT_EXIT_RDMSR;
        break;
    case SVM_EXIT_TASK:
        finish_task(vmcb, exit);
        break;
    case SVM_EXIT_IRET: /* the window opens behind it */
        svm_step_begin(svm);
        break;
    }
    control->event_injection = 0;
    if (control->exit_int_info & EVENT_VALID)
        svm_event_requeue(svm, exit);
    if (stepped)
        svm_step_exit(svm, exit);
}
