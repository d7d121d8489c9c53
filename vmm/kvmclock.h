/* SPDX-License-Identifier: Apache-2.0 */
/* kvmclock.h: KVM's paravirtual clock, which Linux and others read without leaving the guest. */
#ifndef CL_VMM_KVMCLOCK_H
#define CL_VMM_KVMCLOCK_H

#include "vmm/machine.h"

#define KVM_MSR_WALL_CLOCK_OLD 0x11u
#define KVM_MSR_SYSTEM_TIME_OLD 0x12u
#define KVM_MSR_WALL_CLOCK 0x4b564d00u
#define KVM_MSR_SYSTEM_TIME 0x4b564d01u
#define KVMCLOCK_CPUS_MAX 64u

/* Add the clock. `tsc_hz`: what the guest's TSC counts; system time is the guest's TSC in nanoseconds, so that it
 * follows the guest wherever its TSC goes. */
enum cl_status kvmclock_add(struct machine *machine, uint64_t tsc_hz, struct device **device) CL_MUST_CHECK;

/* RDMSR, WRMSR of one of the MSRs above by vCPU `cpu`: a step of the exit that `tx` has begun. False: #GP. */
bool kvmclock_msr_read(struct device *device, struct capsule_tx *tx, unsigned cpu, uint32_t index, uint64_t *value);
bool kvmclock_msr_write(struct device *device, struct capsule_tx *tx, unsigned cpu, uint32_t index, uint64_t value,
                        uint64_t guest_tsc);

#endif
