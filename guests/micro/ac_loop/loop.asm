; SPDX-License-Identifier: Apache-2.0
; loop.asm: into CPL 3 with EFLAGS.AC and a stack that is not aligned. Called flat, in 32-bit mode.

USER_CODE       equ 0x6B
USER_DATA       equ 0x73
VECTOR_AC       equ 17
GATE_USER       equ 0xEE00
FLAGS_AC        equ 0x40002

global ac_loop_run
extern micro_idt32

section .text
bits 32
ac_loop_run:
    mov     eax, user_handler
    mov     [micro_idt32 + VECTOR_AC * 8], ax
    mov     word [micro_idt32 + VECTOR_AC * 8 + 2], USER_CODE
    mov     word [micro_idt32 + VECTOR_AC * 8 + 4], GATE_USER
    shr     eax, 16
    mov     [micro_idt32 + VECTOR_AC * 8 + 6], ax
    mov     eax, USER_DATA
    mov     ds, eax
    push    USER_DATA
    push    user_stack_top - 1
    push    FLAGS_AC
    push    USER_CODE
    push    user
    iretd

user:
    mov     eax, [user_stack_top - 63]
user_handler:
    hlt

section .bss align=16
                resb 1024
user_stack_top:
section .note.GNU-stack noalloc noexec nowrite progbits
