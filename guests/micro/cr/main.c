/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: control registers: combinations that the manual refuses, bits that a guest may own, CR8 and TPR.
 *
 * SDM Vol. 3A 2.5, 4.1.1, 11.8.6.1; APM Vol. 2 3.1. CR4 takes only what CPUID announces (SDM Vol. 3A 2.5: reserved).
 */
#include "apic.h"
#include "trap.h"

static bool cr0_try(uint64_t value)
{
    uint64_t before = read_cr0();

    TRY("mov %0, %%cr0", : : "r"(value) : "memory");
    if (micro_trap.vector != VECTOR_NONE)
        return false;
    write_cr0(before);
    return true;
}

static bool cr4_try(uint64_t value)
{
    uint64_t before = read_cr4();

    TRY("mov %0, %%cr4", : : "r"(value) : "memory");
    if (micro_trap.vector != VECTOR_NONE)
        return false;
    write_cr4(before);
    return true;
}

static void check_cr0(void)
{
    uint64_t cr0 = read_cr0();

    CHECK_EQUAL(cr0 & (CR0_PG | CR0_PE | CR0_ET | CR0_NE | CR0_WP), CR0_PG | CR0_PE | CR0_ET | CR0_NE | CR0_WP,
                "CR0 in 64-bit mode");
    CHECK_DEPARTURE("cr0-combinations", !cr0_try(cr0 & ~CR0_PE), "CR0.PE can be cleared with PG set");
    CHECK_DEPARTURE("cr0-combinations", !cr0_try(cr0 | CR0_NW), "CR0.NW can be set with CD clear");
    CHECK_DEPARTURE("cr0-high", !cr0_try(cr0 | 1ull << 32), "CR0 takes bit 32");
    /* reserved bits of the low half are ignored, not refused */
    write_cr0(cr0 | 1ull << 10);
    CHECK_DEPARTURE("cr0-reserved", (read_cr0() & 1ull << 10) == 0, "CR0 keeps reserved bit 10");
    write_cr0(cr0);

    write_cr0(cr0 | CR0_CD);
    CHECK_EQUAL(read_cr0(), cr0 | CR0_CD, "CR0 with CD");
    write_cr0(cr0 | CR0_CD | CR0_NW);
    CHECK_EQUAL(read_cr0(), cr0 | CR0_CD | CR0_NW, "CR0 with CD and NW");
    write_cr0(cr0);
    write_cr0(cr0 & ~CR0_NE);
    CHECK_EQUAL(read_cr0(), cr0 & ~CR0_NE, "CR0 without NE");
    write_cr0(cr0 | CR0_AM | CR0_TS | CR0_EM);
    CHECK_EQUAL(read_cr0(), cr0 | CR0_AM | CR0_TS | CR0_EM, "CR0 with AM, TS, EM");
    asm volatile("clts");
    CHECK_EQUAL(read_cr0(), cr0 | CR0_AM | CR0_EM, "CR0 behind CLTS");
    write_cr0(cr0);
}

static void check_lmsw(void)
{
    uint64_t cr0 = read_cr0(), rax = 0;

    asm volatile("lmsw %w0" : : "r"(CR0_PE | CR0_MP | CR0_TS));
    CHECK_EQUAL(read_cr0(), (cr0 & ~0xFull) | CR0_PE | CR0_MP | CR0_TS, "CR0 behind LMSW");
    asm volatile("lmsw %w0" : : "r"(0));
    CHECK_EQUAL(read_cr0() & 15, CR0_PE, "CR0 behind LMSW of 0");
    asm volatile("smsw %0" : "=r"(rax));
    CHECK_EQUAL(rax & 0xFFFF, read_cr0() & 0xFFFF, "SMSW");
    write_cr0(cr0);
}

static void check_cr4(void)
{
    static const struct {
        uint64_t bit;
        uint32_t leaf;
        char reg; /* b or c */
        uint32_t announced;
        const char *name;
    } bits[] = {
        { CR4_OSXSAVE, 1, 'c', CPUID_1_ECX_XSAVE, "OSXSAVE" },
        { CR4_PCIDE, 1, 'c', CPUID_1_ECX_PCID, "PCIDE" },
        { CR4_VMXE, 1, 'c', CPUID_1_ECX_VMX, "VMXE" },
        { CR4_SMXE, 1, 'c', CPUID_1_ECX_SMX, "SMXE" },
        { CR4_FSGSBASE, 7, 'b', CPUID_7_EBX_FSGSBASE, "FSGSBASE" },
        { CR4_SMEP, 7, 'b', CPUID_7_EBX_SMEP, "SMEP" },
        { CR4_SMAP, 7, 'b', CPUID_7_EBX_SMAP, "SMAP" },
        { CR4_UMIP, 7, 'c', CPUID_7_ECX_UMIP, "UMIP" },
        { CR4_PKE, 7, 'c', CPUID_7_ECX_PKU, "PKE" },
        { CR4_CET, 7, 'c', CPUID_7_ECX_CET_SS, "CET" },
    };
    uint64_t cr4 = read_cr4();
    /* QEMU 7.2 never gets past a write to CR4 that it wants to refuse, or is lost in one that it should refuse: tried
     * where a hypervisor checks CR4, and where the command line says that the CPU is up to it
     */
    bool try_refusals = micro_on_cloison() || micro_argument_flag("cr4-refusals");

    for (size_t i = 0; i < ARRAY_LENGTH(bits); i++) {
        struct cpuid_result r = cpuid_checked(bits[i].leaf, 0);
        bool announced = (bits[i].reg == 'b' ? r.ebx : r.ecx) & bits[i].announced;
        if (announced) {
            CHECK(cr4_try(cr4 | bits[i].bit), "CR4 refuses %s, which CPUID announces", bits[i].name);
            write_cr4(cr4 | bits[i].bit);
            CHECK_EQUAL(read_cr4(), cr4 | bits[i].bit, bits[i].name);
            write_cr4(cr4);
        } else if (try_refusals) {
            CHECK_DEPARTURE("cr4-unannounced", !cr4_try(cr4 | bits[i].bit),
                            "CR4 takes %s, which CPUID does not announce", bits[i].name);
        }
    }
    if (try_refusals) {
        CHECK(!cr4_try(cr4 | 1ull << 15), "CR4 takes bit 15");
        CHECK(!cr4_try(cr4 | 1ull << 31), "CR4 takes bit 31");
        CHECK(!cr4_try(cr4 | 1ull << 63), "CR4 takes bit 63");
        CHECK(!cr4_try(cr4 & ~CR4_PAE), "CR4.PAE can be cleared in 64-bit mode");
        CHECK(!cr4_try(cr4 | CR4_LA57), "CR4.LA57 can be set in 64-bit mode");
    }
    write_cr4(cr4 | CR4_TSD | CR4_DE | CR4_MCE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT);
    CHECK_EQUAL(read_cr4(), cr4 | CR4_TSD | CR4_DE | CR4_MCE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT, "CR4");
    write_cr4(cr4);
}

/* Five levels of tables are not offered: neither announced nor taken, as for any other bit that CPUID does not have. */
static void check_la57(void)
{
    CHECK_DEPARTURE("la57", !(cpuid_checked(7, 0).ecx & CPUID_7_ECX_LA57), "CPUID announces LA57");
    CHECK_EQUAL(read_cr4() & CR4_LA57, 0, "CR4.LA57");
}

static void check_cr2_cr3(void)
{
    uint64_t cr3 = read_cr3(), width = cpuid(0x80000008u, 0).eax & 0xFF;

    write_cr2(0x123456789ABCDEF0ull);
    (void)cpuid(0, 0);
    CHECK_EQUAL(read_cr2(), 0x123456789ABCDEF0ull, "CR2");
    /* QEMU 7.2 never gets past this one, and a hypervisor with nested paging leaves it to the CPU */
    if (micro_argument_flag("cr3-refusals")) {
        TRY("mov %0, %%cr3", : : "r"(cr3 | 1ull << (width < 52 ? width : 51)) : "memory");
        check_trap_error(VECTOR_GP, 0, "CR3 with a bit above the physical width");
    }
    write_cr3(cr3);
    CHECK_EQUAL(read_cr3(), cr3, "CR3");
}

static void check_cr8(void)
{
    apic_enable_xapic();
    for (uint64_t i = 0; i < 16; i++) {
        write_cr8(i);
        CHECK_EQUAL(read_cr8(), i, "CR8");
        CHECK_EQUAL(apic_read(APIC_TPR), i << 4, "TPR behind a write to CR8");
        apic_write(APIC_TPR, (uint32_t)(i << 4 | 7));
        CHECK_EQUAL(read_cr8(), i, "CR8 behind a write to TPR");
    }
    write_cr8(0);
    CHECK_EQUAL(apic_read(APIC_TPR), 0, "TPR behind CR8 = 0");
    TRY("mov %0, %%cr8", : : "r"(16ull) : "memory");
    CHECK_DEPARTURE("cr8-reserved", micro_trap.vector == VECTOR_GP, "CR8 takes 16");
    write_cr8(0);
    TRY(".byte 0x0F, 0x20, 0xC8", : : : "rax", "memory"); /* MOV EAX, CR1 */
    check_trap(VECTOR_UD, "MOV from CR1");
    TRY(".byte 0x0F, 0x20, 0xE8", : : : "rax", "memory"); /* MOV EAX, CR5 */
    check_trap(VECTOR_UD, "MOV from CR5");
}

static void check_virtualisation_is_absent(void)
{
    CHECK(!cr4_try(read_cr4() | CR4_VMXE), "CR4.VMXE can be set");
    CHECK(!cr4_try(read_cr4() | CR4_SMXE), "CR4.SMXE can be set");
    CHECK(!wrmsr_try(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME), "EFER.SVME can be set");
    CHECK_EQUAL(rdmsr(MSR_EFER) & EFER_SVME, 0, "EFER.SVME as the guest reads it");
    CHECK_EQUAL(read_cr4() & CR4_VMXE, 0, "CR4.VMXE as the guest reads it");
}

void micro_main(void)
{
    check_cr0();
    check_lmsw();
    check_cr4();
    check_la57();
    check_cr2_cr3();
    check_cr8();
    if (micro_on_cloison())
        check_virtualisation_is_absent();
}
