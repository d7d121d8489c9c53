/* SPDX-License-Identifier: Apache-2.0 */
/* msr_access.h: RDMSR and WRMSR that came to the VMM: the paravirtual clock, and instructions that had to be decoded. */
#ifndef CL_VMM_MSR_ACCESS_H
#define CL_VMM_MSR_ACCESS_H

#include "vmm/monitor.h"

/* Register groups RIP, SEGMENTS, CONTROL and MSRS of the page must be valid where `index` is one of the architectural
 * state. False: the guest gets #GP. */
bool msr_read(struct vcpu_thread *thread, uint32_t index, uint64_t *value);
bool msr_write(struct vcpu_thread *thread, uint32_t index, uint64_t value);

#endif
