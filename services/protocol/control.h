/* SPDX-License-Identifier: Apache-2.0 */
/* control.h: what init and a VMM say to each other about the VM's life.
 *
 * init is end A, the VMM is end B. `kind` of a descriptor is one of the numbers below, `cookie` of an answer that of
 * the request. Policy is init's: the VMM reports what happened, leaves its vCPUs stopped where it says so, and waits.
 */
#ifndef CL_SERVICES_PROTOCOL_CONTROL_H
#define CL_SERVICES_PROTOCOL_CONTROL_H

#include <assert.h>
#include <stdint.h>

#define CONTROL_RING_ENTRIES 16u
#define CONTROL_MESSAGE_MAX 512u /* bytes: what one buffer holds */
#define CONTROL_TEXT_MAX 160u
#define CONTROL_EXITS_MAX 16u
#define CONTROL_NICS_MAX 4u

enum control_kind {
    /* init to VMM, no data */
    CONTROL_PAUSE = 1,        /* stop the vCPUs at an instruction boundary, answer CONTROL_PAUSED */
    CONTROL_RESUME = 2,       /* answer CONTROL_RUNNING */
    CONTROL_RESET = 3,        /* reset the machine and load the guest again; answer CONTROL_RUNNING */
    CONTROL_POWER_BUTTON = 4, /* press it; no answer */
    CONTROL_STATISTICS = 5,   /* answer CONTROL_STATISTICS_ARE */

    /* VMM to init */
    CONTROL_RUNNING = 32,        /* the guest runs */
    CONTROL_PAUSED = 33,
    CONTROL_POWERED_OFF = 34,    /* ACPI S5; the vCPUs are stopped */
    CONTROL_DEBUG_EXITED = 35,   /* struct control_value: what was written to the debug-exit port; stopped */
    CONTROL_RESET_WANTED = 36,   /* struct control_text: why (reset register, keyboard controller, triple fault);
                                    stopped until CONTROL_RESET */
    CONTROL_PANICKED = 37,       /* pvpanic; the guest runs on */
    CONTROL_FAILED = 38,         /* struct control_text: the VMM cannot go on with this guest; stopped */
    CONTROL_STATISTICS_ARE = 39, /* struct control_statistics */
    CONTROL_REFUSED = 40,        /* struct control_text: why the request with this cookie was not done */
};

struct control_value {
    uint32_t value;
};

struct control_text {
    char text[CONTROL_TEXT_MAX]; /* a sentence, NUL-terminated */
};

struct control_nic_statistics {
    uint64_t received_frames, received_bytes, sent_frames, sent_bytes;
};

/* Sums over all vCPUs since the VM was started. `exits` is by enum vcpu_exit_reason, those that reached the VMM. */
struct control_statistics {
    uint64_t guest_tsc;
    uint64_t exits_to_vmm, exits_in_kernel;
    uint64_t count_cpuid, count_msr, count_hlt, count_doorbell, count_hypercall, count_interrupt, count_memory, count_io;
    uint64_t exits[CONTROL_EXITS_MAX];
    uint64_t absent_accesses; /* to ports and addresses where nothing is */
    struct control_nic_statistics nic[CONTROL_NICS_MAX];
};

static_assert(sizeof(struct control_statistics) <= CONTROL_MESSAGE_MAX, "one message");

#endif
