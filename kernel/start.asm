; SPDX-License-Identifier: Apache-2.0
; start.asm: the first instructions of the kernel on the boot CPU and on every other one.

        default rel
        extern kernel_main, cpu_main
        global kernel_entry, boot_stack_top, kernel_switch_stack
        global trampoline_start, trampoline_end, trampoline_cr3, trampoline_stack, trampoline_entry

        bits 64
        section .text.entry
; From the loader: RDI = physical address of struct boot_info, on the loader's tables.
kernel_entry:
        cli
        cld
        lea     rsp, [boot_stack_top]
        xor     ebp, ebp
        call    kernel_main
        ud2

        section .text
; void kernel_switch_stack(uint64_t stack_top, void (*function)(void)): go on in `function` on a fresh stack.
kernel_switch_stack:
        mov     rsp, rdi
        xor     ebp, ebp
        call    rsi
        ud2

; Copied to a page below 1 MiB, where a SIPI starts a CPU in real mode with CS = page / 16, IP = 0. Position: everything
; is addressed relative to that page, through CS, DS and EBX. The three words at the end are filled in by smp.c.
        section .rodata
        align   16
        bits    16
trampoline_start:
        cli
        cld
        mov     ax, cs
        mov     ds, ax
        xor     ebx, ebx
        mov     bx, ax
        shl     ebx, 4                  ; linear address of this page
        ; APs may come up with caches disabled (SDM Vol. 3A 11.11.8): CR0 is set whole
        lea     eax, [ebx + .gdt - trampoline_start]
        mov     [.gdtr - trampoline_start + 2], eax
        lea     eax, [ebx + .long_mode - trampoline_start]
        mov     [.target - trampoline_start], eax
        o32 lgdt [.gdtr - trampoline_start]
        mov     eax, 0x620              ; PAE, OSFXSR, OSXMMEXCPT
        mov     cr4, eax
        mov     eax, [trampoline_cr3 - trampoline_start]
        mov     cr3, eax
        mov     ecx, 0xc0000080         ; EFER
        rdmsr
        or      eax, 0x901              ; SCE, LME, NXE
        wrmsr
        mov     eax, 0x80010033         ; PG, WP, NE, ET, MP, PE; caches on
        mov     cr0, eax
        o32 jmp far [.target - trampoline_start]

        bits    64
.long_mode:
        mov     rsp, [rbx + trampoline_stack - trampoline_start]
        mov     rdi, [rbx + trampoline_argument - trampoline_start]
        mov     rax, [rbx + trampoline_entry - trampoline_start]
        xor     ebp, ebp
        call    rax
        ud2

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
trampoline_stack: dq 0
trampoline_entry: dq 0
        global trampoline_argument
trampoline_argument: dq 0
trampoline_end:

        section .bss
        align   4096
        resb    16384
boot_stack_top:
