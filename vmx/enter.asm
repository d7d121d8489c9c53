; SPDX-License-Identifier: Apache-2.0
; enter.asm: into the guest and out again (SDM Vol. 3C 27, 28).
;
; An exit loads what the host needs from the VMCS, GS, FS, TR and the stack pointer among it, with interrupts off. A
; physical interrupt that caused it stays pending until the kernel opens a window for it. General registers go between
; the vCPU page and themselves; RSP and RIP are the VMCS's.

bits 64
default rel

VMCS_GUEST_RSP equ 0x681C
VMCS_GUEST_RIP equ 0x681E
VMCS_HOST_RSP  equ 0x6C14

%include "kernel/guest_registers.inc"

section .text

; RDI: struct vcpu_page, RSI: not 0 when the VMCS was launched since it was cleared, RDX: where the HOST_RSP of the VMCS
; is remembered. RAX on return: 0 after an exit, 1 when the entry failed before anything of the guest was loaded. Every
; register is lost but RBP, RSP and RDI.
global vmx_enter:function, vmx_exited:function
vmx_enter:
    push rbp
    push rdi

    cmp rsp, [rdx]
    je .stack_is_known
    mov [rdx], rsp
    mov eax, VMCS_HOST_RSP
    vmwrite rax, rsp
.stack_is_known:
    mov eax, VMCS_GUEST_RSP
    vmwrite rax, [rdi + PAGE_rsp]
    mov eax, VMCS_GUEST_RIP
    vmwrite rax, [rdi + PAGE_rip]

    test rsi, rsi ; the loads leave the flags alone
    load_from rdi, rax, rcx, rdx, rbx, rbp, rsi, r8, r9, r10, r11, r12, r13, r14, r15, rdi
    jz .first
    vmresume
    jmp entry_failed
.first:
    vmlaunch
entry_failed:
    pop rdi
    mov eax, 1
    jmp back

vmx_exited:
    push rdi
    mov rdi, [rsp + 8]
    store_to rdi, rax, rcx, rdx, rbx, rbp, rsi, r8, r9, r10, r11, r12, r13, r14, r15
    pop rax
    mov [rdi + PAGE_rdi], rax
    mov eax, VMCS_GUEST_RSP
    vmread [rdi + PAGE_rsp], rax
    mov eax, VMCS_GUEST_RIP
    vmread [rdi + PAGE_rip], rax
    pop rdi
    xor eax, eax
back:

    ; The kernel speculates with nothing that the guest chose: what the caller does not restore itself goes.
    xor r8d, r8d
    xor r9d, r9d
    xor r10d, r10d
    xor r11d, r11d
    pop rbp
    ret

section .note.GNU-stack noalloc noexec nowrite progbits
