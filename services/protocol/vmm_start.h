/* SPDX-License-Identifier: Apache-2.0 */
/* vmm_start.h: how init tells a VMM which machine it is: the contents of the region "setup", and the names of what
 * else stands in the start block.
 *
 * The structure is checked by init (services/config/): names end with a NUL, counts are within the arrays, sizes are
 * those of the regions. Everything in it is read-only and stays the same for the life of the VMM.
 *
 * Start block, slots:
 *   "events"       notification of this VMM, RIGHT_WAIT | RIGHT_SIGNAL: wires set bits VMM_EVENT_*; the VMM may use the
 *                  bits from VMM_EVENT_FREE on for itself (doorbells, EOIs, timers)
 *   "vm.account"   account of what is the VM, RIGHT_CHARGE: pays for the vm object, its nested tables and its vCPUs
 *   "ram"          memory object of the guest's RAM, RIGHT_READ | RIGHT_WRITE, to be mapped into the vm
 *   "exit"         as in lib/start_block.h
 * Start block, regions:
 *   "setup"        struct vmm_start, read-only
 *   "ram"          the guest's RAM: ram_bytes, all of it behind one another (the hole below 4 GiB is the VMM's affair)
 *   "capsule"      VMM_CAPSULE_BYTES, zeroed when the VM is started, kept when only its VMM is
 *   "kernel", "initrd", "module", "disk0" to "disk3"   files, read-only; absent if the VM has none. The exact sizes are
 *                  in the structure; a region is as long as its pages
 */
#ifndef CL_SERVICES_PROTOCOL_VMM_START_H
#define CL_SERVICES_PROTOCOL_VMM_START_H

#include <assert.h>
#include <stdint.h>

#include "services/protocol/wire.h"

#define VMM_START_MAGIC UINT32_C(0x4d4d5643) /* "CVMM" */
#define VMM_START_VERSION 1
#define VMM_NAME_MAX 32
#define VMM_COMMAND_LINE_MAX 2048 /* what Linux on x86 takes */
#define VMM_NICS_MAX 4
#define VMM_DISKS_MAX 4
#define VMM_CAPSULE_BYTES UINT64_C(0x80000) /* 512 KiB */

#define VMM_SLOT_ACCOUNT "vm.account"
#define VMM_SLOT_RAM "ram"
#define VMM_REGION_RAM "ram"
#define VMM_REGION_CAPSULE "capsule"
#define VMM_REGION_KERNEL "kernel"
#define VMM_REGION_INITRD "initrd"
#define VMM_REGION_MODULE "module"
#define VMM_REGION_DISK "disk" /* with the disk's number behind it */

/* Bits of "events" that the wires set. */
#define VMM_EVENT_CONTROL (UINT64_C(1) << 0)
#define VMM_EVENT_CONSOLE (UINT64_C(1) << 1)
#define VMM_EVENT_NIC(i) (UINT64_C(1) << (2 + (i))) /* i below VMM_NICS_MAX */
#define VMM_EVENT_FREE 8                            /* first bit number that init leaves alone */

enum vmm_console { VMM_CONSOLE_VIRTIO = 0, VMM_CONSOLE_SERIAL = 1 };

enum vmm_flag {
    VMM_FLAG_DEBUG_EXIT = 1 << 0, /* the machine has a debug-exit port at F4h */
    VMM_FLAG_PAUSED = 1 << 1,     /* do not run the guest before CONTROL_RESUME */
};

struct vmm_nic {
    struct wire wire; /* frame.h, this end is A */
    uint8_t mac[6];
    uint16_t mtu; /* bytes behind the Ethernet header: 1500 */
};

struct vmm_disk {
    uint64_t size_bytes; /* a multiple of 512 */
    uint32_t read_only;  /* always 1 for now */
    uint32_t reserved;
};

struct vmm_start {
    uint32_t magic;
    uint32_t version;
    char name[VMM_NAME_MAX]; /* of the VM */
    uint64_t ram_bytes;      /* a multiple of 2 MiB */
    uint32_t vcpus;
    uint32_t console; /* enum vmm_console: which device the stream "console" belongs to. The other one is there too and
                         speaks to nobody; with VMM_CONSOLE_VIRTIO the VMM copies what the serial port says to the log
                         of the stream as well, so that early messages are seen */
    uint32_t flags;   /* enum vmm_flag */
    uint32_t nic_count;
    uint32_t disk_count;
    uint32_t reserved;
    uint64_t kernel_bytes; /* exact sizes of the files, 0: none */
    uint64_t initrd_bytes;
    uint64_t module_bytes;
    struct wire control;      /* control.h, this end is B */
    struct wire console_wire; /* stream.h, this end is A */
    struct vmm_nic nic[VMM_NICS_MAX];
    struct vmm_disk disk[VMM_DISKS_MAX];
    char command_line[VMM_COMMAND_LINE_MAX];
};

static_assert(sizeof(struct vmm_start) <= 4096, "the setup of a VMM is one page");

#endif
