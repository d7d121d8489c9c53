/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: the RTC: a plausible time that runs, CMOS memory, periodic and update-ended interrupts on IRQ 8.
 *
 * Motorola MC146818A data sheet; Intel 8259A for the way of IRQ 8.
 */
#include "apic.h"
#include "pc.h"
#include "trap.h"

#define RTC_SECONDS 0x00
#define RTC_MINUTES 0x02
#define RTC_HOURS 0x04
#define RTC_DAY 0x07
#define RTC_MONTH 0x08
#define RTC_YEAR 0x09
#define RTC_A 0x0A
#define RTC_B 0x0B
#define RTC_C 0x0C
#define RTC_D 0x0D
#define RTC_CMOS 0x40 /* memory that no firmware needs any more */

#define A_UPDATING 0x80
#define A_RATE_1024 0x26
#define B_PERIODIC 0x40
#define B_UPDATE 0x10
#define B_BINARY 0x04
#define B_24_HOURS 0x02
#define C_INTERRUPT 0x80
#define D_VALID 0x80

#define ONLY_IRQ8 0xFEFB /* and the cascade */

static volatile uint8_t last_c;

static unsigned read_number(uint8_t index)
{
    uint8_t value = rtc_read(index);

    if (rtc_read(RTC_B) & B_BINARY)
        return value;
    return (value >> 4) * 10u + (value & 15);
}

static void rtc_handler(struct micro_frame *frame)
{
    last_c = rtc_read(RTC_C); /* reading clears it, and lets the next one come */
    irq_log_pic(frame);
}

static void check_time(void)
{
    CHECK(rtc_read(RTC_D) & D_VALID, "register D says that time and memory are not valid");
    CHECK(rtc_read(RTC_B) & B_24_HOURS, "the clock starts in 12-hour mode");
    for (unsigned i = 0; i < 10000000 && (rtc_read(RTC_A) & A_UPDATING); i++)
        cpu_pause();
    CHECK(read_number(RTC_SECONDS) < 60, "%u seconds", read_number(RTC_SECONDS));
    CHECK(read_number(RTC_MINUTES) < 60, "%u minutes", read_number(RTC_MINUTES));
    CHECK(read_number(RTC_HOURS) < 24, "%u hours", read_number(RTC_HOURS));
    CHECK(read_number(RTC_DAY) >= 1 && read_number(RTC_DAY) <= 31, "day %u", read_number(RTC_DAY));
    CHECK(read_number(RTC_MONTH) >= 1 && read_number(RTC_MONTH) <= 12, "month %u", read_number(RTC_MONTH));
    CHECK(read_number(RTC_YEAR) < 100, "year %u", read_number(RTC_YEAR));
}

static void check_memory(void)
{
    uint8_t before = rtc_read(RTC_CMOS);

    rtc_write(RTC_CMOS, 0x5A);
    CHECK_EQUAL(rtc_read(RTC_CMOS), 0x5A, "a byte of CMOS memory");
    rtc_write(RTC_CMOS, 0xA5);
    CHECK_EQUAL(rtc_read(RTC_CMOS), 0xA5, "a byte of CMOS memory");
    rtc_write(RTC_CMOS, before);
}

static void check_interrupts(void)
{
    uint8_t b = (uint8_t)(rtc_read(RTC_B) & ~(B_PERIODIC | B_UPDATE));
    unsigned seconds;

    micro_handle(PIC_VECTOR + 8, rtc_handler);
    pic_enable(ONLY_IRQ8);
    apic_write(APIC_LVT_LINT0, APIC_DELIVERY_EXTINT);
    (void)rtc_read(RTC_C);

    rtc_write(RTC_A, A_RATE_1024);
    rtc_write(RTC_B, b | B_PERIODIC);
    irq_log_clear();
    while (irq_log.count < 20)
        sti_hlt_cli();
    CHECK_EQUAL(last_c & (C_INTERRUPT | B_PERIODIC), C_INTERRUPT | B_PERIODIC, "register C in a periodic interrupt");
    micro_step("periodic interrupts");

    rtc_write(RTC_B, b | B_UPDATE);
    irq_window();
    irq_log_clear();
    seconds = read_number(RTC_SECONDS);
    while (irq_log.count < 1)
        sti_hlt_cli();
    CHECK(last_c & B_UPDATE, "register C is %#x in an update-ended interrupt", last_c);
    CHECK(read_number(RTC_SECONDS) != seconds, "the seconds stand still over an update");
    rtc_write(RTC_B, b);
    (void)rtc_read(RTC_C);
}

void micro_main(void)
{
    apic_enable_xapic();
    check_time();
    check_memory();
    check_interrupts();
}
