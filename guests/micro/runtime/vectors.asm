; SPDX-License-Identifier: Apache-2.0
; vectors.asm: one stub for each of the 256 vectors; all end in micro_trap_dispatch(frame).

extern micro_trap_dispatch
global micro_vector_table

bits 64
section .text

%macro VECTOR 1
vector_%1:
%if %1 != 8 && %1 != 10 && %1 != 11 && %1 != 12 && %1 != 13 && %1 != 14 && %1 != 17 && %1 != 21 && %1 != 29 && %1 != 30
    push    0                                   ; the CPU pushes no error code for this one
%endif
    push    %1
    jmp     save_and_dispatch
%endmacro

%assign i 0
%rep 256
    VECTOR i
%assign i i + 1
%endrep

save_and_dispatch:
    push    rax
    push    rcx
    push    rdx
    push    rbx
    push    rbp
    push    rsi
    push    rdi
    push    r8
    push    r9
    push    r10
    push    r11
    push    r12
    push    r13
    push    r14
    push    r15
    cld
    mov     rdi, rsp
    call    micro_trap_dispatch
    pop     r15
    pop     r14
    pop     r13
    pop     r12
    pop     r11
    pop     r10
    pop     r9
    pop     r8
    pop     rdi
    pop     rsi
    pop     rbp
    pop     rbx
    pop     rdx
    pop     rcx
    pop     rax
    add     rsp, 16
    iretq

section .rodata
align 8
micro_vector_table:
%assign i 0
%rep 256
    dq      vector_ %+ i
%assign i i + 1
%endrep
section .note.GNU-stack noalloc noexec nowrite progbits
