/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmm/capsule.c vmm/bus.c vmm/machine.c vmm/irq.c vmm/pic8259.c vmm/ioapic.c vmm/uart16550.c vmm/pit8254.c
 * vmm/rtc.c vmm/pm.c vmm/i8042.c vmm/pvpanic.c vmm/debug_exit.c vmm/delay_ports.c vmm/pci.c vmm/pci_function.c
 * vmm/pci_msix.c vmm/virtio.c vmm/virtio_pci.c vmm/virtio_channel.c vmm/virtio_net.c vmm/virtio_console.c
 * vmm/virtio_block.c vmm/virtio_rng.c vmm/virtqueue.c lib/channel.c tests/unit/vmm/crash_harness.c
 * tests/unit/vmm/virtio_fixture.c */
/* fuzz_machine.c: the input is what a guest does to its machine: any port, any device's memory, its own RAM, time. */
#include "tests/unit/vmm/virtio_fixture.h"

#define RECORD_BYTES 12u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void act(struct fixture *x, const uint8_t *record)
{
    uint64_t value;
    uint16_t offset;
    unsigned size = 1u << (record[1] & 3);

    memcpy(&offset, record + 2, 2);
    memcpy(&value, record + 4, 8);
    switch (record[0] % 12) {
    case 0:
        guest_out(x, PCI_PORT_ADDRESS, 4, (uint32_t)value);
        break;
    case 1:
        guest_out(x, (uint16_t)(PCI_PORT_DATA + offset % 4), size > 4 ? 4 : size, (uint32_t)value);
        break;
    case 2:
        guest_write(x, PLATFORM_ECAM + offset * 4u, size, value);
        break;
    case 3:
        guest_write(x, PLATFORM_PCI_MMIO + offset, size, value);
        break;
    case 4:
        (void)guest_read(x, PLATFORM_PCI_MMIO + offset, size);
        break;
    case 5:
        guest_out(x, (uint16_t)(PLATFORM_PCI_IO + offset % 128), size > 4 ? 4 : size, (uint32_t)value);
        break;
    case 6:
        guest_out(x, offset, size > 4 ? 4 : size, (uint32_t)value);
        break;
    case 7:
        (void)guest_in(x, offset, size > 4 ? 4 : size);
        break;
    case 8:
        guest_write(x, PLATFORM_IOAPIC + offset % 0x1000, size, value);
        break;
    case 9:
        (void)guest_read(x, PLATFORM_IOAPIC + offset % 0x1000, size);
        break;
    case 10:
        x->fake->now_ns += value & 0xFFFFFF;
        machine_timers(&x->fake->machine, &x->fake->tx);
        break;
    default:
        memcpy(ram(x, 0x10000 + offset), &value, sizeof(value));
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fixture_world *start;
    static struct fixture *x;

    if (x == NULL) {
        x = fixture_create();
        for (unsigned slot = SLOT_NET; slot < SLOT_COUNT; slot++)
            driver_start(x, slot, UINT64_MAX, 16);
        fixture_run(x);
        start = fixture_save(x);
    }
    fixture_restore(x, start);
    for (size_t at = 0; at + RECORD_BYTES <= size; at += RECORD_BYTES) {
        act(x, data + at);
        fixture_run(x);
        x->fake->outside.messages = 0;
        if (x->fake->tx.count != 0 || x->pci.open != NULL)
            __builtin_trap();
    }
    return 0;
}
