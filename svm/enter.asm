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

; Offsets in struct vcpu_page, held to it by static_assert in enter.c.
PAGE_RAX equ 0 * 8
PAGE_RCX equ 1 * 8
PAGE_RDX equ 2 * 8
PAGE_RBX equ 3 * 8
PAGE_RSP equ 4 * 8
PAGE_RBP equ 5 * 8
PAGE_RSI equ 6 * 8
PAGE_RDI equ 7 * 8
PAGE_R8 equ 8 * 8
PAGE_R9 equ 9 * 8
PAGE_R10 equ 10 * 8
PAGE_R11 equ 11 * 8
PAGE_R12 equ 12 * 8
PAGE_R13 equ 13 * 8
PAGE_R14 equ 14 * 8
PAGE_R15 equ 15 * 8
PAGE_RIP equ 16 * 8

section .text

; RDI: struct vcpu_page, RSI: the VMCB, RDX: its physical address, RCX: the physical address of what VMLOAD gives back.
; Every register is lost but RBP, RSP, RDI and RSI. Interrupts are off and GIF is set, before and after.
global svm_enter:function
svm_enter:
    push rbp
    push rdi ; [rsp + 16]
    push rsi ; [rsp + 8]
    push rcx ; [rsp]

    mov rax, [rdi + PAGE_RAX]
    mov rbx, [rdi + PAGE_RSP]
    mov rcx, [rdi + PAGE_RIP]
    mov [rsi + VMCB_RAX], rax
    mov [rsi + VMCB_RSP], rbx
    mov [rsi + VMCB_RIP], rcx
    mov rax, rdx

    mov rcx, [rdi + PAGE_RCX]
    mov rdx, [rdi + PAGE_RDX]
    mov rbx, [rdi + PAGE_RBX]
    mov rbp, [rdi + PAGE_RBP]
    mov rsi, [rdi + PAGE_RSI]
    mov r8, [rdi + PAGE_R8]
    mov r9, [rdi + PAGE_R9]
    mov r10, [rdi + PAGE_R10]
    mov r11, [rdi + PAGE_R11]
    mov r12, [rdi + PAGE_R12]
    mov r13, [rdi + PAGE_R13]
    mov r14, [rdi + PAGE_R14]
    mov r15, [rdi + PAGE_R15]
    mov rdi, [rdi + PAGE_RDI]

    clgi
    sti
    vmload ; the operand of all three is RAX
    vmrun
    vmsave

    mov rax, [rsp]
    vmload

    mov rax, [rsp + 16]
    mov [rax + PAGE_RCX], rcx
    mov [rax + PAGE_RDX], rdx
    mov [rax + PAGE_RBX], rbx
    mov [rax + PAGE_RBP], rbp
    mov [rax + PAGE_RSI], rsi
    mov [rax + PAGE_RDI], rdi
    mov [rax + PAGE_R8], r8
    mov [rax + PAGE_R9], r9
    mov [rax + PAGE_R10], r10
    mov [rax + PAGE_R11], r11
    mov [rax + PAGE_R12], r12
    mov [rax + PAGE_R13], r13
    mov [rax + PAGE_R14], r14
    mov [rax + PAGE_R15], r15

    mov rdi, rax
    mov rsi, [rsp + 8]
    mov rcx, [rsi + VMCB_RAX]
    mov rdx, [rsi + VMCB_RSP]
    mov rax, [rsi + VMCB_RIP]
    mov [rdi + PAGE_RAX], rcx
    mov [rdi + PAGE_RSP], rdx
    mov [rdi + PAGE_RIP], rax

    cli
    stgi

    ; The kernel speculates with nothing that the guest chose: what the caller does not restore itself goes.
    xor r8d, r8d
    xor r9d, r9d
    xor r10d, r10d
    xor r11d, r11d
    add rsp, 24
    pop rbp
    ret

; void svm_vmsave(uint64_t area_pa)
global svm_vmsave:function
svm_vmsave:
    mov rax, rdi
    vmsave
    ret

section .note.GNU-stack noalloc noexec nowrite progbits
