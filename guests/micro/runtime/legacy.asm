; SPDX-License-Identifier: Apache-2.0
; legacy.asm: run a routine in flat 32-bit protected mode without paging, and come back (SDM Vol. 3A 10.8.5).
;
; Exceptions go to the place that the routine has written to micro_resume32, and are noted in micro_trap32; interrupts
; are counted. An exception that nobody expects ends the routine.

DATA64          equ 0x10
CODE32          equ 0x18
DATA32          equ 0x20
TSS             equ 0x48
MSR_EFER        equ 0xC0000080
EFER_LME        equ 0x100
CR0_PG          equ 0x80000000
APIC_EOI        equ 0xFEE000B0
VECTORS         equ 0x50
VECTOR_IRQ      equ 0x20
GATE32          equ 0x8E00

global micro_call32, micro_resume32, micro_trap32, micro_irqs32, micro_unexpected32, micro_idt32

section .text
bits 64
; void micro_call32(void (*routine)(void)): interrupts are off on entry and must be off again at its RET
micro_call32:
    push    rbx
    push    rbp
    push    r12
    push    r13
    push    r14
    push    r15
    mov     ebx, edi
    sidt    [saved_idt]
    sgdt    [saved_gdt]
    mov     [saved_rsp], rsp
    mov     rax, cr0
    mov     [saved_cr0], rax
    mov     rax, cr3
    mov     [saved_cr3], rax
    mov     rax, cr4
    mov     [saved_cr4], rax
    mov     dword [micro_unexpected32], 0
    mov     dword [micro_resume32], 0
    xor     ecx, ecx
.gate:
    mov     eax, [stubs + rcx * 4]
    mov     [micro_idt32 + rcx * 8], ax
    mov     word [micro_idt32 + rcx * 8 + 2], CODE32
    mov     word [micro_idt32 + rcx * 8 + 4], GATE32
    shr     eax, 16
    mov     [micro_idt32 + rcx * 8 + 6], ax
    inc     ecx
    cmp     ecx, VECTORS
    jb      .gate
    push    CODE32
    push    flat
    retfq

bits 32
flat:
    mov     eax, DATA32
    mov     ds, eax
    mov     es, eax
    mov     ss, eax
    mov     fs, eax
    mov     gs, eax
    mov     eax, cr0
    and     eax, ~CR0_PG
    mov     cr0, eax
    mov     ecx, MSR_EFER
    rdmsr
    and     eax, ~EFER_LME
    wrmsr
    xor     eax, eax
    mov     cr4, eax
    lidt    [idt_pointer]
    call    ebx
leave32:
    mov     eax, cr0
    and     eax, ~CR0_PG
    mov     cr0, eax
    mov     eax, [saved_cr4]
    mov     cr4, eax
    mov     eax, [saved_cr3]
    mov     cr3, eax
    mov     ecx, MSR_EFER
    rdmsr
    or      eax, EFER_LME
    wrmsr
    mov     eax, [saved_cr0]
    mov     cr0, eax
    lgdt    [saved_gdt]
    jmp     0x08:long_again

bits 64
long_again:
    mov     eax, DATA64
    mov     ds, eax
    mov     es, eax
    mov     ss, eax
    xor     eax, eax
    mov     fs, eax
    mov     gs, eax
    mov     rsp, [saved_rsp]
    lidt    [saved_idt]
    mov     rax, [saved_gdt + 2]
    and     byte [rax + TSS + 5], ~2            ; not busy: it can be loaded again
    mov     eax, TSS
    ltr     ax
    pop     r15
    pop     r14
    pop     r13
    pop     r12
    pop     rbp
    pop     rbx
    ret

bits 32
%assign i 0
%rep VECTORS
stub_%+i:
%if i != 8 && i != 10 && i != 11 && i != 12 && i != 13 && i != 14 && i != 17
    push    0
%endif
    push    i
    jmp     event
%assign i i + 1
%endrep

; vector at ESP + 32 behind PUSHAD, then error code, EIP, CS, EFLAGS
event:
    pushad
    cld
    mov     eax, [esp + 32]
    cmp     eax, VECTOR_IRQ
    jae     .interrupt
    cmp     dword [micro_resume32], 0
    je      .unexpected
    mov     [micro_trap32], eax
    mov     eax, [esp + 36]
    mov     [micro_trap32 + 4], eax
    mov     eax, [esp + 40]
    mov     [micro_trap32 + 8], eax
    mov     eax, cr2
    mov     [micro_trap32 + 12], eax
    mov     eax, [micro_resume32]
    mov     [esp + 40], eax
    mov     dword [micro_resume32], 0
    jmp     .return
.interrupt:
    inc     dword [micro_irqs32]
    mov     dword [APIC_EOI], 0
.return:
    popad
    add     esp, 8
    iretd
.unexpected:
    inc     eax
    mov     [micro_unexpected32], eax
    mov     eax, [esp + 36]
    mov     [micro_unexpected32 + 4], eax
    mov     eax, [esp + 40]
    mov     [micro_unexpected32 + 8], eax
    jmp     leave32

section .rodata
align 4
stubs:
%assign i 0
%rep VECTORS
    dd      stub_%+i
%assign i i + 1
%endrep
idt_pointer:
    dw      VECTORS * 8 - 1
    dd      micro_idt32

section .bss align=16
micro_idt32:        resq VECTORS
saved_rsp:          resq 1
saved_cr0:          resq 1
saved_cr3:          resq 1
saved_cr4:          resq 1
saved_idt:          resb 16
saved_gdt:          resb 16
micro_resume32:     resd 1
micro_trap32:       resd 4                      ; vector, error code, EIP, CR2
micro_irqs32:       resd 1
micro_unexpected32: resd 3                      ; vector + 1 (0: none), error code, EIP
section .note.GNU-stack noalloc noexec nowrite progbits
