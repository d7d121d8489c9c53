/* SPDX-License-Identifier: Apache-2.0 */
/* config.h: the configuration of a machine, read and checked.
 *
 * People write TOML; tools/image turns it into the same tree as JSON, the member config.json of the system image, in
 * which every path of a file is the name of an image member. The same code reads it in init and in the host's checker
 * (tools/check), so what one accepts the other does.
 */
#ifndef CL_SERVICES_CONFIG_CONFIG_H
#define CL_SERVICES_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/status.h"

#define CONFIG_NAME_MAX 32
#define CONFIG_FILE_MAX 256
#define CONFIG_CMDLINE_MAX 1024
#define CONFIG_VMS_MAX 32
#define CONFIG_VCPUS_MAX 64
#define CONFIG_NETWORKS_MAX 16
#define CONFIG_NICS_MAX 4
#define CONFIG_DISKS_MAX 4
#define CONFIG_ERROR_MAX 400
#define CONFIG_NO_VALUE UINT32_MAX

enum config_action { CONFIG_RESTART = 0, CONFIG_DESTROY = 1, CONFIG_PRESERVE = 2 };
enum config_console { CONFIG_CONSOLE_VIRTIO = 0, CONFIG_CONSOLE_SERIAL = 1 };

struct config_host {
    char hostname[CONFIG_NAME_MAX];
    uint32_t loglevel; /* 0 errors, 1 warnings, 2 info, 3 debug */
    bool headless;
};

/* An IPv4 address with the length of its network's prefix, in host order; prefix CONFIG_NO_VALUE: not given. */
struct config_address {
    uint32_t address;
    uint32_t prefix;
};

struct config_network {
    char name[CONFIG_NAME_MAX];
    uint32_t type; /* 0: internal, the only one there is */
    struct config_address subnet;
};

struct config_nic {
    char network[CONFIG_NAME_MAX];
    uint32_t network_index;   /* into config.network */
    uint8_t mac[6];           /* all zero in the file: made up out of VM and NIC number */
    struct config_address ip; /* not given: the network's next free address, if it has a subnet */
};

struct config_disk {
    char image[CONFIG_FILE_MAX];
    bool readonly;
};

struct config_vm {
    char name[CONFIG_NAME_MAX];
    uint64_t memory_bytes;
    uint32_t vcpus;
    uint32_t weight;
    uint32_t console;                          /* enum config_console */
    uint32_t local_apic;                       /* enum vcpu_apic */
    uint32_t debug_exit;                       /* the value that a good end writes; CONFIG_NO_VALUE: not expected */
    uint32_t on_poweroff, on_reboot, on_crash; /* enum config_action */
    bool autostart;
    uint32_t nic_count, disk_count;
    char kernel[CONFIG_FILE_MAX];
    char initrd[CONFIG_FILE_MAX];
    char module[CONFIG_FILE_MAX];
    char disk_image[CONFIG_FILE_MAX]; /* the short form `disk = "file"`; becomes disk[0] */
    char cmdline[CONFIG_CMDLINE_MAX];
    struct config_nic nic[CONFIG_NICS_MAX];
    struct config_disk disk[CONFIG_DISKS_MAX];
};

struct config {
    struct config_host host;
    uint32_t network_count, vm_count;
    struct config_network network[CONFIG_NETWORKS_MAX];
    struct config_vm vm[CONFIG_VMS_MAX];
};

/* Why a configuration was refused: the key's path, what was found, what would be right. */
struct config_error {
    char text[CONFIG_ERROR_MAX];
};

/* Read `length` bytes of JSON. CL_BAD_ARGUMENT: refused, `error` says why, and `config` holds no network, no VM, and
 * [host] as it was given if nothing in that table is wrong. */
CL_MUST_CHECK enum cl_status config_read(const char *json, size_t length, struct config *config,
                                         struct config_error *error);

/* What a whole configuration has to fulfil beyond single values (rules.c); fills in what was left open: network
 * indices, MAC and IP addresses, the short disk. Called by config_read(). */
CL_MUST_CHECK enum cl_status config_check_rules(struct config *config, struct config_error *error);

/* The command line of VM number `vm`: its own words, then cloison.hostname, cloison.ip and cloison.hosts for a Linux
 * guest or one with a network. CL_LIMIT: it is longer than `size`. */
CL_MUST_CHECK enum cl_status config_command_line(const struct config *config, uint32_t vm, char *text, size_t size);

#endif
