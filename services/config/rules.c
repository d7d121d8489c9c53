/* SPDX-License-Identifier: Apache-2.0 */
/* rules.c: what values have to fulfil together, and what follows from them. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "services/config/config.h"

#define COMMAND_LINE_MAX 2048 /* what Linux takes */

__attribute__((format(printf, 2, 3))) static enum cl_status refuse(struct config_error *error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error->text, sizeof(error->text), format, arguments);
    va_end(arguments);
    return CL_BAD_ARGUMENT;
}

static uint32_t mask_of(const struct config_address *address)
{
    return address->prefix == 0 ? 0 : UINT32_MAX << (32 - address->prefix);
}

static enum cl_status check_networks(struct config *config, struct config_error *error)
{
    for (uint32_t i = 0; i < config->network_count; i++) {
        struct config_network *network = &config->network[i];
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(config->network[j].name, network->name) == 0)
                return refuse(error, "network[%u].name: \"%s\" is network[%u]'s name already", i, network->name, j);
        }
        if (network->subnet.address == 0 && network->subnet.prefix == CONFIG_NO_VALUE)
            continue;
        if (network->subnet.prefix == CONFIG_NO_VALUE || network->subnet.prefix > 30)
            return refuse(error,
                          "network[%u].subnet: found no usable prefix; right would be a network such as "
                          "\"10.0.0.0/24\", with a prefix from /0 to /30",
                          i);
        if ((network->subnet.address & ~mask_of(&network->subnet)) != 0)
            return refuse(error, "network[%u].subnet: bits behind the prefix are set; right would be %u.%u.%u.%u/%u", i,
                          (network->subnet.address & mask_of(&network->subnet)) >> 24,
                          (network->subnet.address & mask_of(&network->subnet)) >> 16 & 255,
                          (network->subnet.address & mask_of(&network->subnet)) >> 8 & 255,
                          network->subnet.address & mask_of(&network->subnet) & 255, network->subnet.prefix);
    }
    return CL_OK;
}

static bool has_subnet(const struct config_network *network)
{
    return network->subnet.prefix != CONFIG_NO_VALUE;
}

static bool has_address(const struct config_nic *nic)
{
    return nic->ip.address != 0;
}

static enum cl_status check_nic(struct config *config, uint32_t vm, uint32_t number, struct config_error *error)
{
    static const uint8_t no_mac[6];
    struct config_nic *nic = &config->vm[vm].nic[number];
    const struct config_network *network;
    uint32_t mask;

    for (nic->network_index = 0; nic->network_index < config->network_count; nic->network_index++) {
        if (strcmp(config->network[nic->network_index].name, nic->network) == 0)
            break;
    }
    if (nic->network_index == config->network_count)
        return refuse(error,
                      "vm[%u].nics[%u].network: found \"%s\"; right would be the name of one of the %u [[network]] "
                      "tables",
                      vm, number, nic->network, config->network_count);
    /* locally administered, and the same on every boot */
    if (memcmp(nic->mac, no_mac, 6) == 0)
        memcpy(nic->mac, ((const uint8_t[6]){ 0x02, 0xc1, 0x01, 0x50, (uint8_t)(vm + 1), (uint8_t)number }), 6);

    if (!has_address(nic))
        return CL_OK;
    network = &config->network[nic->network_index];
    if (!has_subnet(network) && nic->ip.prefix == CONFIG_NO_VALUE)
        return refuse(error,
                      "vm[%u].nics[%u].ip: network \"%s\" has no subnet; right would be the address with its "
                      "prefix, such as \"10.0.0.1/24\"",
                      vm, number, network->name);
    if (nic->ip.prefix == CONFIG_NO_VALUE)
        nic->ip.prefix = network->subnet.prefix;
    mask = mask_of(&nic->ip);
    if (nic->ip.prefix > 30 || (nic->ip.address & ~mask) == 0 || (nic->ip.address & ~mask) == ~mask)
        return refuse(error, "vm[%u].nics[%u].ip: this is no address of one computer in its network", vm, number);
    if (has_subnet(network) &&
        (nic->ip.prefix != network->subnet.prefix || (nic->ip.address & mask) != network->subnet.address))
        return refuse(error, "vm[%u].nics[%u].ip: the address lies outside the subnet of network \"%s\"", vm, number,
                      network->name);
    return CL_OK;
}

static bool is_taken(const struct config *config, uint32_t network, uint32_t address)
{
    for (uint32_t i = 0; i < config->vm_count; i++) {
        for (uint32_t j = 0; j < config->vm[i].nic_count; j++) {
            const struct config_nic *nic = &config->vm[i].nic[j];
            if (nic->network_index == network && nic->ip.address == address)
                return true;
        }
    }
    return false;
}

/* NICs without an address get the next free one of their subnet. */
static enum cl_status give_addresses(struct config *config, struct config_error *error)
{
    for (uint32_t i = 0; i < config->vm_count; i++) {
        for (uint32_t j = 0; j < config->vm[i].nic_count; j++) {
            struct config_nic *nic = &config->vm[i].nic[j];
            const struct config_network *network = &config->network[nic->network_index];
            if (has_address(nic) || !has_subnet(network))
                continue;
            uint32_t last = network->subnet.address | ~mask_of(&network->subnet), address = network->subnet.address + 1;
            while (address != last && is_taken(config, nic->network_index, address))
                address++;
            if (address == last)
                return refuse(error, "vm[%u].nics[%u]: network \"%s\" has no address left", i, j, network->name);
            nic->ip = (struct config_address){ address, network->subnet.prefix };
        }
    }
    return CL_OK;
}

/* No two NICs of one network have the same address of any kind. */
static enum cl_status check_twins(const struct config *config, struct config_error *error)
{
    for (uint32_t i = 0; i < config->vm_count * CONFIG_NICS_MAX; i++) {
        const struct config_nic *a = &config->vm[i / CONFIG_NICS_MAX].nic[i % CONFIG_NICS_MAX];
        if (i % CONFIG_NICS_MAX >= config->vm[i / CONFIG_NICS_MAX].nic_count)
            continue;
        for (uint32_t j = 0; j < i; j++) {
            const struct config_nic *b = &config->vm[j / CONFIG_NICS_MAX].nic[j % CONFIG_NICS_MAX];
            if (j % CONFIG_NICS_MAX >= config->vm[j / CONFIG_NICS_MAX].nic_count ||
                a->network_index != b->network_index)
                continue;
            bool same_mac = memcmp(a->mac, b->mac, 6) == 0;
            if (same_mac || (has_address(a) && a->ip.address == b->ip.address))
                return refuse(error, "vm[%u].nics[%u].%s: the same as that of vm[%u].nics[%u]; each needs its own",
                              i / CONFIG_NICS_MAX, i % CONFIG_NICS_MAX, same_mac ? "mac" : "ip", j / CONFIG_NICS_MAX,
                              j % CONFIG_NICS_MAX);
        }
    }
    return CL_OK;
}

static enum cl_status check_vm(struct config *config, uint32_t number, struct config_error *error)
{
    struct config_vm *vm = &config->vm[number];

    for (uint32_t j = 0; j < number; j++) {
        if (strcmp(config->vm[j].name, vm->name) == 0)
            return refuse(error, "vm[%u].name: \"%s\" is vm[%u]'s name already", number, vm->name, j);
    }
    if (vm->disk_image[0] != '\0') {
        if (vm->disk_count > 0)
            return refuse(error, "vm[%u].disk: `disks` is given too; right would be one of the two", number);
        vm->disk[0].readonly = true;
        memcpy(vm->disk[0].image, vm->disk_image, sizeof(vm->disk[0].image));
        vm->disk_count = 1;
    }
    for (uint32_t j = 0; j < vm->disk_count; j++) {
        if (!vm->disk[j].readonly)
            return refuse(error,
                          "vm[%u].disks[%u].readonly: found false; right would be true, disks that can be written "
                          "are not there yet",
                          number, j);
    }
    if (vm->initrd[0] != '\0' && vm->module[0] != '\0')
        return refuse(error,
                      "vm[%u].module: `initrd` is given too; right would be `initrd` for Linux or `module` for a "
                      "multiboot kernel",
                      number);
    for (uint32_t j = 0; j < vm->nic_count; j++)
        TRY(check_nic(config, number, j, error));
    return CL_OK;
}

enum cl_status config_check_rules(struct config *config, struct config_error *error)
{
    char line[COMMAND_LINE_MAX];

    TRY(check_networks(config, error));
    for (uint32_t i = 0; i < config->vm_count; i++)
        TRY(check_vm(config, i, error));
    TRY(give_addresses(config, error));
    TRY(check_twins(config, error));
    for (uint32_t i = 0; i < config->vm_count; i++) {
        if (config_command_line(config, i, line, sizeof(line)) != CL_OK)
            return refuse(error, "vm[%u].cmdline: with the cloison.* words it is longer than %zu bytes", i,
                          sizeof(line) - 1);
    }
    return CL_OK;
}

/* -------------------------------------------------------------------------------------------- the command line */

struct text {
    char *at;
    size_t left;
    bool full;
};

__attribute__((format(printf, 2, 3))) static void append(struct text *text, const char *format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(text->at, text->left, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= text->left) {
        text->full = true;
        return;
    }
    text->at += length;
    text->left -= (size_t)length;
}

static void append_address(struct text *text, uint32_t address)
{
    append(text, "%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255);
}

/* Who else is on the network of `nic`, itself included. */
static void append_hosts(struct text *text, const struct config *config, const struct config_nic *nic)
{
    const char *separator = " cloison.hosts=";

    for (uint32_t i = 0; i < config->vm_count; i++) {
        for (uint32_t j = 0; j < config->vm[i].nic_count; j++) {
            const struct config_nic *other = &config->vm[i].nic[j];
            if (other->network_index != nic->network_index || !has_address(other))
                continue;
            append(text, "%s%s:", separator, config->vm[i].name);
            append_address(text, other->ip.address);
            separator = ",";
            break;
        }
    }
}

enum cl_status config_command_line(const struct config *config, uint32_t vm, char *text, size_t size)
{
    const struct config_vm *self = &config->vm[vm];
    const struct config_nic *nic = &self->nic[0];
    struct text out = { text, size, false };

    append(&out, "%s", self->cmdline);
    if (self->nic_count > 0 || self->initrd[0] != '\0')
        append(&out, "%scloison.hostname=%s", self->cmdline[0] != '\0' ? " " : "", self->name);
    if (self->nic_count > 0 && has_address(nic)) {
        append(&out, " cloison.ip=");
        append_address(&out, nic->ip.address);
        append(&out, "/%u", nic->ip.prefix);
        append_hosts(&out, config, nic);
    }
    return out.full ? CL_LIMIT : CL_OK;
}
