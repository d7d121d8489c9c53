/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: all of the guest's state is the same before and after exits of every kind.
 *
 * General registers and flags, segments and descriptor tables with their hidden parts, control and debug registers,
 * MSRs, and every component of XSAVE (SDM Vol. 1 13.4) are filled with a pattern that differs in each round, then read,
 * and read again behind an exit: to the kernel, to the VMM, a fault, an NMI, a halt in which somebody else runs, and a
 * time slice that ends. APIC ID 0 is this CPU's on every machine that it boots on.
 */
#include "apic.h"
#include "pc.h"
#include "trap.h"

#define AREA_SIZE 4096
#define XSAVE_HEADER 512
#define XCR0_X87 1u
#define XCR0_SSE 2u
#define XCR0_KNOWN 0x2E7u /* x87, SSE, AVX, AVX-512, PKRU */
#define VECTOR_TIMER 0x42
#define VECTOR_IPI 0x52
#define CELLS_MAX 64
#define ROUNDS 24
#define RSP 4
#define FLAGS_ALL 0x240CD5u /* CF PF AF ZF SF DF OF AC ID, without IF; bit 1 is added */
#define SELECTOR_LDT 0x68
#define SELECTOR_IN_LDT 0x0C /* entry 1 */
#define GDT_ENTRIES 16

typedef void routine(void);
routine exit_none, exit_cpuid, exit_in, exit_out, exit_outs, exit_ins, exit_absent, exit_read, exit_write, exit_rdmsr,
    exit_wrmsr, exit_invd, exit_wbinvd, exit_cr0, exit_cr4, exit_hlt, exit_pause, exit_spin, exit_ud, exit_bp, exit_nmi,
    exit_ipi, exit_vmcall, exit_vmmcall, exit_xsetbv, exit_dr;
void state_call(uint64_t registers[16], routine *exit);

struct exit_kind {
    const char *name;
    routine *run;
    enum { ANYWHERE, ON_INTEL, ON_AMD } where; /* hypercalls have no meaning but under Cloison */
    uint32_t interrupts;                       /* how often the handler below runs in it */
};

static const struct exit_kind kinds[] = {
    { "nothing", exit_none, ANYWHERE, 0 },
    { "CPUID", exit_cpuid, ANYWHERE, 0 },
    { "IN", exit_in, ANYWHERE, 0 },
    { "OUT", exit_out, ANYWHERE, 0 },
    { "REP OUTSB", exit_outs, ANYWHERE, 0 },
    { "REP INSB", exit_ins, ANYWHERE, 0 },
    { "IN of an absent port", exit_absent, ANYWHERE, 0 },
    { "a read of the IOAPIC", exit_read, ANYWHERE, 0 },
    { "a write to the IOAPIC", exit_write, ANYWHERE, 0 },
    { "RDMSR", exit_rdmsr, ANYWHERE, 0 },
    { "WRMSR", exit_wrmsr, ANYWHERE, 0 },
    { "INVD", exit_invd, ANYWHERE, 0 },
    { "WBINVD", exit_wbinvd, ANYWHERE, 0 },
    { "MOV to CR0", exit_cr0, ANYWHERE, 0 },
    { "MOV to CR4", exit_cr4, ANYWHERE, 0 },
    { "MOV to DR", exit_dr, ANYWHERE, 0 },
    { "XSETBV", exit_xsetbv, ANYWHERE, 0 },
    { "PAUSE", exit_pause, ANYWHERE, 0 },
    { "a time slice", exit_spin, ANYWHERE, 0 },
    { "HLT", exit_hlt, ANYWHERE, 1 },
    { "#UD", exit_ud, ANYWHERE, 1 },
    { "#BP", exit_bp, ANYWHERE, 1 },
    { "an NMI", exit_nmi, ANYWHERE, 1 },
    { "an IPI", exit_ipi, ANYWHERE, 1 },
    { "VMCALL", exit_vmcall, ON_INTEL, 0 },
    { "VMMCALL", exit_vmmcall, ON_AMD, 0 },
};

static const struct {
    uint32_t index;
    const char *name;
} msrs[] = {
    { MSR_APIC_BASE, "APIC_BASE" },
    { MSR_SYSENTER_CS, "SYSENTER_CS" },
    { MSR_SYSENTER_ESP, "SYSENTER_ESP" },
    { MSR_SYSENTER_EIP, "SYSENTER_EIP" },
    { MSR_PAT, "PAT" },
    { MSR_MTRR_DEF_TYPE, "MTRR_DEF_TYPE" },
    { MSR_EFER, "EFER" },
    { MSR_STAR, "STAR" },
    { MSR_LSTAR, "LSTAR" },
    { MSR_CSTAR, "CSTAR" },
    { MSR_SFMASK, "SFMASK" },
    { MSR_FS_BASE, "FS base" },
    { MSR_GS_BASE, "GS base" },
    { MSR_KERNEL_GS_BASE, "KERNEL_GS_BASE" },
    { MSR_TSC_AUX, "TSC_AUX" },
};

struct cell {
    const char *name;
    uint64_t value;
};

struct snapshot {
    struct cell cell[CELLS_MAX];
    unsigned count;
    uint8_t area[AREA_SIZE] __attribute__((aligned(64)));
};

struct table_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

extern uint64_t micro_gdt[GDT_ENTRIES];

static struct snapshot before, after;
static uint8_t pattern[AREA_SIZE] __attribute__((aligned(64)));
static uint64_t gdt[GDT_ENTRIES] __attribute__((aligned(16)));
static uint64_t ldt[4] __attribute__((aligned(16)));
static uint64_t features; /* XCR0; 0 = no XSAVE, FXSAVE is used */
static uint64_t random_state = 0x9E3779B97F4A7C15ull;
static volatile uint32_t handled;

static uint64_t random64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* In the lower half, and far from everything that is used. */
static uint64_t random_address(void)
{
    return random64() & 0x00007FFFFFFFFFFFull;
}

/* A GDT of our own with an LDT in it; its entries for the LDT and the TSS then change in memory, so that what they said
 * is known to the CPU's hidden registers alone (SDM Vol. 3A 3.4.3).
 */
static void descriptors(void)
{
    struct table_pointer pointer = { sizeof(gdt) - 1, (uint64_t)gdt };
    uint64_t base = (uint64_t)ldt;

    for (unsigned i = 0; i < 13; i++)
        gdt[i] = micro_gdt[i];
    ldt[1] = 0x00CF93000000FFFFull;
    gdt[SELECTOR_LDT / 8] = (sizeof(ldt) - 1) | (base & 0xFFFFFF) << 16 | 0x82ull << 40 | (base >> 24 & 0xFF) << 56;
    asm volatile("lgdt %0; lldt %w1" : : "m"(pointer), "r"(SELECTOR_LDT) : "memory");
    gdt[SELECTOR_LDT / 8] = 0;
    gdt[9] &= ~0xFF0000FFFFFF0000ull;
    gdt[10] = 0;
}

/* What only the hidden parts of LDTR and TR know. */
static void check_hidden(const char *name)
{
    uint32_t rights = 0;

    asm volatile("lar %1, %0" : "=r"(rights) : "r"(SELECTOR_IN_LDT) : "cc");
    CHECK((rights & 0xF0FF00) == 0xC09300, "%s: the LDT is lost: LAR gives %#x", name, rights);
    handled = 0;
    micro_set_ist(VECTOR_UD, 3); /* the stack's address stands in the TSS */
    asm volatile("ud2" : : : "memory");
    micro_set_ist(VECTOR_UD, 0);
    CHECK_EQUAL(handled, 1, "number of #UD on a stack of the TSS");
}

static void on_exit_event(struct micro_frame *frame)
{
    handled = handled + 1;
    if (frame->vector == VECTOR_UD)
        frame->rip += 2;
    else if (frame->vector >= 32)
        apic_eoi();
}

/* XRSTOR's image of every component, in the standard format. */
static void fill_pattern(void)
{
    for (unsigned i = 0; i < AREA_SIZE; i += 8)
        *(uint64_t *)(pattern + i) = random64();
    for (unsigned i = 0; i < 8; i++) { /* registers are 80 bits wide */
        uint8_t *st = pattern + 32 + (size_t)i * 16;

        st[7] |= 0x80; /* a number: integer bit set */
        memset(st + 10, 0, 6);
    }
    *(uint16_t *)pattern = (uint16_t)(0x0340 | (random64() & 0x0C3E));     /* FCW with an unmasked invalid operation */
    *(uint16_t *)(pattern + 2) = 0x8081 | (uint16_t)(random64() & 0x4700); /* FSW: that exception waits */
    pattern[4] = 0xFF;                                                     /* FTW: all registers in use */
    pattern[5] = 0;
    *(uint16_t *)(pattern + 6) &= 0x7FF; /* FOP */
    *(uint64_t *)(pattern + 8) = random_address();
    *(uint64_t *)(pattern + 16) = random_address();
    *(uint32_t *)(pattern + 24) = (uint32_t)random64() & 0xFFFF; /* MXCSR */
    *(uint32_t *)(pattern + 24) |= 0x1F80;
    memset(pattern + XSAVE_HEADER, 0, 64);
    *(uint64_t *)(pattern + XSAVE_HEADER) = features;
}

static void load_fpu(void)
{
    if (features != 0)
        asm volatile("xrstor64 %0" : : "m"(pattern), "a"((uint32_t)features), "d"(0) : "memory");
    else
        asm volatile("fxrstor64 %0" : : "m"(pattern) : "memory");
}

static void save_fpu(struct snapshot *s)
{
    memset(s->area, 0, sizeof(s->area));
    if (features != 0)
        asm volatile("xsave64 %0" : "=m"(s->area) : "a"((uint32_t)features), "d"(0) : "memory");
    else
        asm volatile("fxsave64 %0" : "=m"(s->area) : : "memory");
}

static void fill_registers(void)
{
    static const uint16_t selectors[] = { 0, 0x10, 0x20, 0x3B, SELECTOR_IN_LDT };

    asm volatile("mov %w0, %%ds" : : "r"(selectors[random64() % 5]) : "memory");
    asm volatile("mov %w0, %%es" : : "r"(selectors[random64() % 5]) : "memory");
    asm volatile("mov %w0, %%fs" : : "r"(selectors[random64() % 5]) : "memory");
    asm volatile("mov %w0, %%gs" : : "r"(selectors[random64() % 5]) : "memory");
    wrmsr(MSR_FS_BASE, random_address());
    wrmsr(MSR_GS_BASE, random_address());
    wrmsr(MSR_KERNEL_GS_BASE, random_address());
    wrmsr(MSR_SYSENTER_CS, random64() & 0xFFF8);
    wrmsr(MSR_SYSENTER_ESP, random_address());
    wrmsr(MSR_SYSENTER_EIP, random_address());
    wrmsr(MSR_STAR, random64() & 0xFFFFFFFF00000000ull);
    wrmsr(MSR_LSTAR, random_address());
    wrmsr(MSR_CSTAR, random_address());
    wrmsr(MSR_SFMASK, random64() & 0x3F7FD5);
    wrmsr(MSR_PAT, random64() & 1 ? 0x0007040600070406ull : 0x0007010600070406ull);
    if (cpuid(0x80000001u, 0).edx & CPUID_81_EDX_RDTSCP)
        wrmsr(MSR_TSC_AUX, random64() & 0xFFFFFFFF);
    write_cr2(random64());
    write_cr8(random64() & 3);
    write_dr0(random_address());
    write_dr1(random_address());
    write_dr2(random_address());
    write_dr3(random_address());
    write_dr6(0xFFFF0FF0ull | (random64() & 0xE00F));
    write_dr7(0x400 | (random64() & 0xDDDD0000u)); /* none is enabled; no length of 8, no I/O */
}

static void put(struct snapshot *s, const char *name, uint64_t value)
{
    s->cell[s->count].name = name;
    s->cell[s->count++].value = value;
}

#define PUT_SELECTOR(s, name)                                                                                          \
    do {                                                                                                               \
        uint64_t selector;                                                                                             \
        asm volatile("xor %k0, %k0; mov %%" name ", %w0" : "=r"(selector) : : "cc");                                   \
        put(s, name, selector);                                                                                        \
    } while (0)

static void take(struct snapshot *s)
{
    struct table_pointer pointer;
    uint64_t value;

    save_fpu(s);
    s->count = 0;
    PUT_SELECTOR(s, "cs");
    PUT_SELECTOR(s, "ss");
    PUT_SELECTOR(s, "ds");
    PUT_SELECTOR(s, "es");
    PUT_SELECTOR(s, "fs");
    PUT_SELECTOR(s, "gs");
    asm volatile("xor %k0, %k0; sldt %w0" : "=&r"(value) : : "cc");
    put(s, "ldtr", value);
    asm volatile("xor %k0, %k0; str %w0" : "=&r"(value) : : "cc");
    put(s, "tr", value);
    asm volatile("sgdt %0" : "=m"(pointer));
    put(s, "gdtr base", pointer.base);
    put(s, "gdtr limit", pointer.limit);
    asm volatile("sidt %0" : "=m"(pointer));
    put(s, "idtr base", pointer.base);
    put(s, "idtr limit", pointer.limit);
    put(s, "cr0", read_cr0());
    put(s, "cr2", read_cr2());
    put(s, "cr3", read_cr3());
    put(s, "cr4", read_cr4());
    put(s, "cr8", read_cr8());
    if (features != 0)
        put(s, "xcr0", xgetbv(0));
    put(s, "dr0", read_dr0());
    put(s, "dr1", read_dr1());
    put(s, "dr2", read_dr2());
    put(s, "dr3", read_dr3());
    put(s, "dr6", read_dr6());
    put(s, "dr7", read_dr7());
    for (size_t i = 0; i < ARRAY_LENGTH(msrs); i++)
        if (rdmsr_try(msrs[i].index, &value))
            put(s, msrs[i].name, value);
}

static void compare_component(const char *exit, const char *name, size_t offset, size_t size)
{
    size_t i = offset;

    while (i < offset + size && before.area[i] == after.area[i])
        i++;
    CHECK(i == offset + size, "%s: %s changed, byte %lu from %#x to %#x", exit, name, i, before.area[i], after.area[i]);
}

static void compare_cell(const char *exit, const struct cell *was, const struct cell *is)
{
    bool same = was->value == is->value;

    if (memcmp(was->name, "cr2", 4) == 0)
        CHECK_DEPARTURE("cr2-kept", same, "%s: cr2 is %#lx, was %#lx", exit, is->value, was->value);
    else
        CHECK(same, "%s: %s is %#lx, was %#lx", exit, was->name, is->value, was->value);
}

static void compare(const char *exit)
{
    static const char *const names[10] = {
        [2] = "YMM", [5] = "opmasks", [6] = "ZMM0-15", [7] = "ZMM16-31", [9] = "PKRU"
    };

    CHECK_EQUAL(after.count, before.count, exit);
    for (unsigned i = 0; i < before.count && i < after.count; i++)
        compare_cell(exit, &before.cell[i], &after.cell[i]);
    compare_component(exit, "x87 state", 0, 24);
    compare_component(exit, "MXCSR", 24, 4);
    compare_component(exit, "x87 registers", 32, 128);
    compare_component(exit, "XMM", 160, 256);
    for (unsigned i = 2; i < 10; i++) {
        if (features >> i & 1)
            compare_component(exit, names[i], cpuid(0xD, i).ebx, cpuid(0xD, i).eax);
    }
}

static void compare_registers(const char *exit, const uint64_t set[16], const uint64_t found[16])
{
    static const char *const names[16] = { "rax", "rcx", "rdx", "rbx", "rflags or rsp", "rbp", "rsi", "rdi",
                                           "r8",  "r9",  "r10", "r11", "r12",           "r13", "r14", "r15" };

    for (unsigned i = 0; i < 16; i++)
        CHECK(set[i] == found[i], "%s: %s is %#lx, was %#lx", exit, names[i], found[i], set[i]);
}

static void try(const struct exit_kind *kind)
{
    uint64_t set[16], found[16];

    fill_pattern();
    fill_registers();
    for (unsigned i = 0; i < 16; i++)
        set[i] = random64();
    set[RSP] = (set[RSP] & FLAGS_ALL) | 2;
    if (kind->run == exit_outs || kind->run == exit_ins)
        set[RSP] &= ~RFLAGS_DF;
    memcpy(found, set, sizeof(set));
    handled = 0;
    if (kind->run == exit_hlt)
        apic_write(APIC_TIMER_INITIAL, 20000);
    load_fpu();
    take(&before);
    state_call(found, kind->run);
    take(&after);
    CHECK_EQUAL(handled, kind->interrupts, kind->name);
    compare_registers(kind->name, set, found);
    compare(kind->name);
    check_hidden(kind->name);
}

static void set_up(void)
{
    static const uint8_t vectors[] = { VECTOR_UD, VECTOR_BP, VECTOR_NMI, VECTOR_TIMER, VECTOR_IPI };

    apic_enable_xapic();
    apic_write(APIC_TIMER_DIVIDE, APIC_TIMER_DIVIDE_BY_1);
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
    for (size_t i = 0; i < ARRAY_LENGTH(vectors); i++)
        micro_handle(vectors[i], on_exit_event);
    write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT);
    if (cpuid(1, 0).ecx & CPUID_1_ECX_XSAVE) {
        write_cr4(read_cr4() | CR4_OSXSAVE);
        features = cpuid(0xD, 0).eax & XCR0_KNOWN;
        asm volatile("xsetbv" : : "c"(0), "a"((uint32_t)features), "d"(0));
    }
    descriptors();
}

static bool applies(const struct exit_kind *kind)
{
    if (kind->run == exit_xsetbv)
        return features != 0;
    return kind->where == ANYWHERE || (micro_on_cloison() && micro_on_amd() == (kind->where == ON_AMD));
}

void micro_main(void)
{
    set_up();
    micro_printf("micro: state keeps XCR0 %#lx\n", features);
    for (unsigned round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
            if (applies(&kinds[i]))
                try(&kinds[i]);
        }
    asm volatile("mov %0, %%ds; mov %0, %%es" : : "r"(0x10) : "memory");
    write_dr7(0x400);
}
