; SPDX-License-Identifier: Apache-2.0
; measure.asm: TSC ticks of one operation, between two fenced RDTSC with nothing else in between.

global measure_nothing, measure_cpuid, measure_vmcall, measure_vmmcall, measure_in, measure_out
global measure_mmio_read, measure_mmio_write, measure_rdmsr, measure_wrmsr, measure_ipi
global measure_ipi_handler_seen

bits 64
section .text

; uint64_t measure_NAME(uint64_t a, uint64_t b): RDI = a, RSI = b; the operation may use RAX RBX RCX RDX
%macro MEASURE 1
measure_%1:
    push    rbx
    lfence
    rdtsc
    lfence
    shl     rdx, 32
    or      rax, rdx
    mov     r8, rax
    operation_%1
    lfence
    rdtsc
    lfence
    shl     rdx, 32
    or      rax, rdx
    sub     rax, r8
    pop     rbx
    ret
%endmacro

; every operation loads its registers, so each macro has a twin in measure_nothing's cost: three moves
%macro operation_nothing 0
    mov     rax, rdi
    mov     rcx, rsi
    mov     rdx, rdi
%endmacro
%macro operation_cpuid 0
    operation_nothing
    cpuid
%endmacro
%macro operation_vmcall 0
    operation_nothing
    vmcall
%endmacro
%macro operation_vmmcall 0
    operation_nothing
    vmmcall
%endmacro
%macro operation_in 0
    operation_nothing
    in      al, dx
%endmacro
%macro operation_out 0
    operation_nothing
    out     dx, eax
%endmacro
%macro operation_mmio_read 0
    operation_nothing
    mov     ecx, [rax]
%endmacro
%macro operation_mmio_write 0
    operation_nothing
    mov     [rax], ecx
%endmacro
%macro operation_rdmsr 0
    operation_nothing
    rdmsr
%endmacro
%macro operation_wrmsr 0
    operation_nothing
    wrmsr
%endmacro
; a: address of ICR or 0 for x2APIC, b: ICR's low half; until the handler has run
%macro operation_ipi 0
    mov     qword [measure_ipi_handler_seen], 0
    test    rdi, rdi
    jz      %%msr
    mov     [rdi], esi
    jmp     %%wait
%%msr:
    mov     ecx, 0x83F
    mov     eax, esi
    xor     edx, edx
    wrmsr
%%wait:
    cmp     qword [measure_ipi_handler_seen], 0
    je      %%wait
%endmacro

    MEASURE nothing
    MEASURE cpuid
    MEASURE vmcall
    MEASURE vmmcall
    MEASURE in
    MEASURE out
    MEASURE mmio_read
    MEASURE mmio_write
    MEASURE rdmsr
    MEASURE wrmsr
    MEASURE ipi

section .bss
measure_ipi_handler_seen: resq 1
section .note.GNU-stack noalloc noexec nowrite progbits
