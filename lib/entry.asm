; SPDX-License-Identifier: Apache-2.0
; entry.asm: the first and the last instructions of a thread.

%define SYS_THREAD_EXIT 16
%define THREAD_EXITED 2      ; enum cl_thread_use
%define THREAD_USE_OFFSET 16 ; struct cl_thread

default rel
section .text

extern cl_start_c
extern cl_thread_finish
extern cl_thread_exit
extern cl_exit_lock
extern program_stack_top     ; lib/program.ld

; A program begins: RDI = start block, or 0 in init. Whatever RSP is, the program brings its own stack.
global _start
_start:
    lea rsp, [program_stack_top]
    xor ebp, ebp
    call cl_start_c
    ud2

; A thread begins: RDI = its stack pointer, where the function and its argument are.
global cl_thread_entry
cl_thread_entry:
    xor ebp, ebp
    mov rax, [rdi]
    mov rdi, [rdi + 8]
    and rsp, -16
    call rax
    xor edi, edi
    xor esi, esi
    call cl_thread_exit
    ud2

; A thread ends: RDI = its record; cl_exit_lock is held. Once the lock is dropped another thread may use the stack, and
; once the record says EXITED another may delete this one at any instruction: so the lock first, no stack after it, and
; EXITED as the last store.
global cl_thread_leave
cl_thread_leave:
    lea rsp, [exit_stack_top]
    xor ebp, ebp
    mov rbx, rdi
    call cl_thread_finish
    mov dword [cl_exit_lock], 0
    mov dword [rbx + THREAD_USE_OFFSET], THREAD_EXITED
    mov eax, SYS_THREAD_EXIT
    syscall
    ud2

section .bss
align 16
    resb 4096
exit_stack_top:

section .note.GNU-stack noalloc noexec nowrite progbits
