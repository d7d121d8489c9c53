; SPDX-License-Identifier: Apache-2.0
; exits.asm: what leaves the guest, one routine for each kind. Each saves what its instruction itself changes and keeps
; all flags, so that a register or flag that differs afterwards was lost outside.

COM1_SCRATCH    equ 0x3FF
RTC_DATA        equ 0x71
PORT_ABSENT     equ 0x5F0
IOAPIC          equ 0xFEC00000
APIC            equ 0xFEE00000
MSR_APIC_BASE   equ 0x1B
MSR_PAT         equ 0x277

global exit_none, exit_cpuid, exit_in, exit_out, exit_outs, exit_ins, exit_absent, exit_read, exit_write
global exit_rdmsr, exit_wrmsr, exit_invd, exit_wbinvd, exit_cr0, exit_cr4, exit_hlt, exit_pause, exit_spin
global exit_ud, exit_bp, exit_nmi, exit_ipi, exit_vmcall, exit_vmmcall, exit_xsetbv, exit_dr
global state_call

section .text
bits 64

; void state_call(uint64_t registers[16], void (*routine)(void)): as micro_call_with_registers(), with RFLAGS in RSP's
; place, too
state_call:
    push    rbx
    push    rbp
    push    r12
    push    r13
    push    r14
    push    r15
    push    rdi
    mov     [routine], rsi
    push    qword [rdi + 32]
    mov     rax, [rdi]
    mov     rcx, [rdi + 8]
    mov     rdx, [rdi + 16]
    mov     rbx, [rdi + 24]
    mov     rbp, [rdi + 40]
    mov     rsi, [rdi + 48]
    mov     r8, [rdi + 64]
    mov     r9, [rdi + 72]
    mov     r10, [rdi + 80]
    mov     r11, [rdi + 88]
    mov     r12, [rdi + 96]
    mov     r13, [rdi + 104]
    mov     r14, [rdi + 112]
    mov     r15, [rdi + 120]
    mov     rdi, [rdi + 56]
    mov     [stack], rsp
    popfq
    call    [routine]
    pushfq
    mov     [saved_rdi], rdi
    mov     rdi, rsp
    pop     qword [saved_flags]
    push    2
    popfq                                       ; DF, AC and the like are not for C
    sub     [stack], rdi                        ; 0: RSP is where it was
    mov     rdi, [rsp]
    mov     [rdi], rax
    mov     [rdi + 8], rcx
    mov     [rdi + 16], rdx
    mov     [rdi + 24], rbx
    mov     rax, [saved_flags]
    or      rax, [stack]
    mov     [rdi + 32], rax
    mov     [rdi + 40], rbp
    mov     [rdi + 48], rsi
    mov     rax, [saved_rdi]
    mov     [rdi + 56], rax
    mov     [rdi + 64], r8
    mov     [rdi + 72], r9
    mov     [rdi + 80], r10
    mov     [rdi + 88], r11
    mov     [rdi + 96], r12
    mov     [rdi + 104], r13
    mov     [rdi + 112], r14
    mov     [rdi + 120], r15
    pop     rdi
    pop     r15
    pop     r14
    pop     r13
    pop     r12
    pop     rbp
    pop     rbx
    ret

%macro save_all 1-*
    %rep %0
    push    %1
    %rotate 1
    %endrep
%endmacro

%macro restore_all 1-*
    %rep %0
    %rotate -1
    pop     %1
    %endrep
    ret
%endmacro

exit_none:
    ret

exit_cpuid:
    save_all rax, rbx, rcx, rdx
    mov     eax, 1
    mov     ecx, 0
    cpuid
    restore_all rax, rbx, rcx, rdx

exit_in:
    save_all rax, rdx
    in      al, RTC_DATA
    restore_all rax, rdx

exit_out:
    save_all rdx
    mov     dx, COM1_SCRATCH
    out     dx, al
    restore_all rdx

exit_outs:
    save_all rcx, rdx, rsi
    mov     rsi, buffer + 16
    mov     ecx, 16
    mov     dx, COM1_SCRATCH
    rep outsb
    restore_all rcx, rdx, rsi

exit_ins:
    save_all rcx, rdx, rdi
    mov     rdi, buffer + 16
    mov     ecx, 4
    mov     dx, COM1_SCRATCH
    rep insb
    restore_all rcx, rdx, rdi

exit_absent:
    save_all rax, rdx
    mov     dx, PORT_ABSENT
    in      eax, dx
    restore_all rax, rdx

exit_read:
    save_all rax
    mov     rax, IOAPIC
    mov     eax, [rax]
    restore_all rax

exit_write:
    save_all rax
    mov     rax, IOAPIC
    mov     [rax], ecx
    restore_all rax

exit_rdmsr:
    save_all rax, rcx, rdx
    mov     ecx, MSR_APIC_BASE
    rdmsr
    mov     ecx, MSR_PAT
    rdmsr
    restore_all rax, rcx, rdx

exit_wrmsr:
    save_all rax, rcx, rdx
    mov     ecx, MSR_PAT
    rdmsr
    wrmsr
    mov     ecx, MSR_APIC_BASE
    rdmsr
    wrmsr
    restore_all rax, rcx, rdx

exit_invd:
    invd
    ret

exit_wbinvd:
    wbinvd
    ret

; CR0.CD and CR4.TSD there and back, without arithmetic: LEA leaves the flags alone
exit_cr0:
    save_all rax, rbx
    mov     rax, cr0
    mov     ebx, 0x40000000
    lea     rbx, [rax + rbx]
    mov     cr0, rbx
    mov     cr0, rax
    restore_all rax, rbx

exit_cr4:
    save_all rax, rbx
    mov     rax, cr4
    lea     rbx, [rax + 4]
    mov     cr4, rbx
    mov     cr4, rax
    restore_all rax, rbx

exit_dr:
    save_all rax
    mov     rax, dr0
    mov     dr0, rax
    mov     rax, dr7
    mov     dr7, rax
    restore_all rax

exit_xsetbv:
    save_all rax, rcx, rdx
    mov     ecx, 0
    xgetbv
    xsetbv
    restore_all rax, rcx, rdx

exit_pause:
    save_all rcx
    mov     ecx, 20000
.again:
    pause
    loop    .again
    restore_all rcx

; long enough for the host to run somebody else
exit_spin:
    save_all rcx
    mov     ecx, 4000000
.again:
    loop    .again
    restore_all rcx

; the caller has armed the APIC's timer
exit_hlt:
    sti
    hlt
    cli
    ret

exit_ud:
    ud2                                         ; its handler steps over it
    ret

exit_bp:
    int3
    ret

exit_nmi:
    save_all rax, rcx
    mov     rax, APIC + 0x300
    mov     dword [rax], 0x4400                 ; NMI to APIC ID 0, which this CPU has
    mov     ecx, 10000
.again:
    pause
    loop    .again
    restore_all rax, rcx

exit_ipi:
    save_all rax
    mov     rax, APIC + 0x300
    mov     dword [rax], 0x44052                ; self, assert, vector 52h
    sti
    nop
    cli
    restore_all rax

exit_vmcall:
    save_all rax
    mov     eax, 0x7FFFFFFF
    vmcall
    restore_all rax

exit_vmmcall:
    save_all rax
    mov     eax, 0x7FFFFFFF
    vmmcall
    restore_all rax

section .bss
buffer:         resb 64
routine:        resq 1
stack:          resq 1
saved_rdi:      resq 1
saved_flags:    resq 1
section .note.GNU-stack noalloc noexec nowrite progbits
