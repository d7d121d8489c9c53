/* SPDX-License-Identifier: Apache-2.0 */
/* operator.h: what the console (end B) asks init (end A) for the operator, and what init tells it unasked.
 *
 * Requests are struct operator_request with the verb as `kind`. init answers each with any number of reports and then
 * one OPERATOR_DONE, all with the request's cookie. Messages that init sends unasked have cookie 0. Nothing but init
 * acts; the console only asks and prints.
 */
#ifndef CL_SERVICES_PROTOCOL_OPERATOR_H
#define CL_SERVICES_PROTOCOL_OPERATOR_H

#include <assert.h>
#include <stdint.h>

#include "services/protocol/control.h"
#include "services/protocol/switch.h"
#include "services/protocol/wire.h"

#define OPERATOR_RING_ENTRIES 32u
#define OPERATOR_MESSAGE_MAX 768u
#define OPERATOR_NAME_MAX 32
#define OPERATOR_TEXT_MAX 440
#define OPERATOR_VMS_MAX 32u

#define CONSOLE_EVENT_CONTROL (UINT64_C(1) << 0)
#define CONSOLE_EVENT_SERIAL_BIT 1u
#define CONSOLE_EVENT_SERIAL (UINT64_C(1) << CONSOLE_EVENT_SERIAL_BIT)
#define CONSOLE_EVENT_STREAM(i) (UINT64_C(1) << (2 + (i))) /* i below OPERATOR_VMS_MAX */

/* Names in the console's start block, beside those of wire.h. */
#define CONSOLE_SLOT_SYSTEM "system" /* RIGHT_READ: the log */
#define CONSOLE_SLOT_IRQ "uart.irq"  /* bound to CONSOLE_EVENT_SERIAL_BIT; absent: the port is polled */

/* The line of the log behind which the console begins to print: all before it the kernel has printed. */
#define CONSOLE_TAKES_OVER "the console takes over the serial port"

/* The console's region "setup". */
struct console_start {
    struct wire control; /* this end is B */
    uint32_t headless;   /* 1: no prompt, all VMs' lines with their names in front */
    uint16_t uart_port;  /* of the 16550 */
    uint16_t reserved;
    char hostname[OPERATOR_NAME_MAX];
};

enum operator_verb {
    /* requests */
    OPERATOR_LIST = 1,       /* OPERATOR_VM for each */
    OPERATOR_INFO = 2,       /* vm: OPERATOR_VM, then OPERATOR_DETAIL; without: OPERATOR_HOST */
    OPERATOR_STATISTICS = 3, /* vm or all: OPERATOR_STATISTICS_ARE for each that runs */
    OPERATOR_NETWORK = 4,    /* OPERATOR_PORT for each */
    OPERATOR_CAPS = 5,       /* OPERATOR_CAP for each capability of each domain, or of one VM's domain */
    OPERATOR_START = 6,
    OPERATOR_SHUTDOWN = 7, /* the power button */
    OPERATOR_RESET = 8,
    OPERATOR_DESTROY = 9, /* pull the plug */
    OPERATOR_SUSPEND = 10,
    OPERATOR_RESUME = 11,
    OPERATOR_POWER_OFF = 12,      /* of the host: guests get the power button and a deadline, then everything stops */
    OPERATOR_REBOOT = 13,         /* the same, with a reset at the end */
    OPERATOR_KILL_VMM = 14,       /* for tests: stop a VM's VMM as a crash would */
    OPERATOR_HEADLESS = 15,       /* from now on as if configured so */
    OPERATOR_STREAM_DROPPED = 16, /* the console has let go of the stream of number `value` */
    OPERATOR_DRAINED = 17,        /* everything that was printed has left the UART */
    OPERATOR_KILL_CONSOLE = 18,   /* for tests: as OPERATOR_KILL_VMM; init starts it again */
    OPERATOR_KILL_SWITCH = 19,
    OPERATOR_AUDIT = 20, /* vm: OPERATOR_DETAIL for each vCPU */

    /* reports and answers */
    OPERATOR_DONE = 64,           /* struct operator_done */
    OPERATOR_VM = 65,             /* struct operator_vm */
    OPERATOR_DETAIL = 66,         /* struct operator_text: one line */
    OPERATOR_HOST = 67,           /* struct operator_host */
    OPERATOR_STATISTICS_ARE = 68, /* struct operator_statistics */
    OPERATOR_PORT = 69,           /* struct operator_port */
    OPERATOR_CAP = 70,            /* struct operator_cap */

    /* unasked */
    OPERATOR_EVENT = 96,         /* struct operator_text: a sentence for the operator */
    OPERATOR_STREAM_ATTACH = 97, /* struct operator_stream */
    OPERATOR_STREAM_DETACH = 98, /* struct operator_stream: answer OPERATOR_STREAM_DROPPED */
    OPERATOR_LAST_LINE = 99, /* struct operator_text: print it alone on a line, wait until it has left the UART, answer
                                    OPERATOR_DRAINED. The machine stops after it */
};

struct operator_request {
    char vm[OPERATOR_NAME_MAX]; /* NUL-terminated; empty: none, or all */
    uint32_t value;
    uint32_t reserved;
};

struct operator_text {
    char text[OPERATOR_TEXT_MAX];
};

struct operator_done {
    uint32_t status;              /* enum cl_status */
    char text[OPERATOR_TEXT_MAX]; /* what was done, or why not */
};

enum operator_state {
    OPERATOR_STATE_OFF,
    OPERATOR_STATE_STARTING,
    OPERATOR_STATE_RUNNING,
    OPERATOR_STATE_PAUSED,
    OPERATOR_STATE_CRASHED,
    OPERATOR_STATE_STOPPING,
    OPERATOR_STATE_COUNT
};

struct operator_vm {
    char name[OPERATOR_NAME_MAX];
    uint32_t number; /* position in the configuration: its stream's number */
    uint32_t state;  /* enum operator_state */
    uint32_t vcpus;
    uint32_t resets; /* since it was started */
    uint64_t ram_bytes;
    uint64_t running_ns;          /* since it was started */
    uint64_t cpu_tsc;             /* of guest and VMM */
    uint64_t overhead_bytes;      /* memory outside its RAM, kernel's included */
    char last[OPERATOR_TEXT_MAX]; /* why it is off, crashed or paused; may be empty */
};

struct operator_host {
    char hostname[OPERATOR_NAME_MAX];
    uint64_t memory_total, memory_free, pool_total, pool_free;
    uint64_t up_ns;
    uint32_t cpus, vms;
};

struct operator_statistics {
    char name[OPERATOR_NAME_MAX];
    uint64_t cpu_tsc;
    struct control_statistics vm;
};

struct operator_port {
    char vm[OPERATOR_NAME_MAX];
    char network[OPERATOR_NAME_MAX];
    uint8_t mac[6];
    uint8_t reserved[2];
    struct switch_counters counters;
};

struct operator_cap {
    char domain[OPERATOR_NAME_MAX];
    uint32_t slot, type, rights, reserved;
    uint64_t identity;
};

struct operator_stream {
    char vm[OPERATOR_NAME_MAX];
    uint32_t number;
    uint32_t reserved;
    struct wire wire; /* stream.h, this end is B */
};

static_assert(sizeof(struct operator_statistics) <= OPERATOR_MESSAGE_MAX, "one message");
static_assert(sizeof(struct operator_vm) <= OPERATOR_MESSAGE_MAX, "one message");

#endif
