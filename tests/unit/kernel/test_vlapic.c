/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: kernel/vlapic.c kernel/fake/fake_assert.c kernel/fake/fake_random.c */
/* test_vlapic.c: the software local APIC against SDM Vol. 3A ch. 11, whose section numbers stand beside the tests. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "kernel/fake/fake.h"
#include "kernel/vlapic.h"
#include "kernel/x86.h"

#define MASKED (1u << 16)
#define PERIODIC (1u << 17)
#define DEADLINE (2u << 17)
#define X2(reg) (MSR_X2APIC_FIRST + VLAPIC_REG_##reg)

static struct vlapic_slot page[PAGE_SIZE / sizeof(struct vlapic_slot)];
static struct vlapic apic;
static struct vlapic_access effect; /* of the last access */

/* For accesses whose result is anything. */
static void ignore(unsigned result)
{
    (void)result;
}

static bool mmio_read(uint32_t offset, uint64_t now, uint32_t *value)
{
    struct vlapic_access access = { .now = now, .value = 0xdeadbeef };
    bool answered = vlapic_mmio(&apic, offset, &access);

    *value = (uint32_t)access.value;
    return answered;
}

static bool mmio_write(uint32_t offset, uint32_t value, uint64_t now)
{
    effect = (struct vlapic_access){ .write = true, .value = value, .now = now };
    return vlapic_mmio(&apic, offset, &effect);
}

static bool msr_read(uint32_t index, uint64_t now, uint64_t *value)
{
    struct vlapic_access access = { .now = now };
    bool allowed = vlapic_msr(&apic, index, &access);

    *value = access.value;
    return allowed;
}

static bool msr_write(uint32_t index, uint64_t value, uint64_t now)
{
    effect = (struct vlapic_access){ .write = true, .value = value, .now = now };
    return vlapic_msr(&apic, index, &effect);
}

static uint32_t read_at(unsigned reg, uint64_t now)
{
    uint32_t value = 0xdeadbeef;

    assert_true(mmio_read(reg << 4, now, &value));
    return value;
}

static uint32_t read_reg(unsigned reg)
{
    return read_at(reg, 0);
}

static void write_at(unsigned reg, uint32_t value, uint64_t now)
{
    assert_true(mmio_write(reg << 4, value, now));
}

static void write_reg(unsigned reg, uint32_t value)
{
    write_at(reg, value, 0);
}

static bool wrmsr(uint32_t index, uint64_t value)
{
    return msr_write(index, value, 0);
}

static uint64_t rdmsr(uint32_t index)
{
    uint64_t value = 0;

    assert_true(msr_read(index, 0, &value));
    return value;
}

static bool rdmsr_faults(uint32_t index)
{
    uint64_t value;

    return !msr_read(index, 0, &value);
}

static enum vlapic_accepted accept(enum vlapic_delivery delivery, uint8_t vector, bool level)
{
    struct vlapic_message message = { .delivery = (uint8_t)delivery, .vector = vector, .level = level };

    return vlapic_accept(&apic, &message);
}

/* An enabled xAPIC with ID 3. */
static int setup(void **state)
{
    (void)state;
    vlapic_init(&apic, page, 3, false);
    write_reg(VLAPIC_REG_SVR, 0x1FF);
    return 0;
}

static void to_x2apic(void)
{
    assert_true(wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | VLAPIC_BASE_X2APIC));
}

/* ------------------------------------------------------------------------------------------------------- reset */

static void reset_state_is_that_of_the_manual(void **state)
{
    (void)state;
    vlapic_init(&apic, page, 3, false); /* 11.4.7.1 */
    assert_int_equal(read_reg(VLAPIC_REG_ID), 3u << 24);
    assert_int_equal(read_reg(VLAPIC_REG_VERSION), 0x50014);
    assert_int_equal(read_reg(VLAPIC_REG_SVR), 0xFF);
    assert_int_equal(read_reg(VLAPIC_REG_DFR), UINT32_MAX);
    for (unsigned reg = VLAPIC_REG_LVT_TIMER; reg <= VLAPIC_REG_LVT_ERROR; reg++)
        assert_int_equal(read_reg(reg), MASKED);
    for (unsigned reg = VLAPIC_REG_ISR; reg < VLAPIC_REG_ESR; reg++)
        assert_int_equal(read_reg(reg), 0);
    assert_int_equal(rdmsr(MSR_APIC_BASE), 0xFEE00800);
    assert_int_equal(vlapic_deadline(&apic), VLAPIC_TIMER_NEVER);
    vlapic_init(&apic, page, 0, false);
    assert_int_equal(rdmsr(MSR_APIC_BASE), 0xFEE00900); /* the BSP */
}

static void init_resets_all_but_the_id_and_the_mode(void **state)
{
    (void)state; /* 11.4.7.3, 11.12.5.1 */
    for (unsigned x2apic = 0; x2apic < 2; x2apic++) {
        uint64_t base = rdmsr(MSR_APIC_BASE);

        assert_true(wrmsr(MSR_APIC_BASE, base | (x2apic ? VLAPIC_BASE_X2APIC : 0)));
        base = rdmsr(MSR_APIC_BASE);
        apic.reg[VLAPIC_REG_SVR].value = 0x1FF;
        apic.reg[VLAPIC_REG_LVT_TIMER].value = 50;
        apic.reg[VLAPIC_REG_TPR].value = 0x20;
        apic.timer_due = 1000;
        (void)accept(VLAPIC_FIXED, 0x55, false);
        vlapic_take(&apic, 0x55);
        (void)accept(VLAPIC_FIXED, 0x66, false);
        (void)accept(VLAPIC_NMI, 0, false);
        vlapic_reset(&apic);
        assert_true(vlapic_idle(&apic));
        assert_int_equal(vlapic_pending(&apic), -1);
        assert_int_equal(vlapic_deadline(&apic), VLAPIC_TIMER_NEVER);
        assert_true(rdmsr(MSR_APIC_BASE) == base);
        assert_int_equal(apic.reg[VLAPIC_REG_ID].value, x2apic ? 3 : 3u << 24);
        assert_int_equal(apic.reg[VLAPIC_REG_SVR].value, 0xFF);
        assert_int_equal(apic.reg[VLAPIC_REG_LVT_TIMER].value, MASKED);
        assert_int_equal(apic.reg[VLAPIC_REG_TPR].value, 0);
        assert_int_equal(apic.isr_top, 0);
    }
}

/* -------------------------------------------------------------------------------------------------- priorities */

static void the_highest_vector_is_delivered_first(void **state)
{
    static const uint8_t vectors[] = { 0x31, 0xFE, 0x20, 0x80, 0x7F };
    static const int order[] = { 0xFE, 0x80, 0x7F, 0x31, 0x20 };
    uint8_t ended;

    (void)state;
    assert_int_equal(vlapic_pending(&apic), -1);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(accept(VLAPIC_FIXED, vectors[i], false), VLAPIC_KICK);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(vlapic_pending(&apic), order[i]);
        vlapic_take(&apic, (unsigned)order[i]);
        assert_int_equal(read_reg(VLAPIC_REG_PPR), order[i] & 0xF0);
        assert_false(vlapic_eoi(&apic, &ended));
        assert_int_equal(ended, order[i]);
    }
    assert_true(vlapic_idle(&apic));
}

static void the_class_in_service_and_tpr_hold_back_what_is_not_above(void **state)
{
    (void)state; /* 11.8.3.1 */
    (void)accept(VLAPIC_FIXED, 0x55, false);
    vlapic_take(&apic, 0x55);
    (void)accept(VLAPIC_FIXED, 0x5F, false);
    assert_int_equal(vlapic_pending(&apic), -1); /* same class */
    (void)accept(VLAPIC_FIXED, 0x60, false);
    assert_int_equal(vlapic_pending(&apic), 0x60);
    write_reg(VLAPIC_REG_TPR, 0x6A);
    assert_int_equal(read_reg(VLAPIC_REG_PPR), 0x6A);
    assert_int_equal(vlapic_pending(&apic), -1);
    assert_int_equal(vlapic_cr8_get(&apic), 6);
    assert_int_equal(vlapic_cr8_threshold(&apic), 6);
    vlapic_cr8_set(&apic, 5);
    assert_int_equal(read_reg(VLAPIC_REG_TPR), 0x50);
    assert_int_equal(vlapic_pending(&apic), 0x60);
    assert_int_equal(vlapic_cr8_threshold(&apic), 0);
    vlapic_take(&apic, 0x60);
    vlapic_cr8_set(&apic, 15);
    assert_int_equal(vlapic_cr8_threshold(&apic), 0); /* 5Fh waits for the ISR, too: CR8 alone changes nothing */
}

static void eoi_ends_the_highest_and_reports_level_ones(void **state)
{
    (void)state; /* 11.8.5 */
    (void)accept(VLAPIC_FIXED, 0x30, true);
    vlapic_take(&apic, 0x30);
    (void)accept(VLAPIC_FIXED, 0x90, false);
    vlapic_take(&apic, 0x90);
    assert_int_equal(read_reg(VLAPIC_REG_ISR + 1), 1 << 16);
    assert_int_equal(read_reg(VLAPIC_REG_ISR + 4), 1 << 16);
    assert_int_equal(read_reg(VLAPIC_REG_TMR + 1), 1 << 16);
    write_reg(VLAPIC_REG_EOI, 0);
    assert_int_equal(effect.bits, 0);
    assert_int_equal(read_reg(VLAPIC_REG_ISR + 4), 0);
    write_reg(VLAPIC_REG_EOI, 77);
    assert_int_equal(effect.bits, VLAPIC_ENDS);
    assert_int_equal(effect.vector, 0x30);
    write_reg(VLAPIC_REG_EOI, 0); /* nothing in service */
    assert_int_equal(effect.bits, 0);
    (void)accept(VLAPIC_FIXED, 0x30, false); /* the vector is edge-triggered now */
    assert_int_equal(read_reg(VLAPIC_REG_TMR + 1), 0);
}

static void a_vector_waits_once_while_another_of_it_is_in_service(void **state)
{
    uint8_t ended;

    (void)state; /* 11.8.4 */
    assert_int_equal(accept(VLAPIC_FIXED, 0x44, false), VLAPIC_KICK);
    assert_int_equal(accept(VLAPIC_FIXED, 0x44, false), VLAPIC_NOTHING);
    vlapic_take(&apic, 0x44);
    assert_int_equal(accept(VLAPIC_FIXED, 0x44, false), VLAPIC_KICK);
    assert_int_equal(vlapic_pending(&apic), -1);
    (void)vlapic_eoi(&apic, &ended);
    assert_int_equal(vlapic_pending(&apic), 0x44);
}

/* --------------------------------------------------------------------------------------------- enable, LVT, ESR */

static void a_software_disabled_apic_takes_no_fixed_interrupts_but_the_others(void **state)
{
    (void)state; /* 11.4.7.2 */
    write_reg(VLAPIC_REG_LVT_LINT1, 0x400);
    write_reg(VLAPIC_REG_SVR, 0xFF);
    assert_int_equal(accept(VLAPIC_FIXED, 0x40, false), VLAPIC_NOTHING);
    assert_int_equal(accept(VLAPIC_LOWEST_PRIORITY, 0x40, false), VLAPIC_NOTHING);
    assert_int_equal(vlapic_priority(&apic), UINT32_MAX);
    assert_int_equal(accept(VLAPIC_NMI, 0, false), VLAPIC_KICK);
    assert_int_equal(accept(VLAPIC_NMI, 0, false), VLAPIC_NOTHING);
    assert_int_equal(accept(VLAPIC_INIT, 0, false), VLAPIC_ACCEPTED_INIT);
    assert_int_equal(accept(VLAPIC_SIPI, 0x9A, false), VLAPIC_ACCEPTED_SIPI);
    assert_int_equal(accept(VLAPIC_EXTINT, 0, false), VLAPIC_ACCEPTED_EXTINT);
    assert_int_equal(accept(VLAPIC_SMI, 0, false), VLAPIC_NOTHING);
    assert_int_equal(accept(3, 0x40, false), VLAPIC_NOTHING); /* reserved */
    assert_true(vlapic_nmi_pending(&apic) && vlapic_nmi_take(&apic));
    assert_false(vlapic_nmi_pending(&apic) || vlapic_nmi_take(&apic));
    assert_int_equal(read_reg(VLAPIC_REG_LVT_LINT1), MASKED | 0x400);
    write_reg(VLAPIC_REG_LVT_LINT1, 0x400); /* the mask stays while it is disabled */
    assert_int_equal(read_reg(VLAPIC_REG_LVT_LINT1), MASKED | 0x400);
}

static void lint_pins_do_what_their_lvt_says(void **state)
{
    (void)state; /* 11.5.1 */
    write_reg(VLAPIC_REG_LVT_LINT1, 0x400 | MASKED);
    assert_int_equal(vlapic_lint(&apic, 1, true), VLAPIC_NOTHING); /* masked */
    assert_int_equal(vlapic_lint(&apic, 1, false), VLAPIC_NOTHING);
    write_reg(VLAPIC_REG_LVT_LINT1, 0x400);
    assert_int_equal(vlapic_lint(&apic, 1, true), VLAPIC_KICK);
    assert_int_equal(vlapic_lint(&apic, 1, true), VLAPIC_NOTHING); /* no edge */
    assert_true(vlapic_nmi_take(&apic));

    assert_false(vlapic_accepts_extint(&apic));
    write_reg(VLAPIC_REG_LVT_LINT0, 0x700); /* virtual wire */
    assert_true(vlapic_accepts_extint(&apic));
    assert_false(vlapic_extint_pending(&apic));
    assert_int_equal(vlapic_lint(&apic, 0, true), VLAPIC_KICK);
    assert_true(vlapic_extint_pending(&apic));
    assert_int_equal(vlapic_pending(&apic), -1);
    assert_int_equal(vlapic_lint(&apic, 0, false), VLAPIC_NOTHING);
    assert_false(vlapic_extint_pending(&apic));

    write_reg(VLAPIC_REG_LVT_LINT0, 0x61);
    assert_int_equal(vlapic_lint(&apic, 0, true), VLAPIC_KICK);
    assert_int_equal(vlapic_pending(&apic), 0x61);
    assert_false(vlapic_extint_pending(&apic));
    write_reg(VLAPIC_REG_LVT_LINT0, 0x500);
    ignore(vlapic_lint(&apic, 0, false));
    assert_int_equal(vlapic_lint(&apic, 0, true), VLAPIC_ACCEPTED_INIT);
}

static void a_globally_disabled_apic_lets_intr_and_nmi_through(void **state)
{
    (void)state; /* 11.4.3 */
    (void)accept(VLAPIC_FIXED, 0x40, false);
    write_reg(VLAPIC_REG_LVT_TIMER, 0x41);
    write_reg(VLAPIC_REG_INITIAL_COUNT, 500);
    assert_true(wrmsr(MSR_APIC_BASE, VLAPIC_BASE_DEFAULT));
    assert_int_equal(effect.bits, 0);
    assert_int_equal(vlapic_deadline(&apic), VLAPIC_TIMER_NEVER);
    assert_int_equal(vlapic_pending(&apic), -1);
    assert_int_equal(accept(VLAPIC_NMI, 0, false), VLAPIC_NOTHING);
    assert_int_equal(vlapic_lint(&apic, 0, true), VLAPIC_KICK);
    assert_true(vlapic_extint_pending(&apic));
    assert_int_equal(vlapic_lint(&apic, 1, true), VLAPIC_KICK);
    assert_true(vlapic_nmi_pending(&apic));
    assert_false(mmio_read(0x20, 0, &(uint32_t){ 0 }));
    assert_false(mmio_write(0x80, 1, 0));
}

static void errors_are_collected_and_interrupt_once(void **state)
{
    (void)state; /* 11.5.3 */
    write_reg(VLAPIC_REG_LVT_ERROR, 0xEE);
    assert_int_equal(accept(VLAPIC_FIXED, 15, false), VLAPIC_KICK);
    assert_int_equal(vlapic_pending(&apic), 0xEE);
    vlapic_take(&apic, 0xEE);
    assert_int_equal(accept(VLAPIC_FIXED, 3, false), VLAPIC_NOTHING); /* of this kind there was one already */
    assert_int_equal(read_reg(VLAPIC_REG_ESR), 0);                    /* before a write it does not show */
    (void)read_reg(0x2F);                                             /* no CMCI here: illegal register */
    write_reg(VLAPIC_REG_ICR, 0x0F);                                  /* send illegal vector */
    assert_int_equal(effect.bits, 0);
    write_reg(VLAPIC_REG_ESR, 0);
    assert_int_equal(read_reg(VLAPIC_REG_ESR), 0xE0);
    write_reg(VLAPIC_REG_ESR, 0);
    assert_int_equal(read_reg(VLAPIC_REG_ESR), 0);
    write_reg(VLAPIC_REG_EOI, 0);
    vlapic_take(&apic, 0xEE);                                       /* the other kinds have raised it once more */
    assert_int_equal(accept(VLAPIC_FIXED, 15, false), VLAPIC_KICK); /* armed again */
    write_reg(VLAPIC_REG_ESR, 0);
    write_reg(VLAPIC_REG_LVT_ERROR, 5); /* the error vector itself is illegal: no endless chain */
    (void)accept(VLAPIC_FIXED, 15, false);
    write_reg(VLAPIC_REG_ESR, 0);
    assert_int_equal(read_reg(VLAPIC_REG_ESR), 0x40);
}

/* ------------------------------------------------------------------------------------------------------- timer */

static void one_shot_counts_down_at_the_divided_rate_and_fires_once(void **state)
{
    static const uint32_t code[8] = { 0, 1, 2, 3, 8, 9, 10, 11 }; /* figure 11-10 */
    static const uint32_t by[8] = { 2, 4, 8, 16, 32, 64, 128, 1 };

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        uint64_t start = 1000 + i, period = 500ull * by[i];

        setup(NULL);
        write_at(VLAPIC_REG_DIVIDE, code[i], start);
        write_at(VLAPIC_REG_LVT_TIMER, 0x40, start);
        write_at(VLAPIC_REG_INITIAL_COUNT, 500, start);
        assert_int_equal(effect.bits, 0);
        assert_int_equal(vlapic_deadline(&apic), start + period);
        assert_int_equal(read_at(VLAPIC_REG_CURRENT_COUNT, start), 500);
        assert_int_equal(read_at(VLAPIC_REG_CURRENT_COUNT, start + 100 * by[i]), 400);
        assert_int_equal(read_at(VLAPIC_REG_CURRENT_COUNT, start + period - 1), 1);
        assert_false(vlapic_timer_fire(&apic, start + period - 1));
        assert_true(vlapic_timer_fire(&apic, start + period));
        assert_int_equal(vlapic_pending(&apic), 0x40);
        assert_int_equal(vlapic_deadline(&apic), VLAPIC_TIMER_NEVER);
        assert_int_equal(read_at(VLAPIC_REG_CURRENT_COUNT, start + period), 0);
        assert_int_equal(read_at(VLAPIC_REG_INITIAL_COUNT, start + period), 500);
        assert_false(vlapic_timer_fire(&apic, start + 2 * period));
    }
}

static void periodic_rearms_without_drift_and_drops_what_was_missed(void **state)
{
    (void)state;
    write_at(VLAPIC_REG_DIVIDE, 0xB, 0);
    write_at(VLAPIC_REG_LVT_TIMER, PERIODIC | 0x40, 0);
    write_at(VLAPIC_REG_INITIAL_COUNT, 100000, 0);
    assert_true(vlapic_timer_fire(&apic, 100007)); /* a little late */
    assert_int_equal(vlapic_deadline(&apic), 200000);
    assert_int_equal(read_at(VLAPIC_REG_CURRENT_COUNT, 150000), 50000);
    vlapic_take(&apic, 0x40);
    assert_true(vlapic_timer_fire(&apic, 712345)); /* very late: one interrupt, and back in step */
    assert_int_equal(vlapic_deadline(&apic), 800000);
    write_at(VLAPIC_REG_INITIAL_COUNT, 0, 750000);
    assert_int_equal(vlapic_deadline(&apic), VLAPIC_TIMER_NEVER);
}

static void a_tiny_period_does_not_storm_the_host(void **state)
{
    (void)state;
    write_at(VLAPIC_REG_DIVIDE, 0xB, 0);
    write_at(VLAPIC_REG_LVT_TIMER, PERIODIC | 0x40, 0);
    write_at(VLAPIC_REG_INITIAL_COUNT, 1, 0);
    assert_int_equal(vlapic_deadline(&apic), VLAPIC_PERIOD_MIN_TSC);
    assert_true(vlapic_timer_fire(&apic, VLAPIC_PERIOD_MIN_TSC));
    assert_int_equal(vlapic_deadline(&apic), 2 * VLAPIC_PERIOD_MIN_TSC);
    assert_int_equal(read_at(VLAPIC_REG_CURRENT_COUNT, VLAPIC_PERIOD_MIN_TSC + 5), 1);
}

static void a_masked_timer_counts_without_interrupting(void **state)
{
    (void)state;
    write_at(VLAPIC_REG_LVT_TIMER, MASKED | 0x40, 0);
    write_at(VLAPIC_REG_INITIAL_COUNT, 100, 0);
    assert_int_equal(read_at(VLAPIC_REG_CURRENT_COUNT, 100), 50);
    assert_false(vlapic_timer_fire(&apic, 200));
    assert_true(vlapic_idle(&apic));
    assert_int_equal(vlapic_deadline(&apic), VLAPIC_TIMER_NEVER);
}

static void a_new_divisor_keeps_the_count_that_is_left(void **state)
{
    (void)state;
    write_at(VLAPIC_REG_LVT_TIMER, 0x40, 0);
    write_at(VLAPIC_REG_INITIAL_COUNT, 1000, 0); /* by 2 */
    write_at(VLAPIC_REG_DIVIDE, 1, 1000);        /* 500 left, by 4 */
    assert_int_equal(vlapic_deadline(&apic), 1000 + 500 * 4);
    assert_int_equal(read_at(VLAPIC_REG_CURRENT_COUNT, 1000), 500);
}

static void tsc_deadline_fires_at_its_value_and_zero_disarms(void **state)
{
    (void)state;                                /* 11.5.4.1 */
    assert_true(wrmsr(MSR_TSC_DEADLINE, 5000)); /* not in this mode: ignored */
    assert_int_equal(effect.bits, 0);
    assert_int_equal(vlapic_deadline(&apic), VLAPIC_TIMER_NEVER);
    assert_int_equal(rdmsr(MSR_TSC_DEADLINE), 0);

    write_reg(VLAPIC_REG_LVT_TIMER, DEADLINE | 0x41);
    assert_true(wrmsr(MSR_TSC_DEADLINE, 5000));
    assert_int_equal(vlapic_deadline(&apic), 5000);
    assert_int_equal(rdmsr(MSR_TSC_DEADLINE), 5000);
    write_reg(VLAPIC_REG_INITIAL_COUNT, 7); /* ignored in this mode */
    assert_int_equal(read_reg(VLAPIC_REG_INITIAL_COUNT), 0);
    assert_int_equal(read_reg(VLAPIC_REG_CURRENT_COUNT), 0);
    assert_int_equal(vlapic_deadline(&apic), 5000);
    assert_true(vlapic_timer_fire(&apic, 5000));
    assert_int_equal(vlapic_pending(&apic), 0x41);
    assert_int_equal(rdmsr(MSR_TSC_DEADLINE), 0);

    assert_true(wrmsr(MSR_TSC_DEADLINE, 9000));
    assert_true(wrmsr(MSR_TSC_DEADLINE, 0));
    assert_int_equal(vlapic_deadline(&apic), VLAPIC_TIMER_NEVER);
    assert_true(wrmsr(MSR_TSC_DEADLINE, 9000));
    write_reg(VLAPIC_REG_LVT_TIMER, 0x41); /* another mode disarms */
    assert_int_equal(vlapic_deadline(&apic), VLAPIC_TIMER_NEVER);
    write_reg(VLAPIC_REG_INITIAL_COUNT, 7);
    write_reg(VLAPIC_REG_LVT_TIMER, DEADLINE | 0x41);
    assert_int_equal(vlapic_deadline(&apic), VLAPIC_TIMER_NEVER);
}

static void a_written_tsc_moves_counters_but_not_deadlines(void **state)
{
    (void)state;
    write_at(VLAPIC_REG_LVT_TIMER, 0x40, 1000);
    write_at(VLAPIC_REG_INITIAL_COUNT, 500, 1000);
    vlapic_tsc_written(&apic, 1500, 0);
    assert_int_equal(vlapic_deadline(&apic), 500);
    vlapic_tsc_written(&apic, 100, UINT64_MAX - 10); /* beyond the end of time */
    assert_int_equal(vlapic_deadline(&apic), VLAPIC_TIMER_NEVER);
    write_reg(VLAPIC_REG_LVT_TIMER, DEADLINE | 0x41);
    assert_true(wrmsr(MSR_TSC_DEADLINE, 5000));
    vlapic_tsc_written(&apic, 100, 4000);
    assert_int_equal(vlapic_deadline(&apic), 5000);
}

/* ------------------------------------------------------------------------------------------------ destinations */

static bool matches(uint32_t destination, bool logical)
{
    return vlapic_matches(&apic, &(struct vlapic_message){ .destination = destination, .logical = logical });
}

static void physical_destinations(void **state)
{
    (void)state;
    assert_true(matches(3, false));
    assert_false(matches(2, false));
    assert_true(matches(VLAPIC_BROADCAST, false));
    to_x2apic();
    assert_true(matches(3, false));
    assert_false(matches(0x103, false));
    assert_true(matches(VLAPIC_BROADCAST, false));
    assert_true(wrmsr(MSR_APIC_BASE, VLAPIC_BASE_DEFAULT));
    assert_false(matches(VLAPIC_BROADCAST, false));
}

static void logical_flat_and_cluster(void **state)
{
    (void)state; /* 11.6.2.2 */
    write_reg(VLAPIC_REG_LDR, 0x24FFFFFF);
    assert_int_equal(read_reg(VLAPIC_REG_LDR), 0x24000000);
    assert_true(matches(0x04, true) && matches(0x20, true) && matches(0xFE, true));
    assert_false(matches(0x10, true) || matches(0, true) || matches(0x124, true));
    write_reg(VLAPIC_REG_DFR, 0); /* cluster 2, member 4 */
    assert_int_equal(read_reg(VLAPIC_REG_DFR), 0x0FFFFFFF);
    assert_true(matches(0x24, true) && matches(0x2F, true) && matches(0xF4, true));
    assert_false(matches(0x14, true) || matches(0x23, true) || matches(0xF3, true) || matches(0x04, true));
    assert_true(matches(VLAPIC_BROADCAST, true));
}

static void x2apic_logical_id_follows_from_the_apic_id(void **state)
{
    (void)state; /* 11.12.10.2 */
    for (uint32_t id = 0; id < 255; id++) {
        vlapic_init(&apic, page, id, false);
        to_x2apic();
        assert_int_equal(rdmsr(X2(LDR)), (id / 16) << 16 | 1u << id % 16);
        assert_int_equal(rdmsr(X2(ID)), id);
        assert_true(matches((id / 16) << 16 | 0xFFFF, true));
        assert_false(matches((id / 16) << 16 | (0xFFFFu & ~(1u << id % 16)), true));
        assert_false(matches((id / 16 + 1) << 16 | 0xFFFF, true));
    }
}

static void shorthands(void **state)
{
    struct vlapic_message message = { .sender = 3, .shorthand = VLAPIC_TO_ALL, .destination = 77 };

    (void)state;
    assert_true(vlapic_matches(&apic, &message));
    message.shorthand = VLAPIC_TO_OTHERS;
    assert_false(vlapic_matches(&apic, &message));
    message.sender = 4;
    assert_true(vlapic_matches(&apic, &message));
    message.shorthand = VLAPIC_TO_SELF;
    assert_false(vlapic_matches(&apic, &message));
}

static void lowest_priority_is_the_processor_priority(void **state)
{
    (void)state;
    assert_int_equal(vlapic_priority(&apic), 0);
    write_reg(VLAPIC_REG_TPR, 0x35);
    assert_int_equal(vlapic_priority(&apic), 0x35);
    (void)accept(VLAPIC_LOWEST_PRIORITY, 0x91, false);
    vlapic_take(&apic, 0x91);
    assert_int_equal(vlapic_priority(&apic), 0x90);
}

static void msi_messages(void **state)
{
    struct vlapic_message m;

    (void)state; /* 11.11 */
    assert_true(vlapic_message_from_msi(0xFEE03000, 0x4041, &m));
    assert_true(m.destination == 3 && !m.logical && m.vector == 0x41 && m.delivery == VLAPIC_FIXED && !m.level);
    assert_true(vlapic_message_from_msi(0xFEEFF000, 0x0041, &m));
    assert_int_equal(m.destination, VLAPIC_BROADCAST);
    assert_true(vlapic_message_from_msi(0xFEE0200C, 0x0041, &m)); /* redirection hint, logical */
    assert_true(m.destination == 2 && m.logical && m.delivery == VLAPIC_LOWEST_PRIORITY);
    assert_true(vlapic_message_from_msi(0xFEE00004, 0xC441, &m));
    assert_true(m.logical && m.level && !m.deassert && m.delivery == VLAPIC_NMI);
    assert_true(vlapic_message_from_msi(0xFEE00000, 0x8041, &m));
    assert_true(m.deassert);
    assert_int_equal(vlapic_accept(&apic, &m), VLAPIC_NOTHING);
    assert_false(vlapic_message_from_msi(0xFED00000, 0x41, &m));
    assert_false(vlapic_message_from_msi(0x1FEE00000, 0x41, &m));
}

/* --------------------------------------------------------------------------------------------------------- ICR */

static void icr_in_xapic_mode(void **state)
{
    (void)state; /* 11.6.1 */
    write_reg(VLAPIC_REG_ICR_HIGH, 0x05FFFFFF);
    assert_int_equal(read_reg(VLAPIC_REG_ICR_HIGH), 0x05000000);
    write_reg(VLAPIC_REG_ICR, 0xFFF00000 | 0x4800 | 0x1000 | 0xFD);
    assert_int_equal(read_reg(VLAPIC_REG_ICR), 0x48FD); /* never busy */
    assert_int_equal(effect.bits, VLAPIC_SENDS);
    assert_true(effect.ipi.destination == 5 && effect.ipi.logical && effect.ipi.vector == 0xFD &&
                effect.ipi.sender == 3 && effect.ipi.shorthand == VLAPIC_TO_DESTINATION);
    write_reg(VLAPIC_REG_ICR_HIGH, 0xFF000000);
    write_reg(VLAPIC_REG_ICR, 0x4500); /* INIT to all, asserted */
    assert_true(effect.ipi.destination == VLAPIC_BROADCAST && effect.ipi.delivery == VLAPIC_INIT);
    write_reg(VLAPIC_REG_ICR, 0x8500); /* the de-assert goes nowhere */
    assert_int_equal(effect.bits, 0);
    write_reg(VLAPIC_REG_ICR, 0xC4608); /* SIPI to the others */
    assert_true(effect.bits == VLAPIC_SENDS && effect.ipi.shorthand == VLAPIC_TO_OTHERS &&
                effect.ipi.delivery == VLAPIC_SIPI && effect.ipi.vector == 8);
    write_reg(VLAPIC_REG_ICR, 0x4351); /* reserved delivery mode */
    assert_int_equal(effect.bits, 0);
    write_reg(VLAPIC_REG_ICR, 0x44051); /* self */
    assert_int_equal(effect.bits, 0);
    assert_int_equal(vlapic_pending(&apic), 0x51);
}

static void icr_in_x2apic_mode_is_one_64_bit_register(void **state)
{
    (void)state; /* 11.12.9 */
    to_x2apic();
    assert_true(wrmsr(X2(ICR), UINT64_C(0x0001000200000000) | 0x0830));
    assert_true(effect.bits == VLAPIC_SENDS && effect.ipi.destination == 0x00010002 && effect.ipi.logical &&
                effect.ipi.vector == 0x30);
    assert_int_equal(rdmsr(X2(ICR)), UINT64_C(0x0001000200000830));
    assert_true(wrmsr(X2(ICR), UINT64_C(0xFFFFFFFF000000FD)));
    assert_int_equal(effect.ipi.destination, VLAPIC_BROADCAST);
    assert_true(wrmsr(X2(ICR), UINT64_C(0x000000FF000000FD)));
    assert_int_equal(effect.ipi.destination, 0xFF); /* no broadcast: all 32 bits count */
    assert_false(wrmsr(X2(ICR), 0x2041));
    assert_false(wrmsr(X2(ICR), 0x10041));
    assert_false(wrmsr(X2(ICR), 0x100041));
    assert_false(wrmsr(MSR_X2APIC_FIRST + VLAPIC_REG_ICR_HIGH, 0));
}

static void self_ipi(void **state)
{
    (void)state;                          /* 11.12.11 */
    write_reg(VLAPIC_REG_SELF_IPI, 0x40); /* no such register in xAPIC mode */
    write_reg(VLAPIC_REG_ESR, 0);
    assert_int_equal(read_reg(VLAPIC_REG_ESR), 0x80);
    to_x2apic();
    assert_true(wrmsr(X2(SELF_IPI), 0x66));
    assert_int_equal(effect.bits, 0);
    assert_int_equal(vlapic_pending(&apic), 0x66);
    assert_true(rdmsr_faults(X2(SELF_IPI)));
    assert_false(wrmsr(X2(SELF_IPI), 0x166));
    assert_true(wrmsr(X2(SELF_IPI), 2));
    assert_true(wrmsr(X2(ESR), 0));
    assert_int_equal(rdmsr(X2(ESR)), 0x20);
}

/* ------------------------------------------------------------------------------------------------------- modes */

static void mode_transitions_are_those_of_the_state_diagram(void **state)
{
    /* off, xAPIC, invalid, x2APIC; figure 11-27 */
    static const uint64_t bits[4] = { 0, VLAPIC_BASE_ENABLE, VLAPIC_BASE_X2APIC,
                                      VLAPIC_BASE_ENABLE | VLAPIC_BASE_X2APIC };
    static const bool legal[4][4] = {
        { true, true, false, false }, { true, true, false, true }, { 0 }, { true, false, false, true }
    };

    (void)state;
    for (unsigned from = 0; from < 4; from++) {
        for (unsigned to = 0; from != 2 && to < 4; to++) {
            vlapic_init(&apic, page, 3, false);
            if (from != 1)
                assert_true(wrmsr(MSR_APIC_BASE, VLAPIC_BASE_DEFAULT | bits[from]));
            assert_int_equal(wrmsr(MSR_APIC_BASE, VLAPIC_BASE_DEFAULT | bits[to]), legal[from][to]);
            assert_int_equal(rdmsr(MSR_APIC_BASE), VLAPIC_BASE_DEFAULT | bits[legal[from][to] ? to : from]);
        }
    }
    for (unsigned bit = 0; bit < 64; bit++) {
        bool reserved = bit < 8 || bit == 9 || bit >= 52;

        vlapic_init(&apic, page, 3, false);
        assert_int_equal(!wrmsr(MSR_APIC_BASE, (VLAPIC_BASE_DEFAULT | VLAPIC_BASE_ENABLE) ^ UINT64_C(1) << bit),
                         reserved);
    }
}

static void x2apic_registers_fault_where_xapic_ones_ignore(void **state)
{
    static const unsigned readable[] = { 0x02, 0x03, 0x08, 0x0A, 0x0D, 0x0F, 0x28, 0x30, 0x32,
                                         0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3E };
    static const unsigned writable[] = { 0x08, 0x0B, 0x0F, 0x28, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x3E };

    (void)state; /* table 11-6 */
    assert_true(rdmsr_faults(X2(ID)));
    assert_false(wrmsr(X2(TPR), 0));
    to_x2apic();
    assert_false(mmio_read(0x20, 0, &(uint32_t){ 0 }));
    for (unsigned reg = 0; reg < 0x100; reg++) {
        bool can_read = reg >= VLAPIC_REG_ISR && reg < VLAPIC_REG_ESR, can_write = false;

        for (unsigned i = 0; i < sizeof readable / sizeof readable[0]; i++)
            can_read |= readable[i] == reg;
        for (unsigned i = 0; i < sizeof writable / sizeof writable[0]; i++)
            can_write |= writable[i] == reg;
        assert_int_equal(!rdmsr_faults(MSR_X2APIC_FIRST + reg), can_read);
        if (reg == VLAPIC_REG_ICR || reg == VLAPIC_REG_SELF_IPI)
            continue;
        assert_int_equal(wrmsr(MSR_X2APIC_FIRST + reg, 0), can_write);
        assert_false(wrmsr(MSR_X2APIC_FIRST + reg, UINT64_C(1) << 32));
    }
    assert_false(wrmsr(X2(TPR), 0x100));
    assert_false(wrmsr(X2(EOI), 1));
    assert_false(wrmsr(X2(ESR), 1));
    assert_false(wrmsr(X2(SVR), 0x1000)); /* no EOI broadcast suppression */
    assert_false(wrmsr(X2(LVT_TIMER), 0x80000));
    assert_true(wrmsr(X2(LVT_LINT0), 0x5700));              /* read-only bits of an LVT may be written back */
    assert_int_equal(rdmsr(X2(LVT_LINT0)), MASKED | 0x700); /* SVR was written 0: disabled, masked */
    assert_false(wrmsr(X2(DIVIDE), 4));
    assert_true(wrmsr(X2(TPR), 0xFF));
    assert_int_equal(vlapic_cr8_get(&apic), 15);
}

/* -------------------------------------------------------------------------------------------------- everything */

static void random_access(void)
{
    uint64_t value = fake_random(3) == 0 ? fake_random(UINT64_MAX) : fake_random(0x100000), read;
    uint64_t now = fake_random(16) == 0 ? fake_random(UINT64_MAX) : fake_random(1000000);
    uint32_t offset = (uint32_t)fake_random(fake_random(4) ? 0x100 : 0x10000) << (fake_random(4) ? 4 : 0), word;
    uint8_t ended;
    struct vlapic_message message;
    int vector;

    switch (fake_random(12)) {
    case 0:
        ignore(mmio_read(offset, now, &word));
        break;
    case 1 ... 3:
        ignore(mmio_write(offset, (uint32_t)value, now));
        break;
    case 4:
        ignore(msr_write(MSR_X2APIC_FIRST + (uint32_t)fake_random(0x110), value, now));
        break;
    case 5:
        ignore(msr_read((uint32_t)fake_random(0x1000), now, &read));
        break;
    case 6:
        if (fake_random(16) == 0)
            ignore(msr_write(MSR_APIC_BASE, VLAPIC_BASE_DEFAULT | fake_random(4) << 10, now));
        ignore(msr_write(MSR_TSC_DEADLINE, value, now));
        break;
    case 7:
        if (vlapic_message_from_msi(0xFEE00000 | (value & 0xFF00C), (uint32_t)fake_random(0x10000), &message))
            ignore(vlapic_accept(&apic, &message));
        break;
    case 8:
        ignore(vlapic_lint(&apic, (unsigned)fake_random(2), fake_random(2)));
        break;
    case 9:
        (void)vlapic_timer_fire(&apic, now);
        vlapic_tsc_written(&apic, now, value);
        break;
    case 10:
        (void)vlapic_eoi(&apic, &ended);
        (void)vlapic_nmi_take(&apic);
        break;
    default:
        vector = vlapic_pending(&apic);
        if (vector >= 0)
            vlapic_take(&apic, (unsigned)vector);
        if (fake_random(2)) /* software that uses its APIC comes back to this */
            ignore(mmio_write(VLAPIC_REG_SVR << 4, 0x1FF, now));
    }
}

static void check_invariants(void)
{
    assert_int_equal(
        (apic.reg[VLAPIC_REG_IRR].value | apic.reg[VLAPIC_REG_ISR].value | apic.reg[VLAPIC_REG_TMR].value) & 0xFFFF, 0);
    for (unsigned word = 0; word < 8; word++)
        assert_int_equal((apic.reg[VLAPIC_REG_IRR + word].value | apic.request[word]) != 0, apic.events >> word & 1);
    assert_true(vlapic_pending(&apic) == -1 || vlapic_pending(&apic) >= 16);
}

/* But for a request that IRR does not have yet. */
static void check_equal(const struct vlapic *a, const struct vlapic *b)
{
    assert_int_equal(a->events, b->events);
    assert_int_equal(a->esr_collected, b->esr_collected);
    assert_int_equal(a->apic_id, b->apic_id);
    assert_int_equal(a->apic_base, b->apic_base);
    assert_int_equal(a->timer_due, b->timer_due);
}

static void hostile_accesses_keep_a_state_that_can_be_saved_and_restored(void **state)
{
    static struct vlapic_slot other_page[PAGE_SIZE / sizeof(struct vlapic_slot)];
    static struct vlapic other;
    struct vlapic_state saved, again;

    (void)state;
    for (unsigned seed = 1; seed <= 40; seed++) {
        fake_random_seed(seed);
        vlapic_init(&apic, page, 7, false);
        for (unsigned round = 0; round < 5000; round++) {
            random_access();
            check_invariants();
            if (round % 8 != 0)
                continue;
            memset(&saved, 0xA5, sizeof saved);
            vlapic_state_get(&apic, &saved);
            vlapic_init(&other, other_page, 7, false);
            assert_int_equal(vlapic_state_set(&other, &saved), CL_OK);
            vlapic_state_get(&other, &again);
            assert_memory_equal(&saved, &again, sizeof saved);
            check_equal(&apic, &other);
        }
    }
}

static void a_restore_takes_all_or_nothing(void **state)
{
    struct vlapic_state good, bad;
    unsigned refused = 0;

    (void)state;
    vlapic_state_get(&apic, &good);
    fake_random_seed(5);
    for (unsigned round = 0; round < 200000; round++) {
        struct vlapic before = apic;
        struct vlapic_slot registers[VLAPIC_REG_COUNT];

        memcpy(registers, page, sizeof registers);
        bad = good;
        ((uint8_t *)&bad)[fake_random(sizeof bad)] ^= (uint8_t)(1u << fake_random(8));
        if (fake_random(4) == 0)
            ((uint8_t *)&bad)[fake_random(sizeof bad)] ^= (uint8_t)(1u << fake_random(8));
        if (vlapic_state_set(&apic, &bad) == CL_OK) {
            struct vlapic_state back;

            vlapic_state_get(&apic, &back);
            assert_memory_equal(&back, &bad, sizeof bad);
            check_invariants();
            assert_int_equal(vlapic_state_set(&apic, &good), CL_OK);
        } else {
            refused++;
            assert_memory_equal(&before, &apic, sizeof apic);
            assert_memory_equal(registers, page, sizeof registers);
        }
    }
    assert_true(refused > 20000);

    bad = good, bad.reg[VLAPIC_REG_ID] = 4u << 24;
    assert_int_equal(vlapic_state_set(&apic, &bad), CL_BAD_ARGUMENT);
    bad = good, bad.apic_base |= VLAPIC_BASE_X2APIC;
    assert_int_equal(vlapic_state_set(&apic, &bad), CL_BAD_ARGUMENT); /* ID and LDR are not those of x2APIC */
    bad = good, bad.timer_due_tsc = 5;
    assert_int_equal(vlapic_state_set(&apic, &bad), CL_BAD_ARGUMENT);
    bad = good, bad.reg[VLAPIC_REG_IRR] = 1;
    assert_int_equal(vlapic_state_set(&apic, &bad), CL_BAD_ARGUMENT);
    bad = good, bad.reg[VLAPIC_REG_SVR] = 0xFF, bad.reg[VLAPIC_REG_LVT_LINT0] = 0x700;
    assert_int_equal(vlapic_state_set(&apic, &bad), CL_BAD_ARGUMENT);
}

/* A sender and the owner meet in one word of IRR: the second vector comes while the owner takes the first and finds
 * the word empty. The sender waits for both before it goes on, so a lost one shows as standstill. */
#define ROUNDS 200000
#define STANDSTILL_SECONDS 60 /* without finding anything: on a busy machine the sender may wait for long */
static uint32_t arrived, given_up;

static void *sender(void *argument)
{
    (void)argument;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct vlapic_message message = { .vector = 32, .level = round & 1 };

        ignore(vlapic_accept(&apic, &message));
        for (volatile uint32_t pause = round % 64; pause > 0; pause--)
            ;
        message.vector = 33;
        ignore(vlapic_accept(&apic, &message));
        while (__atomic_load_n(&arrived, __ATOMIC_ACQUIRE) != 2 * round + 2)
            if (__atomic_load_n(&given_up, __ATOMIC_RELAXED))
                return NULL;
    }
    return NULL;
}

static void nothing_is_lost_between_concurrent_accept_and_take(void **state)
{
    pthread_t thread;
    time_t last = time(NULL);
    unsigned looks = 0;
    uint8_t ended;

    (void)state;
    arrived = given_up = 0;
    assert_int_equal(pthread_create(&thread, NULL, sender, NULL), 0);
    while (arrived < 2 * ROUNDS) {
        int vector = vlapic_pending(&apic);

        if (vector < 0) {
            if (++looks % 1024 != 0)
                continue;
            if (time(NULL) - last > STANDSTILL_SECONDS)
                break;
            sched_yield();
            continue;
        }
        vlapic_take(&apic, (unsigned)vector);
        (void)vlapic_eoi(&apic, &ended);
        assert_int_equal(ended, vector);
        __atomic_fetch_add(&arrived, 1, __ATOMIC_RELEASE);
        if (looks >= 1024)
            last = time(NULL);
        looks = 0;
    }
    __atomic_store_n(&given_up, 1, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    assert_int_equal(arrived, 2 * ROUNDS);
    assert_true(vlapic_idle(&apic));
    check_invariants();
}

/* A restore forgets what came before it; what comes meanwhile is forgotten with it, or waits and is known of. */
#define RESTORES 100000
static uint32_t restores_begun, sent;

static void *sender_to_restored(void *argument)
{
    const struct vlapic_message message = { .vector = 32 };

    (void)argument;
    for (uint32_t round = 1; round <= RESTORES; round++) {
        while (__atomic_load_n(&restores_begun, __ATOMIC_ACQUIRE) != round)
            sched_yield();
        for (volatile uint32_t pause = round % 512; pause > 0; pause--)
            ;
        ignore(vlapic_accept(&apic, &message));
        __atomic_store_n(&sent, round, __ATOMIC_RELEASE);
    }
    return NULL;
}

static void a_restore_loses_track_of_no_interrupt_that_comes_meanwhile(void **state)
{
    struct vlapic_state idle;
    unsigned forgotten = 0;
    pthread_t thread;

    (void)state;
    vlapic_state_get(&apic, &idle);
    restores_begun = sent = 0;
    assert_int_equal(pthread_create(&thread, NULL, sender_to_restored, NULL), 0);
    for (uint32_t round = 1; round <= RESTORES; round++) {
        ignore(accept(VLAPIC_FIXED, 33, false));
        __atomic_store_n(&restores_begun, round, __ATOMIC_RELEASE);
        if (vlapic_state_set(&apic, &idle) != CL_OK)
            forgotten++;
        while (__atomic_load_n(&sent, __ATOMIC_ACQUIRE) != round)
            sched_yield();
        if (apic.request[1] != 0 && !(apic.events & 1u << 1))
            forgotten++;
    }
    pthread_join(thread, NULL);
    assert_int_equal(forgotten, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(reset_state_is_that_of_the_manual, setup),
        cmocka_unit_test_setup(init_resets_all_but_the_id_and_the_mode, setup),
        cmocka_unit_test_setup(the_highest_vector_is_delivered_first, setup),
        cmocka_unit_test_setup(the_class_in_service_and_tpr_hold_back_what_is_not_above, setup),
        cmocka_unit_test_setup(eoi_ends_the_highest_and_reports_level_ones, setup),
        cmocka_unit_test_setup(a_vector_waits_once_while_another_of_it_is_in_service, setup),
        cmocka_unit_test_setup(a_software_disabled_apic_takes_no_fixed_interrupts_but_the_others, setup),
        cmocka_unit_test_setup(lint_pins_do_what_their_lvt_says, setup),
        cmocka_unit_test_setup(a_globally_disabled_apic_lets_intr_and_nmi_through, setup),
        cmocka_unit_test_setup(errors_are_collected_and_interrupt_once, setup),
        cmocka_unit_test_setup(one_shot_counts_down_at_the_divided_rate_and_fires_once, setup),
        cmocka_unit_test_setup(periodic_rearms_without_drift_and_drops_what_was_missed, setup),
        cmocka_unit_test_setup(a_tiny_period_does_not_storm_the_host, setup),
        cmocka_unit_test_setup(a_masked_timer_counts_without_interrupting, setup),
        cmocka_unit_test_setup(a_new_divisor_keeps_the_count_that_is_left, setup),
        cmocka_unit_test_setup(tsc_deadline_fires_at_its_value_and_zero_disarms, setup),
        cmocka_unit_test_setup(a_written_tsc_moves_counters_but_not_deadlines, setup),
        cmocka_unit_test_setup(physical_destinations, setup),
        cmocka_unit_test_setup(logical_flat_and_cluster, setup),
        cmocka_unit_test_setup(x2apic_logical_id_follows_from_the_apic_id, setup),
        cmocka_unit_test_setup(shorthands, setup),
        cmocka_unit_test_setup(lowest_priority_is_the_processor_priority, setup),
        cmocka_unit_test_setup(msi_messages, setup),
        cmocka_unit_test_setup(icr_in_xapic_mode, setup),
        cmocka_unit_test_setup(icr_in_x2apic_mode_is_one_64_bit_register, setup),
        cmocka_unit_test_setup(self_ipi, setup),
        cmocka_unit_test_setup(mode_transitions_are_those_of_the_state_diagram, setup),
        cmocka_unit_test_setup(x2apic_registers_fault_where_xapic_ones_ignore, setup),
        cmocka_unit_test_setup(hostile_accesses_keep_a_state_that_can_be_saved_and_restored, setup),
        cmocka_unit_test_setup(a_restore_takes_all_or_nothing, setup),
        cmocka_unit_test_setup(nothing_is_lost_between_concurrent_accept_and_take, setup),
        cmocka_unit_test_setup(a_restore_loses_track_of_no_interrupt_that_comes_meanwhile, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
