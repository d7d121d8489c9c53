/* SPDX-License-Identifier: Apache-2.0 */
/* pm.c: ACPI fixed hardware.
 *
 * ACPI 6.4 §4.8.3: PM1 event and control registers, power management timer (24 bits at 3.579545 MHz); §4.8.3.6 reset
 * register, here port CF9h as in Intel's chipsets. Always in ACPI mode: there is no SMI command port.
 */
#include "vmm/irq.h"
#include "vmm/pm.h"

#define PM_TIMER_HZ UINT64_C(3579545)
#define PM_TIMER_MASK 0xFFFFFFu
#define NS_PER_SECOND UINT64_C(1000000000)

#define STATUS_TIMER (1u << 0)
#define STATUS_POWER_BUTTON (1u << 8)
#define STATUS_ALL (STATUS_TIMER | 1u << 4 | 1u << 5 | STATUS_POWER_BUTTON | 1u << 9 | 1u << 10 | 1u << 15)
#define ENABLE_ALL (STATUS_TIMER | 1u << 5 | STATUS_POWER_BUTTON | 1u << 9 | 1u << 10)
#define CONTROL_SCI_EN (1u << 0)
#define CONTROL_BM_RLD (1u << 1)
#define CONTROL_SLP_TYP_SHIFT 10
#define CONTROL_SLP_TYP (7u << CONTROL_SLP_TYP_SHIFT)
#define CONTROL_SLP_EN (1u << 13)

struct pm_state {
    uint64_t carry; /* half periods of the timer's top bit up to which TMR_STS was worked out */
    uint16_t status, enable, control;
    uint8_t reset_register;
    uint8_t request; /* enum machine_request */
};

static uint64_t ticks(const struct device *device)
{
    return (uint64_t)((unsigned __int128)machine_now(device) * PM_TIMER_HZ / NS_PER_SECOND);
}

static void pm_reset(struct device *device, struct capsule_tx *tx)
{
    struct pm_state *s = device->state;

    CAPSULE_SET(tx, s->status, 0);
    CAPSULE_SET(tx, s->enable, 0);
    CAPSULE_SET(tx, s->control, CONTROL_SCI_EN);
    CAPSULE_SET(tx, s->reset_register, 0);
    CAPSULE_SET(tx, s->request, MACHINE_RUN);
    CAPSULE_SET(tx, s->carry, ticks(device) >> 23);
}

/* TMR_STS is set whenever the timer's highest bit changes (§4.8.3.1.1). */
static void update_timer_status(struct device *device, struct capsule_tx *tx)
{
    struct pm_state *s = device->state;
    uint64_t carry = ticks(device) >> 23;

    if (carry == s->carry)
        return;
    CAPSULE_SET(tx, s->carry, carry);
    CAPSULE_SET(tx, s->status, s->status | STATUS_TIMER);
}

static uint32_t event_word(const struct pm_state *s, unsigned offset)
{
    return offset < 2 ? s->status : s->enable;
}

static uint32_t pm_read(struct device *device, struct capsule_tx *tx, uint16_t port, unsigned size)
{
    const struct pm_state *s = device->state;
    unsigned offset = port - PLATFORM_PORT_PM;
    uint32_t value;

    (void)size;
    if (port == PLATFORM_PORT_RESET)
        return s->reset_register;
    if (offset >= PM_TIMER)
        return ((uint32_t)ticks(device) & PM_TIMER_MASK) >> (offset - PM_TIMER) * 8;
    if (offset >= PM_CONTROL)
        value = offset < PM_CONTROL + 2 ? s->control : 0;
    else {
        update_timer_status(device, tx);
        value = event_word(s, offset);
    }
    return value >> (offset & 1) * 8;
}

static void write_control(struct pm_state *s, struct capsule_tx *tx, uint16_t value)
{
    CAPSULE_SET(tx, s->control, (value & (CONTROL_SLP_TYP | CONTROL_BM_RLD)) | CONTROL_SCI_EN);
    if (value & CONTROL_SLP_EN && (value & CONTROL_SLP_TYP) == PM_SLEEP_S5 << CONTROL_SLP_TYP_SHIFT)
        CAPSULE_SET(tx, s->request, MACHINE_POWER_OFF);
}

static void pm_write(struct device *device, struct capsule_tx *tx, uint16_t port, unsigned size, uint32_t value)
{
    struct pm_state *s = device->state;
    unsigned offset = port - PLATFORM_PORT_PM, shift = (offset & 1) * 8;
    uint16_t mask = (uint16_t)((size == 1 ? 0xFFu : 0xFFFFu) << shift), word = (uint16_t)(value << shift);

    if (port == PLATFORM_PORT_RESET) {
        CAPSULE_SET(tx, s->reset_register, value & 0x0E);
        if (value & 0x04)
            CAPSULE_SET(tx, s->request, MACHINE_RESET);
        return;
    }
    switch (offset & ~1u) {
    case PM_EVENT: /* writing ones clears */
        update_timer_status(device, tx);
        CAPSULE_SET(tx, s->status, s->status & ~(word & STATUS_ALL));
        break;
    case PM_EVENT + 2:
        CAPSULE_SET(tx, s->enable, ((s->enable & ~mask) | (word & mask)) & ENABLE_ALL);
        break;
    case PM_CONTROL:
        write_control(s, tx, (uint16_t)((s->control & ~mask) | (word & mask)));
        break;
    default:
        break;
    }
}

static uint64_t pm_deadline(const struct device *device)
{
    const struct pm_state *s = device->state;

    if (!(s->enable & ~s->status & STATUS_TIMER))
        return DEADLINE_NEVER;
    return (uint64_t)((((unsigned __int128)(s->carry + 1) << 23) * NS_PER_SECOND + PM_TIMER_HZ - 1) / PM_TIMER_HZ);
}

static void pm_timer(struct device *device, struct capsule_tx *tx, uint64_t now)
{
    (void)now;
    update_timer_status(device, tx);
}

static void pm_derive(struct device *device, struct capsule_tx *tx)
{
    const struct pm_state *s = device->state;

    irq_line_set(device, tx, PLATFORM_IRQ_SCI, (s->status & s->enable) != 0);
    machine_announce_deadline(device);
    if (s->request != MACHINE_RUN)
        machine_request(device, s->request, 0);
}

static const struct device_ops pm_ops = { .name = "pm",
                                          .version = 1,
                                          .state_size = sizeof(struct pm_state),
                                          .reset = pm_reset,
                                          .io_read = pm_read,
                                          .io_write = pm_write,
                                          .derive = pm_derive,
                                          .deadline = pm_deadline,
                                          .timer = pm_timer };

enum cl_status pm_add(struct machine *machine)
{
    TRY(machine_add(machine, &pm_ops, NULL, &machine->pm));
    TRY(bus_add_ports(&machine->bus, machine->pm, PLATFORM_PORT_PM, PM_TIMER, 2));
    TRY(bus_add_ports(&machine->bus, machine->pm, PLATFORM_PORT_PM + PM_TIMER, PM_LENGTH - PM_TIMER, 4));
    return bus_add_ports(&machine->bus, machine->pm, PLATFORM_PORT_RESET, 1, 1);
}

void pm_power_button(struct device *device, struct capsule_tx *tx)
{
    struct pm_state *s = device->state;

    device_lock(device);
    CAPSULE_SET(tx, s->status, s->status | STATUS_POWER_BUTTON);
    device_commit(device, tx);
    device_unlock(device);
}
