/* SPDX-License-Identifier: Apache-2.0 */
/* vmm.h: what init gives a VMM beyond vmm/start.h: network cards, disks, and the keys of the JSON argument.
 *
 *     {"name": "alpha", "cpus": 1, "command_line": "…", "kernel_name": "vm/alpha/kernel",
 *      "kernel_bytes": 8388608, "module_bytes": 4194304,      exact sizes of the files; regions are whole pages
 *      "console": "virtio",                                   or "serial": which device the stream belongs to
 *      "local_apic": 0,                                       enum vcpu_apic
 *      "debug_exit": true,                                    the machine has a debug-exit port
 *      "control_bit": 3, "console_bit": 2,                    of the peers' notifications
 *      "nics": [{"mac": "02:00:00:00:00:01", "own_bit": 56, "peer_bit": 1}],
 *      "disks": [{"bytes": 1048576, "readonly": true}]}
 *
 * Network card i: region and slot VMM_NET with i behind ("net0"): the channel (frame.h, the VMM is side A) and the
 * switch's notification, RIGHT_SIGNAL. Disk i: region VMM_DISK with i behind, read-only.
 */
#ifndef CL_SERVICES_PROTOCOL_VMM_H
#define CL_SERVICES_PROTOCOL_VMM_H

#define VMM_NET "net"
#define VMM_DISK "disk"
#define VMM_NICS_MAX 4u
#define VMM_DISKS_MAX 4u

/* Bits of the VMM's "events" that the switch sets; the devices' own doorbells stay below. */
#define VMM_EVENT_NIC_FIRST 56u /* + number of the card */

#endif
