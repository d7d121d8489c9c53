/* SPDX-License-Identifier: Apache-2.0 */
/* monitor.h: the running VMM: one machine, its vCPU threads, and the thread that serves everything else. */
#ifndef CL_VMM_MONITOR_H
#define CL_VMM_MONITOR_H

#include <pthread.h>

#include "lib/channel.h"
#include "vmm/cpuid.h"
#include "vmm/emulate.h"
#include "vmm/kvmclock.h"
#include "vmm/machine.h"
#include "vmm/serial.h"
#include "vmm/start.h"

struct monitor;
struct wiring;

struct vcpu_thread {
    struct monitor *monitor;
    unsigned index;
    uint32_t slot;         /* of the vCPU */
    uint32_t notification; /* ends vcpu_run; bit 0 */
    struct vcpu_page *page;
    struct capsule_tx tx;
    struct emulator emulator;
    pthread_t thread;
    uint32_t parked;       /* [a] it runs no guest code until `paused` is withdrawn */
    uint32_t audit_wanted; /* [a] look at the vCPU before its next entry */
    uint32_t broken_rules; /* what came of it; before `audit_wanted` is withdrawn */
};

/* What the VMM itself keeps in the capsule. */
struct monitor_state {
    uint64_t base_ns; /* lib's monotonic time at which the machine's time is 0 */
    uint32_t loaded;  /* the guest's memory and first registers were set */
    uint32_t reserved;
};

struct monitor {
    struct machine machine;
    struct device *clock; /* kvmclock */
    struct wiring *wiring;
    struct monitor_state *state;
    struct capsule_tx tx; /* of the main thread */
    struct cpuid_policy cpuid;
    uint64_t tsc_hz;
    enum vcpu_apic local_apic; /* who works on the vCPUs' local APICs */
    uint32_t vm, vm_account, events;
    uint32_t console_peer, control_peer; /* notifications, 0: none */
    uint64_t console_bit, control_bit;
    struct channel_end control;
    struct channel_end stream;              /* to the console service: COM1's, or the virtio console's */
    struct serial serial;                   /* COM1, if the stream is its */
    uint64_t armed_ns;                      /* [a] the main thread will look at the devices' timers by then */
    uint32_t paused;                        /* [a] init or a request wants all vCPUs parked */
    uint32_t request;                       /* [a] enum machine_request that ends this run */
    uint32_t audit_cookie;                  /* init waits for an audit; 0: for none */
    uint32_t report_waits;                  /* [a] init is told of it once the guest's last words are out */
    struct vmm_report report;               /* of the request; set before `report_waits` */
    uint64_t exits[VCPU_EXIT_REASON_COUNT]; /* [a] that reached the vCPU threads */
    unsigned cpus;
    struct vcpu_thread *vcpu;
}; /* [a] = atomic;  the rest is set before threads start, or the main thread's own */

/* Ask for an end or an event of the machine; from any thread. The first request that ends the run wins. */
void monitor_request(struct monitor *monitor, enum machine_request request, uint32_t value, const char *reason);

/* Send to init, from any thread. */
void monitor_tell(struct monitor *monitor, uint32_t kind, uint32_t cookie, const void *message, uint32_t length);

/* The main thread's share in ending a run: tell init as soon as the guest's last words are out. */
void monitor_report_end(struct monitor *monitor);

/* The seam of the devices, in ring 3. */
extern const struct host_ops monitor_host_ops;

/* Make vCPU `index` and its thread, which begins parked until `paused` is 0. */
enum cl_status vcpu_thread_create(struct monitor *monitor, unsigned index) CL_MUST_CHECK;
enum cl_status vcpu_thread_start(struct vcpu_thread *thread) CL_MUST_CHECK;

/* The thread runs its guest no further; returns at once, `parked` says when it has come about. */
void vcpu_thread_kick(struct vcpu_thread *thread);

#endif
