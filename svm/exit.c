/* SPDX-License-Identifier: Apache-2.0 */
/* exit.c: from EXITCODE to the kernel's words (APM Vol. 2 appendix C, 15.7 to 15.14). */
#include "svm/svm.h"

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
    if (exit->vector == VECTOR_MC)
        exit->kind = VIRT_EXIT_MACHINE_CHECK;
    exit->next_rip = 0;
    exit->length = 0;
    exit->has_error_code = svm_exception_has_error(exit->vector);
    exit->error_code = (uint32_t)vmcb->control.exit_info_1;
    exit->payload = exit->vector == VECTOR_DB ? vmcb->save.dr6 & DR6_EVENTS : 0;
}

static void finish_task(const struct vmcb *vmcb, struct virt_exit *exit)
{
    uint64_t info = vmcb->control.exit_info_2;

    exit->task.selector = (uint16_t)vmcb->control.exit_info_1;
    if (info & TASK_IRET)
        exit->task.source = 1;
    else if (info & TASK_JUMP)
        exit->task.source = 2;
    else
        exit->task.source = vmcb->control.exit_int_info & EVENT_VALID ? 3 : 0;
    exit->has_error_code = info & TASK_ERROR_CODE;
    exit->error_code = (uint32_t)info;
}

static void finish_memory(const struct vmcb *vmcb, struct virt_exit *exit)
{
    uint64_t info = vmcb->control.exit_info_1;

    exit->kind = VIRT_EXIT_MEMORY;
    exit->next_rip = 0; /* some processors save one that means nothing */
    exit->length = 0;
    exit->memory = (struct vcpu_exit_memory){
        .address = vmcb->control.exit_info_2,
        .flags = (info & NPF_WRITE ? VCPU_MEMORY_WRITE : 0) | (info & NPF_FETCH ? VCPU_MEMORY_FETCH : 0) |
                 (info & NPF_TABLE ? VCPU_MEMORY_TABLE : 0) | (info & NPF_PRESENT ? VCPU_MEMORY_PRESENT : 0),
    };
}

/* The rows that need more than their kind; false to enter again. */
static bool finish_exit(struct svm_vcpu *svm, const struct svm_exit_row *row, struct virt_exit *exit)
{
    struct vmcb *vmcb = svm->vmcb;

    switch ((enum svm_exit_finish)row->finish) {
    case SVM_EXIT_UNKNOWN:
        exit->kind = VIRT_EXIT_INVALID_STATE;
        exit->detail = (uint32_t)vmcb->control.exit_code;
        break;
    case SVM_EXIT_PLAIN:
        break;
    case SVM_EXIT_CR0:
        exit->detail = 0;
        break;
    case SVM_EXIT_DECODE:
        exit->detail = vmcb->control.exit_code & 15;
        break;
    case SVM_EXIT_EXCEPTION:
        finish_exception(vmcb, exit);
        break;
    case SVM_EXIT_IO:
        finish_io(vmcb, exit);
        break;
    case SVM_EXIT_MSR:
        exit->kind = vmcb->control.exit_info_1 & 1 ? VIRT_EXIT_WRMSR : VIRT_EXIT_RDMSR;
        break;
    case SVM_EXIT_TASK:
        finish_task(vmcb, exit);
        break;
    case SVM_EXIT_WINDOW:
        if (!svm->wish_interrupt)
            exit->kind = VIRT_EXIT_NMI_WINDOW;
        break;
    case SVM_EXIT_IRET:
        svm_step_begin(svm);
        return false;
    }
    return true;
}

/* Exits that are not in the table: a nested page fault, and entries that the processor refused, which leave EVENTINJ to
 * the auditor. */
static void decode_rest(struct svm_vcpu *svm, struct virt_exit *exit)
{
    if (svm->vmcb->control.exit_code == VMEXIT_NPF) {
        finish_memory(svm->vmcb, exit);
        svm->vmcb->control.event_injection = 0;
        return;
    }
    exit->kind = VIRT_EXIT_INVALID_STATE;
    exit->detail = (uint32_t)svm->vmcb->control.exit_code;
    svm->vmcb->control.exit_int_info = 0;
    if (exit->detail == VMEXIT_INVALID_LOW)
        svm_asid_entry_failed(svm->cpu, svm);
}

bool svm_exit_decode(struct svm_vcpu *svm, struct virt_exit *exit)
{
    struct vmcb *vmcb = svm->vmcb;
    uint64_t code = vmcb->control.exit_code;
    bool decoded = true;

    exit->next_rip = vmcb->control.next_rip;
    exit->length = exit->next_rip != 0 ? (uint8_t)(exit->next_rip - vmcb->save.rip) : 0;
    if (code < VMEXIT_TABLE_END) {
        exit->kind = svm_exit_rows[code].kind;
        exit->intercept = svm_exit_rows[code].intercept;
        decoded = finish_exit(svm, &svm_exit_rows[code], exit);
        vmcb->control.event_injection = 0;
    } else {
        decode_rest(svm, exit);
    }
    if (vmcb->control.exit_int_info & EVENT_VALID)
        svm_event_requeue(svm, exit);
    if ((svm->special & SPECIAL_STEP) && decoded)
        svm_step_exit(svm, exit);
    return decoded;
}
