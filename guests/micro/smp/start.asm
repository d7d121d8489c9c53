; SPDX-License-Identifier: Apache-2.0
; start.asm: where a started CPU begins: real mode at 8000h (SIPI vector 08h), straight to 64-bit C on a stack of its own.

BASE                equ 0x8000
STACK_BYTES         equ 8192                    ; cpus.h
CR0_PE_ET           equ 0x11
CR0_PE_MP_ET_NE_WP  equ 0x00010033
CR0_PG              equ 0x80000000
CR4_PAE             equ 0x20
MSR_EFER            equ 0xC0000080
EFER_LME_NXE        equ 0x900

global cpus_trampoline, cpus_trampoline_end
extern micro_pml4
extern cpus_idt, cpus_stacks, cpus_entered

section .text
bits 16
cpus_trampoline:
    cli
    cld
    xor     ax, ax
    mov     ds, ax
    o32 lgdt [BASE + gdt_pointer - cpus_trampoline]
    mov     eax, CR0_PE_ET
    mov     cr0, eax
    jmp     dword 0x18:(BASE + protected - cpus_trampoline)
bits 32
protected:
    mov     eax, 0x20
    mov     ds, eax
    mov     es, eax
    mov     ss, eax
    mov     eax, CR4_PAE
    mov     cr4, eax
    mov     eax, micro_pml4
    mov     cr3, eax
    mov     ecx, MSR_EFER
    rdmsr
    or      eax, EFER_LME_NXE
    wrmsr
    mov     eax, CR0_PE_MP_ET_NE_WP | CR0_PG
    mov     cr0, eax
    jmp     0x08:entry
align 8
gdt_pointer:
    dw      0                                   ; cpus_prepare() fills it in
    dd      0
cpus_trampoline_end:

bits 64
entry:
    mov     eax, 0x10
    mov     ds, eax
    mov     es, eax
    mov     ss, eax
    xor     eax, eax
    mov     fs, eax
    mov     gs, eax
    lidt    [cpus_idt]
    mov     eax, 1
    cpuid
    shr     ebx, 24                             ; the initial APIC ID
    mov     edi, ebx
    imul    rbx, rbx, STACK_BYTES
    lea     rsp, [cpus_stacks + rbx + STACK_BYTES]
    xor     ebp, ebp
    call    cpus_entered
.end:
    hlt
    jmp     .end
section .note.GNU-stack noalloc noexec nowrite progbits
