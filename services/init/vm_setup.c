/* SPDX-License-Identifier: Apache-2.0 */
/* vm_setup.c: what a VM is made of, and what its VMM is given: vmm/start.h and services/protocol/vmm.h. */
#include <stdio.h>
#include <string.h>

#include <cJSON.h>

#include "lib/log.h"
#include "lib/slots.h"
#include "lib/syscall.h"
#include "services/init/image.h"
#include "services/init/vm.h"
#include "services/protocol/control.h"
#include "services/protocol/frame.h"
#include "services/protocol/stream.h"
#include "services/protocol/vmm.h"
#include "vmm/platform.h"

#define KIB UINT64_C(1024)
#define MIB (UINT64_C(1) << 20)
#define VMM_PROGRAM "vmm.elf"
#define COMMAND_LINE_BYTES 2048
#define VCPU_SLOTS 8u /* itself, its notification, thread, that one's notification, stack; and room */

static_assert(CONFIG_VCPUS_MAX <= CONTROL_VCPUS_MAX, "a VMM takes what a configuration may ask for");

/* Page tables take 1/512 of what they map when no large page fits; objects take the rest, each vCPU with its thread's. */
static uint64_t kernel_bytes(const struct vm *vm)
{
    return 768 * KIB + (vm->config->vcpus - 1) * 64 * KIB + vm->config->memory_bytes / 512;
}

static uint64_t capsule_bytes(const struct vm *vm)
{
    return (VMM_CAPSULE_BYTES(vm->config->vcpus) + 4095) / 4096 * 4096;
}

static enum cl_status create_accounts(struct vm *vm)
{
    const struct account_arguments arguments = {
        .kernel_bytes = kernel_bytes(vm),
        .memory_bytes = vm->config->memory_bytes + capsule_bytes(vm) + 128 * KIB + vm->config->nic_count * 512 * KIB,
        .affinity = AFFINITY_ALL,
        .scheduling_class = CLASS_FAIR,
        .weight = vm->config->weight,
    };

    TRY(cl_slot_alloc(&vm->account));
    return cl_account_create(vm->account, INIT_SLOT_ACCOUNT, &arguments);
}

static enum cl_status create_memory(struct vm *vm)
{
    TRY(cl_slot_alloc(&vm->ram));
    TRY(cl_memory_create(vm->ram, vm->account, vm->config->memory_bytes, MEMORY_LARGE));
    TRY(cl_slot_alloc(&vm->capsule));
    return cl_memory_create(vm->capsule, vm->account, capsule_bytes(vm), 0);
}

static uint64_t low_ram(const struct vm *vm)
{
    return vm->config->memory_bytes < PLATFORM_LOW_RAM_MAX ? vm->config->memory_bytes : PLATFORM_LOW_RAM_MAX;
}

static enum cl_status create_vm(struct vm *vm)
{
    const uint32_t rights = MAP_READ | MAP_WRITE | MAP_EXECUTE;
    uint64_t low = low_ram(vm), high = vm->config->memory_bytes - low;
    char name[64] = ""; /* what a VM's name may be long in the call */

    memcpy(name, vm->config->name, sizeof(vm->config->name));
    TRY(cl_slot_alloc(&vm->object));
    TRY(cl_vm_create(vm->object, vm->account, vm->events, VMM_EVENT_EOI, name));
    TRY(cl_memory_map(vm->ram, vm->object, 0, low, 0, rights));
    return high == 0 ? CL_OK : cl_memory_map(vm->ram, vm->object, low, high, PLATFORM_HIGH_RAM, rights);
}

static enum cl_status create_cables(struct vm *vm)
{
    TRY(cable_create(vm->account, CONTROL_RING_ENTRIES, CONTROL_MESSAGE_MAX, CONTROL_MESSAGE_MAX, &vm->control_cable));
    TRY(cable_create(vm->account, STREAM_RING_ENTRIES, STREAM_MESSAGE_MAX, STREAM_INPUT_MESSAGE_MAX,
                     &vm->console_cable));
    for (uint32_t i = 0; i < vm->config->nic_count; i++)
        TRY(cable_create(vm->account, FRAME_RING_ENTRIES, FRAME_BUFFER_BYTES, FRAME_BUFFER_BYTES, &vm->nic_cable[i]));
    return CL_OK;
}

enum cl_status vm_setup_objects(struct vm *vm)
{
    TRY(create_accounts(vm));
    TRY(cl_slot_alloc(&vm->events));
    TRY(cl_notification_create(vm->events, vm->account));
    TRY(create_memory(vm));
    TRY(create_vm(vm));
    return create_cables(vm);
}

/* A file of the image as a read-only region. */
static enum cl_status map_file(struct vm *vm, const char *region, const char *member, uint64_t *bytes)
{
    struct cpio_member file;
    uint64_t size;
    uint32_t slot;

    *bytes = 0;
    if (member[0] == '\0')
        return CL_OK;
    if (image_find(member, &file) != CL_OK) {
        vm_set_last(vm, "the system image has no file %.150s", member);
        return CL_NOT_FOUND;
    }
    if (vm->vmm.owned_count == PROGRAM_OWNED_MAX)
        return CL_LIMIT;
    TRY(image_slice(&file, &slot, &size));
    vm->vmm.owned[vm->vmm.owned_count++] = slot;
    *bytes = file.size_bytes;
    return program_map(&vm->vmm, region, slot, 0, size, MAP_READ, NULL);
}

static enum cl_status map_ram(struct vm *vm)
{
    uint64_t low = low_ram(vm), high = vm->config->memory_bytes - low;

    TRY(program_map(&vm->vmm, VMM_REGION_RAM_LOW, vm->ram, 0, low, MAP_READ | MAP_WRITE, NULL));
    if (high != 0)
        TRY(program_map(&vm->vmm, VMM_REGION_RAM_HIGH, vm->ram, low, high, MAP_READ | MAP_WRITE, NULL));
    return program_map(&vm->vmm, VMM_REGION_CAPSULE, vm->capsule, 0, capsule_bytes(vm), MAP_READ | MAP_WRITE, NULL);
}

enum cl_status vm_setup_program(struct vm *vm)
{
    const struct program_limits limits = { .kernel_bytes = kernel_bytes(vm),
                                           .memory_bytes = 8 * MIB,
                                           .weight = vm->config->weight,
                                           .affinity = cl_info()->guest_cpus,
                                           .slots = PROGRAM_TABLE_SLOTS + (vm->config->vcpus - 1) * VCPU_SLOTS };
    char name[START_NAME_MAX];

    snprintf(name, sizeof(name), "vmm-%.18s", vm->config->name);
    TRY(program_create(&vm->vmm, name, VMM_PROGRAM, PROGRAM_INDEX_VM(vm->number), vm->events, &limits));
    TRY(program_give(&vm->vmm, VMM_SLOT_VM, vm->object, RIGHT_CONFIGURE | RIGHT_SIGNAL | RIGHT_READ));
    TRY(program_give(&vm->vmm, VMM_SLOT_VM_ACCOUNT, vm->account, RIGHT_CHARGE));
    return map_ram(vm);
}

static enum cl_status add_network_cards(struct vm *vm, cJSON *list)
{
    char name[START_NAME_MAX], mac[18];

    for (uint32_t i = 0; i < vm->config->nic_count; i++) {
        const uint8_t *m = vm->config->nic[i].mac;
        cJSON *card = cJSON_CreateObject();

        snprintf(name, sizeof(name), VMM_NET "%u", i);
        snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
        TRY(program_map(&vm->vmm, name, vm->nic_cable[i].memory, 0, vm->nic_cable[i].size_bytes, MAP_READ | MAP_WRITE,
                        NULL));
        if (!cJSON_AddItemToArray(list, card))
            return CL_NO_MEMORY;
        cJSON_AddStringToObject(card, "mac", mac);
        cJSON_AddNumberToObject(card, "own_bit", VMM_EVENT_NIC_FIRST + i);
        cJSON_AddNumberToObject(card, "peer_bit", 1 + vm->port[i]);
    }
    return CL_OK;
}

static enum cl_status add_disks(struct vm *vm, cJSON *list)
{
    char name[START_NAME_MAX];
    uint64_t bytes;

    for (uint32_t i = 0; i < vm->config->disk_count; i++) {
        cJSON *disk = cJSON_CreateObject();

        snprintf(name, sizeof(name), VMM_DISK "%u", i);
        TRY(map_file(vm, name, vm->config->disk[i].image, &bytes));
        if (!cJSON_AddItemToArray(list, disk))
            return CL_NO_MEMORY;
        cJSON_AddNumberToObject(disk, "bytes", (double)bytes);
        cJSON_AddBoolToObject(disk, "readonly", vm->config->disk[i].readonly);
    }
    return CL_OK;
}

static enum cl_status fill_argument(struct vm *vm, cJSON *argument)
{
    const struct config_vm *c = vm->config;
    const char *module = c->initrd[0] != '\0' ? c->initrd : c->module;
    char command_line[COMMAND_LINE_BYTES];
    uint64_t kernel, module_bytes;

    TRY(config_command_line(&config, vm->number, command_line, sizeof(command_line)));
    TRY(map_file(vm, VMM_REGION_KERNEL, c->kernel, &kernel));
    TRY(map_file(vm, VMM_REGION_MODULE, module, &module_bytes));
    cJSON_AddStringToObject(argument, "name", c->name);
    cJSON_AddNumberToObject(argument, "cpus", c->vcpus);
    cJSON_AddStringToObject(argument, "command_line", command_line);
    cJSON_AddStringToObject(argument, "kernel_name", c->kernel);
    cJSON_AddNumberToObject(argument, "kernel_bytes", (double)kernel);
    if (module_bytes != 0)
        cJSON_AddNumberToObject(argument, "module_bytes", (double)module_bytes);
    cJSON_AddStringToObject(argument, "console", c->console == CONFIG_CONSOLE_SERIAL ? "serial" : "virtio");
    cJSON_AddNumberToObject(argument, "local_apic", c->local_apic);
    cJSON_AddBoolToObject(argument, "debug_exit", true);
    cJSON_AddNumberToObject(argument, "control_bit", INIT_EVENT_CONTROL_BIT);
    cJSON_AddNumberToObject(argument, "console_bit", 2 + vm->number); /* CONSOLE_EVENT_STREAM */
    TRY(add_network_cards(vm, cJSON_AddArrayToObject(argument, "nics")));
    return add_disks(vm, cJSON_AddArrayToObject(argument, "disks"));
}

enum cl_status vm_setup_argument(struct vm *vm, char **text)
{
    cJSON *argument = cJSON_CreateObject();
    enum cl_status status;

    if (argument == NULL)
        return CL_NO_MEMORY;
    status = fill_argument(vm, argument);
    *text = status == CL_OK ? cJSON_PrintUnformatted(argument) : NULL;
    cJSON_Delete(argument);
    return status == CL_OK && *text == NULL ? CL_NO_MEMORY : status;
}
