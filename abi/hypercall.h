/* SPDX-License-Identifier: Apache-2.0 */
/* hypercall.h: what a guest may ask of Cloison.
 *
 * CPUID 40000000h carries KVM's signature, so that unmodified systems find the paravirtual clock; Cloison's own leaf
 * stands at 40000100h. A hypercall is VMCALL or VMMCALL, as the vendor has it: number in RAX, arguments in RDI, RSI,
 * RDX, R10, result in RAX. NOP and IDENTIFY are answered at any CPL.
 */
#ifndef CL_ABI_HYPERCALL_H
#define CL_ABI_HYPERCALL_H

#define CL_CPUID_KVM 0x40000000u /* "KVMKVMKVM\0\0\0" */
#define CL_CPUID_KVM_FEATURES 0x40000001u
#define CL_CPUID_BASE 0x40000100u    /* EAX: highest Cloison leaf; EBX, ECX, EDX: "CloisonHypVM" */
#define CL_CPUID_VERSION 0x40000101u /* EAX: interface version */
#define CL_CPUID_SIGNATURE "CloisonHypVM"

#define CL_HYPERCALL_BASE 0x434c0000u
#define CL_HYPERCALL_NOP (CL_HYPERCALL_BASE + 0)      /* returns 0; measures the way there and back */
#define CL_HYPERCALL_IDENTIFY (CL_HYPERCALL_BASE + 1) /* returns CL_HYPERCALL_VERSION */
#define CL_HYPERCALL_VERSION 1

#define CL_HYPERCALL_UNKNOWN (~0ull)   /* no such number */
#define KVM_HYPERCALL_ENOSYS (-1000ll) /* the same, for numbers below 1000h, as a KVM guest expects it */

#endif
