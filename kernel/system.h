/* SPDX-License-Identifier: Apache-2.0 */
/* system.h: what binds the CPUs together: the structure lock, shoot-downs, the end of objects, leaving the kernel. */
#ifndef CL_KERNEL_SYSTEM_H
#define CL_KERNEL_SYSTEM_H

#include "kernel/lock.h"
#include "kernel/object.h"
#include "kernel/types.h"

struct cpu;
struct thread;

/* Outermost lock: whoever changes which objects exist, what they are called or what is mapped where holds it for one
 * bounded piece of work. Nothing on the way of an exit, a doorbell, a wait or a wake-up takes it. */
extern struct spinlock structure_lock;

/* Ask every CPU to drop all translations and all pointers from look-ups before it next returns to ring 3 or to a guest,
 * and kick it. Returns the generation to wait for. No CPU waits in ring 0 for another: callers come back later. */
uint64_t shootdown_post(void);
bool shootdown_passed(uint64_t generation);

/* Set a reason in `cpu`'s attention word and interrupt it if it is another one. */
void cpu_attention(struct cpu *cpu, uint32_t reasons);

/* Leave the kernel: attend to what is due, then run the current thread's guest, ring 3, or idle. */
void kernel_exit(void) __attribute__((noreturn));

/* The current thread lets others run. */
void schedule_yield(void);

/* A new object with one reference, zeroed, on the account's list. NULL: no memory, with the reason left as the refusal.
 * Structure lock but at boot.
 *
 * A function X_create puts the object into `*created` as soon as it exists. If it fails later, whoever called it takes
 * apart what is there by object_destroy(), which then never takes more than one piece. */
void *object_create(struct account *account, enum object_type type) CL_MUST_CHECK;
void object_reference(struct object *object);
/* The last reference sends it to the graveyard; freed there when all CPUs have passed. Any CPU. */
void object_drop(struct object *object);

/* One bounded piece of destroying any object. CL_OK: it is a husk now. Structure lock. */
enum cl_status object_destroy(struct object *object) CL_MUST_CHECK;

/* Free what has passed, a bounded piece; true when there may be more. Structure lock. */
bool graveyard_sweep(void);

#endif
