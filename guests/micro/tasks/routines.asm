; SPDX-License-Identifier: Apache-2.0
; routines.asm: two tasks. Called flat, without paging, interrupts off, in what becomes the main one.
%include "legacy.inc"

MAIN            equ 0x68
OTHER           equ 0x70
GATE            equ 0x80
VECTOR_GATE     equ 0x40                        ; INT 40h through a task gate
VECTOR_GP       equ 13
TSS_EIP         equ 32
TSS_EFLAGS      equ 36
TSS_EBX         equ 52
TSS_ESP         equ 56
TSS_CS          equ 76
FLAGS_NT        equ 0x4000
CR0_TS          equ 8

global tasks_run, tasks_other_entry, tasks_other_stack_top
extern tasks_main, tasks_other, tasks_gdt, micro_idt32

; What the other task saw when it was entered last.
%macro EXPECT_SEEN 4                            ; link, NT, EBX, how
    mov     eax, [seen.count]
    EXPECT  visits, {%4, ": visits of the other task"}
    mov     eax, [seen.tr]
    EXPECT  OTHER, {%4, ": its TR"}
    mov     eax, [seen.flags]
    and     eax, FLAGS_NT
    EXPECT  %2, {%4, ": its NT flag"}
    movzx   eax, word [tasks_other]
    EXPECT  %1, {%4, ": its link"}
    mov     eax, [seen.ebx]
    EXPECT  %3, {%4, ": its EBX"}
    mov     eax, [seen.cr0]
    and     eax, CR0_TS
    EXPECT  CR0_TS, {%4, ": CR0.TS"}
    mov     eax, ebx
    EXPECT  0xA0000003, {%4, ": EBX of the main task behind it"}
    mov     eax, [seen.esp]
    sub     eax, esp
    EXPECT  0, {%4, ": ESP of the main task behind it"}
    str     eax
    EXPECT  MAIN, {%4, ": TR of the main task behind it"}
    movzx   eax, byte [tasks_gdt + MAIN + 5]
    EXPECT  0x8B, {%4, ": the main TSS's type behind it"}
    movzx   eax, byte [tasks_gdt + OTHER + 5]
    EXPECT  0x89, {%4, ": the other TSS's type behind it"}
    clts
%endmacro

section .text
bits 32
tasks_run:
    mov     eax, MAIN
    ltr     ax
    mov     ebx, 0xA0000003
    mov     [seen.esp], esp

    ; there and back by JMP
    mov     dword [leave_by_jump], 1
    stc
    jmp     OTHER:0
    setc    al
    movzx   eax, al
    EXPECT  1, "JMP: CF of the main task behind it", "switch-flags"
    mov     eax, [tasks_main + TSS_EBX]
    EXPECT  0xA0000003, "EBX in the main TSS"
    mov     eax, [tasks_main + TSS_ESP]
    sub     eax, esp
    EXPECT  0, "ESP in the main TSS"
    movzx   eax, word [tasks_main + TSS_CS]
    EXPECT  0x18, "CS in the main TSS"
%assign visits 1
    EXPECT_SEEN 0, 0, 0xB0000003, "JMP"
    mov     eax, [seen.flags]
    and     eax, 1
    EXPECT  1, "CF of the other task"
    mov     eax, [seen.es]
    EXPECT  0x0C, "ES of the other task, from its LDT"
    mov     eax, [seen.ldtr]
    EXPECT  0x78, "LDTR of the other task"
    movzx   eax, byte [tasks_gdt + 0x88 + 5]
    EXPECT  0x93, "the accessed bit of a segment that the switch has loaded", "switch-accessed"
    sldt    eax
    EXPECT  0, "LDTR of the main task behind it"

    ; CALL, back by IRET; the other task goes on behind its JMP
    mov     dword [leave_by_jump], 0
    call    OTHER:0
%assign visits 2
    EXPECT_SEEN MAIN, FLAGS_NT, 0xB0000013, "CALL"
    call    GATE:0
%assign visits 3
    EXPECT_SEEN MAIN, FLAGS_NT, 0xB0000023, "CALL of a task gate"

    ; an interrupt through a task gate
    mov     dword [micro_idt32 + VECTOR_GATE * 8], OTHER << 16
    mov     dword [micro_idt32 + VECTOR_GATE * 8 + 4], 0x8500
    int     VECTOR_GATE
%assign visits 4
    EXPECT_SEEN MAIN, FLAGS_NT, 0xB0000033, "INT through a task gate"

    ; a fault with an error code; the other task steps over the instruction
    mov     eax, [micro_idt32 + VECTOR_GP * 8]
    mov     [saved_gate], eax
    mov     eax, [micro_idt32 + VECTOR_GP * 8 + 4]
    mov     [saved_gate + 4], eax
    mov     dword [micro_idt32 + VECTOR_GP * 8], OTHER << 16
    mov     dword [micro_idt32 + VECTOR_GP * 8 + 4], 0x8500
    mov     dword [has_error], 1
    mov     eax, 0x1F0
.faults:
    mov     gs, eax
.skipped:
    mov     dword [has_error], 0
    mov     eax, [seen.error]
    EXPECT  0x1F0, "the error code on the other task's stack"
    mov     eax, [seen.eip]
    sub     eax, .faults
    EXPECT  0, "EIP of the fault in the main TSS"
%assign visits 5
    EXPECT_SEEN MAIN, FLAGS_NT, 0xB0000043, "#GP through a task gate"
    mov     eax, [saved_gate]
    mov     [micro_idt32 + VECTOR_GP * 8], eax
    mov     eax, [saved_gate + 4]
    mov     [micro_idt32 + VECTOR_GP * 8 + 4], eax

    ; what is refused
    TRY32   jmp MAIN:0
    EXPECT_TRAP VECTOR_GP, MAIN, "JMP to a busy TSS"
    and     byte [tasks_gdt + OTHER + 5], 0x7F
    TRY32   jmp OTHER:0
    EXPECT_TRAP 11, OTHER, "JMP to a TSS that is not present"
    or      byte [tasks_gdt + OTHER + 5], 0x80
    mov     word [tasks_gdt + OTHER], 0x66
    TRY32   call OTHER:0
    EXPECT_TRAP 10, OTHER, "CALL of a TSS that is too small"
    ret

; The other task. Each entry but the first goes on behind the instruction that left it.
tasks_other_entry:
    mov     [seen.ebx], ebx
    pushfd
    pop     dword [seen.flags]
    str     [seen.tr]
    sldt    [seen.ldtr]
    mov     [seen.es], es
    mov     eax, cr0
    mov     [seen.cr0], eax
    mov     eax, [tasks_main + TSS_EIP]
    mov     [seen.eip], eax
    inc     dword [seen.count]
    add     ebx, 0x10                           ; kept in this task's TSS
    cmp     dword [has_error], 0
    je      .leave
    pop     dword [seen.error]
    mov     dword [tasks_main + TSS_EIP], tasks_run.skipped
.leave:
    cmp     dword [leave_by_jump], 0
    je      .return
    jmp     MAIN:0
    jmp     tasks_other_entry
.return:
    iretd
    jmp     tasks_other_entry

section .bss
alignb 16
                resb 512
tasks_other_stack_top:
saved_gate:     resd 2
leave_by_jump:  resd 1
has_error:      resd 1
seen:
.count:         resd 1
.tr:            resd 1
.ldtr:          resd 1
.es:            resd 1
.flags:         resd 1
.ebx:           resd 1
.cr0:           resd 1
.eip:           resd 1
.esp:           resd 1
.error:         resd 1
EXPECTATIONS_END
section .note.GNU-stack noalloc noexec nowrite progbits
