/* SPDX-License-Identifier: Apache-2.0 */
/* machine.h: a whole machine for host tests of the kernel's object layer: CPUs, clock, TLBs, RAM, a virtualisation
 * backend.
 *
 * The kernel's own files run on it unchanged. A thread of the test program *is* a CPU once it has called
 * fake_cpu_become(): its GS base then points at that CPU's struct cpu, as in the kernel. What the emulators hide is
 * modelled (DESIGN.md rule 10):
 *
 *   - each CPU has a TLB. An entry that fake_touch() or fake_guest_touch() filled stays until that very CPU writes CR3
 *     (its own address space), executes INVLPG, or, for a guest's, the backend's cpu_flush runs there;
 *   - a frame that is given back or scrubbed for a new owner while some CPU can still reach it is counted
 *     (fake_stale_frames), and fake_machine_stop() panics over it;
 *   - pool memory is garbage from the moment it is freed;
 *   - RAM begins full of secrets; what a program finds in a page is asked of fake_frame_content().
 */
#ifndef CL_KERNEL_FAKE_MACHINE_H
#define CL_KERNEL_FAKE_MACHINE_H

#include "kernel/account.h"
#include "kernel/cpu.h"
#include "kernel/domain.h"
#include "kernel/fake/fake.h"
#include "kernel/memory.h"
#include "kernel/notification.h"
#include "kernel/system.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "kernel/vcpu_run.h"
#include "kernel/vm.h"

#define FAKE_TSC_HZ UINT64_C(1000000000)
#define FAKE_RAM_BASE UINT64_C(0x100000000) /* 4 GiB, far from the pool */
#define FAKE_RAM_FRAMES UINT64_C(4096)      /* 16 MiB */
#define FAKE_HUGE_BASE                                                                                                 \
    UINT64_C(0x200000000) /* a GiB that is taken, until a test gives it; what it holds is not modelled */
#define FAKE_POOL_BYTES UINT64_C(0x1000000)
#define FAKE_SECRET UINT64_C(0x5ec2e7) /* in every frame that was never scrubbed */

/* fake_machine.c */

/* Power on: `cpus` CPUs, all online and idle, a root account with everything, a backend. This thread becomes CPU 0. */
void fake_machine_start(unsigned cpus);

/* Destroy all that the root account paid for, let every CPU pass, and panic unless pool and RAM are as they were at
 * the start and no frame was reused too early. */
void fake_machine_stop(void);

/* Destroy all that `account` paid for and the account itself, with every CPU passing in between, until the last husk is
 * gone. References of the test to it are not needed. */
void fake_account_end(struct account *account);

/* object_destroy until it is done, with CPUs passing; the status of the end. */
enum cl_status fake_destroy(struct object *object);

/* An account with `kernel_bytes` and `memory_bytes` below the root. */
struct account *fake_child_account(uint64_t kernel_bytes, uint64_t memory_bytes);

/* A domain without threads, and a thread of it that is stopped, or started on its CPU. */
struct domain *fake_domain(struct account *account);
struct thread *fake_thread(struct domain *domain, struct account *account, uint64_t page_address, uint32_t cpu);
void fake_thread_run(struct thread *thread);

extern struct account *fake_root;

/* From now on this thread of the test program is CPU `index`. */
void fake_cpu_become(uint32_t index);

/* The CPU has nothing more to do in the kernel: kernel_exit(), up to the place it leaves for. */
enum fake_landing { FAKE_RING3 = 1, FAKE_IDLE, FAKE_POWERED_OFF };
enum fake_landing fake_cpu_leave(uint32_t index);
/* The same for all CPUs, and back to being the one before: every shoot-down has passed, every husk that can go is gone. */
void fake_all_leave(void);
/* A system call of the current thread of CPU `index`, up to where kernel_exit() leads. */
enum fake_landing fake_syscall(uint32_t index, uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                               uint64_t e, uint64_t f);

extern uint64_t fake_tsc;              /* the clock; RDTSC does not move it */
uint32_t fake_ipis(uint32_t cpu);      /* kicks that this CPU was sent since the last question */
extern uint64_t fake_timer_deadline[]; /* what the local APIC timer of each CPU is set to */

/* This CPU has something to attend to, and no interrupt is on its way. */
bool fake_cpu_is_blind(void);

/* HLT waits for an interrupt, instead of ending fake_cpu_leave(): for tests in which each CPU is a thread of its own. */
extern bool fake_halt_waits;

/* fake_allocation.c */

/* From the `number`-th one on (1: the next) every allocation of pool memory and of frames fails; 0: none does. Restarts
 * the count. */
void fake_allocations_fail_from(uint64_t number);
extern uint64_t fake_allocation_count;

/* fake_memory.c */

/* What the CPU of this thread finds at `address`, through its TLB or, filling it, through the tables at CR3. False: page
 * fault. */
bool fake_touch(uint64_t address, struct hpa *frame);
/* The same for the guest of `vm`, under an ASID of its own. */
bool fake_guest_touch(struct vm *vm, uint64_t address, struct hpa *frame);
/* True while any CPU's TLB still translates something to `frame`. */
bool fake_is_reachable(struct hpa frame);

uint64_t fake_frame_content(struct hpa frame);
void fake_frame_write(struct hpa frame, uint64_t content);
unsigned fake_frame_scrubs(struct hpa frame); /* since the machine started */

extern uint64_t fake_scrub_count;  /* frames zeroed so far */
extern uint64_t fake_stale_frames; /* scrubbed or given back while a TLB still led to them */

/* For the machine itself. */
void fake_memory_reset(void);
void fake_tlb_write_cr3(uint32_t cpu);
void fake_tlb_invlpg(uint32_t cpu, uint64_t address);
void fake_tlb_flush_guests(uint32_t cpu);
uint64_t fake_cr3(uint32_t cpu);

/* fake_virt.c */

#define FAKE_EVENTS_MAX 16

/* What the backend was asked to do, for one vCPU. vcpu->virt. */
struct fake_vcpu {
    uint64_t cr4, efer; /* as vcpu_get gives them */
    unsigned cpl;
    bool interruptible, nmi_allowed;
    unsigned advances;
    uint64_t advanced_to;
    unsigned injected;
    struct {
        enum vcpu_event_type type;
        uint8_t vector;
        bool has_error;
        uint32_t error;
    } event[FAKE_EVENTS_MAX]; /* the last ones, at number % FAKE_EVENTS_MAX */
    bool window_interrupt, window_nmi;
    bool live;    /* registers that ring 3 needs hold the guest's values */
    uint64_t msr; /* the one architectural MSR that it keeps: MSR_STAR */
    unsigned entries, loads, unloads;
    uint32_t set_groups;
};

struct fake_vcpu *fake_vcpu(const struct vcpu *vcpu);

/* What happens in the guest at each entry; NULL: it executes HLT. */
extern void (*fake_guest)(struct vcpu *vcpu, struct virt_exit *exit);
/* Called by the backend's vcpu_unload: a moment in the middle of a switch of threads. */
extern void (*fake_unload_hook)(void);
extern enum cl_status fake_vcpu_set_status;
extern unsigned fake_audits, fake_broken_rules; /* calls of the auditor; what it finds */
/* Entries with something left to attend to and no interrupt on its way that would end the stay. */
extern unsigned fake_blind_entries;

extern const struct virt_ops fake_virt_ops;

#endif
