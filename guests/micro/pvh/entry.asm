; SPDX-License-Identifier: Apache-2.0
; entry.asm: PVH's note and entry point. The runtime is given an empty multiboot information.

NOTE_PHYS32_ENTRY   equ 18
MULTIBOOT_BOOTED    equ 0x2BADB002

global pvh_start32, pvh_first
extern micro_start32

section .note.Xen note alloc noexec nowrite align=4
    dd 4, 4, NOTE_PHYS32_ENTRY
    db "Xen", 0
    dd pvh_start32

section .text
bits 32
; Registers as they are on entry go to pvh_first, for the test to see.
pvh_start32:
    mov     [pvh_first.ebx], ebx
    mov     eax, cr0
    mov     [pvh_first.cr0], eax
    mov     eax, cr4
    mov     [pvh_first.cr4], eax
    mov     esp, stack_top
    pushfd
    pop     dword [pvh_first.eflags]
    mov     eax, MULTIBOOT_BOOTED
    mov     ebx, no_information
    jmp     micro_start32

section .data align=4
no_information:
    times 32 dd 0
pvh_first:
.ebx:       dd 0
.cr0:       dd 0
.cr4:       dd 0
.eflags:    dd 0

section .bss
    resb 64
stack_top:
section .note.GNU-stack noalloc noexec nowrite progbits
