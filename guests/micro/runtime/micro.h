/* SPDX-License-Identifier: Apache-2.0 */
/* micro.h: what a micro-guest has: a name, a console, arguments, checks, and four ways to end.
 *
 * A micro-guest is a multiboot 1 kernel with one function, micro_main(). The runtime brings it to 64-bit mode with
 * 4 GiB mapped one to one, interrupts off, all exceptions caught. When micro_main() returns, the outcome is PASS if
 * every check held and FAIL otherwise. The outcome is one line on COM1, `micro: NAME PASS` or `micro: NAME FAIL reason`,
 * and the value 0 (PASS), 1 (FAIL), 2 (ERROR) or 3 (SKIP) on port 0xF4, where isa-debug-exit ends the emulator with
 * status 2 * value + 1.
 */
#ifndef MICRO_H
#define MICRO_H

#include "cpu.h"

enum micro_outcome {
    MICRO_PASS = 0,  /* the machine does what the manual, or Cloison's policy, says */
    MICRO_FAIL = 1,  /* it does not */
    MICRO_ERROR = 2, /* the micro-guest could not find out: an exception or a machine that it did not expect */
    MICRO_SKIP = 3,  /* the machine lacks what is tried here */
};

/* The guest itself. May return; interrupts are off on entry. */
void micro_main(void);

/* Print on COM1. Knows %s %c %d %u %x %p %%, the lengths hh h l ll z, a width and the flag 0. */
void micro_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Say where the guest is, so that a time-out has a last known place. */
void micro_step(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* End the guest. */
_Noreturn void micro_finish(enum micro_outcome outcome, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define micro_skip(...) micro_finish(MICRO_SKIP, __VA_ARGS__)
#define micro_error(...) micro_finish(MICRO_ERROR, __VA_ARGS__)
#define micro_fail(...) micro_finish(MICRO_FAIL, __VA_ARGS__)

/* Record a failed check and go on: the outcome will be FAIL with the first failed check as its reason. Returns `held`. */
bool micro_check(bool held, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define CHECK(condition, ...) micro_check((condition), __VA_ARGS__)

/* Check `actual == expected` and print both when they differ. */
#define CHECK_EQUAL(actual, expected, what)                                                                            \
    do {                                                                                                               \
        uint64_t check_actual = (uint64_t)(actual), check_expected = (uint64_t)(expected);                             \
        micro_check(check_actual == check_expected, "%s is %#lx, expected %#lx", (what), check_actual,                 \
                    check_expected);                                                                                   \
    } while (0)

/* Check something that some emulators are known to get wrong. A miss prints `micro: NAME DEPARTS id: text` and does
 * not change the outcome: list.json says which machine may depart in what, and the test that reads it judges.
 */
bool micro_check_departure(const char *id, bool held, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define CHECK_DEPARTURE(id, condition, ...) micro_check_departure((id), (condition), __VA_ARGS__)

/* The word `name=value` of the command line: the value as text (ends at a blank) or NULL; as a number or `otherwise`.
 * micro_argument_flag() is true when `name` stands alone or with any value but 0.
 */
const char *micro_argument(const char *name);
uint64_t micro_argument_number(const char *name, uint64_t otherwise);
bool micro_argument_flag(const char *name);

/* What the boot loader said. All zero where it said nothing. */
struct micro_memory {
    uint64_t lower_kib;      /* below 640 KiB */
    uint64_t upper_kib;      /* from 1 MiB to the first hole */
    uint64_t top_below_4gib; /* end of the highest RAM range below 4 GiB, from the memory map; 0 = no map */
    uint64_t ram_bytes;      /* sum of the available ranges of the memory map */
    uint32_t ranges;         /* entries of the memory map */
    uint32_t modules;
    bool overlapping; /* two available ranges share a byte */
};
extern struct micro_memory micro_memory;

/* True under Cloison itself, whatever machine that runs on. Searches CPUID for Cloison's signature once. */
bool micro_on_cloison(void);
/* True where CPUID 0 says AuthenticAMD or HygonGenuine. */
bool micro_on_amd(void);

void *memset(void *to, int byte, size_t size);
void *memcpy(void *restrict to, const void *restrict from, size_t size);
int memcmp(const void *left, const void *right, size_t size);
size_t strlen(const char *text);

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#endif
