/* SPDX-License-Identifier: Apache-2.0 */
/* clock.c: the proleptic Gregorian calendar in whole numbers. */
#include "boot/clock.h"

#include <stdbool.h>

static bool is_leap(uint32_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static uint32_t days_of_month(uint32_t year, uint32_t month)
{
    static const uint8_t days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    return days[month - 1] + (month == 2 && is_leap(year) ? 1u : 0u);
}

uint64_t clock_unix_ns(const struct clock_time *t)
{
    uint64_t days = 0;

    if (t->year < 1970 || t->year > 2199 || t->month < 1 || t->month > 12 || t->day < 1 ||
        t->day > days_of_month(t->year, t->month) || t->hour > 23 || t->minute > 59 || t->second > 59 ||
        t->nanosecond > 999999999)
        return 0;
    for (uint32_t year = 1970; year < t->year; year++)
        days += is_leap(year) ? 366 : 365;
    for (uint32_t month = 1; month < t->month; month++)
        days += days_of_month(t->year, month);
    days += t->day - 1;

    int64_t seconds = (int64_t)(((days * 24 + t->hour) * 60 + t->minute) * 60 + t->second);
    if (t->zone_minutes >= -1440 && t->zone_minutes <= 1440)
        seconds += (int64_t)t->zone_minutes * 60;
    return seconds < 0 ? 0 : (uint64_t)seconds * 1000000000u + t->nanosecond;
}
