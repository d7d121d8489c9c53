/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: instructions with which a guest would reach for the host: each raises #UD or does no harm.
 *
 * APM Vol. 2 15.5 and Vol. 3 chapter 4 (SVM instructions raise #UD while EFER.SVME is clear); SDM Vol. 3C chapter 31
 * (VMX instructions), Vol. 2D (GETSEC); Vol. 2A "INVD": the caches of the machine are the host's.
 */
#include "paging.h"
#include "trap.h"

static uint8_t page[PAGE_SIZE] __attribute__((aligned(4096)));

/* The instruction must raise #UD, on any machine that does not announce its feature. */
#define CHECK_UNDEFINED(name, code, announced)                                                                         \
    do {                                                                                                               \
        TRY(code, : : "a"(page), "c"(0), "d"(0) : "memory", "cc");                                                     \
        if (!(announced))                                                                                              \
            CHECK_DEPARTURE("undefined-" name, micro_trap.vector == VECTOR_UD, name ": %s, expected #UD",              \
                            trap_name(micro_trap.vector));                                                             \
        else                                                                                                           \
            CHECK(micro_trap.vector == VECTOR_UD || micro_trap.vector == VECTOR_GP ||                                  \
                      micro_trap.vector == VECTOR_NONE,                                                                \
                  name ": %s", trap_name(micro_trap.vector));                                                          \
    } while (0)

static void check_svm(void)
{
    bool announced = false; /* #UD whatever CPUID says: EFER.SVME is clear */

    CHECK_UNDEFINED("vmrun", "vmrun", announced);
    CHECK_UNDEFINED("vmload", "vmload", announced);
    CHECK_UNDEFINED("vmsave", "vmsave", announced);
    CHECK_UNDEFINED("clgi", "clgi", announced);
    CHECK_UNDEFINED("stgi", "stgi", announced);
    CHECK_UNDEFINED("invlpga", ".byte 0x0F, 0x01, 0xDF", announced);
    CHECK_UNDEFINED("skinit", ".byte 0x0F, 0x01, 0xDE", announced);
}

static void check_vmx(void)
{
    CHECK_UNDEFINED("vmxon", "vmxon (%%rax)", false);
    CHECK_UNDEFINED("vmxoff", "vmxoff", false);
    CHECK_UNDEFINED("vmlaunch", "vmlaunch", false);
    CHECK_UNDEFINED("vmresume", "vmresume", false);
    CHECK_UNDEFINED("vmptrld", "vmptrld (%%rax)", false);
    CHECK_UNDEFINED("vmclear", "vmclear (%%rax)", false);
    CHECK_UNDEFINED("vmread", "vmread %%rax, %%rcx", false);
    CHECK_UNDEFINED("vmwrite", "vmwrite %%rax, %%rcx", false);
    CHECK_UNDEFINED("invept", "invept (%%rax), %%rcx", false);
    CHECK_UNDEFINED("invvpid", "invvpid (%%rax), %%rcx", false);
    CHECK_UNDEFINED("vmfunc", ".byte 0x0F, 0x01, 0xD4", false);
}

static void check_others(void)
{
    CHECK_UNDEFINED("getsec", ".byte 0x0F, 0x37", false);
    CHECK_UNDEFINED("rsm", "rsm", false);
    CHECK_UNDEFINED("monitor", "monitor", cpuid(1, 0).ecx & CPUID_1_ECX_MONITOR);
    if (!(cpuid(1, 0).ecx & CPUID_1_ECX_MONITOR))
        CHECK_UNDEFINED("mwait", "mwait", false);
    CHECK_UNDEFINED("encls", ".byte 0x0F, 0x01, 0xCF", false);
    CHECK_UNDEFINED("pconfig", ".byte 0x0F, 0x01, 0xC5", false);
    paging_allow_user();
    if (!(cpuid(1, 0).ecx & CPUID_1_ECX_MONITOR)) {
        TRY_USER(2, "monitor", : : "a"(page), "c"(0), "d"(0) : "memory");
        CHECK_DEPARTURE("undefined-monitor", micro_trap.vector == VECTOR_UD, "MONITOR at CPL 3: %s",
                        trap_name(micro_trap.vector));
        TRY_USER(2, "mwait", : : "a"(0), "c"(1) : "memory");
        CHECK_DEPARTURE("undefined-mwait", micro_trap.vector == VECTOR_UD, "MWAIT with an extension at CPL 3: %s",
                        trap_name(micro_trap.vector));
    }
    TRY("mov $0xFFFF, %%ecx; rdpmc", : : : "rax", "rcx", "rdx", "memory");
    CHECK_DEPARTURE("rdpmc", micro_trap.vector == VECTOR_GP || micro_trap.vector == VECTOR_UD,
                    "RDPMC of a counter that is not there: %s", trap_name(micro_trap.vector));
}

/* What stands in the caches must not be lost, whoever wrote it. */
static void check_caches(void)
{
    unsigned lost = 0;

    for (unsigned i = 0; i < sizeof(page); i++)
        page[i] = (uint8_t)(i * 31);
    TRY("invd", : : : "memory");
    check_trap(VECTOR_NONE, "INVD");
    for (unsigned i = 0; i < sizeof(page); i++)
        lost += page[i] != (uint8_t)(i * 31);
    CHECK_EQUAL(lost, 0, "number of bytes lost by INVD");
    TRY("wbinvd", : : : "memory");
    check_trap(VECTOR_NONE, "WBINVD");
    TRY(".byte 0xF3, 0x0F, 0x09", : : : "memory"); /* WBNOINVD is WBINVD where it is not known */
    check_trap(VECTOR_NONE, "WBNOINVD");
    for (unsigned i = 0; i < 1000; i++)
        asm volatile("wbinvd" : : : "memory");
    TRY_USER(2, "invd", : : : "memory");
    check_trap_error(VECTOR_GP, 0, "INVD at CPL 3");
    TRY_USER(2, "wbinvd", : : : "memory");
    check_trap_error(VECTOR_GP, 0, "WBINVD at CPL 3");
}

void micro_main(void)
{
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_SVME);
    check_svm();
    check_vmx();
    check_others();
    check_caches();
}
