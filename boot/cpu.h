/* SPDX-License-Identifier: Apache-2.0 */
/* cpu.h: can this CPU carry Cloison? Asked before anything is loaded. */
#ifndef CL_BOOT_CPU_H
#define CL_BOOT_CPU_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/info_page.h"
#include "boot/text.h"

/* What CPUID and the capability MSRs say. */
struct cpu_facts {
    bool long_mode;
    bool nx;
    bool pages_1gib;
    bool five_level;        /* the firmware runs with five-level paging (CR4.LA57) */
    bool vmx;               /* CPUID 1 ECX[5] */
    bool vmx_locked_off;    /* IA32_FEATURE_CONTROL: locked without "VMX outside SMX" */
    bool vmx_ept;           /* secondary control 1 may be set */
    bool vmx_unrestricted;  /* secondary control 7 may be set */
    bool svm;               /* CPUID 80000001h ECX[2] */
    bool svm_locked_off;    /* VM_CR: SVMDIS with LOCK */
    bool svm_nested_paging; /* CPUID 8000000Ah EDX[0] */
};

/* Ask the CPU that this runs on. Ring 0 only: reads MSRs. */
void cpu_read_facts(struct cpu_facts *facts);

/* CL_OK, or CL_UNSUPPORTED with a sentence that says what is missing and what to do. */
CL_MUST_CHECK enum cl_status cpu_check(const struct cpu_facts *facts);

/* Fill in what the info page says about the CPU: vendor, name, features. */
void cpu_describe(struct info_page *page);

/* The APIC ID of the CPU that this runs on. */
uint32_t cpu_apic_id(void);

/* RDTSC. */
uint64_t cpu_tsc(void);

/* The MSR that changes the TSC when something is added to it: IA32_TSC_ADJUST, or the TSC itself. */
uint32_t cpu_tsc_msr(void);

/* 64 bits from RDSEED or RDRAND; false: the CPU has neither, or they gave nothing in ten tries. */
bool cpu_random(uint64_t *value);

#endif
