/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: tests/unit/vmm/crash_harness.c tests/unit/vmm/virtio_fixture.c lib/channel.c vmm/capsule.c vmm/bus.c
 * vmm/machine.c vmm/irq.c vmm/pic8259.c vmm/ioapic.c vmm/uart16550.c vmm/pit8254.c vmm/rtc.c vmm/pm.c vmm/i8042.c
 * vmm/pvpanic.c vmm/debug_exit.c vmm/delay_ports.c vmm/pci.c vmm/pci_function.c vmm/pci_msix.c vmm/virtio.c
 * vmm/virtio_pci.c vmm/virtio_channel.c vmm/virtio_net.c vmm/virtio_console.c vmm/virtio_block.c vmm/virtio_rng.c
 * vmm/virtqueue.c */
/* test_pci.c: configuration space by both mechanisms, BARs, MSI-X, INTx, and guests that write nonsense. */
#include "tests/unit/vmm/virtio_fixture.h"
#include "vmm/irq.h"

#define NET_BAR0 (PCI_BAR0)
#define NET_BAR1 (PCI_BAR0 + 4)

static int setup(void **context)
{
    *context = fixture_create();
    return 0;
}

static int teardown(void **context)
{
    fixture_destroy(*context);
    return 0;
}

static void both_mechanisms_find_the_functions(void **context)
{
    struct fixture *x = *context;
    const uint32_t id[SLOT_COUNT] = { 0x00081B36, 0x10411AF4, 0x10431AF4, 0x10421AF4, 0x10441AF4 };

    for (unsigned slot = 0; slot < SLOT_COUNT; slot++) {
        assert_int_equal(guest_config_read(x, slot, 0, 4), id[slot]);
        assert_int_equal(guest_ecam_read(x, slot, 0, 4), id[slot]);
        assert_int_equal(guest_config_read(x, slot, 2, 2), id[slot] >> 16);
        assert_int_equal(guest_config_read(x, slot, 1, 1), id[slot] >> 8 & 0xFF);
        assert_int_equal(guest_ecam_read(x, slot, 3, 1), id[slot] >> 24);
    }
    assert_int_equal(guest_config_read(x, SLOT_BRIDGE, 8, 4), 0x06000000);
    assert_int_equal(guest_config_read(x, SLOT_NET, 0x0A, 2), 0x0200);
}

static void absent_functions_read_all_ones(void **context)
{
    struct fixture *x = *context;

    assert_int_equal(guest_config_read(x, SLOT_COUNT, 0, 4), 0xFFFFFFFF);
    assert_int_equal(guest_config_read(x, 31, 0, 2), 0xFFFF);
    guest_out(x, PCI_PORT_ADDRESS, 4, 0x80000000 | SLOT_NET << 11 | 1 << 8); /* function 1 */
    assert_int_equal(guest_in(x, PCI_PORT_DATA, 4), 0xFFFFFFFF);
    guest_out(x, PCI_PORT_ADDRESS, 4, 0x80000000 | 1 << 16); /* bus 1 */
    assert_int_equal(guest_in(x, PCI_PORT_DATA, 4), 0xFFFFFFFF);
    guest_out(x, PCI_PORT_ADDRESS, 4, SLOT_NET << 11); /* not enabled */
    assert_int_equal(guest_in(x, PCI_PORT_DATA, 4), 0xFFFFFFFF);
    assert_int_equal(guest_ecam_read(x, SLOT_NET, 0x100, 4), 0xFFFFFFFF);
    assert_int_equal(guest_read(x, PLATFORM_ECAM + PLATFORM_ECAM_SIZE - 4, 4), 0xFFFFFFFF);
}

/* What Linux does to find mechanism #1. */
static void address_register_takes_whole_words_only(void **context)
{
    struct fixture *x = *context;

    guest_out(x, PCI_PORT_ADDRESS + 3, 1, 1);
    guest_out(x, PCI_PORT_ADDRESS, 4, 0x80000000);
    assert_int_equal(guest_in(x, PCI_PORT_ADDRESS, 4), 0x80000000);
    guest_out(x, PCI_PORT_ADDRESS, 1, 0x44);
    guest_out(x, PCI_PORT_ADDRESS, 2, 0x4444);
    assert_int_equal(guest_in(x, PCI_PORT_ADDRESS, 4), 0x80000000);
}

static void bars_tell_their_size_and_keep_their_kind(void **context)
{
    struct fixture *x = *context;

    guest_ecam_write(x, SLOT_NET, NET_BAR0, 4, 0xFFFFFFFF);
    assert_int_equal(guest_ecam_read(x, SLOT_NET, NET_BAR0, 4), (0xFFFFFFFF & ~(VIRTIO_PCI_NOTIFY_BYTES - 1)) | 1);
    guest_ecam_write(x, SLOT_NET, NET_BAR1, 4, 0xFFFFFFFF);
    assert_int_equal(guest_ecam_read(x, SLOT_NET, NET_BAR1, 4), 0xFFFFC000);
    guest_ecam_write(x, SLOT_NET, PCI_BAR0 + 8, 4, 0xFFFFFFFF);
    assert_int_equal(guest_ecam_read(x, SLOT_NET, PCI_BAR0 + 8, 4), 0);
    guest_ecam_write(x, SLOT_NET, 0x30, 4, 0xFFFFFFFF); /* no expansion ROM */
    assert_int_equal(guest_ecam_read(x, SLOT_NET, 0x30, 4), 0);
}

static void wide_bar_has_two_registers(void **context)
{
    struct fixture *x = *context;
    const struct pci_identity identity = { .bar = { [2] = { PCI_BAR_MEMORY64, 0x10000 } } };
    static struct pci_function f;
    uint64_t at;

    /* never plugged in: only its registers are asked, over the state of another function */
    pci_function_init(&f, x->rng.virtio.device, &identity);
    pci_function_reset(&f, &x->fake->tx);
    assert_false(pci_bar_address(&f, 2, &at));
    pci_config_write(&f, &x->fake->tx, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    pci_config_write(&f, &x->fake->tx, PCI_BAR0 + 8, 4, 0xFFFFFFFF);
    pci_config_write(&f, &x->fake->tx, PCI_BAR0 + 12, 4, 0xFFFFFFFF);
    assert_int_equal(pci_config_read(&f, &x->fake->tx, PCI_BAR0 + 8, 4), 0xFFFF0004);
    assert_int_equal(pci_config_read(&f, &x->fake->tx, PCI_BAR0 + 12, 4), 0xFFFFFFFF);
    assert_false(pci_bar_address(&f, 2, &at));
    pci_config_write(&f, &x->fake->tx, PCI_BAR0 + 12, 4, 0);
    pci_config_write(&f, &x->fake->tx, PCI_BAR0 + 8, 4, 0xD0000000);
    assert_true(pci_bar_address(&f, 2, &at));
    assert_int_equal(at, 0xD0000000);
    capsule_commit_quietly(&x->fake->tx);
}

static void read_only_registers_stay(void **context)
{
    struct fixture *x = *context;
    uint32_t before[PCI_CONFIG_WORDS];

    for (unsigned i = 0; i < PCI_CONFIG_WORDS; i++)
        before[i] = guest_ecam_read(x, SLOT_BRIDGE, i * 4, 4);
    for (unsigned i = 0; i < PCI_CONFIG_WORDS; i++)
        guest_ecam_write(x, SLOT_BRIDGE, i * 4, 4, ~before[i]);
    for (unsigned i = 0; i < PCI_CONFIG_WORDS; i++)
        if (i != 3) /* cache line size */
            assert_int_equal(guest_ecam_read(x, SLOT_BRIDGE, i * 4, 4), before[i]);
    guest_ecam_write(x, SLOT_NET, 0, 4, 0);
    assert_int_equal(guest_ecam_read(x, SLOT_NET, 0, 4), 0x10411AF4);
}

static void firmware_has_placed_bars_apart_and_inside_of_the_windows(void **context)
{
    struct fixture *x = *context;
    uint64_t io_end = PLATFORM_PCI_IO, memory_end = PLATFORM_PCI_MMIO;

    for (unsigned slot = SLOT_NET; slot < SLOT_COUNT; slot++) {
        uint64_t io = guest_ecam_read(x, slot, NET_BAR0, 4) & ~3u, memory = guest_ecam_read(x, slot, NET_BAR1, 4);

        assert_true(io >= io_end && memory >= memory_end);
        io_end = io + VIRTIO_PCI_NOTIFY_BYTES;
        memory_end = memory + VIRTIO_PCI_REGISTER_BYTES;
    }
    assert_true(io_end <= PLATFORM_PCI_IO + PLATFORM_PCI_IO_SIZE);
    assert_true(memory_end <= PLATFORM_PCI_MMIO + PLATFORM_PCI_MMIO_SIZE);
}

static void bar_answers_only_when_decoding_and_follows_its_register(void **context)
{
    struct fixture *x = *context;
    uint64_t old = guest_ecam_read(x, SLOT_NET, NET_BAR1, 4), new = PLATFORM_PCI_MMIO + 0x1000000;

    assert_int_equal(guest_read(x, old + VIRTIO_COMMON_NUM_QUEUES, 2), 0xFFFF);
    guest_ecam_write(x, SLOT_NET, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    assert_int_equal(guest_read(x, old + VIRTIO_COMMON_NUM_QUEUES, 2), 2);
    guest_ecam_write(x, SLOT_NET, NET_BAR1, 4, (uint32_t) new);
    assert_int_equal(guest_read(x, old + VIRTIO_COMMON_NUM_QUEUES, 2), 0xFFFF);
    assert_int_equal(guest_read(x, new + VIRTIO_COMMON_NUM_QUEUES, 2), 2);
    guest_ecam_write(x, SLOT_NET, NET_BAR1, 4, 0x1000); /* over RAM: answers nowhere */
    assert_int_equal(guest_read(x, new + VIRTIO_COMMON_NUM_QUEUES, 2), 0xFFFF);
    assert_int_equal(guest_read(x, 0x1000 + VIRTIO_COMMON_NUM_QUEUES, 2), 0xFFFF);
    guest_ecam_write(x, SLOT_NET, NET_BAR1, 4, (uint32_t)PLATFORM_ECAM - 0x4000);
    assert_int_equal(guest_read(x, PLATFORM_ECAM - 0x4000 + VIRTIO_COMMON_NUM_QUEUES, 2), 2);
    guest_ecam_write(x, SLOT_NET, NET_BAR1, 4, (uint32_t)PLATFORM_ECAM);
    assert_int_equal(guest_read(x, PLATFORM_ECAM, 4), 0x00081B36); /* still configuration space */
}

static void lower_slot_answers_where_bars_overlap(void **context)
{
    struct fixture *x = *context;
    uint64_t net = guest_ecam_read(x, SLOT_NET, NET_BAR1, 4);

    guest_ecam_write(x, SLOT_RNG, NET_BAR1, 4, (uint32_t)net);
    guest_ecam_write(x, SLOT_RNG, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    assert_int_equal(guest_read(x, net + VIRTIO_COMMON_NUM_QUEUES, 2), 1);
    guest_ecam_write(x, SLOT_NET, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    assert_int_equal(guest_read(x, net + VIRTIO_COMMON_NUM_QUEUES, 2), 2);
}

static const struct fixture_doorbell *doorbell_at(const struct fixture *x, uint64_t port)
{
    for (unsigned i = 0; i < x->doorbells; i++)
        if (x->doorbell[i].port == port)
            return &x->doorbell[i];
    return NULL;
}

static void doorbells_follow_the_bar(void **context)
{
    struct fixture *x = *context;
    uint16_t old = (uint16_t)(guest_ecam_read(x, SLOT_NET, NET_BAR0, 4) & ~3u);

    assert_int_equal(x->doorbells, 0);
    guest_ecam_write(x, SLOT_NET, PCI_COMMAND, 2, PCI_COMMAND_IO);
    assert_int_equal(x->doorbells, 2);
    assert_non_null(doorbell_at(x, old));
    assert_int_equal(doorbell_at(x, old + VIRTIO_PCI_NOTIFY_MULTIPLIER)->width, 2);
    assert_int_not_equal(doorbell_at(x, old)->bit, doorbell_at(x, old + VIRTIO_PCI_NOTIFY_MULTIPLIER)->bit);
    guest_ecam_write(x, SLOT_NET, NET_BAR0, 4, 0xE000);
    assert_int_equal(x->doorbells, 2);
    assert_null(doorbell_at(x, old));
    assert_non_null(doorbell_at(x, 0xE000));
    guest_ecam_write(x, SLOT_NET, NET_BAR0, 4, 0x3F8); /* COM1 is not for sale */
    assert_int_equal(x->doorbells, 0);
    guest_ecam_write(x, SLOT_NET, NET_BAR0, 4, 0xFFFFE000);
    assert_int_equal(x->doorbells, 0);
    guest_ecam_write(x, SLOT_NET, NET_BAR0, 4, 0xE000);
    assert_int_equal(x->doorbells, 2);
    guest_ecam_write(x, SLOT_NET, PCI_COMMAND, 2, 0);
    assert_int_equal(x->doorbells, 0);
}

static void doorbell_that_was_taken_comes_when_it_is_free(void **context)
{
    struct fixture *x = *context;
    uint64_t net = guest_ecam_read(x, SLOT_NET, NET_BAR0, 4) & ~3u;

    guest_ecam_write(x, SLOT_NET, PCI_COMMAND, 2, PCI_COMMAND_IO);
    guest_ecam_write(x, SLOT_RNG, NET_BAR0, 4, (uint32_t)net);
    guest_ecam_write(x, SLOT_RNG, PCI_COMMAND, 2, PCI_COMMAND_IO);
    assert_int_equal(doorbell_at(x, net)->bit, x->net.virtio.first_bit);
    guest_ecam_write(x, SLOT_NET, PCI_COMMAND, 2, 0);
    guest_ecam_write(x, SLOT_RNG, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MASTER);
    assert_int_equal(doorbell_at(x, net)->bit, x->rng.virtio.first_bit);
}

static void window_capability_reaches_the_bars(void **context)
{
    struct fixture *x = *context;
    unsigned at = guest_config_read(x, SLOT_NET, PCI_CAPABILITIES, 1);

    while (guest_config_read(x, SLOT_NET, at, 1) != PCI_CAP_VENDOR ||
           guest_config_read(x, SLOT_NET, at + 3, 1) != VIRTIO_PCI_CAP_PCI_CFG) {
        at = guest_config_read(x, SLOT_NET, at + 1, 1);
        assert_int_not_equal(at, 0);
    }
    guest_config_write(x, SLOT_NET, at + 4, 1, VIRTIO_PCI_REGISTER_BAR);
    guest_config_write(x, SLOT_NET, at + 8, 4, VIRTIO_COMMON_NUM_QUEUES);
    guest_config_write(x, SLOT_NET, at + 12, 4, 2);
    assert_int_equal(guest_config_read(x, SLOT_NET, at + 16, 2), 2);
    assert_int_equal(guest_config_read(x, SLOT_NET, at + 16, 4), 2);
    guest_config_write(x, SLOT_NET, at + 8, 4, VIRTIO_COMMON_STATUS);
    guest_config_write(x, SLOT_NET, at + 12, 4, 1);
    guest_config_write(x, SLOT_NET, at + 16, 1, VIRTIO_STATUS_ACKNOWLEDGE);
    assert_int_equal(guest_config_read(x, SLOT_NET, at + 16, 1), VIRTIO_STATUS_ACKNOWLEDGE);
    /* §4.1.4.9.1: what it cannot reach */
    guest_config_write(x, SLOT_NET, at + 12, 4, 3);
    assert_int_equal(guest_config_read(x, SLOT_NET, at + 16, 1), 0xFF);
    guest_config_write(x, SLOT_NET, at + 12, 4, 4);
    guest_config_write(x, SLOT_NET, at + 8, 4, 0xFFFFFFFC);
    assert_int_equal(guest_config_read(x, SLOT_NET, at + 16, 4), 0xFFFFFFFF);
    guest_config_write(x, SLOT_NET, at + 4, 1, 5);
    assert_int_equal(guest_config_read(x, SLOT_NET, at + 16, 4), 0xFFFFFFFF);
    guest_config_write(x, SLOT_NET, at + 4, 1, 0xFF);
    assert_int_equal(guest_config_read(x, SLOT_NET, at + 16, 4), 0xFFFFFFFF);
}

/* One request to the entropy source, which answers with vector 0. */
static void ask_rng(struct fixture *x)
{
    struct driver_queue *q = &x->driver[SLOT_RNG].queue[0];

    driver_add(x, q, &(struct driver_segment){ 0x8000, 16, true }, 1);
    driver_ring(x, q);
    fixture_run(x);
}

static void masked_vectors_are_pending_until_unmasked(void **context)
{
    struct fixture *x = *context;
    struct driver *d = &x->driver[SLOT_RNG];
    struct fake_outside *o = &x->fake->outside;
    uint64_t pba;

    driver_start(x, SLOT_RNG, 0, 8);
    pba = d->msix_table + VIRTIO_PCI_MSIX_PBA - VIRTIO_PCI_MSIX_TABLE;
    ask_rng(x);
    assert_int_equal(o->messages, 1);
    assert_int_equal(o->message[0].address, 0xFEE00000);
    assert_int_equal(o->message[0].data, 0x40 + SLOT_RNG * 8);
    assert_int_equal(guest_read(x, pba, 4), 0);

    guest_write(x, d->msix_table + 12, 4, 1);
    ask_rng(x);
    assert_int_equal(o->messages, 1);
    assert_int_equal(guest_read(x, pba, 4), 1);
    guest_write(x, d->msix_table + 8, 4, 0x99); /* retargeted while masked */
    guest_write(x, d->msix_table + 12, 4, 0);
    assert_int_equal(o->messages, 2);
    assert_int_equal(o->message[1].data, 0x99);
    assert_int_equal(guest_read(x, pba, 4), 0);

    guest_ecam_write(x, SLOT_RNG, x->rng.virtio.function.msix_capability + 2, 2, 0xC000); /* all of them */
    ask_rng(x);
    assert_int_equal(o->messages, 2);
    guest_ecam_write(x, SLOT_RNG, x->rng.virtio.function.msix_capability + 2, 2, 0x8000);
    assert_int_equal(o->messages, 3);
    assert_int_equal(guest_read(x, d->msix_table, 8), 0xFEE00000);
    assert_int_equal(guest_read(x, d->msix_table + 8, 4), 0x99);
}

static void without_msix_the_pin_is_held_until_isr_is_read(void **context)
{
    struct fixture *x = *context;
    struct driver *d = &x->driver[SLOT_RNG];
    struct fake_outside *o = &x->fake->outside;
    unsigned pin = PCI_INTX_GSI(SLOT_RNG);

    driver_start(x, SLOT_RNG, 0, 8);
    guest_ecam_write(x, SLOT_RNG, x->rng.virtio.function.msix_capability + 2, 2, 0);
    guest_ecam_write(x, SLOT_RNG, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    guest_write(x, PLATFORM_IOAPIC, 4, 0x10 + pin * 2);
    guest_write(x, PLATFORM_IOAPIC + 0x10, 4, 1u << 15 | 0x55);
    ask_rng(x);
    assert_int_equal(o->messages, 1);
    assert_int_equal(o->message[0].data & 0xFF, 0x55);
    assert_true(guest_ecam_read(x, SLOT_RNG, PCI_COMMAND, 4) & PCI_STATUS_INTERRUPT);
    guest_write(x, PLATFORM_IOAPIC + 0x40, 4, 0x55); /* EOI: the line is still high */
    assert_int_equal(o->messages, 2);
    assert_int_equal(guest_read(x, d->isr, 1), VIRTIO_ISR_QUEUE);
    assert_int_equal(guest_read(x, d->isr, 1), 0);
    assert_false(guest_ecam_read(x, SLOT_RNG, PCI_COMMAND, 4) & PCI_STATUS_INTERRUPT);
    guest_write(x, PLATFORM_IOAPIC + 0x40, 4, 0x55);
    assert_int_equal(o->messages, 2);
    guest_ecam_write(x, SLOT_RNG, PCI_COMMAND, 2,
                     PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
    ask_rng(x);
    assert_int_equal(o->messages, 2);
}

static void every_configuration_write_survives_a_crash(void **context)
{
    struct fixture *x = *context;

    x->crash_exits = true;
    guest_config_write(x, SLOT_NET, PCI_COMMAND, 2, 7);
    guest_config_write(x, SLOT_NET, NET_BAR0, 4, 0xE000);
    guest_config_write(x, SLOT_NET, NET_BAR1, 4, 0xD0000000);
    guest_write(x, 0xD0000000 + VIRTIO_PCI_MSIX_TABLE, 8, 0xFEE01000);
    guest_write(x, 0xD0000000 + VIRTIO_PCI_MSIX_TABLE + 8, 4, 0x41);
    guest_write(x, 0xD0000000 + VIRTIO_PCI_MSIX_TABLE + 12, 4, 0);
    assert_int_equal(guest_read(x, 0xD0000000 + VIRTIO_PCI_MSIX_TABLE, 8), 0xFEE01000);
    assert_int_equal(x->doorbells, 2);
    assert_non_null(doorbell_at(x, 0xE000));
}

/* Configuration space, windows and registers under random accesses of all widths, aligned or not. */
static void wild_accesses_break_nothing(void **context)
{
    struct fixture *x = *context;
    uint64_t seed = 0x1234567;

    for (unsigned step = 0; step < 150000; step++) {
        uint64_t r = random_next(&seed), value = random_next(&seed);
        unsigned slot = (unsigned)(r % (SLOT_COUNT + 1)), size = 1u << (r >> 8 & 3), offset = r >> 16 & 0xFF;

        switch (r >> 32 & 7) {
        case 0:
            guest_out(x, PCI_PORT_ADDRESS, 4, (uint32_t)value | (r >> 40 & 3 ? 0x80000000 : 0));
            break;
        case 1:
            guest_out(x, (uint16_t)(PCI_PORT_DATA + offset % 4), size > 4 ? 4 : size, (uint32_t)value);
            break;
        case 2:
            (void)guest_in(x, (uint16_t)(PCI_PORT_DATA + offset % 4), size > 4 ? 4 : size);
            break;
        case 3:
            guest_ecam_write(x, slot, offset, size > 4 ? 4 : size, (uint32_t)value);
            break;
        case 4: /* into the windows, mostly where BARs are */
            guest_write(x, PLATFORM_PCI_MMIO + (r >> 40) % (5 * VIRTIO_PCI_REGISTER_BYTES), size, value);
            break;
        case 5:
            (void)guest_read(x, PLATFORM_PCI_MMIO + (r >> 40) % (5 * VIRTIO_PCI_REGISTER_BYTES), size);
            break;
        case 6:
            guest_out(x, (uint16_t)(PLATFORM_PCI_IO + (r >> 40) % 128), size > 4 ? 4 : size, (uint32_t)value);
            break;
        default: /* back to where something answers */
            guest_ecam_write(x, slot, PCI_COMMAND, 2, 7);
            guest_ecam_write(x, slot, NET_BAR1, 4, (uint32_t)(PLATFORM_PCI_MMIO + slot * VIRTIO_PCI_REGISTER_BYTES));
            break;
        }
        fixture_run(x);
        assert_int_equal(x->fake->tx.count, 0);
        assert_null(x->pci.open);
        x->fake->outside.messages = 0;
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_mechanisms_find_the_functions),
        TEST(absent_functions_read_all_ones),
        TEST(address_register_takes_whole_words_only),
        TEST(bars_tell_their_size_and_keep_their_kind),
        TEST(wide_bar_has_two_registers),
        TEST(read_only_registers_stay),
        TEST(firmware_has_placed_bars_apart_and_inside_of_the_windows),
        TEST(bar_answers_only_when_decoding_and_follows_its_register),
        TEST(lower_slot_answers_where_bars_overlap),
        TEST(doorbells_follow_the_bar),
        TEST(doorbell_that_was_taken_comes_when_it_is_free),
        TEST(window_capability_reaches_the_bars),
        TEST(masked_vectors_are_pending_until_unmasked),
        TEST(without_msix_the_pin_is_held_until_isr_is_read),
        TEST(every_configuration_write_survives_a_crash),
        TEST(wild_accesses_break_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
