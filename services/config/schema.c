/* SPDX-License-Identifier: Apache-2.0 */
/* schema.c: every key of the configuration, once. */
#include "services/config/schema.h"

#include "abi/syscall.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FIELD(type, field) .offset = offsetof(struct type, field), .size = sizeof(((struct type *)0)->field)

static const char *const actions[] = { "restart", "destroy", "preserve", NULL };
static const char *const consoles[] = { "virtio", "serial", NULL };
static const char *const local_apics[] = { "auto", "software", "hardware", NULL }; /* enum vcpu_apic */
static const char *const loglevels[] = { "error", "warning", "info", "debug", NULL };
static const char *const network_types[] = { "internal", NULL };

static const struct schema_refusal network_refusals[] = {
    { "nat", "there is no way out of this machine yet; VMs reach each other on a network of type \"internal\"" },
    { "bridge", "no physical network card has a driver yet; use \"internal\"" },
    { "vlan", "VLAN ports are not there yet; give each network a name of its own with type \"internal\"" },
    { NULL, NULL },
};

static const struct schema_refusal action_refusals[] = {
    { "rename-restart", "VMs are not renamed; use \"restart\" or \"preserve\"" },
    { "coredump-destroy", "core dumps are not there yet; use \"preserve\" and look at the VM" },
    { "coredump-restart", "core dumps are not there yet; use \"preserve\" and look at the VM" },
    { NULL, NULL },
};

#define ACTION(key)                                                                                                    \
    {                                                                                                                  \
        .name = #key, .kind = SCHEMA_CHOICE, FIELD(config_vm, key), .choices = actions, .refusals = action_refusals    \
    }

/* [host] */
static const struct schema_key host_keys[] = {
    { .name = "hostname",
      .kind = SCHEMA_NAME,
      FIELD(config_host, hostname),
      .right = "letters, digits and hyphens, at most 31" },
    { .name = "loglevel", .kind = SCHEMA_CHOICE, FIELD(config_host, loglevel), .choices = loglevels },
    { .name = "headless", .kind = SCHEMA_BOOL, FIELD(config_host, headless) },
};
const struct schema_table schema_host = { host_keys, COUNT(host_keys) };

/* [[network]] */
static const struct schema_key network_keys[] = {
    { .name = "name",
      .kind = SCHEMA_NAME,
      .required = true,
      FIELD(config_network, name),
      .right = "letters, digits and hyphens, at most 31" },
    { .name = "type",
      .kind = SCHEMA_CHOICE,
      FIELD(config_network, type),
      .choices = network_types,
      .refusals = network_refusals },
    { .name = "subnet",
      .kind = SCHEMA_ADDRESS,
      FIELD(config_network, subnet),
      .right = "an IPv4 network such as \"10.0.0.0/24\"" },
};
static const struct schema_table network_table = { network_keys, COUNT(network_keys) };
static const struct config_network network_defaults = { .subnet = { 0, CONFIG_NO_VALUE } };

/* nics = [{…}] */
static const struct schema_key nic_keys[] = {
    { .name = "network",
      .kind = SCHEMA_NAME,
      .required = true,
      FIELD(config_nic, network),
      .right = "the name of a [[network]]" },
    { .name = "mac",
      .kind = SCHEMA_MAC,
      FIELD(config_nic, mac),
      .right = "six bytes such as \"02:00:00:00:00:01\", not a group address" },
    { .name = "ip", .kind = SCHEMA_ADDRESS, FIELD(config_nic, ip), .right = "an IPv4 address such as \"10.0.0.1\"" },
};
static const struct schema_table nic_table = { nic_keys, COUNT(nic_keys) };
static const struct config_nic nic_defaults = { .ip = { 0, CONFIG_NO_VALUE } };

/* disks = [{…}] */
static const struct schema_key disk_keys[] = {
    { .name = "image",
      .kind = SCHEMA_TEXT,
      .required = true,
      FIELD(config_disk, image),
      .min = 1,
      .right = "the path of a raw disk image" },
    { .name = "readonly", .kind = SCHEMA_BOOL, FIELD(config_disk, readonly) },
};
static const struct schema_table disk_table = { disk_keys, COUNT(disk_keys) };
static const struct config_disk disk_defaults = { .readonly = true };

/* [[vm]] */
static const struct schema_key vm_keys[] = {
    { .name = "name",
      .kind = SCHEMA_NAME,
      .required = true,
      FIELD(config_vm, name),
      .right = "letters, digits and hyphens, at most 31" },
    { .name = "memory",
      .kind = SCHEMA_MEMORY,
      .required = true,
      FIELD(config_vm, memory_bytes),
      .min = 16 * MIB,
      .max = 1024 * GIB,
      .right = "a size such as \"256M\" or \"1G\", or a number of MiB, from 16M on" },
    { .name = "vcpus",
      .kind = SCHEMA_NUMBER,
      FIELD(config_vm, vcpus),
      .min = 1,
      .max = CONFIG_VCPUS_MAX,
      .right = "a number of virtual CPUs" },
    { .name = "kernel",
      .kind = SCHEMA_TEXT,
      .required = true,
      FIELD(config_vm, kernel),
      .min = 1,
      .right = "the path of a Linux kernel (bzImage), a multiboot kernel or a PVH kernel" },
    { .name = "initrd",
      .kind = SCHEMA_TEXT,
      FIELD(config_vm, initrd),
      .min = 1,
      .right = "the path of an initial RAM disk" },
    { .name = "module",
      .kind = SCHEMA_TEXT,
      FIELD(config_vm, module),
      .min = 1,
      .right = "the path of a file for a multiboot kernel" },
    { .name = "cmdline", .kind = SCHEMA_TEXT, FIELD(config_vm, cmdline), .right = "the kernel's command line" },
    { .name = "firmware",
      .kind = SCHEMA_REFUSED,
      .right = "guests start from a kernel file for now, firmware is not there yet: give `kernel` instead" },
    { .name = "nics",
      .kind = SCHEMA_TABLES,
      .offset = offsetof(struct config_vm, nic),
      .size = sizeof(struct config_nic),
      .max = CONFIG_NICS_MAX,
      .table = &nic_table,
      .defaults = &nic_defaults,
      .count_offset = offsetof(struct config_vm, nic_count),
      .right = "a list such as [{network = \"lan\"}]" },
    { .name = "disks",
      .kind = SCHEMA_TABLES,
      .offset = offsetof(struct config_vm, disk),
      .size = sizeof(struct config_disk),
      .max = CONFIG_DISKS_MAX,
      .table = &disk_table,
      .defaults = &disk_defaults,
      .count_offset = offsetof(struct config_vm, disk_count),
      .right = "a list such as [{image = \"root.img\"}]" },
    { .name = "disk",
      .kind = SCHEMA_TEXT,
      FIELD(config_vm, disk_image),
      .min = 1,
      .right = "the path of a raw disk image" },
    { .name = "console", .kind = SCHEMA_CHOICE, FIELD(config_vm, console), .choices = consoles },
    { .name = "local_apic", .kind = SCHEMA_CHOICE, FIELD(config_vm, local_apic), .choices = local_apics },
    { .name = "debug_exit",
      .kind = SCHEMA_NUMBER,
      FIELD(config_vm, debug_exit),
      .min = 0,
      .max = UINT32_MAX - 1,
      .right = "the value that a good end writes to the debug-exit port" },
    { .name = "autostart", .kind = SCHEMA_BOOL, FIELD(config_vm, autostart) },
    { .name = "weight",
      .kind = SCHEMA_NUMBER,
      FIELD(config_vm, weight),
      .min = 1,
      .max = 65536,
      .right = "a share of CPU time relative to others; 1024 is the usual one" },
    ACTION(on_poweroff),
    ACTION(on_reboot),
    ACTION(on_crash),
};
static const struct schema_table vm_table = { vm_keys, COUNT(vm_keys) };
static const struct config_vm vm_defaults = {
    .vcpus = 1,
    .weight = WEIGHT_DEFAULT,
    .console = CONFIG_CONSOLE_VIRTIO,
    .local_apic = VCPU_APIC_AUTO,
    .debug_exit = CONFIG_NO_VALUE,
    .on_poweroff = CONFIG_DESTROY,
    .on_reboot = CONFIG_RESTART,
    .on_crash = CONFIG_PRESERVE,
    .autostart = true,
};

static const struct schema_key config_keys[] = {
    { .name = "host",
      .kind = SCHEMA_TABLE,
      .offset = offsetof(struct config, host),
      .table = &schema_host,
      .right = "a table, written [host]" },
    { .name = "network",
      .kind = SCHEMA_TABLES,
      .offset = offsetof(struct config, network),
      .size = sizeof(struct config_network),
      .max = CONFIG_NETWORKS_MAX,
      .table = &network_table,
      .defaults = &network_defaults,
      .count_offset = offsetof(struct config, network_count),
      .right = "a table for each network, written [[network]]" },
    { .name = "vm",
      .kind = SCHEMA_TABLES,
      .offset = offsetof(struct config, vm),
      .size = sizeof(struct config_vm),
      .max = CONFIG_VMS_MAX,
      .table = &vm_table,
      .defaults = &vm_defaults,
      .count_offset = offsetof(struct config, vm_count),
      .right = "a table for each VM, written [[vm]]" },
};

const struct schema_table schema_config = { config_keys, COUNT(config_keys) };
const struct config_host schema_host_defaults = { .hostname = "cloison", .loglevel = 2 };
