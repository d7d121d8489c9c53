/* SPDX-License-Identifier: Apache-2.0 */
/* instructions.h: the instructions of VT-x (SDM Vol. 3C ch. 31), and those that undo what an exit leaves to the host.
 *
 * In host tests kernel/fake/include/vmx/instructions.h takes this file's place: there they are calls into the model of a
 * processor that keeps the VMCS to itself until VMCLEAR (kernel/fake/fake_vmx.c).
 */
#ifndef CL_VMX_INSTRUCTIONS_H
#define CL_VMX_INSTRUCTIONS_H

#include "kernel/assert.h"
#include "kernel/x86.h"
#include "vmx/vmcs_table.h"

/* `pa` is a page that begins with the VMCS revision. */
static inline bool vmx_vmxon(uint64_t pa)
{
    bool failed;

    __asm__ volatile("vmxon %1" : "=@ccna"(failed) : "m"(pa) : "memory");
    return !failed;
}

static inline void vmx_vmclear(uint64_t pa)
{
    bool failed;

    __asm__ volatile("vmclear %1" : "=@ccna"(failed) : "m"(pa) : "memory");
    ASSERT(!failed);
}

static inline void vmx_vmptrld(uint64_t pa)
{
    bool failed;

    __asm__ volatile("vmptrld %1" : "=@ccna"(failed) : "m"(pa) : "memory");
    ASSERT(!failed);
}

/* Of the current VMCS. A field that the processor does not have reads zero. */
static inline uint64_t vmx_read(unsigned field)
{
    uint64_t value = 0;

    __asm__ volatile("vmread %1, %0" : "+r"(value) : "r"((uint64_t)field) : "cc", "memory");
    return value;
}

/* A field that the processor does not have is none that it reads. */
static inline void vmx_write(unsigned field, uint64_t value)
{
    __asm__ volatile("vmwrite %1, %0" : : "r"((uint64_t)field), "r"(value) : "cc", "memory");
}

static inline void vmx_invept_all(void)
{
    struct {
        uint64_t eptp, reserved;
    } descriptor = { 0, 0 };
    bool failed;

    __asm__ volatile("invept %1, %2" : "=@ccna"(failed) : "m"(descriptor), "r"((uint64_t)INVEPT_ALL) : "memory");
    ASSERT(!failed);
}

static inline void vmx_invvpid_all(void)
{
    struct {
        uint64_t vpid, address;
    } descriptor = { 0, 0 };
    bool failed;

    __asm__ volatile("invvpid %1, %2" : "=@ccna"(failed) : "m"(descriptor), "r"((uint64_t)INVVPID_ALL) : "memory");
    ASSERT(!failed);
}

/* An NMI ended a stay in the guest: the host's own handler, whose IRET lets NMIs in again. */
static inline void vmx_take_nmi(void)
{
    __asm__ volatile("int $2" : : : "memory");
}

static inline void vmx_load_gdtr(const void *base, uint16_t limit)
{
    struct table_pointer gdtr = { limit, (uint64_t)base };

    __asm__ volatile("lgdt %0" : : "m"(gdtr));
}

/* The descriptor has to say "available". */
static inline void vmx_load_tr(uint16_t selector)
{
    __asm__ volatile("ltr %0" : : "r"(selector) : "memory");
}

static inline uint64_t vmx_idt_base(void)
{
    struct table_pointer idtr;

    __asm__ volatile("sidt %0" : "=m"(idtr));
    return idtr.base;
}

#endif
