/* SPDX-License-Identifier: Apache-2.0 */
/* vm.h: one VM of the configuration, and what there is of it while it is not off. */
#ifndef CL_SERVICES_INIT_VM_H
#define CL_SERVICES_INIT_VM_H

#include "services/config/config.h"
#include "services/init/program.h"
#include "services/init/wiring.h"
#include "services/protocol/operator.h"
#include "vmm/host.h"
#include "vmm/start.h"

enum vm_outcome { VM_OUTCOME_NONE, VM_OUTCOME_GOOD, VM_OUTCOME_BAD };

struct vm {
    const struct config_vm *config;
    uint32_t number; /* position in the configuration */
    uint32_t state;  /* enum operator_state */
    bool held;       /* accounts and objects exist, whatever the state */

    struct program vmm;
    uint32_t account, ram, capsule, object, events; /* slots: what is the VM; 0: not there */
    struct cable control_cable, console_cable, nic_cable[CONFIG_NICS_MAX];
    struct link control;
    uint32_t port[CONFIG_NICS_MAX]; /* of the switch; SWITCH_PORTS_MAX: none */
    bool stream_attached;

    uint64_t started_ns;
    uint64_t shutdown_deadline_ns; /* when to say that the guest does not react; 0: nobody asked it to stop */
    uint32_t resets;               /* since it was started by hand or at boot */
    uint32_t restarts;             /* the latest ones that followed each other within RESTART_WINDOW */
    enum vm_outcome outcome;       /* of its latest end */
    uint32_t awaited_cookie;       /* of what its VMM was asked for (operator.c); 0: nothing */
    char last[OPERATOR_TEXT_MAX];  /* why it is in its state */
};

extern struct config config;
extern struct vm vms[CONFIG_VMS_MAX]; /* config.vm_count of them */

/* Tie vms[] to the configuration. Once. */
void vms_begin(void);

/* Make everything and let the VMM run. CL_OCCUPIED: it is not off. Otherwise nothing is left of it, and `last` says
 * what failed. */
CL_MUST_CHECK enum cl_status vm_start(struct vm *vm);

/* Its two halves: everything but the VMM's first instruction, and that. With several VMs to start, all are prepared
 * before the first one takes the CPU away. */
CL_MUST_CHECK enum cl_status vm_prepare(struct vm *vm);
CL_MUST_CHECK enum cl_status vm_go(struct vm *vm);

/* Take everything away, whatever runs. `state` becomes OFF. */
void vm_release(struct vm *vm);

/* Ask its VMM for something (enum vmm_control, enum control_kind). CL_BUSY: its ring is full. */
CL_MUST_CHECK enum cl_status vm_ask(struct vm *vm, uint32_t kind, uint32_t cookie);

/* Why it is in its state. */
__attribute__((format(printf, 2, 3))) void vm_set_last(struct vm *vm, const char *format, ...);

/* By name; NULL: there is none. */
struct vm *vm_find(const char *name);

/* Bytes outside of its RAM: both accounts' memory and kernel memory. */
uint64_t vm_overhead_bytes(const struct vm *vm, uint64_t *cpu_tsc);

/* vm_setup.c: the parts of vm_start(). On failure what was made is the caller's to release. */
CL_MUST_CHECK enum cl_status vm_setup_objects(struct vm *vm);
CL_MUST_CHECK enum cl_status vm_setup_program(struct vm *vm);
CL_MUST_CHECK enum cl_status vm_setup_argument(struct vm *vm, char **text);

#endif
