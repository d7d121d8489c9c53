/* SPDX-License-Identifier: Apache-2.0 */
/* crash_harness.h: a machine without a guest, a recorder instead of the outside, and crashes at every store.
 *
 * crash_exit() runs one exit's operation to its end; then again from the same state, stopped after its first store,
 * its second, and so on to its last. After each stop the capsule is attached and recovered as by a new VMM: if nothing
 * was published every section must be as before; then the exit is run again and must end as it did undisturbed, with
 * the same result and the same effects outside.
 *
 * fake_create() wants all standard devices: a test's SOURCES name them.
 */
#ifndef CRASH_HARNESS_H
#define CRASH_HARNESS_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vmm/machine.h"

#define FAKE_CAPSULE_BYTES (256u * 1024)
#define FAKE_RAM_BYTES (4u * 1024 * 1024)
#define FAKE_LOG_MAX 64

struct fake_message {
    uint64_t address;
    uint32_t data;
};

/* What the outside has seen. */
struct fake_outside {
    unsigned messages;
    struct fake_message message[FAKE_LOG_MAX];
    bool extint;
    unsigned requests;
    enum machine_request request;
    uint32_t request_value;
    uint64_t serial_total;
    uint8_t serial[4096];
    uint64_t deadline;
};

struct fake {
    struct machine machine;
    struct capsule_tx tx;
    uint64_t sequence;
    struct fake_outside outside;
    uint64_t now_ns, wall_ns;
    bool running; /* the clock moves by a nanosecond whenever it is read */
    uint64_t looks;
    size_t serial_room; /* bytes that the outside takes; SIZE_MAX: any */
    unsigned logged;    /* lines, and the latest of them */
    char last_log[160];
    uint8_t *capsule;
    uint8_t *ram;
};

/* An exit's operation: device accesses through fake->machine.bus and fake->tx. Returns what the guest would get. */
typedef uint64_t fake_operation(struct fake *fake, void *argument);

/* A machine with all standard devices, reset, time 10 s; and its end. */
struct fake *fake_create(void);
void fake_destroy(struct fake *fake);

/* Run an operation as an exit of its own, with all crashes. Returns its result; the machine is then as if it had been
 * run once. */
uint64_t crash_exit(struct fake *fake, fake_operation *operation, void *argument);

/* The same for what is no exit (timers, arriving bytes): after a crash the machine is as before, or as afterwards. */
void crash_quiet(struct fake *fake, fake_operation *operation, void *argument);

/* Single accesses, with all crashes. */
uint32_t fake_in(struct fake *fake, uint16_t port, unsigned size);
void fake_out(struct fake *fake, uint16_t port, unsigned size, uint32_t value);
uint64_t fake_read(struct fake *fake, uint64_t address, unsigned size);
void fake_write(struct fake *fake, uint64_t address, unsigned size, uint64_t value);

/* Let time pass and run timers that have come due, one deadline after another. */
void fake_pass(struct fake *fake, uint64_t ns);

/* Thousands of random accesses to [port, port + count): whatever they say, nothing may break. */
void fake_storm_ports(struct fake *fake, uint16_t port, unsigned count, unsigned rounds);

#endif
