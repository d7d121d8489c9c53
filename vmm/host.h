/* SPDX-License-Identifier: Apache-2.0 */
/* host.h: what device models ask of the world outside: the seam that unit tests fill with a recorder.
 *
 * Every effect may be asked for again after a crash; each is such that a repetition does no harm.
 */
#ifndef CL_VMM_HOST_H
#define CL_VMM_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum machine_request {
    MACHINE_RUN = 0,
    MACHINE_RESET = 1,      /* start the guest again from its loader */
    MACHINE_POWER_OFF = 2,  /* ACPI S5 */
    MACHINE_DEBUG_EXIT = 3, /* value: what was written to the debug-exit port */
    MACHINE_PANICKED = 4,   /* pvpanic: the guest says that it has crashed. It may go on (crash dump, reboot) */
    MACHINE_STOPPED = 5     /* the VMM cannot go on with this guest; the log says why */
};

struct host_ops {
    /* Send a message-signalled interrupt (SDM Vol. 3A 11.11). */
    void (*msi)(void *context, uint64_t address, uint32_t data);
    /* Level of the 8259's INTR output, wired to LINT0 of the first vCPU. */
    void (*extint)(void *context, bool level);
    /* Nanoseconds since the VM was created; never goes back, and runs on while the VM is suspended, as its TSC does. */
    uint64_t (*now_ns)(void *context);
    /* Wall-clock time as nanoseconds since 1970, UTC. */
    uint64_t (*wall_ns)(void *context);
    void (*request)(void *context, enum machine_request request, uint32_t value);
    /* Take bytes that a serial port sent. `position` counts the bytes before the first of them, so that a repetition
     * can be told. Returns how many were taken. */
    size_t (*serial_write)(void *context, unsigned port, uint64_t position, const uint8_t *bytes, size_t length);
    /* A serial port's receive FIFO has become empty: it can take bytes that it refused before. Called under its lock. */
    void (*serial_room)(void *context, unsigned port);
    /* A device wants its timer at `deadline_ns` or later. Called under the device's lock: must not ask devices. */
    void (*deadline)(void *context, uint64_t deadline_ns);
    void (*log)(void *context, const char *text);
    /* Another thread holds what this one waits for. */
    void (*yield)(void *context);
};

#endif
