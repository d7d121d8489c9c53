; SPDX-License-Identifier: Apache-2.0
; entry.asm: the ways into ring 0 and back. Whatever ring 3 was doing is saved in its thread's struct registers:
; TSS.RSP0 points at the end of that structure, so the CPU itself begins the saving.

        bits 64
        default rel
        section .text

%define CPU_USER_RSP        8           ; offsets in struct cpu, asserted in cpu.c
%define CPU_KERNEL_STACK   16
%define CPU_REGISTERS_END  24
%define SELECTOR_USER_DATA 0x1b
%define SELECTOR_USER_CODE 0x23
%define VECTOR_SYSCALL     0x100
%define MSR_GS_BASE        0xc0000101
%define REGISTERS_VECTOR  120           ; offsets in struct registers, asserted in cpu.c
%define REGISTERS_CS      144

        extern cpu_main, syscall_handler, interrupt_from_user, interrupt_from_kernel, exception_on_ist
        global kernel_enter, syscall_entry, resume_by_sysret, resume_by_iret, interrupt_stubs

%macro push_all 1-*
%rep %0
        push    %1
%rotate 1
%endrep
%endmacro

%macro pop_all 1-*
%rep %0
        pop     %1
%rotate 1
%endrep
%endmacro

%macro push_registers 0
        push_all rdi, rsi, rdx, rcx, rax, r8, r9, r10, r11, rbx, rbp, r12, r13, r14, r15
%endmacro

; void kernel_enter(struct cpu *, uint64_t root): from the loader's stack and tables to this CPU's stack and our own.
kernel_enter:
        mov     cr3, rsi
        mov     rsp, [rdi + CPU_KERNEL_STACK]
        xor     ebp, ebp
        call    cpu_main
        ud2

; SYSCALL: RCX = return address, R11 = RFLAGS, interrupts off by SFMASK, RSP still the caller's.
syscall_entry:
        swapgs
        mov     [gs:CPU_USER_RSP], rsp
        mov     rsp, [gs:CPU_REGISTERS_END]
        push    SELECTOR_USER_DATA
        push    qword [gs:CPU_USER_RSP]
        push    r11
        push    SELECTOR_USER_CODE
        push    rcx
        push    0
        push    VECTOR_SYSCALL
        push_registers
        mov     rdi, rsp
        mov     rsp, [gs:CPU_KERNEL_STACK]
        xor     ebp, ebp
        call    syscall_handler
        ud2

; void resume_by_sysret(struct registers *): to ring 3 after a system call. RIP is known to be canonical.
resume_by_sysret:
        mov     rsp, rdi
        pop_all r15, r14, r13, r12, rbp, rbx
        add     rsp, 8                  ; r11 is lost by the ABI
        pop_all r10, r9, r8, rax
        add     rsp, 8                  ; so is rcx
        pop_all rdx, rsi, rdi
        mov     rcx, [rsp + 16]
        mov     r11, [rsp + 32]
        mov     rsp, [rsp + 40]
        swapgs
        o64 sysret

; void resume_by_iret(struct registers *): to ring 3 with every register restored.
resume_by_iret:
        mov     rbx, rdi
        swapgs
; RBX: a struct registers of whatever privilege; GS is that one's already.
restore_and_return:
        mov     rsp, rbx
        pop_all r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi
        add     rsp, 16
        iretq

; Interrupts and exceptions on the ordinary stacks.
interrupt_common:
        push_registers
        cld
        mov     rdi, rsp
        test    byte [rsp + REGISTERS_CS], 3
        jz      .from_kernel
        swapgs
        mov     rsp, [gs:CPU_KERNEL_STACK]
        xor     ebp, ebp
        call    interrupt_from_user
        ud2
.from_kernel:
        mov     rbx, rsp
        and     rsp, -16
        call    interrupt_from_kernel
        jmp     restore_and_return

; NMI, #DF, #MC: on a stack of their own, trusting neither GS nor RSP. The word above the frame on each of these stacks
; is this CPU's struct cpu.
ist_common:
        push_registers
        cld
        mov     rbx, rsp
        mov     ecx, MSR_GS_BASE
        rdmsr
        mov     r12d, eax
        mov     r13d, edx
        mov     rsi, [rsp + 176]        ; just above the frame
        mov     eax, esi
        mov     rdx, rsi
        shr     rdx, 32
        wrmsr
        mov     rdi, rbx
        and     rsp, -16
        call    exception_on_ist
        mov     eax, r12d
        mov     edx, r13d
        mov     ecx, MSR_GS_BASE
        wrmsr
        jmp     restore_and_return

; One stub per vector, 16 bytes each: error code (or zero), vector, on to the common part.
        align   16
interrupt_stubs:
%assign vector 0
%rep 256
        align   16
%if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
        push    0
%endif
        push    strict dword vector
%if vector == 2 || vector == 8 || vector == 18
        jmp     strict near ist_common
%else
        jmp     strict near interrupt_common
%endif
%assign vector vector + 1
%endrep
