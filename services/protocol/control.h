/* SPDX-License-Identifier: Apache-2.0 */
/* control.h: the channel between a VMM (side A) and init (side B): its shape, statistics and audits. Requests and
 * reports about the VM's life stand in vmm/start.h.
 */
#ifndef CL_SERVICES_PROTOCOL_CONTROL_H
#define CL_SERVICES_PROTOCOL_CONTROL_H

#include <assert.h>
#include <stdint.h>

#define CONTROL_RING_ENTRIES 16u
#define CONTROL_MESSAGE_MAX 512u /* bytes: what one buffer holds */
#define CONTROL_EXITS_MAX 16u
#define CONTROL_NICS_MAX 4u
#define CONTROL_VCPUS_MAX 64u

/* Kinds beside those of enum vmm_control. */
enum control_kind {
    CONTROL_STATISTICS = 4,      /* init to VMM, no data */
    CONTROL_AUDIT = 5,           /* the same: look at each vCPU by the rules of VM entry; the guest goes on, or rests */
    CONTROL_STATISTICS_ARE = 17, /* VMM to init: struct control_statistics, with the request's cookie */
    CONTROL_AUDIT_IS = 18,       /* VMM to init: struct control_audit, with the latest request's cookie */
};

struct control_nic_statistics {
    uint64_t received_frames, received_bytes, sent_frames, sent_bytes;
};

/* Sums over all vCPUs since the VM was started. `exits` is by enum vcpu_exit_reason, those that reached the VMM. */
struct control_statistics {
    uint64_t guest_tsc;
    uint64_t exits_to_vmm, exits_in_kernel;
    uint64_t count_cpuid, count_msr, count_hlt, count_doorbell, count_hypercall, count_interrupt, count_memory,
        count_io;
    uint64_t exits[CONTROL_EXITS_MAX];
    uint64_t absent_accesses; /* to ports and addresses where nothing is */
    struct control_nic_statistics nic[CONTROL_NICS_MAX];
};

#define CONTROL_AUDIT_REFUSED UINT32_MAX

struct control_audit {
    uint32_t vcpus;
    uint32_t broken_rules[CONTROL_VCPUS_MAX]; /* the kernel's log has them; CONTROL_AUDIT_REFUSED: it cannot be audited
                                                 any more, since a VM entry was refused */
};

static_assert(sizeof(struct control_audit) <= CONTROL_MESSAGE_MAX, "one message");
static_assert(sizeof(struct control_statistics) <= CONTROL_MESSAGE_MAX, "one message");

#endif
