/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h: calendar time to Unix time. */
#ifndef CL_BOOT_CLOCK_H
#define CL_BOOT_CLOCK_H

#include <stdint.h>

#define CLOCK_ZONE_UNKNOWN 0x7FF /* EFI_UNSPECIFIED_TIMEZONE: read as UTC */

/* A time of day as the firmware gives it (UEFI 2.10 §8.3); zone_minutes: local time = UTC - zone. */
struct clock_time {
    uint32_t year, month, day, hour, minute, second, nanosecond;
    int32_t zone_minutes;
};

/* Nanoseconds since 1970 began; 0 if the fields are no time between 1970 and 2199. */
uint64_t clock_unix_ns(const struct clock_time *time);

#endif
