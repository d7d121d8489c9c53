; SPDX-License-Identifier: Apache-2.0
; modes.asm: out of 64-bit mode through every older mode down to real mode, and back.
;
; The code runs at 8000h, because real mode reaches nothing above 1 MiB. Each station writes what it saw into the
; results at 9000h (see main.c, which has the same numbers).

BASE        equ 0x8000
RESULTS     equ 0x9000
DIRECTORY   equ 0xA000                          ; page directory of 4 MiB pages
POINTERS    equ 0xB000                          ; PAE page-directory pointers
REAL_STACK  equ 0x7C00

RESULT_CPUID32      equ RESULTS + 0
RESULT_MMIO32       equ RESULTS + 4
RESULT_PORT32       equ RESULTS + 8
RESULT_LEGACY       equ RESULTS + 12
RESULT_PAE          equ RESULTS + 16
RESULT_CPUID16      equ RESULTS + 20
RESULT_PORT16       equ RESULTS + 24
RESULT_STRING16     equ RESULTS + 28
RESULT_UNREAL       equ RESULTS + 32
RESULT_INT          equ RESULTS + 36
RESULT_DIVIDE       equ RESULTS + 40
RESULT_TIMER        equ RESULTS + 44
RESULT_PROTECTED16  equ RESULTS + 48
RESULT_MSR16        equ RESULTS + 52
RESULT_LAST         equ RESULTS + 56

VECTOR_INT          equ 0x60
VECTOR_TIMER        equ 0x48
COM1_SCRATCH        equ 0x3FF
IOAPIC              equ 0xFEC00000
APIC_EOI            equ 0xFEE000B0
MSR_EFER            equ 0xC0000080
EFER_LME            equ 0x100
MSR_APIC_BASE       equ 0x1B
CR0_PE              equ 1
CR0_PG              equ 0x80000000
CR4_PSE             equ 0x10
CR4_PAE             equ 0x20
LAST_VALUE          equ 0x600D600D

%define AT(label) (BASE + (label) - blob)

global realmode_visit
extern micro_gdt, micro_gdt_pointer, micro_pml4

section .text
bits 64
; void realmode_visit(void): interrupts must be off; the APIC timer should have been armed with VECTOR_TIMER
realmode_visit:
    push    rbx
    push    rbp
    push    r12
    push    r13
    push    r14
    push    r15
    sidt    [saved_idt]
    mov     [saved_rsp], rsp
    mov     rsi, blob
    mov     edi, BASE
    mov     ecx, blob_end - blob
    rep movsb
    mov     rax, cr4
    mov     [saved_cr4], rax
    push    0x18
    push    AT(compatibility)
    retfq
returned:
    mov     rsp, [saved_rsp]
    mov     rax, [saved_cr4]
    mov     cr4, rax
    lidt    [saved_idt]
    pop     r15
    pop     r14
    pop     r13
    pop     r12
    pop     rbp
    pop     rbx
    ret

section .rodata
blob:
bits 32
compatibility:
    mov     eax, 0x20
    mov     ds, eax
    mov     es, eax
    mov     ss, eax
    mov     esp, REAL_STACK
    mov     eax, cr0
    and     eax, ~CR0_PG
    mov     cr0, eax
    mov     ecx, MSR_EFER
    rdmsr
    and     eax, ~EFER_LME
    wrmsr

    ; flat, no paging
    mov     eax, 1
    cpuid
    mov     [RESULT_CPUID32], eax
    mov     dword [IOAPIC], 1
    mov     eax, [IOAPIC + 0x10]
    mov     [RESULT_MMIO32], eax
    mov     dx, COM1_SCRATCH
    mov     al, 0x32
    out     dx, al
    xor     eax, eax
    in      al, dx
    mov     [RESULT_PORT32], eax

    ; 4 MiB pages: one to one, but 7FC00000h shows the first 4 MiB
    mov     edi, DIRECTORY
    mov     eax, 0x83
    mov     ecx, 1024
.fill:
    mov     [edi], eax
    add     edi, 4
    add     eax, 0x400000
    loop    .fill
    mov     dword [DIRECTORY + 4 * (0x7FC00000 >> 22)], 0x83
    mov     eax, CR4_PSE
    mov     cr4, eax
    mov     eax, DIRECTORY
    mov     cr3, eax
    mov     eax, cr0
    or      eax, CR0_PG
    mov     cr0, eax
    jmp     short .legacy
.legacy:
    mov     dword [0x7FC00000 + RESULT_LEGACY], 0x4D4D4D4D
    mov     eax, 0
    cpuid
    mov     dword [IOAPIC], 1
    mov     eax, [IOAPIC + 0x10]
    sub     eax, [RESULT_MMIO32]                ; 0 when both modes read the same
    sub     [RESULT_LEGACY], eax
    mov     eax, cr0
    and     eax, ~CR0_PG
    mov     cr0, eax

    ; PAE: the pointers take the runtime's directories, but the second GiB shows the first
    mov     eax, [micro_pml4]
    and     eax, 0xFFFFF000
    mov     esi, eax
    mov     edi, POINTERS
    mov     ecx, 4
.pointer:
    mov     eax, [esi]
    and     eax, 0xFFFFF001
    mov     [edi], eax
    mov     dword [edi + 4], 0
    add     esi, 8
    add     edi, 8
    loop    .pointer
    mov     eax, [POINTERS]
    mov     [POINTERS + 8], eax
    mov     eax, CR4_PAE
    mov     cr4, eax
    mov     eax, POINTERS
    mov     cr3, eax
    mov     eax, cr0
    or      eax, CR0_PG
    mov     cr0, eax
    jmp     short .pae
.pae:
    mov     dword [0x40000000 + RESULT_PAE], 0x9A9A9A9A
    mov     eax, 0
    cpuid
    mov     eax, [IOAPIC]
    mov     eax, cr3                            ; the pointers are loaded again
    mov     cr3, eax
    add     dword [0x40000000 + RESULT_PAE], 1
    mov     eax, cr0
    and     eax, ~CR0_PG
    mov     cr0, eax

    ; FS keeps its 4 GiB limit into real mode
    mov     eax, 0x20
    mov     fs, eax
    lidt    [AT(real_idt)]
    jmp     0x28:AT(protected16)

bits 16
protected16:
    mov     ax, 0x30
    mov     ds, ax
    mov     es, ax
    mov     ss, ax
    mov     sp, REAL_STACK
    xor     eax, eax
    cpuid
    mov     [RESULT_PROTECTED16], eax
    mov     eax, cr0
    and     al, ~CR0_PE
    mov     cr0, eax
    jmp     0:AT(real)
real:
    xor     ax, ax
    mov     ds, ax
    mov     es, ax
    mov     ss, ax
    mov     word [VECTOR_INT * 4], AT(on_int)
    mov     word [VECTOR_INT * 4 + 2], 0
    mov     word [0], AT(on_divide)
    mov     word [2], 0
    mov     word [VECTOR_TIMER * 4], AT(on_timer)
    mov     word [VECTOR_TIMER * 4 + 2], 0

    mov     eax, 1
    cpuid
    mov     [RESULT_CPUID16], eax
    mov     ecx, MSR_APIC_BASE
    rdmsr
    mov     [RESULT_MSR16], eax
    mov     dx, COM1_SCRATCH
    mov     al, 0x16
    out     dx, al
    xor     eax, eax
    in      al, dx
    mov     [RESULT_PORT16], eax
    mov     si, AT(bytes)
    mov     cx, 3
    rep outsb
    xor     eax, eax
    in      al, dx
    mov     [RESULT_STRING16], eax
    mov     dword [fs:dword IOAPIC], 1
    mov     eax, [fs:dword IOAPIC + 0x10]
    mov     [RESULT_UNREAL], eax

    int     VECTOR_INT
    int     VECTOR_INT
    xor     cx, cx
    mov     ax, 1
    xor     dx, dx
    div     cx                                  ; two bytes; on_divide skips them
    sti
.wait:
    hlt
    cmp     dword [RESULT_TIMER], 0
    je      .wait
    cli

    lgdt    [AT(gdt_pointer)]
    mov     eax, cr0
    or      al, CR0_PE
    mov     cr0, eax
    jmp     dword 0x18:AT(back32)

on_int:
    inc     dword [RESULT_INT]
    iret

on_divide:
    push    bp
    mov     bp, sp
    inc     dword [RESULT_DIVIDE]
    add     word [bp + 2], 2
    pop     bp
    iret

on_timer:
    inc     dword [RESULT_TIMER]
    mov     dword [fs:dword APIC_EOI], 0
    iret

bits 32
back32:
    mov     eax, 0x20
    mov     ds, eax
    mov     es, eax
    mov     ss, eax
    mov     dword [RESULT_LAST], LAST_VALUE
    mov     eax, CR4_PAE
    mov     cr4, eax
    mov     eax, micro_pml4
    mov     cr3, eax
    mov     ecx, MSR_EFER
    rdmsr
    or      eax, EFER_LME
    wrmsr
    mov     eax, cr0
    or      eax, CR0_PG
    mov     cr0, eax
    lgdt    [micro_gdt_pointer]
    jmp     0x08:returned
bytes:
    db 0x61, 0x62, 0x63
real_idt:
    dw 0x3FF
    dd 0
gdt_pointer:
    dw 0x67
    dd micro_gdt
blob_end:

section .bss
saved_rsp:  resq 1
saved_cr4:  resq 1
saved_idt:  resb 16
section .note.GNU-stack noalloc noexec nowrite progbits
