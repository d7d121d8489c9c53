/* SPDX-License-Identifier: Apache-2.0 */
/* rtc.c: Motorola MC146818A with a century register at 32h.
 *
 * MC146818A data sheet (1984): time, calendar and alarm, registers A to D, periodic, alarm and update-ended interrupts.
 * Nothing ticks here: the time is the wall clock plus an offset that the guest has set, and flags are worked out when
 * somebody looks or an enabled interrupt comes due.
 */
#include "vmm/irq.h"
#include "vmm/rtc.h"

#define NS_PER_SECOND INT64_C(1000000000)
#define NS_UPDATE 244000 /* UIP is up that long before the time changes */
#define SECONDS_PER_DAY 86400

enum {
    RTC_SECONDS = 0x00,
    RTC_SECONDS_ALARM = 0x01,
    RTC_MINUTES = 0x02,
    RTC_MINUTES_ALARM = 0x03,
    RTC_HOURS = 0x04,
    RTC_HOURS_ALARM = 0x05,
    RTC_WEEKDAY = 0x06,
    RTC_DAY = 0x07,
    RTC_MONTH = 0x08,
    RTC_YEAR = 0x09,
    RTC_A = 0x0A,
    RTC_B = 0x0B,
    RTC_C = 0x0C,
    RTC_D = 0x0D,
    RTC_CENTURY = 0x32,
    RTC_REGISTERS = 0x80
};

#define A_UIP 0x80u
#define A_DIVIDER 0x70u
#define A_DIVIDER_RUNS 0x20u
#define A_RATE 0x0Fu
#define B_SET 0x80u
#define B_PIE 0x40u
#define B_AIE 0x20u
#define B_UIE 0x10u
#define B_BINARY 0x04u
#define B_24H 0x02u
#define C_IRQF 0x80u
#define C_PF 0x40u
#define C_AF 0x20u
#define C_UF 0x10u
#define D_VALID 0x80u
#define PM_BIT 0x80u

struct rtc_state {
    int64_t offset_ns;    /* guest's time minus wall clock */
    uint64_t periodic_ns; /* machine time of the next periodic flag */
    int64_t updated;      /* guest's second up to which UF and AF were worked out */
    uint8_t index;
    uint8_t reg[RTC_REGISTERS];
};

struct rtc_time {
    unsigned second, minute, hour, weekday, day, month, year; /* weekday 1 = Sunday */
};

static int64_t guest_ns(const struct device *device)
{
    const struct rtc_state *s = device->state;
    const struct machine *m = device->machine;

    return (int64_t)m->host->wall_ns(m->host_context) + s->offset_ns;
}

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar; the year counts from March. */
static int64_t days_of_date(int64_t year, unsigned month, unsigned day)
{
    int64_t shifted = year - (month <= 2), era = (shifted >= 0 ? shifted : shifted - 399) / 400;
    int64_t in_era = shifted - era * 400;
    int64_t in_year = (153 * (int64_t)(month + (month > 2 ? -3u : 9u)) + 2) / 5 + day - 1;

    return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

static struct rtc_time time_of_seconds(int64_t seconds)
{
    int64_t days = seconds / SECONDS_PER_DAY, in_day = seconds % SECONDS_PER_DAY;
    int64_t shifted, era, in_era, year, in_year, month;
    struct rtc_time t;

    if (in_day < 0) {
        in_day += SECONDS_PER_DAY;
        days--;
    }
    t.second = (unsigned)(in_day % 60);
    t.minute = (unsigned)(in_day / 60 % 60);
    t.hour = (unsigned)(in_day / 3600);
    t.weekday = (unsigned)(((days + 4) % 7 + 7) % 7 + 1);
    shifted = days + 719468;
    era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    in_era = shifted - era * 146097;
    year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    in_year = in_era - (365 * year + year / 4 - year / 100);
    month = (5 * in_year + 2) / 153;
    t.day = (unsigned)(in_year - (153 * month + 2) / 5 + 1);
    t.month = (unsigned)(month < 10 ? month + 3 : month - 9);
    t.year = (unsigned)(year + era * 400 + (t.month <= 2));
    return t;
}

static uint8_t encode(const struct rtc_state *s, unsigned value)
{
    return (uint8_t)(s->reg[RTC_B] & B_BINARY ? value : value / 10 << 4 | value % 10);
}

static unsigned decode(const struct rtc_state *s, uint8_t value)
{
    return s->reg[RTC_B] & B_BINARY ? value : (value >> 4) * 10u + (value & 15u);
}

static uint8_t encode_hour(const struct rtc_state *s, unsigned hour)
{
    unsigned twelve = hour % 12 == 0 ? 12 : hour % 12;

    if (s->reg[RTC_B] & B_24H)
        return encode(s, hour);
    return (uint8_t)(encode(s, twelve) | (hour >= 12 ? PM_BIT : 0));
}

static unsigned decode_hour(const struct rtc_state *s, uint8_t value)
{
    if (s->reg[RTC_B] & B_24H)
        return decode(s, value);
    return decode(s, value & 0x7F) % 12 + (value & PM_BIT ? 12 : 0);
}

static bool is_time(unsigned index)
{
    return index == RTC_SECONDS || index == RTC_MINUTES || index == RTC_HOURS ||
           (index >= RTC_WEEKDAY && index <= RTC_YEAR) || index == RTC_CENTURY;
}

static uint8_t time_register(const struct rtc_state *s, const struct rtc_time *t, unsigned index)
{
    switch (index) {
    case RTC_SECONDS:
        return encode(s, t->second);
    case RTC_MINUTES:
        return encode(s, t->minute);
    case RTC_HOURS:
        return encode_hour(s, t->hour);
    case RTC_WEEKDAY:
        return encode(s, t->weekday);
    case RTC_DAY:
        return encode(s, t->day);
    case RTC_MONTH:
        return encode(s, t->month);
    case RTC_YEAR:
        return encode(s, t->year % 100);
    default:
        return encode(s, t->year / 100);
    }
}

/* The time registers become the memory of what they showed: for a guest that sets some of them. */
static void freeze(struct rtc_state *s, struct capsule_tx *tx, int64_t now_ns)
{
    static const uint8_t registers[] = { RTC_SECONDS, RTC_MINUTES, RTC_HOURS, RTC_WEEKDAY,
                                         RTC_DAY,     RTC_MONTH,   RTC_YEAR,  RTC_CENTURY };
    struct rtc_time t = time_of_seconds(now_ns / NS_PER_SECOND);

    for (unsigned i = 0; i < sizeof(registers); i++)
        CAPSULE_SET(tx, s->reg[registers[i]], time_register(s, &t, registers[i]));
}

static unsigned bounded(unsigned value, unsigned low, unsigned high)
{
    return value < low ? low : value > high ? high : value;
}

/* The time goes on from what the registers hold; what makes no date is brought into range. */
static void thaw(struct rtc_state *s, struct capsule_tx *tx, int64_t now_ns)
{
    unsigned century = bounded(decode(s, s->reg[RTC_CENTURY]), 19, 20);
    unsigned year = century * 100 + bounded(decode(s, s->reg[RTC_YEAR]), 0, 99);
    unsigned month = bounded(decode(s, s->reg[RTC_MONTH]), 1, 12);
    unsigned day = bounded(decode(s, s->reg[RTC_DAY]), 1, 31);
    int64_t seconds = days_of_date(year, month, day) * SECONDS_PER_DAY;

    seconds += bounded(decode_hour(s, s->reg[RTC_HOURS]), 0, 23) * 3600;
    seconds += bounded(decode(s, s->reg[RTC_MINUTES]), 0, 59) * 60;
    seconds += bounded(decode(s, s->reg[RTC_SECONDS]), 0, 59);
    CAPSULE_SET(tx, s->offset_ns, s->offset_ns + (seconds * NS_PER_SECOND - (now_ns - now_ns % NS_PER_SECOND)));
    CAPSULE_SET(tx, s->updated, seconds);
}

static uint64_t period_ns(const struct rtc_state *s)
{
    unsigned rate = s->reg[RTC_A] & A_RATE;

    if (rate == 0 || (s->reg[RTC_A] & A_DIVIDER) != A_DIVIDER_RUNS)
        return 0;
    if (rate < 3)
        rate += 7; /* data sheet table 5: 256 Hz and 128 Hz with the 32,768 Hz time base */
    return (UINT64_C(1000000000) << (rate - 1)) / 32768;
}

static bool alarm_field_matches(const struct rtc_state *s, unsigned index, uint8_t now)
{
    return (s->reg[index] & 0xC0) == 0xC0 || s->reg[index] == now;
}

static bool alarm_matches(const struct rtc_state *s, int64_t second)
{
    struct rtc_time t = time_of_seconds(second);

    return alarm_field_matches(s, RTC_SECONDS_ALARM, encode(s, t.second)) &&
           alarm_field_matches(s, RTC_MINUTES_ALARM, encode(s, t.minute)) &&
           alarm_field_matches(s, RTC_HOURS_ALARM, encode_hour(s, t.hour));
}

/* Bring the flags of register C up to date. */
static void update_flags(struct device *device, struct capsule_tx *tx)
{
    struct rtc_state *s = device->state;
    uint64_t now = machine_now(device), period = period_ns(s);
    int64_t second = guest_ns(device) / NS_PER_SECOND;
    uint8_t flags = s->reg[RTC_C] & (C_PF | C_AF | C_UF);

    if (period != 0 && now >= s->periodic_ns) {
        flags |= C_PF;
        CAPSULE_SET(tx, s->periodic_ns, s->periodic_ns + ((now - s->periodic_ns) / period + 1) * period);
    }
    if (!(s->reg[RTC_B] & B_SET) && second != s->updated) {
        flags |= C_UF;
        /* After a long sleep only the last two minutes are searched: an alarm older than that is long past. */
        for (int64_t at = second - s->updated > 120 || second < s->updated ? second : s->updated + 1; at <= second;
             at++)
            if (alarm_matches(s, at))
                flags |= C_AF;
        CAPSULE_SET(tx, s->updated, second);
    }
    if (flags & s->reg[RTC_B] & (C_PF | C_AF | C_UF))
        flags |= C_IRQF;
    CAPSULE_SET(tx, s->reg[RTC_C], flags);
}

static void rtc_reset(struct device *device, struct capsule_tx *tx)
{
    struct rtc_state *s = device->state;

    /* The clock and its memory run on; RESET clears the interrupt enables and flags (data sheet, pin RESET). */
    CAPSULE_SET(tx, s->index, 0);
    CAPSULE_SET(tx, s->reg[RTC_A], A_DIVIDER_RUNS | 6);
    CAPSULE_SET(tx, s->reg[RTC_B], B_24H);
    CAPSULE_SET(tx, s->reg[RTC_C], 0);
    CAPSULE_SET(tx, s->reg[RTC_D], D_VALID);
    CAPSULE_SET(tx, s->updated, guest_ns(device) / NS_PER_SECOND);
    CAPSULE_SET(tx, s->periodic_ns, machine_now(device) + period_ns(s));
}

static uint8_t read_register(struct device *device, struct capsule_tx *tx, unsigned index)
{
    struct rtc_state *s = device->state;
    uint8_t value;

    if (is_time(index) && !(s->reg[RTC_B] & B_SET)) {
        struct rtc_time t = time_of_seconds(guest_ns(device) / NS_PER_SECOND);

        return time_register(s, &t, index);
    }
    switch (index) {
    case RTC_A:
        if (!(s->reg[RTC_B] & B_SET) && guest_ns(device) % NS_PER_SECOND >= NS_PER_SECOND - NS_UPDATE)
            return s->reg[RTC_A] | A_UIP;
        return s->reg[RTC_A];
    case RTC_C: /* reading clears */
        update_flags(device, tx);
        value = s->reg[RTC_C];
        CAPSULE_SET(tx, s->reg[RTC_C], 0);
        return value;
    default:
        return s->reg[index];
    }
}

static void write_register(struct device *device, struct capsule_tx *tx, unsigned index, uint8_t value)
{
    struct rtc_state *s = device->state;
    uint64_t old_period = period_ns(s);

    switch (index) {
    case RTC_A:
        CAPSULE_SET(tx, s->reg[RTC_A], value & ~A_UIP);
        break;
    case RTC_B:
        update_flags(device, tx);
        if (value & ~s->reg[RTC_B] & B_SET) {
            freeze(s, tx, guest_ns(device));
            value &= (uint8_t)~B_UIE;
        }
        if (s->reg[RTC_B] & ~value & B_SET) {
            CAPSULE_SET(tx, s->reg[RTC_B], value);
            thaw(s, tx, guest_ns(device));
        }
        CAPSULE_SET(tx, s->reg[RTC_B], value);
        update_flags(device, tx);
        break;
    case RTC_C:
    case RTC_D:
        break;
    default:
        if (!is_time(index)) {
            CAPSULE_SET(tx, s->reg[index], value);
        } else if (s->reg[RTC_B] & B_SET) {
            CAPSULE_SET(tx, s->reg[index], value);
        } else {
            freeze(s, tx, guest_ns(device));
            CAPSULE_SET(tx, s->reg[index], value);
            thaw(s, tx, guest_ns(device));
        }
        break;
    }
    if (period_ns(s) != old_period)
        CAPSULE_SET(tx, s->periodic_ns, machine_now(device) + period_ns(s));
}

static uint32_t rtc_read(struct device *device, struct capsule_tx *tx, uint16_t port, unsigned size)
{
    const struct rtc_state *s = device->state;

    (void)size;
    return port & 1 ? read_register(device, tx, s->index) : 0xFF;
}

static void rtc_write(struct device *device, struct capsule_tx *tx, uint16_t port, unsigned size, uint32_t value)
{
    struct rtc_state *s = device->state;

    (void)size;
    if (port & 1)
        write_register(device, tx, s->index, (uint8_t)value);
    else
        CAPSULE_SET(tx, s->index, value & 0x7F); /* bit 7 masks NMI, of which there is none */
}

static uint64_t rtc_deadline(const struct device *device)
{
    const struct rtc_state *s = device->state;
    uint64_t earliest = DEADLINE_NEVER;
    uint8_t unset = (uint8_t)(s->reg[RTC_B] & ~s->reg[RTC_C]); /* a flag that is up waits to be read */

    if (unset & B_PIE && period_ns(s) != 0)
        earliest = s->periodic_ns;
    if (unset & (B_UIE | B_AIE) && !(s->reg[RTC_B] & B_SET)) {
        int64_t guest = guest_ns(device);
        uint64_t next = machine_now(device) + (uint64_t)(NS_PER_SECOND - guest % NS_PER_SECOND);

        if (guest / NS_PER_SECOND != s->updated)
            next = 0; /* overdue; a moment read from the running clock would always lie in the future */
        if (next < earliest)
            earliest = next;
    }
    return earliest;
}

static void rtc_timer(struct device *device, struct capsule_tx *tx, uint64_t now)
{
    (void)now;
    update_flags(device, tx);
}

static void rtc_derive(struct device *device, struct capsule_tx *tx)
{
    const struct rtc_state *s = device->state;

    irq_line_set(device, tx, PLATFORM_IRQ_RTC, (s->reg[RTC_C] & C_IRQF) != 0);
    machine_announce_deadline(device);
}

static const struct device_ops rtc_ops = { .name = "rtc",
                                           .version = 1,
                                           .state_size = sizeof(struct rtc_state),
                                           .reset = rtc_reset,
                                           .io_read = rtc_read,
                                           .io_write = rtc_write,
                                           .derive = rtc_derive,
                                           .deadline = rtc_deadline,
                                           .timer = rtc_timer };

enum cl_status rtc_add(struct machine *machine)
{
    TRY(machine_add(machine, &rtc_ops, NULL, &machine->rtc));
    return bus_add_ports(&machine->bus, machine->rtc, PLATFORM_PORT_RTC, 2, 1);
}
