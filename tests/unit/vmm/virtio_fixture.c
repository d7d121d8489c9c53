/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_fixture.c: see the header. */
#include "tests/unit/vmm/virtio_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "services/protocol/frame.h"

#define QUEUES_AT 0x10000u /* guest-physical; 2000h for each queue: two for each slot, the console's others behind */
#define QUEUE_BYTES 0x2000u
#define AVAIL_AT 0x1000u
#define USED_AT 0x1400u

/* ------------------------------------------------------------------------------------------- the outside, recorded */

static enum cl_status on_doorbell(void *context, uint16_t port, unsigned width, unsigned bit, bool add)
{
    struct fixture *x = context;

    for (unsigned i = 0; i < x->doorbells; i++)
        if (x->doorbell[i].port == port && x->doorbell[i].width == width) {
            if (x->doorbell[i].bit != bit)
                return CL_OCCUPIED;
            if (!add)
                x->doorbell[i] = x->doorbell[--x->doorbells];
            return CL_OK;
        }
    if (!add)
        return CL_OK;
    assert_true(x->doorbells < FIXTURE_DOORBELLS_MAX);
    x->doorbell[x->doorbells++] = (struct fixture_doorbell){ port, width, bit };
    return CL_OK;
}

static void on_kick(void *context, uint64_t bits)
{
    ((struct fixture *)context)->kicked |= bits;
}

static void on_notify(void *context, uint32_t slot, uint64_t bits)
{
    struct fixture *x = context;

    assert_true((slot == 11 && bits == 1) || (slot == 12 && bits == 2));
    x->notified++;
}

static void on_entropy(void *context, void *bytes, size_t length)
{
    (void)context;
    memset(bytes, 0xA5, length);
}

static const struct backend_ops backend = {
    .doorbell = on_doorbell, .kick = on_kick, .notify = on_notify, .entropy = on_entropy
};

/* The crash harness hands its own structure to host_ops; the fixture finds itself behind it. */
static struct fixture *current;

static void on_log(void *context, const char *text)
{
    (void)context;
    current->logged++;
    snprintf(current->last_log, sizeof(current->last_log), "%s", text);
}

/* ------------------------------------------------------------------------------------------- building and rebuilding */

static void build(struct fixture *x, struct capsule *capsule)
{
    static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
    struct guest_memory memory = { .low = x->fake->ram, .low_bytes = FIXTURE_RAM_BYTES };
    struct machine *m = &x->fake->machine;

    x->kicked = 0;
    x->doorbells = 0;
    machine_init(m, capsule, &memory, &x->host, x->fake);
    assert_int_equal(machine_add_standard(m), CL_OK);
    capsule_tx_init(&x->fake->tx, capsule, 0);
    assert_int_equal(pci_add(&x->pci, m), CL_OK);
    virtio_init(&x->virtio, &x->pci, &backend, x, FIXTURE_FIRST_BIT, FIXTURE_NET_BIT);
    assert_int_equal(virtio_net_add(&x->virtio, &x->net, "net0", mac, 1500, UINT64_C(1) << FIXTURE_NET_BIT), CL_OK);
    assert_int_equal(virtio_console_add(&x->virtio, &x->console, "console", UINT64_C(1) << FIXTURE_CONSOLE_BIT), CL_OK);
    assert_int_equal(virtio_block_add(&x->virtio, &x->block, "disk0", x->image, sizeof(x->image), "cloison-disk0"),
                     CL_OK);
    assert_int_equal(virtio_rng_add(&x->virtio, &x->rng, "rng"), CL_OK);
    assert_int_equal(x->net.virtio.function.slot, SLOT_NET);
    assert_int_equal(x->rng.virtio.function.slot, SLOT_RNG);
}

static void connect_channels(struct fixture *x)
{
    assert_int_equal(channel_open(&x->net_end, x->net_memory, x->net_bytes, CHANNEL_SIDE_A), CL_OK);
    assert_int_equal(channel_open(&x->console_end, x->console_memory, x->console_bytes, CHANNEL_SIDE_A), CL_OK);
    assert_int_equal(virtio_net_connect(&x->net, &x->fake->tx, &x->net_end, 11, 1), CL_OK);
    virtio_console_connect(&x->console, &x->fake->tx, &x->console_end, 12, 2);
}

static uint8_t *make_channel(uint64_t *bytes, uint32_t buffer)
{
    const uint32_t pools[2] = { FIXTURE_CHANNEL_ENTRIES * buffer, FIXTURE_CHANNEL_ENTRIES * buffer };
    uint8_t *memory;

    *bytes = channel_size_bytes(FIXTURE_CHANNEL_ENTRIES, pools);
    memory = aligned_alloc(4096, *bytes);
    assert_non_null(memory);
    memset(memory, 0, *bytes);
    assert_int_equal(channel_create(memory, *bytes, FIXTURE_CHANNEL_ENTRIES, pools), CL_OK);
    return memory;
}

struct fixture *fixture_create(void)
{
    struct fixture *x = calloc(1, sizeof(*x));
    struct capsule *capsule;

    assert_non_null(x);
    current = x;
    x->fake = fake_create();
    x->host = *x->fake->machine.host;
    x->host.log = on_log;
    for (unsigned i = 0; i < sizeof(x->image); i++)
        x->image[i] = (uint8_t)(i * 7 + i / 512);
    x->net_memory = make_channel(&x->net_bytes, FRAME_BUFFER_BYTES);
    x->console_memory = make_channel(&x->console_bytes, STREAM_MESSAGE_MAX);
    assert_int_equal(channel_open(&x->switch_end, x->net_memory, x->net_bytes, CHANNEL_SIDE_B), CL_OK);
    assert_int_equal(channel_open(&x->terminal_end, x->console_memory, x->console_bytes, CHANNEL_SIDE_B), CL_OK);
    memset(x->fake->capsule, 0, FAKE_CAPSULE_BYTES);
    assert_int_equal(capsule_create(x->fake->capsule, FAKE_CAPSULE_BYTES, 2, &capsule), CL_OK);
    build(x, capsule);
    machine_reset(&x->fake->machine, &x->fake->tx);
    connect_channels(x);
    x->fake->outside.messages = 0;
    return x;
}

void fixture_destroy(struct fixture *x)
{
    fake_destroy(x->fake);
    free(x->net_memory);
    free(x->console_memory);
    free(x);
    current = NULL;
}

void fixture_take_over(struct fixture *x)
{
    struct capsule *capsule;

    capsule_store_hook = NULL;
    assert_int_equal(capsule_attach(x->fake->capsule, FAKE_CAPSULE_BYTES, &capsule), CL_OK);
    capsule_recover(capsule);
    build(x, capsule);
    assert_false(x->fake->machine.fresh);
    machine_derive(&x->fake->machine, &x->fake->tx);
    connect_channels(x);
}

void fixture_run(struct fixture *x)
{
    /* 1000 rounds serve any queue here: more is a device that never ends */
    for (unsigned round = 0; x->kicked != 0; round++) {
        uint64_t bits = x->kicked;

        assert_true(round < 1000);
        x->kicked = 0;
        x->kicked |= virtio_service(&x->virtio, &x->fake->tx, bits);
        assert_int_equal(x->fake->tx.count, 0);
    }
}

/* ----------------------------------------------------------------------------------------------------------- crashes */

struct fixture_world *fixture_save(const struct fixture *x)
{
    struct fixture_world *w = malloc(sizeof(*w));

    assert_non_null(w);
    w->capsule = malloc(FAKE_CAPSULE_BYTES);
    w->memory = malloc(FIXTURE_RAM_BYTES);
    w->net = malloc(x->net_bytes);
    w->console = malloc(x->console_bytes);
    memcpy(w->capsule, x->fake->capsule, FAKE_CAPSULE_BYTES);
    memcpy(w->memory, x->fake->ram, FIXTURE_RAM_BYTES);
    memcpy(w->net, x->net_memory, x->net_bytes);
    memcpy(w->console, x->console_memory, x->console_bytes);
    w->outside = x->fake->outside;
    w->sequence = x->fake->sequence;
    memcpy(w->driver, x->driver, sizeof(w->driver));
    return w;
}

void fixture_restore(struct fixture *x, const struct fixture_world *w)
{
    memcpy(x->fake->capsule, w->capsule, FAKE_CAPSULE_BYTES);
    memcpy(x->fake->ram, w->memory, FIXTURE_RAM_BYTES);
    memcpy(x->net_memory, w->net, x->net_bytes);
    memcpy(x->console_memory, w->console, x->console_bytes);
    x->fake->outside = w->outside;
    x->fake->sequence = w->sequence;
    memcpy(x->driver, w->driver, sizeof(w->driver));
    fixture_take_over(x);
}

static void drop(struct fixture_world *w)
{
    free(w->capsule);
    free(w->memory);
    free(w->net);
    free(w->console);
    free(w);
}

static bool has_message(const struct fake_outside *o, const struct fake_message *m)
{
    for (unsigned i = 0; i < o->messages; i++)
        if (o->message[i].address == m->address && o->message[i].data == m->data)
            return true;
    return false;
}

static void assert_same_world(const struct fixture *x, const struct fixture_world *w)
{
    const struct capsule *c = (const struct capsule *)w->capsule;
    const struct fake_outside *o = &x->fake->outside;

    for (unsigned i = 0; i < c->sections; i++)
        if (memcmp(x->fake->capsule + c->section[i].offset, w->capsule + c->section[i].offset, c->section[i].size) != 0)
            fail_msg("section %s differs after a crash", c->section[i].name);
    assert_memory_equal(x->fake->ram, w->memory, FIXTURE_RAM_BYTES);
    assert_memory_equal(x->net_memory, w->net, x->net_bytes);
    assert_memory_equal(x->console_memory, w->console, x->console_bytes);
    for (unsigned i = 0; i < o->messages; i++)
        assert_true(has_message(&w->outside, &o->message[i]));
    for (unsigned i = 0; i < w->outside.messages; i++)
        assert_true(has_message(o, &w->outside.message[i]));
}

static jmp_buf crash_point;
static unsigned stores_left;

static void crash_on_store(void)
{
    if (stores_left-- == 0)
        longjmp(crash_point, 1);
}

static void whole(struct fixture *x, fixture_step *step, void *argument)
{
    step(x, argument);
    fixture_run(x);
}

/* The step up to store number `store`. False: it has fewer. */
static bool run_until(struct fixture *x, unsigned store, fixture_step *step, void *argument)
{
    stores_left = store;
    if (setjmp(crash_point) != 0)
        return true;
    capsule_store_hook = crash_on_store;
    whole(x, step, argument);
    capsule_store_hook = NULL;
    return false;
}

void fixture_crash(struct fixture *x, fixture_step *step, void *argument)
{
    struct fixture_world *before, *after;

    fixture_run(x);
    x->fake->outside.messages = 0;
    before = fixture_save(x);
    fixture_restore(x, before);
    whole(x, step, argument);
    after = fixture_save(x);
    for (unsigned store = 0;; store++) {
        bool crashed;

        fixture_restore(x, before);
        crashed = run_until(x, store, step, argument);
        if (!crashed)
            break;
        /* The kernel hands the pending exit to the new VMM; earlier ones of this step were completed. What the driver
         * itself wrote and remembers stays. */
        fixture_take_over(x);
        x->fake->sequence = before->sequence;
        memcpy(x->driver, before->driver, sizeof(x->driver));
        whole(x, step, argument);
        assert_same_world(x, after);
    }
    fixture_restore(x, after);
    x->fake->outside.messages = 0;
    drop(before);
    drop(after);
}

/* ----------------------------------------------------------------------------------------------------- guest accesses */

struct access {
    bool write, memory;
    uint64_t address, value;
    unsigned size;
};

/* A doorbell goes to the kernel, anything else to the VMM. */
static void do_access(struct fixture *x, void *argument)
{
    struct access *a = argument;
    struct bus *bus = &x->fake->machine.bus;

    for (unsigned i = 0; a->write && !a->memory && i < x->doorbells; i++)
        if (x->doorbell[i].port == a->address && x->doorbell[i].width == a->size) {
            x->kicked |= UINT64_C(1) << x->doorbell[i].bit;
            return;
        }
    capsule_exit_begin(&x->fake->tx, ++x->fake->sequence);
    if (a->memory && a->write)
        bus_memory_write(bus, &x->fake->tx, a->address, a->size, a->value);
    else if (a->memory)
        a->value = bus_memory_read(bus, &x->fake->tx, a->address, a->size);
    else if (a->write)
        bus_io_write(bus, &x->fake->tx, (uint16_t)a->address, a->size, (uint32_t)a->value);
    else
        a->value = bus_io_read(bus, &x->fake->tx, (uint16_t)a->address, a->size);
}

static uint64_t guest_access(struct fixture *x, struct access a)
{
    if (x->crash_exits)
        fixture_crash(x, do_access, &a);
    else
        do_access(x, &a);
    return a.value;
}

uint32_t guest_in(struct fixture *x, uint16_t port, unsigned size)
{
    return (uint32_t)guest_access(x, (struct access){ .address = port, .size = size });
}

void guest_out(struct fixture *x, uint16_t port, unsigned size, uint32_t value)
{
    (void)guest_access(x, (struct access){ .write = true, .address = port, .size = size, .value = value });
}

uint64_t guest_read(struct fixture *x, uint64_t address, unsigned size)
{
    return guest_access(x, (struct access){ .memory = true, .address = address, .size = size });
}

void guest_write(struct fixture *x, uint64_t address, unsigned size, uint64_t value)
{
    (void)guest_access(x, (struct access){ true, true, address, value, size });
}

uint32_t guest_config_read(struct fixture *x, unsigned slot, unsigned offset, unsigned size)
{
    guest_out(x, PCI_PORT_ADDRESS, 4, 1u << 31 | slot << 11 | (offset & 0xFC));
    return guest_in(x, (uint16_t)(PCI_PORT_DATA + offset % 4), size);
}

void guest_config_write(struct fixture *x, unsigned slot, unsigned offset, unsigned size, uint32_t value)
{
    guest_out(x, PCI_PORT_ADDRESS, 4, 1u << 31 | slot << 11 | (offset & 0xFC));
    guest_out(x, (uint16_t)(PCI_PORT_DATA + offset % 4), size, value);
}

uint32_t guest_ecam_read(struct fixture *x, unsigned slot, unsigned offset, unsigned size)
{
    return (uint32_t)guest_read(x, PLATFORM_ECAM + (slot << 15) + offset, size);
}

void guest_ecam_write(struct fixture *x, unsigned slot, unsigned offset, unsigned size, uint32_t value)
{
    guest_write(x, PLATFORM_ECAM + (slot << 15) + offset, size, value);
}

/* ---------------------------------------------------------------------------------------------------------- the driver */

static uint64_t bar_address(struct fixture *x, unsigned slot, unsigned bar)
{
    return guest_ecam_read(x, slot, PCI_BAR0 + bar * 4, 4) & ~15u;
}

/* §4.1.4: walk the vendor capabilities. */
static void find_structures(struct fixture *x, struct driver *d, uint16_t *notify, uint32_t *multiplier)
{
    unsigned at = guest_ecam_read(x, d->slot, PCI_CAPABILITIES, 1), hops = 0;

    while (at != 0 && hops++ < 20) {
        uint32_t head = guest_ecam_read(x, d->slot, at, 4);
        unsigned bar = guest_ecam_read(x, d->slot, at + 4, 1);
        uint64_t structure = bar_address(x, d->slot, bar) + guest_ecam_read(x, d->slot, at + 8, 4);

        if ((head & 0xFF) == PCI_CAP_MSIX) {
            uint32_t table = guest_ecam_read(x, d->slot, at + 4, 4);

            d->msix_table = bar_address(x, d->slot, table & 7) + (table & ~7u);
            guest_ecam_write(x, d->slot, at + 2, 2, 0x8000);
        } else if ((head & 0xFF) == PCI_CAP_VENDOR) {
            switch (head >> 24) {
            case VIRTIO_PCI_CAP_COMMON_CFG:
                d->common = structure;
                break;
            case VIRTIO_PCI_CAP_NOTIFY_CFG:
                *notify = (uint16_t)structure;
                *multiplier = guest_ecam_read(x, d->slot, at + 16, 4);
                break;
            case VIRTIO_PCI_CAP_ISR_CFG:
                d->isr = structure;
                break;
            case VIRTIO_PCI_CAP_DEVICE_CFG:
                d->config = structure;
                break;
            default:
                break;
            }
        }
        at = head >> 8 & 0xFF;
    }
}

static void set_vector(struct fixture *x, const struct driver *d, unsigned vector, uint32_t data)
{
    uint64_t entry = d->msix_table + (uint64_t)vector * 16;

    guest_write(x, entry, 4, 0xFEE00000);
    guest_write(x, entry + 4, 4, 0);
    guest_write(x, entry + 8, 4, data);
    guest_write(x, entry + 12, 4, 0);
}

static void start_queue(struct fixture *x, struct driver *d, unsigned index, uint16_t size, uint16_t notify,
                        uint32_t multiplier)
{
    struct driver_queue *q = &d->queue[index];
    uint64_t at = QUEUES_AT + (index < 2 ? d->slot * 2 + index : SLOT_COUNT * 2 + index - 2) * QUEUE_BYTES;

    *q = (struct driver_queue){ .slot = d->slot, .index = index, .size = size };
    q->desc = at;
    q->avail = at + AVAIL_AT;
    q->used = at + USED_AT;
    memset(ram(x, at), 0, QUEUE_BYTES);
    guest_write(x, d->common + VIRTIO_COMMON_QUEUE_SELECT, 2, index);
    assert_true(guest_read(x, d->common + VIRTIO_COMMON_QUEUE_SIZE, 2) >= size);
    guest_write(x, d->common + VIRTIO_COMMON_QUEUE_SIZE, 2, size);
    guest_write(x, d->common + VIRTIO_COMMON_QUEUE_VECTOR, 2, index);
    assert_int_equal(guest_read(x, d->common + VIRTIO_COMMON_QUEUE_VECTOR, 2), index);
    guest_write(x, d->common + VIRTIO_COMMON_QUEUE_DESC, 8, q->desc);
    guest_write(x, d->common + VIRTIO_COMMON_QUEUE_DRIVER, 8, q->avail);
    guest_write(x, d->common + VIRTIO_COMMON_QUEUE_DEVICE, 4, q->used);
    guest_write(x, d->common + VIRTIO_COMMON_QUEUE_DEVICE + 4, 4, 0);
    assert_int_equal(guest_read(x, d->common + VIRTIO_COMMON_QUEUE_DESC, 8), q->desc);
    q->port = (uint16_t)(notify + guest_read(x, d->common + VIRTIO_COMMON_QUEUE_NOTIFY_OFF, 2) * multiplier);
    set_vector(x, d, index, 0x40 + d->slot * 8 + index);
    guest_write(x, d->common + VIRTIO_COMMON_QUEUE_ENABLE, 2, 1);
    assert_int_equal(guest_read(x, d->common + VIRTIO_COMMON_QUEUE_ENABLE, 2), 1);
}

static uint64_t offered_features(struct fixture *x, const struct driver *d)
{
    uint64_t offered;

    guest_write(x, d->common + VIRTIO_COMMON_DEVICE_FEATURE_SELECT, 4, 1);
    offered = guest_read(x, d->common + VIRTIO_COMMON_DEVICE_FEATURE, 4) << 32;
    guest_write(x, d->common + VIRTIO_COMMON_DEVICE_FEATURE_SELECT, 4, 0);
    return offered | guest_read(x, d->common + VIRTIO_COMMON_DEVICE_FEATURE, 4);
}

void driver_start(struct fixture *x, unsigned slot, uint64_t features, uint16_t queue_size)
{
    struct driver *d = &x->driver[slot];
    uint32_t multiplier = 0;
    uint16_t notify = 0;
    unsigned queues;

    memset(d, 0, sizeof(*d));
    d->slot = slot;
    guest_config_write(x, slot, PCI_COMMAND, 2,
                       PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
    find_structures(x, d, &notify, &multiplier);
    assert_int_not_equal(d->common, 0);
    assert_int_not_equal(notify, 0);
    guest_write(x, d->common + VIRTIO_COMMON_STATUS, 1, 0);
    assert_int_equal(guest_read(x, d->common + VIRTIO_COMMON_STATUS, 1), 0);
    guest_write(x, d->common + VIRTIO_COMMON_STATUS, 1, VIRTIO_STATUS_ACKNOWLEDGE);
    guest_write(x, d->common + VIRTIO_COMMON_STATUS, 1, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
    d->features = offered_features(x, d) & (features | VIRTIO_F_VERSION_1);
    guest_write(x, d->common + VIRTIO_COMMON_DRIVER_FEATURE_SELECT, 4, 0);
    guest_write(x, d->common + VIRTIO_COMMON_DRIVER_FEATURE, 4, d->features & 0xFFFFFFFF);
    guest_write(x, d->common + VIRTIO_COMMON_DRIVER_FEATURE_SELECT, 4, 1);
    guest_write(x, d->common + VIRTIO_COMMON_DRIVER_FEATURE, 4, d->features >> 32);
    guest_write(x, d->common + VIRTIO_COMMON_STATUS, 1,
                VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK);
    assert_true(driver_status(x, slot) & VIRTIO_STATUS_FEATURES_OK);
    queues = (unsigned)guest_read(x, d->common + VIRTIO_COMMON_NUM_QUEUES, 2);
    assert_in_range(queues, 1, d->slot == SLOT_CONSOLE ? 4 : 2);
    for (unsigned i = 0; i < queues; i++)
        start_queue(x, d, i, queue_size, notify, multiplier);
    set_vector(x, d, queues, 0x47 + slot * 8);
    guest_write(x, d->common + VIRTIO_COMMON_CONFIG_VECTOR, 2, queues);
    guest_write(x, d->common + VIRTIO_COMMON_STATUS, 1,
                VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK);
    assert_int_equal(driver_status(x, slot), VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER |
                                                 VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK);
}

uint8_t driver_status(struct fixture *x, unsigned slot)
{
    return (uint8_t)guest_read(x, x->driver[slot].common + VIRTIO_COMMON_STATUS, 1);
}

uint16_t driver_add(struct fixture *x, struct driver_queue *q, const struct driver_segment *segment, unsigned count)
{
    struct virtq_desc *table = (struct virtq_desc *)(void *)ram(x, q->desc);
    uint16_t *avail = (uint16_t *)(void *)ram(x, q->avail);
    uint16_t head = q->next_desc;

    for (unsigned i = 0; i < count; i++) {
        uint16_t next = (uint16_t)((q->next_desc + 1) % q->size);

        table[q->next_desc] = (struct virtq_desc){
            .address = segment[i].address,
            .length = segment[i].length,
            .flags =
                (uint16_t)((segment[i].writable ? VIRTQ_DESC_F_WRITE : 0) | (i + 1 < count ? VIRTQ_DESC_F_NEXT : 0)),
            .next = next,
        };
        q->next_desc = next;
    }
    avail[2 + q->added % q->size] = head;
    avail[1] = ++q->added;
    return head;
}

void driver_ring(struct fixture *x, struct driver_queue *q)
{
    guest_out(x, q->port, 2, q->index);
}

void driver_kick(struct fixture *x, struct driver_queue *q)
{
    const uint16_t *avail_event = (const uint16_t *)(const void *)ram(x, q->used + 4 + 8u * q->size);

    /* §2.7.10 with one chain added since the last kick */
    if (!(x->driver[q->slot].features & VIRTIO_F_EVENT_IDX) || *avail_event == (uint16_t)(q->added - 1))
        driver_ring(x, q);
}

bool driver_done(struct fixture *x, struct driver_queue *q, struct virtq_used_elem *element)
{
    const uint16_t *used = (const uint16_t *)(const void *)ram(x, q->used);
    uint16_t *used_event = (uint16_t *)(void *)ram(x, q->avail + 4 + 2u * q->size);

    if (used[1] == q->seen)
        return false;
    memcpy(element, ram(x, q->used + 4 + 8u * (q->seen % q->size)), sizeof(*element));
    *used_event = ++q->seen;
    return true;
}
