; SPDX-License-Identifier: Apache-2.0
; trampoline.asm: copied to a page below 1 MiB, where a SIPI starts a CPU in real mode with CS = page / 16, IP = 0. All is
; addressed relative to that page, through CS, DS and EBX. cpus.c fills in the two words at the end.

        global trampoline_code, trampoline_end, trampoline_cr3, trampoline_place

%define BOOT_START_ARRIVED  0           ; offsets in struct boot_start (abi/boot_info.h)
%define BOOT_START_ENTRY    8
%define BOOT_START_ARGUMENT 16
%define BOOT_START_ASKED    32
%define BOOT_START_ANSWERED 40
%define BOOT_START_TSC      48
%define BOOT_START_ADD      56
%define BOOT_START_MSR      64

        section .rodata
        align   16
        bits    16
trampoline_code:
        cli
        cld
        mov     ax, cs
        mov     ds, ax
        xor     ebx, ebx
        mov     bx, ax
        shl     ebx, 4                  ; linear address of this page
        lea     eax, [ebx + .gdt - trampoline_code]
        mov     [.gdtr - trampoline_code + 2], eax
        lea     eax, [ebx + .long_mode - trampoline_code]
        mov     [.target - trampoline_code], eax
        o32 lgdt [.gdtr - trampoline_code]
        mov     eax, 0x620              ; PAE, OSFXSR, OSXMMEXCPT
        mov     cr4, eax
        mov     eax, [trampoline_cr3 - trampoline_code]
        mov     cr3, eax
        mov     ecx, 0xc0000080         ; EFER
        rdmsr
        or      eax, 0x901              ; SCE, LME, NXE
        wrmsr
        ; CPUs may come up with caches disabled (SDM Vol. 3A 11.11.8): CR0 is set whole
        mov     eax, 0x80010033         ; PG, WP, NE, ET, MP, PE; caches on
        mov     cr0, eax
        o32 jmp far [.target - trampoline_code]

        bits    64
.long_mode:
        mov     rbx, [rbx + trampoline_place - trampoline_code]
        mov     qword [rbx + BOOT_START_ARRIVED], 1
.wait:
        pause
        mov     rsi, [rbx + BOOT_START_ASKED]
        cmp     rsi, [rbx + BOOT_START_ANSWERED]
        jne     .answer
        mov     rax, [rbx + BOOT_START_ENTRY]
        test    rax, rax
        jz      .wait
        mov     rdi, [rbx + BOOT_START_ARGUMENT]
        mov     rsi, [rbx + BOOT_START_ARGUMENT + 8]
        jmp     rax
.answer:
        mov     ecx, [rbx + BOOT_START_MSR]
        test    ecx, ecx
        jz      .read
        rdmsr
        shl     rdx, 32
        or      rax, rdx
        add     rax, [rbx + BOOT_START_ADD]
        mov     rdx, rax
        shr     rdx, 32
        wrmsr
.read:
        lfence                          ; RDTSC does not wait for the loads before it
        rdtsc
        mov     [rbx + BOOT_START_TSC], eax
        mov     [rbx + BOOT_START_TSC + 4], edx
        mov     [rbx + BOOT_START_ANSWERED], rsi
        jmp     .wait

        align   16
.gdt:   dq      0
        dq      0x00af9b000000ffff      ; 64-bit code
        dq      0x00cf93000000ffff      ; data
.gdtr:  dw      23
        dd      0
.target:
        dd      0
        dw      8
        align   8
trampoline_cr3:   dq 0
trampoline_place: dq 0
trampoline_end:

        section .note.GNU-stack noalloc noexec nowrite progbits
