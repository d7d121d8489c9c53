/* SPDX-License-Identifier: Apache-2.0 */
/* vlapic.c: registers, messages and timer of the software local APIC. Section numbers are those of SDM Vol. 3A. */
#include "kernel/vlapic.h"

#include "kernel/assert.h"
#include "kernel/vlapic_table.h"
#include "kernel/x86.h"

#define BASE_RESERVED (~((UINT64_C(1) << 52) - 1) | 0x2FF)
#define STATE_FLAGS (VLAPIC_STATE_NMI_PENDING | VLAPIC_STATE_LINT0_HIGH | VLAPIC_STATE_LINT1_HIGH)

bool vlapic_hardware, vlapic_hardware_auto;

/* A register that another CPU may look at. */
static uint32_t get(const struct vlapic *l, unsigned reg)
{
    return READ_ONCE(l->reg[reg].value);
}

static void set(struct vlapic *l, unsigned reg, uint32_t value)
{
    WRITE_ONCE(l->reg[reg].value, value);
}

static bool is_enabled(const struct vlapic *l)
{
    return READ_ONCE(l->apic_base) & VLAPIC_BASE_ENABLE;
}

static bool is_x2apic(const struct vlapic *l)
{
    return READ_ONCE(l->apic_base) & VLAPIC_BASE_X2APIC;
}

/* IA32_APIC_BASE, and who works on the registers. */
static void set_base(struct vlapic *l, uint64_t value)
{
    WRITE_ONCE(l->apic_base, value);
    WRITE_ONCE(l->assisted, l->hardware && (value & VLAPIC_BASE_X2APIC));
}

/* A backend that works on the registers hears of what else has changed them. */
static uint32_t changed(const struct vlapic *l)
{
    return l->hardware ? VLAPIC_EVENT_CHANGED : 0;
}

/* What register `reg` holds after a reset. */
static uint32_t reset_value(uint32_t apic_id, bool x2apic, unsigned reg)
{
    if (reg == VLAPIC_REG_ID)
        return x2apic ? apic_id : apic_id << 24;
    if (reg == VLAPIC_REG_LDR && x2apic)
        return (apic_id >> 4) << 16 | 1u << (apic_id & 15); /* 11.12.10.2 */
    return rules[reg].reset;
}

/* The highest bit of ISR or IRR, which begins at register `first`, in its lowest `words` words. 0: none is set. */
static unsigned highest(const struct vlapic *l, unsigned first, unsigned words)
{
    const struct vlapic_slot *slot = &l->reg[first];

    while (words-- > 0) {
        uint32_t bits = READ_ONCE(slot[words].value);

        if (bits != 0)
            return words * 32 + 31 - (unsigned)__builtin_clz(bits);
    }
    return 0;
}

/* A processor that takes and ends interrupts tells nobody. */
static unsigned highest_in_service(const struct vlapic *l)
{
    return READ_ONCE(l->assisted) ? highest(l, VLAPIC_REG_ISR, 8) : READ_ONCE(l->isr_top);
}

/* 11.8.3.1 */
static uint32_t processor_priority(const struct vlapic *l)
{
    uint32_t tpr = get(l, VLAPIC_REG_TPR), in_service = highest_in_service(l) & 0xF0;

    return (tpr & 0xF0) >= in_service ? tpr : in_service;
}

/* ---------------------------------------------------------------------------------------- what becomes pending */

static enum vlapic_accepted raise_event(struct vlapic *l, uint32_t event)
{
    return __atomic_fetch_or(&l->events, event, __ATOMIC_SEQ_CST) & event ? VLAPIC_NOTHING : VLAPIC_KICK;
}

/* What was requested becomes IRR's. */
static uint32_t absorb_word(struct vlapic *l, unsigned word)
{
    if (__atomic_load_n(&l->request[word], __ATOMIC_SEQ_CST) != 0)
        l->reg[VLAPIC_REG_IRR + word].value |= __atomic_exchange_n(&l->request[word], 0, __ATOMIC_SEQ_CST);
    return l->reg[VLAPIC_REG_IRR + word].value;
}

/* A word of IRR was seen empty: take its bit out of `events`, unless a sender was quicker. The sender sets `request` first
 * and `events` second, the owner clears `events` first and looks at `request` second, each with a full fence between: one
 * of them sees the other. */
static void settle_word(struct vlapic *l, unsigned word)
{
    __atomic_fetch_and(&l->events, ~(1u << word), __ATOMIC_SEQ_CST);
    if (absorb_word(l, word) != 0)
        __atomic_fetch_or(&l->events, 1u << word, __ATOMIC_SEQ_CST);
}

static enum vlapic_accepted raise_lvt(struct vlapic *l, unsigned reg);

/* Note an error; the first of its kind since the guest wrote ESR raises the error interrupt (11.5.3), whose own vector
 * may be illegal and end here a second time, not a third. */
static enum vlapic_accepted raise_error(struct vlapic *l, uint32_t error)
{
    if (__atomic_fetch_or(&l->esr_collected, error, __ATOMIC_SEQ_CST) & error)
        return VLAPIC_NOTHING;
    return raise_lvt(l, VLAPIC_REG_LVT_ERROR);
}

static enum vlapic_accepted raise_vector(struct vlapic *l, unsigned vector, bool level)
{
    unsigned word = vector / 32;
    uint32_t bit = 1u << (vector % 32);

    if (vector < FIRST_LEGAL_VECTOR)
        return raise_error(l, ESR_RECEIVE_ILLEGAL);
    if (level)
        __atomic_fetch_or(&l->reg[VLAPIC_REG_TMR + word].value, bit, __ATOMIC_SEQ_CST);
    else if (get(l, VLAPIC_REG_TMR + word) & bit)
        __atomic_fetch_and(&l->reg[VLAPIC_REG_TMR + word].value, ~bit, __ATOMIC_SEQ_CST);
    if (__atomic_fetch_or(&l->request[word], bit, __ATOMIC_SEQ_CST) & bit)
        return VLAPIC_NOTHING;
    if (!(__atomic_load_n(&l->events, __ATOMIC_SEQ_CST) & 1u << word))
        __atomic_fetch_or(&l->events, 1u << word, __ATOMIC_SEQ_CST);
    return VLAPIC_KICK;
}

enum vlapic_accepted vlapic_accept(struct vlapic *l, const struct vlapic_message *message)
{
    if (!is_enabled(l) || message->deassert)
        return VLAPIC_NOTHING;
    if (message->delivery == VLAPIC_NMI)
        return raise_event(l, VLAPIC_EVENT_NMI);
    if (message->delivery > VLAPIC_LOWEST_PRIORITY)
        return passed_on[message->delivery & 7];
    if (!(get(l, VLAPIC_REG_SVR) & SVR_ENABLE)) /* 11.4.7.2 */
        return VLAPIC_NOTHING;
    return raise_vector(l, message->vector, message->level);
}

/* 11.5.1. There is no SMM; only LINT0 may be ExtINT, and its line says the rest. */
static enum vlapic_accepted raise_lvt(struct vlapic *l, unsigned reg)
{
    uint32_t lvt = get(l, reg);
    struct vlapic_message message = { .delivery = LVT_DELIVERY(lvt), .vector = (uint8_t)lvt };

    if (lvt & LVT_MASKED || message.delivery == VLAPIC_LOWEST_PRIORITY || message.delivery == VLAPIC_SIPI)
        return VLAPIC_NOTHING;
    if (message.delivery == VLAPIC_EXTINT)
        return reg == VLAPIC_REG_LVT_LINT0 ? VLAPIC_KICK : VLAPIC_NOTHING;
    return vlapic_accept(l, &message);
}

enum vlapic_accepted vlapic_lint(struct vlapic *l, unsigned pin, bool level)
{
    ASSERT(pin < VLAPIC_LINES);
    if (!level) {
        __atomic_fetch_and(&l->events, ~VLAPIC_EVENT_LINE(pin), __ATOMIC_SEQ_CST);
        return VLAPIC_NOTHING;
    }
    if (raise_event(l, VLAPIC_EVENT_LINE(pin)) == VLAPIC_NOTHING)
        return VLAPIC_NOTHING;
    if (!is_enabled(l)) /* the pins are INTR and NMI then (11.4.3) */
        return pin == 0 ? VLAPIC_KICK : raise_event(l, VLAPIC_EVENT_NMI);
    return raise_lvt(l, VLAPIC_REG_LVT_LINT0 + pin);
}

bool vlapic_accepts_extint(const struct vlapic *l)
{
    uint32_t lvt = get(l, VLAPIC_REG_LVT_LINT0);

    return !is_enabled(l) || (!(lvt & LVT_MASKED) && LVT_DELIVERY(lvt) == VLAPIC_EXTINT);
}

/* --------------------------------------------------------------------------------------------- what is delivered */

/* The highest vector of IRR, 0: none. A reset, or the processor, may have left the bit of an empty word in `events`; and a
 * processor that sends IPIs to itself sets none. */
static unsigned highest_request(struct vlapic *l)
{
    uint32_t events = __atomic_load_n(&l->events, __ATOMIC_SEQ_CST);
    uint32_t left = READ_ONCE(l->assisted) ? VLAPIC_EVENT_IRR : events & VLAPIC_EVENT_IRR;

    while (left != 0) {
        unsigned word = 31 - (unsigned)__builtin_clz(left);
        uint32_t irr = absorb_word(l, word);

        if (irr != 0)
            return word * 32 + 31 - (unsigned)__builtin_clz(irr);
        if (events & 1u << word)
            settle_word(l, word);
        left &= ~(1u << word);
    }
    return 0;
}

int vlapic_highest_deliverable(struct vlapic *l)
{
    unsigned vector = highest_request(l);

    return vector >> 4 > processor_priority(l) >> 4 ? (int)vector : -1;
}

uint16_t vlapic_status(struct vlapic *l)
{
    __atomic_fetch_and(&l->events, ~VLAPIC_EVENT_CHANGED, __ATOMIC_SEQ_CST);
    for (unsigned word = 0; word < 8; word++)
        (void)absorb_word(l, word);
    return (uint16_t)(highest_request(l) | highest_in_service(l) << 8);
}

unsigned vlapic_cr8_threshold(struct vlapic *l)
{
    unsigned class = highest_request(l) >> 4;

    return class > highest_in_service(l) >> 4 && class <= vlapic_cr8_get(l) ? class : 0;
}

void vlapic_take(struct vlapic *l, unsigned vector)
{
    unsigned word = vector / 32;
    uint32_t bit = 1u << (vector % 32), before;

    ASSERT(vector < 256 && vector > highest_in_service(l));
    before = absorb_word(l, word);
    ASSERT(before & bit);
    set(l, VLAPIC_REG_IRR + word, before & ~bit);
    if (before == bit)
        settle_word(l, word);
    set(l, VLAPIC_REG_ISR + word, get(l, VLAPIC_REG_ISR + word) | bit);
    WRITE_ONCE(l->isr_top, vector);
}

bool vlapic_eoi(struct vlapic *l, uint8_t *vector)
{
    unsigned top = highest_in_service(l), word = top / 32;
    uint32_t bit = 1u << (top % 32);

    if (top == 0)
        return false;
    set(l, VLAPIC_REG_ISR + word, get(l, VLAPIC_REG_ISR + word) & ~bit);
    WRITE_ONCE(l->isr_top, highest(l, VLAPIC_REG_ISR, word + 1));
    *vector = (uint8_t)top;
    return get(l, VLAPIC_REG_TMR + word) & bit;
}

bool vlapic_nmi_take(struct vlapic *l)
{
    return __atomic_fetch_and(&l->events, ~VLAPIC_EVENT_NMI, __ATOMIC_SEQ_CST) & VLAPIC_EVENT_NMI;
}

/* ----------------------------------------------------------------------------------------------------- addresses */

static uint32_t from_byte(uint8_t destination)
{
    return destination == 0xFF ? VLAPIC_BROADCAST : destination;
}

/* The low word of an MSI's data and of ICR. */
static struct vlapic_message decode_message(uint32_t word, uint32_t destination)
{
    bool level = word & 1 << 15;

    return (struct vlapic_message){ .destination = destination,
                                    .delivery = (word >> 8) & 7,
                                    .vector = (uint8_t)word,
                                    .level = level,
                                    .deassert = level && !(word & ICR_ASSERT) };
}

bool vlapic_message_from_msi(uint64_t address, uint32_t data, struct vlapic_message *message)
{
    bool one_of_many = (address & 0xC) == 0xC; /* redirection hint, logical */

    if (address >> 20 != 0xFEE)
        return false;
    *message = decode_message(data, from_byte((uint8_t)(address >> 12)));
    message->logical = address & 1 << 2;
    if (one_of_many && message->delivery == VLAPIC_FIXED)
        message->delivery = VLAPIC_LOWEST_PRIORITY;
    return true;
}

/* What ICR sends (11.6.1, 11.12.9). IPIs are edge-triggered whatever it says, but for the INIT de-assert (11.6.1). */
static struct vlapic_message message_from_icr(const struct vlapic *l)
{
    uint32_t icr = l->reg[VLAPIC_REG_ICR].value, destination = l->reg[VLAPIC_REG_ICR_HIGH].value;
    struct vlapic_message message =
        decode_message(icr, is_x2apic(l) ? destination : from_byte((uint8_t)(destination >> 24)));

    message.sender = l->apic_id;
    message.shorthand = (icr >> 18) & 3;
    message.logical = icr & 1 << 11;
    message.level = false;
    message.deassert &= message.delivery == VLAPIC_INIT;
    return message;
}

bool vlapic_matches(const struct vlapic *l, const struct vlapic_message *message)
{
    uint32_t destination = message->destination, ldr = get(l, VLAPIC_REG_LDR);

    if (!is_enabled(l))
        return false;
    if (message->shorthand != VLAPIC_TO_DESTINATION)
        return message->shorthand == VLAPIC_TO_ALL ||
               (message->sender == l->apic_id) == (message->shorthand == VLAPIC_TO_SELF);
    if (destination == VLAPIC_BROADCAST)
        return true;
    if (!message->logical)
        return destination == l->apic_id;
    if (is_x2apic(l))
        return destination >> 16 == ldr >> 16 && (destination & ldr & 0xFFFF);
    ldr >>= 24;
    if (get(l, VLAPIC_REG_DFR) == DFR_FLAT)
        return destination <= 0xFF && (destination & ldr);
    return (destination >> 4 == ldr >> 4 || destination >> 4 == 15) && (destination & ldr & 15);
}

uint32_t vlapic_priority(const struct vlapic *l)
{
    return is_enabled(l) && (get(l, VLAPIC_REG_SVR) & SVR_ENABLE) ? processor_priority(l) : UINT32_MAX;
}

/* A write of ICR or of the self-IPI register. The guest's own errors are caught here, before others hear of them. */
static void send(struct vlapic *l, struct vlapic_message message, struct vlapic_access *access)
{
    bool fixed = message.delivery == VLAPIC_FIXED || message.delivery == VLAPIC_LOWEST_PRIORITY;

    if (fixed && message.vector < FIRST_LEGAL_VECTOR) {
        (void)raise_error(l, ESR_SEND_ILLEGAL);
    } else if (message.shorthand == VLAPIC_TO_SELF) {
        if (message.delivery == VLAPIC_FIXED && (l->reg[VLAPIC_REG_SVR].value & SVR_ENABLE))
            (void)raise_vector(l, message.vector, false);
    } else if (!message.deassert && (fixed || (message.delivery >= VLAPIC_NMI && message.delivery <= VLAPIC_SIPI))) {
        access->bits = VLAPIC_SENDS;
        access->ipi = message;
    }
}

/* --------------------------------------------------------------------------------------------------------- timer */

/* Counting in the first two modes. */
static enum timer_mode mode_of(uint32_t lvt_timer)
{
    return (lvt_timer >> 17) & 3;
}

static enum timer_mode timer_mode(const struct vlapic *l)
{
    return mode_of(l->reg[VLAPIC_REG_LVT_TIMER].value);
}

/* Figure 11-10. */
static unsigned divide_shift(uint32_t divide)
{
    return (((divide & 8) >> 1 | (divide & 3)) + 1) & 7;
}

static uint64_t add_saturating(uint64_t a, uint64_t b)
{
    uint64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? VLAPIC_TIMER_NEVER : sum;
}

static uint64_t period_tsc(const struct vlapic *l)
{
    uint64_t period = (uint64_t)l->reg[VLAPIC_REG_INITIAL_COUNT].value << divide_shift(l->reg[VLAPIC_REG_DIVIDE].value);

    return timer_mode(l) == TIMER_PERIODIC && period < VLAPIC_PERIOD_MIN_TSC ? VLAPIC_PERIOD_MIN_TSC : period;
}

/* Until the count reaches zero; in periodic mode, the next time. */
static uint64_t ticks_left(const struct vlapic *l, uint64_t now)
{
    return l->timer_due > now ? l->timer_due - now : period_tsc(l) - (now - l->timer_due) % period_tsc(l);
}

static uint32_t current_count(const struct vlapic *l, uint64_t now)
{
    uint64_t count;

    if (timer_mode(l) > TIMER_PERIODIC || l->timer_due == VLAPIC_TIMER_NEVER ||
        (l->timer_due <= now && timer_mode(l) != TIMER_PERIODIC))
        return 0;
    count = ((ticks_left(l, now) - 1) >> divide_shift(l->reg[VLAPIC_REG_DIVIDE].value)) + 1;
    return count < l->reg[VLAPIC_REG_INITIAL_COUNT].value ? (uint32_t)count : l->reg[VLAPIC_REG_INITIAL_COUNT].value;
}

bool vlapic_timer_fire(struct vlapic *l, uint64_t now)
{
    if (l->timer_due == VLAPIC_TIMER_NEVER || l->timer_due > now)
        return false;
    l->timer_due = timer_mode(l) == TIMER_PERIODIC ? add_saturating(now, ticks_left(l, now)) : VLAPIC_TIMER_NEVER;
    return raise_lvt(l, VLAPIC_REG_LVT_TIMER) == VLAPIC_KICK;
}

void vlapic_tsc_written(struct vlapic *l, uint64_t before, uint64_t after)
{
    if (timer_mode(l) <= TIMER_PERIODIC && l->timer_due != VLAPIC_TIMER_NEVER)
        l->timer_due = l->timer_due > before ? add_saturating(after, l->timer_due - before) : after;
}

/* ----------------------------------------------------------------------------------------------------- registers */

/* What a save has of register `reg`: an interrupt that was requested is one that IRR has; and what follows from the rest, or
 * remembers what the guest wrote last, is nothing. */
static uint32_t saved(const struct vlapic *l, unsigned reg)
{
    if (reg == VLAPIC_REG_PPR || reg == VLAPIC_REG_SELF_IPI)
        return 0;
    if (reg >= VLAPIC_REG_IRR && reg < VLAPIC_REG_IRR + 8)
        return get(l, reg) | READ_ONCE(l->request[reg - VLAPIC_REG_IRR]);
    return get(l, reg);
}

static uint32_t read_register(const struct vlapic *l, unsigned reg, uint64_t now)
{
    if (reg == VLAPIC_REG_PPR)
        return processor_priority(l);
    return reg == VLAPIC_REG_CURRENT_COUNT ? current_count(l, now) : saved(l, reg);
}

static void write_lvt(struct vlapic *l, unsigned reg, uint32_t value)
{
    enum timer_mode before = timer_mode(l), after;

    set(l, reg, l->reg[VLAPIC_REG_SVR].value & SVR_ENABLE ? value : value | LVT_MASKED); /* 11.4.7.2 */
    after = timer_mode(l);
    if (before != after && (before | after) > TIMER_PERIODIC) {
        l->timer_due = VLAPIC_TIMER_NEVER; /* to or from TSC deadline: disarmed (11.5.4.1) */
        l->reg[VLAPIC_REG_INITIAL_COUNT].value = 0;
    }
}

/* `value` holds only writable bits. */
static void write_register(struct vlapic *l, unsigned reg, uint32_t value, struct vlapic_access *access)
{
    uint64_t count, now = access->now;

    switch (reg) {
    case VLAPIC_REG_EOI:
        if (vlapic_eoi(l, &access->vector))
            access->bits = VLAPIC_ENDS;
        break;
    case VLAPIC_REG_SVR:
        set(l, reg, value);
        for (unsigned i = VLAPIC_REG_LVT_TIMER; !(value & SVR_ENABLE) && i <= VLAPIC_REG_LVT_ERROR; i++)
            set(l, i, l->reg[i].value | LVT_MASKED);
        break;
    case VLAPIC_REG_ESR:
        l->reg[reg].value = __atomic_exchange_n(&l->esr_collected, 0, __ATOMIC_SEQ_CST);
        break;
    case VLAPIC_REG_ICR:
        l->reg[reg].value = value;
        send(l, message_from_icr(l), access);
        break;
    case VLAPIC_REG_SELF_IPI:
        send(l, (struct vlapic_message){ .shorthand = VLAPIC_TO_SELF, .vector = (uint8_t)value }, access);
        break;
    case VLAPIC_REG_LVT_TIMER ... VLAPIC_REG_LVT_ERROR:
        write_lvt(l, reg, value);
        break;
    case VLAPIC_REG_INITIAL_COUNT:
        if (timer_mode(l) <= TIMER_PERIODIC) {
            l->reg[reg].value = value;
            l->timer_due = value == 0 ? VLAPIC_TIMER_NEVER : add_saturating(now, period_tsc(l));
        }
        break;
    case VLAPIC_REG_DIVIDE:
        count = current_count(l, now); /* what is left of it goes on at the new rate */
        l->reg[reg].value = value;
        if (count != 0 && l->timer_due > now)
            l->timer_due = add_saturating(now, count << divide_shift(value));
        break;
    default: /* TPR, LDR, DFR, ICR_HIGH */
        set(l, reg, value | (rules[reg].reset & ~rules[reg].writable));
        break;
    }
}

/* A reserved register is an error in xAPIC mode (11.5.3); the bytes between registers are undefined (11.4.1), and have
 * no effect here. */
bool vlapic_mmio(struct vlapic *l, uint32_t offset, struct vlapic_access *access)
{
    unsigned reg = offset >> 4;
    uint8_t allowed = reg < VLAPIC_REG_COUNT ? rules[reg].access : 0;

    access->bits = 0;
    if (!is_enabled(l) || is_x2apic(l))
        return false;
    if (offset & 15)
        allowed = 0;
    else if (!(allowed & X))
        (void)raise_error(l, ESR_ILLEGAL_REGISTER);
    if (!access->write)
        access->value = allowed & X ? read_register(l, reg, access->now) : 0;
    else if (allowed & XW)
        write_register(l, reg, (uint32_t)access->value & rules[reg].writable, access);
    return true;
}

static void reset_registers(struct vlapic *l)
{
    for (unsigned reg = 0; reg < VLAPIC_REG_COUNT; reg++)
        set(l, reg, reset_value(l->apic_id, is_x2apic(l), reg));
    for (unsigned word = 0; word < 8; word++) {
        WRITE_ONCE(l->request[word], 0);
        settle_word(l, word);
    }
    WRITE_ONCE(l->esr_collected, 0);
    WRITE_ONCE(l->isr_top, 0);
    l->timer_due = VLAPIC_TIMER_NEVER;
}

/* Figure 11-27: off ↔ xAPIC → x2APIC → off; nothing else. */
static bool write_base(struct vlapic *l, uint64_t value)
{
    bool enable = value & VLAPIC_BASE_ENABLE, x2apic = value & VLAPIC_BASE_X2APIC;

    if ((value & BASE_RESERVED) || (x2apic && !enable) || (x2apic && !is_enabled(l)) ||
        (is_x2apic(l) && enable && !x2apic))
        return false;
    if (x2apic && !is_x2apic(l)) /* what xAPIC mode had in these means nothing here */
        for (unsigned i = 0; i < ARRAY_SIZE(mode_registers); i++)
            set(l, mode_registers[i], reset_value(l->apic_id, true, mode_registers[i]));
    set_base(l, value);
    if (!enable)
        reset_registers(l);
    __atomic_fetch_or(&l->events, changed(l), __ATOMIC_SEQ_CST);
    return true;
}

static void access_deadline(struct vlapic *l, struct vlapic_access *access)
{
    bool in_use = timer_mode(l) == TIMER_DEADLINE;

    if (!access->write)
        access->value = in_use && l->timer_due != VLAPIC_TIMER_NEVER ? l->timer_due : 0;
    else if (in_use)
        l->timer_due = access->value == 0 ? VLAPIC_TIMER_NEVER : access->value;
}

static bool access_x2apic(struct vlapic *l, unsigned reg, struct vlapic_access *access)
{
    uint32_t value = (uint32_t)access->value, high = (uint32_t)(access->value >> 32);

    if (!is_x2apic(l) || reg >= VLAPIC_REG_COUNT || !(rules[reg].access & (access->write ? X2W : X2R)))
        return false;
    if (!access->write) {
        access->value = read_register(l, reg, access->now);
        if (reg == VLAPIC_REG_ICR)
            access->value |= (uint64_t)l->reg[VLAPIC_REG_ICR_HIGH].value << 32;
        return true;
    }
    if (value & ~(rules[reg].writable | rules[reg].tolerated) || (reg != VLAPIC_REG_ICR && high != 0))
        return false;
    if (reg == VLAPIC_REG_ICR)
        l->reg[VLAPIC_REG_ICR_HIGH].value = high;
    write_register(l, reg, value & rules[reg].writable, access);
    return true;
}

bool vlapic_msr(struct vlapic *l, uint32_t index, struct vlapic_access *access)
{
    access->bits = 0;
    if (index == MSR_APIC_BASE && access->write)
        return write_base(l, access->value);
    if (index == MSR_APIC_BASE)
        access->value = l->apic_base;
    else if (index == MSR_TSC_DEADLINE)
        access_deadline(l, access);
    else
        return access_x2apic(l, index - MSR_X2APIC_FIRST, access);
    return true;
}

/* ---------------------------------------------------------------------------------------------------------- life */

void vlapic_init(struct vlapic *l, struct vlapic_slot *page, uint32_t apic_id, bool hardware)
{
    *l = (struct vlapic){ .apic_id = apic_id, .hardware = hardware, .reg = page };
    l->apic_base = VLAPIC_BASE_DEFAULT | VLAPIC_BASE_ENABLE | (apic_id == 0 ? VLAPIC_BASE_BSP : 0);
    reset_registers(l);
}

void vlapic_reset(struct vlapic *l)
{
    reset_registers(l);
    __atomic_fetch_and(&l->events, ~VLAPIC_EVENT_NMI, __ATOMIC_SEQ_CST);
    __atomic_fetch_or(&l->events, changed(l), __ATOMIC_SEQ_CST);
}

void vlapic_state_get(const struct vlapic *l, struct vlapic_state *state)
{
    *state = (struct vlapic_state){
        .apic_base = l->apic_base,
        .timer_due_tsc = l->timer_due,
        .esr_collected = READ_ONCE(l->esr_collected),
        .flags = READ_ONCE(l->events) / VLAPIC_EVENT_NMI & STATE_FLAGS,
    };
    for (unsigned reg = 0; reg < VLAPIC_REG_COUNT; reg++)
        state->reg[reg] = saved(l, reg);
}

/* Whether register `reg` of this APIC can have the value that `s` gives it. */
static bool is_legal(const struct vlapic *l, const struct vlapic_state *s, unsigned reg)
{
    bool x2apic = s->apic_base & VLAPIC_BASE_X2APIC;
    uint8_t access = x2apic ? X2R | X2W : X | XW;
    uint32_t variable = rules[reg].kept;

    if ((rules[reg].access & access) == access)
        variable |= rules[reg].writable;
    if (rules[reg].reset == LVT_MASKED && !(s->reg[VLAPIC_REG_SVR] & SVR_ENABLE))
        variable &= ~LVT_MASKED;
    if (reg == VLAPIC_REG_ICR_HIGH && x2apic)
        variable = UINT32_MAX;
    return !((s->reg[reg] ^ reset_value(l->apic_id, x2apic, reg)) & ~variable);
}

enum cl_status vlapic_state_set(struct vlapic *l, const struct vlapic_state *s)
{
    bool enable = s->apic_base & VLAPIC_BASE_ENABLE, x2apic = s->apic_base & VLAPIC_BASE_X2APIC;
    bool armed = s->timer_due_tsc != VLAPIC_TIMER_NEVER, counting = s->reg[VLAPIC_REG_INITIAL_COUNT] != 0;
    enum timer_mode mode = mode_of(s->reg[VLAPIC_REG_LVT_TIMER]);

    if ((s->apic_base & BASE_RESERVED) || (x2apic && !enable))
        return refuse(CL_BAD_ARGUMENT, "local APIC state: IA32_APIC_BASE cannot be %lx", s->apic_base);
    if ((s->esr_collected & ~ESR_ALL) || (s->flags & ~STATE_FLAGS))
        return refuse(CL_BAD_ARGUMENT, "local APIC state: unknown bits in esr_collected or flags");
    for (unsigned reg = 0; reg < VLAPIC_REG_COUNT; reg++)
        if (!is_legal(l, s, reg))
            return refuse(CL_BAD_ARGUMENT, "local APIC state: register %x0h cannot be %x", reg, s->reg[reg]);
    if (mode <= TIMER_PERIODIC ? armed && !counting : counting || (armed && mode == TIMER_RESERVED))
        return refuse(CL_BAD_ARGUMENT, "local APIC state: the timer's mode and count contradict timer_due_tsc");

    set_base(l, s->apic_base);
    WRITE_ONCE(l->esr_collected, s->esr_collected);
    l->timer_due = s->timer_due_tsc;
    for (unsigned reg = 0; reg < VLAPIC_REG_COUNT; reg++)
        set(l, reg, s->reg[reg]);
    WRITE_ONCE(l->isr_top, highest(l, VLAPIC_REG_ISR, 8));
    for (unsigned word = 0; word < 8; word++)
        WRITE_ONCE(l->request[word], 0);
    __atomic_store_n(&l->events, s->flags * VLAPIC_EVENT_NMI | changed(l), __ATOMIC_SEQ_CST);
    for (unsigned word = 0; word < 8; word++)
        settle_word(l, word);
    return CL_OK;
}
