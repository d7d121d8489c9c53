; SPDX-License-Identifier: Apache-2.0
; enter.asm: into the guest and out again (APM Vol. 2 15.5, 15.6, 15.17).
;
; V_INTR_MASKING makes the host's RFLAGS.IF at VMRUN decide whether a physical interrupt ends the guest, so IF is set
; under CLGI, where nothing can be taken yet, and cleared again before STGI. The interrupt stays pending until the kernel
; opens a window for it. STI must not come directly before VMRUN: its shadow would still be open.
;
; VMRUN keeps the host's RAX, RSP and RIP in the save area; VMLOAD gives back what VMRUN does not: GS (the per-CPU
; structure), FS, TR (the stacks of NMI and #MC), LDTR and the system-call registers. Nothing may touch GS, and NMIs have
; to wait, until it is done: they do, for GIF.

bits 64
default rel

VMCB_RIP equ 0x578
VMCB_RSP equ 0x5D8
VMCB_RAX equ 0x5F8

%include "kernel/guest_registers.inc"

section .text

; RDI: struct vcpu_page, RSI: the VMCB, RDX: its physical address, RCX: the physical address of what VMLOAD gives back.
; Every register is lost but RBP, RSP, RDI and RSI. Interrupts are off and GIF is set, before and after.
global svm_enter:function
svm_enter:
    push rbp
    push rsi
    push rdi
    push rcx

    mov rax, [rdi + PAGE_rax]
    mov rbx, [rdi + PAGE_rsp]
    mov rcx, [rdi + PAGE_rip]
    mov [rsi + VMCB_RAX], rax
    mov [rsi + VMCB_RSP], rbx
    mov [rsi + VMCB_RIP], rcx
    mov rax, rdx

    load_from rdi, rcx, rdx, rbx, rbp, rsi, r8, r9, r10, r11, r12, r13, r14, r15, rdi

    clgi
    sti
    vmload ; the operand of all three is RAX
    vmrun
    vmsave

    pop rax
    vmload

    pop rax
    store_to rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15

    mov rdi, rax
    pop rsi
    mov rcx, [rsi + VMCB_RAX]
    mov rdx, [rsi + VMCB_RSP]
    mov rax, [rsi + VMCB_RIP]
    mov [rdi + PAGE_rax], rcx
    mov [rdi + PAGE_rsp], rdx
    mov [rdi + PAGE_rip], rax

    cli
    stgi

    ; The kernel speculates with nothing that the guest chose: what the caller does not restore itself goes.
    xor r8d, r8d
    xor r9d, r9d
    xor r10d, r10d
    xor r11d, r11d
    pop rbp
    ret

; void svm_vmsave(uint64_t area_pa)
global svm_vmsave:function
svm_vmsave:
    mov rax, rdi
    vmsave
    ret

section .note.GNU-stack noalloc noexec nowrite progbits
