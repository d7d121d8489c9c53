/* SPDX-License-Identifier: Apache-2.0 */
/* wiring.c: JSON into virtio devices, and the seam between them and ring 3. */
#include <stdio.h>
#include <unistd.h>
#include <sys/random.h>

#include "lib/log.h"
#include "lib/runtime.h"
#include "lib/syscall.h"
#include "vmm/wiring.h"

#define MTU 1500u

static enum cl_status on_doorbell(void *context, uint16_t port, unsigned width, unsigned bit, bool add)
{
    const struct wiring *w = context;

    return cl_vm_doorbell(w->monitor->vm, port, width, w->monitor->events, bit, add);
}

static void on_kick(void *context, uint64_t bits)
{
    const struct wiring *w = context;

    (void)!cl_notify(w->monitor->events, bits);
}

static void on_notify(void *context, uint32_t peer_slot, uint64_t peer_bits)
{
    (void)context;
    if (peer_slot != 0)
        (void)!cl_notify(peer_slot, peer_bits);
}

/* A guest takes keys from here: the runtime's generator (lib/entropy.h), whose seed is this VMM's alone. */
static void on_entropy(void *context, void *bytes, size_t length)
{
    (void)context;
    if (getrandom(bytes, length, 0) != (ssize_t)length)
        cl_program_crash("no entropy");
}

static const struct backend_ops backend = {
    .doorbell = on_doorbell, .kick = on_kick, .notify = on_notify, .entropy = on_entropy
};

static unsigned number_of(const cJSON *object, const char *key, unsigned highest)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    return cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble <= highest ? (unsigned)item->valuedouble
                                                                                          : 0;
}

static bool parse_mac(const cJSON *card, uint8_t mac[6])
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(card, "mac");
    unsigned part[6];
    char rest;

    if (!cJSON_IsString(item) || sscanf(item->valuestring, "%2x:%2x:%2x:%2x:%2x:%2x%c", &part[0], &part[1], &part[2],
                                        &part[3], &part[4], &part[5], &rest) != 6)
        return false;
    for (unsigned i = 0; i < 6; i++)
        mac[i] = (uint8_t)part[i];
    return true;
}

static enum cl_status add_cards(struct wiring *w, const cJSON *list)
{
    const cJSON *card;
    char name[16];

    cJSON_ArrayForEach(card, list)
    {
        unsigned bit = number_of(card, "own_bit", 63);
        uint8_t mac[6];

        if (w->nics == VMM_NICS_MAX || !parse_mac(card, mac) || bit < VMM_EVENT_DEVICES)
            return CL_BAD_ARGUMENT;
        (void)snprintf(name, sizeof(name), "net%u", w->nics);
        TRY(virtio_net_add(&w->virtio, &w->nic[w->nics], name, mac, MTU, UINT64_C(1) << bit));
        w->nics++;
    }
    return CL_OK;
}

static enum cl_status add_disks(struct wiring *w, const cJSON *list)
{
    const cJSON *disk;
    char name[16];

    cJSON_ArrayForEach(disk, list)
    {
        uint64_t address, size;
        const cJSON *bytes = cJSON_GetObjectItemCaseSensitive(disk, "bytes");

        if (w->disks == VMM_DISKS_MAX)
            return CL_LIMIT;
        (void)snprintf(name, sizeof(name), VMM_DISK "%u", w->disks);
        TRY(start_block_region(cl_start(), name, &address, &size));
        if (cJSON_IsNumber(bytes) && bytes->valuedouble >= 0 && bytes->valuedouble < (double)size)
            size = (uint64_t)bytes->valuedouble;
        TRY(virtio_block_add(&w->virtio, &w->disk[w->disks], name, (const void *)address, size, name));
        w->disks++;
    }
    return CL_OK;
}

enum cl_status wiring_build(struct wiring *w, struct monitor *m, const cJSON *argument)
{
    const cJSON *console = cJSON_GetObjectItemCaseSensitive(argument, "console");

    w->monitor = m;
    w->console_is_virtio = cJSON_IsString(console) && strcmp(console->valuestring, "virtio") == 0;
    TRY(pci_add(&w->pci, &m->machine));
    virtio_init(&w->virtio, &w->pci, &backend, w, VMM_EVENT_DEVICES, VMM_EVENT_NIC_FIRST);
    TRY(add_cards(w, cJSON_GetObjectItemCaseSensitive(argument, "nics")));
    TRY(add_disks(w, cJSON_GetObjectItemCaseSensitive(argument, "disks")));
    TRY(virtio_rng_add(&w->virtio, &w->rng, "rng"));
    return virtio_console_add(&w->virtio, &w->console, "console", UINT64_C(1) << VMM_EVENT_CONSOLE);
}

static enum cl_status connect_card(struct wiring *w, unsigned index, const cJSON *card)
{
    struct monitor *m = w->monitor;
    uint64_t address, size;
    uint32_t peer;
    char name[16];

    (void)snprintf(name, sizeof(name), VMM_NET "%u", index);
    if (start_block_region(cl_start(), name, &address, &size) != CL_OK)
        return CL_OK; /* a card without a cable */
    if (start_block_slot(cl_start(), name, &peer) != CL_OK)
        peer = 0;
    TRY(channel_open(&w->cable[index], (void *)address, size, CHANNEL_SIDE_A));
    return virtio_net_connect(&w->nic[index], &m->tx, &w->cable[index], peer,
                              UINT64_C(1) << number_of(card, "peer_bit", 63));
}

enum cl_status wiring_connect(struct wiring *w, const cJSON *argument)
{
    struct monitor *m = w->monitor;
    const cJSON *card;
    unsigned index = 0;

    cJSON_ArrayForEach(card, cJSON_GetObjectItemCaseSensitive(argument, "nics")) TRY(connect_card(w, index++, card));
    if (w->console_is_virtio && m->stream.entries != 0)
        virtio_console_connect(&w->console, &m->tx, &m->stream, m->console_peer, m->console_bit);
    return CL_OK;
}

void wiring_statistics(const struct wiring *w, struct control_statistics *s)
{
    for (unsigned i = 0; i < w->nics && i < CONTROL_NICS_MAX; i++)
        s->nic[i] = (struct control_nic_statistics){ .received_frames = w->nic[i].received_frames,
                                                     .received_bytes = w->nic[i].received_bytes,
                                                     .sent_frames = w->nic[i].sent_frames,
                                                     .sent_bytes = w->nic[i].sent_bytes };
}
