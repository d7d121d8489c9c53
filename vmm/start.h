/* SPDX-License-Identifier: Apache-2.0 */
/* start.h: what init gives a VMM in its start block (lib/start_block.h), and what the two say to each other.
 *
 * init makes and maps all memory: the VM's RAM into the VM (at its guest-physical addresses) and, writable, into the VMM
 * (at addresses of init's choice), the capsule, the images to boot, the channels. The VMM makes its vCPUs and sets the
 * VM's policies.
 *
 * The argument is JSON: {"cpus": 2, "command_line": "console=ttyS0", "kernel_name": "vmlinuz"}.
 */
#ifndef CL_VMM_START_H
#define CL_VMM_START_H

#include <stdint.h>

/* Capability slots. */
#define VMM_SLOT_VM "vm"                 /* RIGHT_CONFIGURE | RIGHT_SIGNAL | RIGHT_READ */
#define VMM_SLOT_VM_ACCOUNT "vm-account" /* RIGHT_CHARGE: vCPUs belong to what the VM is */
#define VMM_SLOT_EVENTS "events"         /* notification, RIGHT_WAIT | RIGHT_SIGNAL: bits below */
#define VMM_SLOT_CONSOLE "console"       /* peer's notification, RIGHT_SIGNAL: bit "console_bit" of the argument */
#define VMM_SLOT_CONTROL "control"       /* init's notification, RIGHT_SIGNAL: bit "control_bit" of the argument */

/* Memory regions. The VMM is side A of its channels. */
#define VMM_REGION_RAM_LOW "ram-low"   /* guest-physical 0 on */
#define VMM_REGION_RAM_HIGH "ram-high" /* guest-physical 4 GiB on; may be missing */
#define VMM_REGION_CAPSULE "capsule"   /* zeroed at the VM's first start; VMM_CAPSULE_BYTES */
#define VMM_REGION_KERNEL "kernel"     /* read-only */
#define VMM_REGION_MODULE "module"     /* initrd or multiboot module; read-only; may be missing */
#define VMM_REGION_CONSOLE "console"   /* channel with the console service; may be missing */
#define VMM_REGION_CONTROL "control"   /* channel with init; may be missing */

#define VMM_CAPSULE_BYTES(cpus) (UINT64_C(65536) + (uint64_t)(cpus)*8192)

/* Where the VMM has the kernel map vCPU pages: index * 4096 from here. */
#define VMM_VCPU_PAGES UINT64_C(0x0000600000000000)

/* Bits of the events notification. Devices with queues of their own use bits from VMM_EVENT_DEVICES on. */
enum vmm_event {
    VMM_EVENT_EOI = 0,     /* vm_create() gets this bit */
    VMM_EVENT_CONSOLE = 1, /* the console service */
    VMM_EVENT_CONTROL = 2, /* init */
    VMM_EVENT_TIMER = 3,   /* own: a device's deadline moved closer */
    VMM_EVENT_REQUEST = 4, /* own: a device or vCPU thread wants the machine stopped or reset */
    VMM_EVENT_DEVICES = 8
};

/* Kinds of messages on the control channel. */
enum vmm_control {
    /* init to VMM, no data */
    VMM_CONTROL_POWER_BUTTON = 1,
    VMM_CONTROL_PAUSE = 2,
    VMM_CONTROL_RESUME = 3,
    /* VMM to init: struct vmm_report */
    VMM_CONTROL_REPORT = 16
};

struct vmm_report {
    uint32_t request; /* enum machine_request: MACHINE_RUN says that the guest has begun. After RESET, POWER_OFF,
                         DEBUG_EXIT and STOPPED the guest runs no more: a reset is a new VM, made by init */
    uint32_t value;
    char reason[120]; /* a sentence, NUL-terminated; may be empty */
};

#endif
