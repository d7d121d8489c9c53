; SPDX-License-Identifier: Apache-2.0
; routines.asm: what is tried in 32-bit protected mode. Called flat, without paging, interrupts off.
%include "legacy.inc"

COM1_SCRATCH    equ 0x3FF
RTC_DATA        equ 0x71
PORT_ABSENT     equ 0x5F0
IOAPIC          equ 0xFEC00000
APIC_TIMER      equ 0xFEE00380
WINDOW          equ 0x40000000                  ; RAM of no machine: mappings of our own
HOLE            equ 0x50000000
SMALL           equ 0x68
DOWN            equ 0x70
READ_ONLY       equ 0x78
DEVICE          equ 0x80
DEVICE_DOWN     equ 0x88
DATA32          equ 0x20
VECTOR_DE   equ 0
VECTOR_BP   equ 3
VECTOR_OF   equ 4
VECTOR_BR   equ 5
VECTOR_UD   equ 6
VECTOR_NP   equ 11
VECTOR_GP   equ 13
VECTOR_PF   equ 14
CR0_WP          equ 0x10000
CR0_CD          equ 0x40000000
CR0_PG          equ 0x80000000
CR4_PSE         equ 0x10
CR4_PAE         equ 0x20
CR4_PGE         equ 0x80
CR4_LA57        equ 0x1000
PTE_A           equ 0x20
PTE_D           equ 0x40

global protected_segments
extern protected_directory, protected_low, protected_window, protected_pointers
extern protected_try_la57, protected_pae_window, protected_pae_other, protected_pages

section .text
bits 32
protected_segments:
    mov     eax, SMALL
    mov     es, eax
    mov     eax, [es:0]
    EXPECT  0x11111111, "a word at the base of a segment"
    TRY32   mov eax, [es:0xFFC]
    EXPECT_TRAP -1, 0, "the last word of a segment"
    TRY32   mov eax, [es:0xFFD]
    EXPECT_TRAP VECTOR_GP, 0, "a word across a segment's limit", "segment-checks"
    mov     eax, DOWN
    mov     es, eax
    TRY32   mov eax, [es:0xFFF]
    EXPECT_TRAP VECTOR_GP, 0, "a word below an expand-down segment", "segment-checks"
    TRY32   mov eax, [es:0x1000]
    EXPECT_TRAP -1, 0, "the first word of an expand-down segment"
    mov     eax, READ_ONLY
    mov     es, eax
    TRY32   mov [es:4], eax
    EXPECT_TRAP VECTOR_GP, 0, "a write to a read-only segment", "segment-checks"

    ; a device through segments: the VMM has to add bases and to know the limits
    mov     eax, DEVICE
    mov     es, eax
    mov     dword [es:0], 0x2A
    mov     eax, [IOAPIC]
    EXPECT  0x2A, "IOREGSEL, written through a segment with a base"
    mov     bx, 0xFF0
    mov     si, -0xFF0
    mov     eax, [es:bx + si]
    EXPECT  0x2A, "IOREGSEL with a 16-bit address"
    TRY32   mov eax, [es:0xFFE]
    EXPECT_TRAP VECTOR_GP, 0, "a device register across a segment's limit", "segment-checks"
    mov     eax, DEVICE_DOWN
    mov     es, eax
    mov     eax, [es:0x1000]
    EXPECT  0x2A, "IOREGSEL through an expand-down segment"
    or      dword [es:0x1000], 0x41
    mov     eax, [IOAPIC]
    EXPECT  0x6B, "IOREGSEL behind OR"
    mov     eax, DATA32
    mov     es, eax
    push    dword [IOAPIC]
    pop     eax
    EXPECT  0x6B, "PUSH of IOREGSEL"
    push    dword 0x15
    pop     dword [IOAPIC]
    mov     eax, [IOAPIC]
    EXPECT  0x15, "IOREGSEL behind POP"

    ; exceptions
    TRY32   ud2
    EXPECT_TRAP VECTOR_UD, 0, "UD2"
    xor     edx, edx
    xor     ecx, ecx
    TRY32   div ecx
    EXPECT_TRAP VECTOR_DE, 0, "DIV by zero"
    TRY32   int3
    EXPECT_TRAP VECTOR_BP, 0, "INT3"
    mov     al, 0x7F
    add     al, 1
    TRY32   into
    EXPECT_TRAP VECTOR_OF, 0, "INTO"
    mov     eax, 5
    TRY32   bound eax, [bounds]
    EXPECT_TRAP VECTOR_BR, 0, "BOUND"
    TRY32   int 0x60
    EXPECT_TRAP VECTOR_GP, 0x60 * 8 + 2, "INT beyond the IDT"
    xor     ecx, ecx
    mov     eax, 0x200
    TRY32   mov fs, eax
    EXPECT_TRAP VECTOR_GP, 0x200, "a selector beyond the GDT"
    mov     eax, 0x60
    TRY32   mov fs, eax
    EXPECT_TRAP VECTOR_NP, 0x60, "a segment that is not present"

    ; ports, strings of them through segments
    mov     dx, COM1_SCRATCH
    mov     al, 0x32
    out     dx, al
    xor     eax, eax
    in      al, dx
    EXPECT  0x32, "a port"
    mov     eax, SMALL
    mov     es, eax
    mov     edi, 0x100
    mov     ecx, 5
    rep insb
    mov     eax, edi
    EXPECT  0x105, "EDI behind REP INSB"
    mov     eax, [protected_pages + 0x101]
    EXPECT  0x32323232, "what REP INSB stored"
    mov     edi, 0xFFE
    mov     ecx, 5
    TRY32   rep insb
    EXPECT_TRAP VECTOR_GP, 0, "REP INSB that runs over a segment's limit", "segment-checks"
    mov     eax, ecx
    EXPECT  3, "ECX behind it", "segment-checks"
    mov     byte [protected_pages + 0x200], 0x41
    mov     byte [protected_pages + 0x201], 0x42
    mov     esi, 0x200
    mov     ecx, 2
    es rep outsb
    in      al, dx
    movzx   eax, al
    EXPECT  0x42, "the last byte of ES REP OUTSB"
    mov     eax, DATA32
    mov     es, eax
    mov     ecx, 0x20003
    mov     edi, 0xABCD9000
    mov     dx, PORT_ABSENT
    a16 rep insw                                ; DI and CX count
    mov     eax, ecx
    EXPECT  0x20000, "ECX behind REP INSW with 16-bit addresses"
    mov     eax, edi
    EXPECT  0xABCD9006, "EDI behind it"

    mov     ecx, 0x1B
    rdmsr
    and     eax, 0xFFFFF000
    EXPECT  0xFEE00000, "RDMSR"

    mov     dword [micro_irqs32], 0
    mov     dword [APIC_TIMER], 20000
    sti
    hlt
    cli
    mov     eax, [micro_irqs32]
    EXPECT  1, "interrupts behind HLT"

    ; five levels of tables cannot be prepared either: a reserved bit of CR4 where CPUID does not have it
    mov     dword [micro_trap32], VECTOR_GP
    mov     dword [micro_trap32 + 4], 0
    cmp     dword [protected_try_la57], 0
    je      .no_la57
    mov     eax, CR4_LA57
    TRY32   mov cr4, eax
.no_la57:
    EXPECT_TRAP VECTOR_GP, 0, "MOV to CR4 with LA57"
    mov     eax, cr4
    EXPECT  0, "CR4"

    call    paging32
    call    paging_pae
    ret

; 4 KiB pages for the first 4 MiB and the window, 4 MiB pages for the rest
paging32:
    mov     eax, CR4_PSE
    mov     cr4, eax
    mov     eax, protected_directory
    mov     cr3, eax
    mov     dword [protected_window], protected_pages + 3
    mov     dword [protected_window + 4], IOAPIC + 0x1B
    mov     dword [protected_window + 8], protected_pages + 0x1000 + 1
    mov     eax, cr0
    or      eax, CR0_PG | CR0_WP
    mov     cr0, eax
    jmp     short .on
.on:
    mov     eax, [protected_window]
    and     eax, PTE_A | PTE_D
    EXPECT  0, "A and D of an unused page"
    mov     eax, [WINDOW]
    EXPECT  0x11111111, "a word of the window"
    mov     eax, [protected_window]
    and     eax, PTE_A | PTE_D
    EXPECT  PTE_A, "A and D behind a read"
    mov     dword [WINDOW + 4], 0x77
    mov     eax, [protected_window]
    and     eax, PTE_A | PTE_D
    EXPECT  PTE_A | PTE_D, "A and D behind a write"
    mov     eax, [protected_directory + 4 * (WINDOW >> 22)]
    and     eax, PTE_A
    EXPECT  PTE_A, "A of the directory's entry"

    ; tables that change under the CPU
    mov     dword [protected_window], protected_pages + 0x2000 + 3
    invlpg  [WINDOW]
    mov     eax, [WINDOW]
    EXPECT  0x33333333, "the window behind a change and INVLPG"
    mov     dword [protected_window + 12], protected_pages + 0x1000 + 3
    mov     eax, [WINDOW + 0x3020]
    EXPECT  0x22222222, "a page that has become present"

    TRY32   mov eax, [HOLE]
    EXPECT_TRAP VECTOR_PF, 0, "a read without a table"
    mov     eax, [micro_trap32 + 12]
    EXPECT  HOLE, "CR2"
    TRY32   mov [WINDOW + 0x2004], eax
    EXPECT_TRAP VECTOR_PF, 3, "a write to a read-only page with CR0.WP"
    mov     eax, cr0
    and     eax, ~CR0_WP
    mov     cr0, eax
    TRY32   mov [WINDOW + 0x2004], eax
    EXPECT_TRAP -1, 0, "a write to a read-only page without CR0.WP"

    ; the VMM walks these tables
    mov     dword [WINDOW + 0x1000], 0x33
    mov     eax, [WINDOW + 0x1000]
    EXPECT  0x33, "IOREGSEL through a 4 KiB page"
    mov     eax, [IOAPIC]
    EXPECT  0x33, "IOREGSEL through a 4 MiB page"
    mov     esi, WINDOW + 0x1000
    mov     edi, WINDOW + 0x3010
    movsd
    mov     eax, [protected_pages + 0x1010]
    EXPECT  0x33, "MOVSD from IOREGSEL"
    mov     dx, COM1_SCRATCH
    mov     al, 0x5C
    out     dx, al
    mov     edi, WINDOW + 0x3FFE                ; the next page is absent
    mov     ecx, 4
    TRY32   rep insb
    EXPECT_TRAP VECTOR_PF, 2, "REP INSB that runs into an absent page"
    mov     eax, ecx
    EXPECT  2, "ECX behind it"
    mov     eax, edi
    EXPECT  WINDOW + 0x4000, "EDI behind it"
    movzx   eax, word [protected_pages + 0x1FFE]
    EXPECT  0x5C5C, "what it stored"
    mov     eax, cr0
    and     eax, ~CR0_PG
    mov     cr0, eax
    ret

; The four PDPTEs are registers: loaded by MOV to CR3 and by changes of CR0 and CR4 (SDM Vol. 3A 4.4.1). AMD's CPUs may
; read them from memory whenever they want under nested paging (APM Vol. 2 15.25.10).
paging_pae:
    mov     eax, CR4_PAE
    mov     cr4, eax
    mov     eax, protected_pointers
    mov     cr3, eax
    mov     eax, cr0
    or      eax, CR0_PG | CR0_WP
    mov     cr0, eax
    jmp     short .on
.on:
    mov     eax, [IOAPIC]
    EXPECT  0x33, "IOREGSEL under PAE"
    TRY32   mov eax, [WINDOW]
    EXPECT_TRAP VECTOR_PF, 0, "a read below a PDPTE that is not present"

    ; MOV to CR3
    mov     dword [protected_pointers + 8], protected_pae_window + 1
    mov     eax, cr3
    mov     cr3, eax
    mov     eax, [WINDOW + protected_pages]
    EXPECT  0x11111111, "a word below a PDPTE that MOV to CR3 has loaded"
    mov     eax, [protected_pae_window]
    and     eax, PTE_A | PTE_D
    EXPECT  PTE_A, "A and D of a 2 MiB page"

    ; the PDPTE in memory alone changes: exits of all kinds must not load it
    mov     dword [protected_pointers + 8], 0
    mov     eax, 1
    cpuid
    mov     dx, RTC_DATA
    in      al, dx
    mov     eax, [IOAPIC]
    mov     ecx, 200000
.slice:
    loop    .slice
    TRY32   mov eax, [WINDOW + 0x200000]        ; not in the TLB
    EXPECT_TRAP -1, 0, "a PDPTE that changed in memory only", "pdpte-cached"
    mov     eax, [IOAPIC]
    EXPECT  0x33, "IOREGSEL behind it"

    ; changes of CR4.PGE, then of CR0.CD, load them
    mov     dword [protected_pointers + 8], protected_pae_window + 1
    mov     eax, CR4_PAE | CR4_PGE
    TRY32   mov cr4, eax
    EXPECT_TRAP -1, 0, "MOV to CR4 that loads PDPTEs", "pdpte-accessed"
    TRY32   mov eax, [WINDOW + protected_pages]
    EXPECT_TRAP -1, 0, "a PDPTE that MOV to CR4 has loaded"
    mov     dword [protected_pointers + 8], 0
    mov     eax, CR4_PAE
    TRY32   mov cr4, eax
    EXPECT_TRAP -1, 0, "MOV to CR4 that loads PDPTEs", "pdpte-accessed"
    TRY32   mov eax, [WINDOW + protected_pages]
    EXPECT_TRAP VECTOR_PF, 0, "a PDPTE that MOV to CR4 has taken away"
    mov     dword [protected_pointers + 8], protected_pae_window + 1
    mov     eax, cr0
    or      eax, CR0_CD
    TRY32   mov cr0, eax
    EXPECT_TRAP -1, 0, "MOV to CR0 that loads PDPTEs", "pdpte-accessed"
    TRY32   mov eax, [WINDOW + protected_pages]
    EXPECT_TRAP -1, 0, "a PDPTE that MOV to CR0 has loaded"
    mov     eax, cr0
    and     eax, ~CR0_CD
    TRY32   mov cr0, eax

    ; a reserved bit: CR3 is not changed, and neither are the PDPTEs
    mov     dword [protected_pointers + 8], protected_pae_window + 1 + 2
    mov     eax, cr3
    TRY32   mov cr3, eax
    EXPECT_TRAP VECTOR_GP, 0, "MOV to CR3 with a reserved bit in a PDPTE", "pdpte-reserved"
    mov     dword [protected_pointers + 8], protected_pae_window + 1
    mov     eax, cr3
    mov     cr3, eax

    ; the VMM walks these tables: a 2 MiB page on the device
    mov     dword [protected_pae_window + 8], IOAPIC + 0x9B
    mov     eax, cr3
    mov     cr3, eax
    mov     dword [WINDOW + 0x200000], 0x44
    mov     eax, [WINDOW + 0x200000]
    EXPECT  0x44, "IOREGSEL through a 2 MiB page"
    mov     esi, WINDOW + 0x200000
    mov     edi, WINDOW + protected_pages + 0x20
    movsd
    mov     eax, [protected_pages + 0x20]
    EXPECT  0x44, "MOVSD from IOREGSEL"
    mov     eax, cr0
    and     eax, ~CR0_PG
    mov     cr0, eax
    ret

section .rodata
bounds:     dd 0, 4
EXPECTATIONS_END
section .note.GNU-stack noalloc noexec nowrite progbits
