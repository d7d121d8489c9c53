/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: what a doorbell costs, with nobody and with a thread waiting for its bit.
 *
 * This program takes init's place and drives a vCPU by hand. Its guest is two loops of real-mode code, each around one
 * OUT; a third, empty one tells what the loop itself costs. Prints `bench: NAME N` for the TSC ticks of one turn
 * without those of the empty loop, then turns for ever, for counting from outside (`bench: cycling`).
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/vcpu.h"
#include "lib/refusal.h"
#include "lib/syscall.h"

#define RAM_ADDRESS UINT64_C(0x0000040000000000)
#define PAGE_ADDRESS UINT64_C(0x0000050000000000)
#define RAM_BYTES UINT64_C(0x400000)
#define WIDTH 2
#define PORT_END 0xF4
#define WARM_UP 100
#define TURNS 1000
#define CYCLE_TURNS 10
#define ROUNDS_UNTIL_LOOK 500

/* Where each loop stands; tests/bench/bench.py finds the OUT at 6 bytes behind. */
enum { CODE_EMPTY = 0x1000, CODE_NOBODY = 0x1100, CODE_WAKE = 0x1200 };
enum { PORT_NOBODY = 0x50, PORT_WAKE = 0x52 };
enum { SLOT_VM = 900, SLOT_VCPU, SLOT_RAM, SLOT_EVENTS, SLOT_NOBODY, SLOT_WAKE };

static struct vcpu_page *const page = (struct vcpu_page *)PAGE_ADDRESS;
static uint64_t completed;
static volatile uint64_t wakes; /* turns of the waiting thread */

static void must(enum cl_status status, const char *what)
{
    if (status == CL_OK)
        return;
    printf("bench: ERROR %s: %s\n", what, cl_refusal(status));
    fflush(stdout);
    exit(1);
}

/* mov edi, turns; again: [out port, ax;] dec edi; jnz again; out PORT_END, al */
static void write_loop(uint16_t address, uint8_t port, uint32_t turns)
{
    uint8_t *code = (uint8_t *)RAM_ADDRESS + address;
    unsigned at = 0;

    code[at++] = 0x66;
    code[at++] = 0xBF;
    memcpy(&code[at], &turns, sizeof(turns));
    at += (unsigned)sizeof(turns);
    unsigned again = at;
    if (port != 0) {
        code[at++] = 0xE7;
        code[at++] = port;
    }
    code[at++] = 0x66;
    code[at++] = 0x4F;
    code[at] = 0x75;
    code[at + 1] = (uint8_t)(again - (at + 2));
    at += 2;
    code[at++] = 0xE6;
    code[at] = PORT_END;
}

/* TSC ticks of `turns` turns, and what it takes to begin and end them. */
static uint64_t run_loop(uint16_t address, uint8_t port, uint32_t turns)
{
    uint64_t begin;

    write_loop(address, port, turns);
    page->rip = address;
    page->completion = VCPU_COMPLETE_RETRY;
    begin = cl_tsc();
    for (;;) {
        must(cl_vcpu_run(SLOT_VCPU, SLOT_EVENTS, completed), "vcpu_run");
        completed = page->exit.sequence;
        if (page->exit.reason == VCPU_EXIT_IO && page->exit.io.port == PORT_END)
            return cl_tsc() - begin;
        if (page->exit.reason != VCPU_EXIT_NOTIFICATION)
            must(CL_CORRUPT, "an exit that the loop does not cause");
    }
}

static uint64_t per_turn(uint16_t address, uint8_t port)
{
    uint64_t few = run_loop(address, port, WARM_UP);

    few = run_loop(address, port, WARM_UP);
    return (run_loop(address, port, WARM_UP + TURNS) - few) / TURNS;
}

static void *wait_for_doorbell(void *argument)
{
    uint64_t bits;

    for (;;) {
        must(cl_wait(SLOT_WAKE, CL_NEVER, &bits), "wait");
        wakes++;
    }
    return argument;
}

static void build_vm(void)
{
    must(cl_notification_create(SLOT_EVENTS, INIT_SLOT_ACCOUNT), "notification_create");
    must(cl_notification_create(SLOT_NOBODY, INIT_SLOT_ACCOUNT), "notification_create");
    must(cl_notification_create(SLOT_WAKE, INIT_SLOT_ACCOUNT), "notification_create");
    must(cl_vm_create(SLOT_VM, INIT_SLOT_ACCOUNT, SLOT_EVENTS, 0, "bench"), "vm_create");
    must(cl_memory_create(SLOT_RAM, INIT_SLOT_ACCOUNT, RAM_BYTES, MEMORY_LARGE), "memory_create");
    must(cl_memory_map(SLOT_RAM, INIT_SLOT_DOMAIN, 0, RAM_BYTES, RAM_ADDRESS, MAP_READ | MAP_WRITE), "memory_map");
    must(cl_memory_map(SLOT_RAM, SLOT_VM, 0, RAM_BYTES, 0, MAP_READ | MAP_WRITE | MAP_EXECUTE),
         "memory_map into the VM");
    must(cl_vcpu_create(SLOT_VCPU, SLOT_VM, INIT_SLOT_ACCOUNT, 0, PAGE_ADDRESS, VCPU_APIC_AUTO), "vcpu_create");
    must(cl_vm_doorbell(SLOT_VM, PORT_NOBODY, WIDTH, SLOT_NOBODY, 0, true), "vm_doorbell");
    must(cl_vm_doorbell(SLOT_VM, PORT_WAKE, WIDTH, SLOT_WAKE, 0, true), "vm_doorbell");
    must(cl_vcpu_state_get(SLOT_VCPU, VCPU_GROUP_SEGMENTS, 0, NULL, 0), "vcpu_state_get");
    page->segment[SEG_CS].base = 0;
    page->segment[SEG_CS].selector = 0;
    page->dirty = VCPU_GROUP_SEGMENTS;
}

int main(void)
{
    uint64_t empty, before;
    pthread_t waiter;

    build_vm();
    empty = per_turn(CODE_EMPTY, 0);
    printf("bench: doorbell %lu\n", per_turn(CODE_NOBODY, PORT_NOBODY) - empty);
    if (pthread_create(&waiter, NULL, wait_for_doorbell, NULL) != 0)
        must(CL_NO_MEMORY, "pthread_create");
    while (wakes == 0) { /* until it waits: a bit that finds nobody is collected at once */
        must(cl_notify(SLOT_WAKE, 1), "notify");
        cl_yield();
    }
    before = wakes;
    printf("bench: doorbell_wake_turn %lu\n", per_turn(CODE_WAKE, PORT_WAKE) - empty);
    printf("bench-note: %lu wakes for %u doorbells\n", wakes - before, 3 * WARM_UP + TURNS);
    printf("bench: cycling\n");
    fflush(stdout);
    for (unsigned round = 0;; round++) {
        if (round == ROUNDS_UNTIL_LOOK)
            __asm__ volatile("xchg %bx, %bx"); /* Bochs' debugger looks at the running machine from here on */
        (void)run_loop(CODE_NOBODY, PORT_NOBODY, CYCLE_TURNS);
        (void)run_loop(CODE_WAKE, PORT_WAKE, CYCLE_TURNS);
    }
}
