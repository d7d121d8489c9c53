; SPDX-License-Identifier: Apache-2.0
; entry.asm: multiboot 1 header, and the way from flat 32-bit mode to 64-bit C.
;
; Multiboot 1 enters with EAX = 2BADB002h, EBX = information, paging off, interrupts off (Multiboot 0.6.96 §3.2).

MULTIBOOT_MAGIC     equ 0x1BADB002
MULTIBOOT_FLAGS     equ 3                       ; modules page-aligned, memory information wanted

CR0_PE_MP_ET_NE_WP  equ 0x00010033
CR0_PG              equ 0x80000000
CR4_PAE             equ 0x20
MSR_EFER            equ 0xC0000080
EFER_LME_NXE        equ 0x900
PAGE_P_W            equ 3
PAGE_P_W_PS         equ 0x83
PAGE_UNCACHED       equ 0x18                    ; PCD and PWT

global micro_start32
global micro_pml4, micro_pdpt, micro_pd
global micro_gdt, micro_gdt_pointer, micro_tss
global micro_boot_magic, micro_boot_info
global micro_stack_top, micro_user_stack_top
extern micro_start64

section .multiboot alloc align=4
    dd MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)

section .text
bits 32
micro_start32:
    cli
    cld
    mov     [micro_boot_magic], eax
    mov     [micro_boot_info], ebx
    mov     esp, micro_stack_top

    mov     dword [micro_pml4], micro_pdpt + PAGE_P_W
    mov     ecx, 4
.pdpt:
    lea     eax, [ecx - 1]
    shl     eax, 12
    add     eax, micro_pd + PAGE_P_W
    mov     [micro_pdpt + ecx * 8 - 8], eax
    loop    .pdpt

    mov     ecx, 4 * 512
.pd:
    lea     eax, [ecx - 1]
    shl     eax, 21
    or      eax, PAGE_P_W_PS
    cmp     ecx, 3 * 512
    jbe     .cached
    or      eax, PAGE_UNCACHED
.cached:
    mov     [micro_pd + ecx * 8 - 8], eax
    loop    .pd

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
    lgdt    [micro_gdt_pointer]
    jmp     0x08:.long

bits 64
.long:
    mov     eax, 0x10
    mov     ds, eax
    mov     es, eax
    mov     ss, eax
    xor     eax, eax
    mov     fs, eax
    mov     gs, eax
    mov     rax, micro_tss                      ; the descriptor's base is filled in here: it is split in four
    mov     [micro_gdt.tss + 2], ax
    shr     rax, 16
    mov     [micro_gdt.tss + 4], al
    mov     [micro_gdt.tss + 7], ah
    mov     eax, 0x48
    ltr     ax
    xor     ebp, ebp
    call    micro_start64
.end:
    hlt
    jmp     .end

section .data align=16
micro_gdt:
    dq 0
    dq 0x00AF9B000000FFFF                       ; 08h 64-bit code
    dq 0x00CF93000000FFFF                       ; 10h data
    dq 0x00CF9B000000FFFF                       ; 18h 32-bit code
    dq 0x00CF93000000FFFF                       ; 20h 32-bit data
    dq 0x00009B000000FFFF                       ; 28h 16-bit code, base 0
    dq 0x000093000000FFFF                       ; 30h 16-bit data, base 0
    dq 0x00CFF3000000FFFF                       ; 38h user data
    dq 0x00AFFB000000FFFF                       ; 40h user 64-bit code
.tss:
    dq 0x0000890000000067                       ; 48h TSS, available
    dq 0
    dq 0x00AF1B000000FFFF                       ; 58h 64-bit code, not present
    dq 0x00CF13000000FFFF                       ; 60h data, not present
.end:

micro_gdt_pointer:
    dw micro_gdt.end - micro_gdt - 1
    dq micro_gdt

align 16
micro_tss:
    dd 0
    dq micro_ring0_stack_top, 0, 0              ; RSP0–2
    dq 0
    dq micro_ist1_top, micro_ist2_top, micro_ist3_top
    times 4 dq 0
    dq 0
    dw 0, 104                                   ; no I/O permission map

section .bss align=4096
micro_pml4:         resb 4096
micro_pdpt:         resb 4096
micro_pd:           resb 4 * 4096
                    resb 16384
micro_stack_top:
                    resb 4096
micro_ring0_stack_top:
                    resb    4096
micro_user_stack_top:
                    resb 4096
micro_ist1_top:     resb 4096
micro_ist2_top:     resb 4096
micro_ist3_top:
micro_boot_magic:   resd 1
micro_boot_info:    resd 1
section .note.GNU-stack noalloc noexec nowrite progbits
