/* SPDX-License-Identifier: Apache-2.0 */
/* machine.c: run one ring-3 program as it is, without a kernel of ours: a Linux process that answers its system calls.
 *
 *   machine PROGRAM init|block
 *
 * The program's SYSCALL instructions come to a signal handler (Syscall User Dispatch, Linux 5.11), which does what
 * abi/syscall.h says: memory objects are memfds, notifications futexes, threads Linux threads with their own page. The
 * aim is the runtime, not the kernel: rights and accounts are not modelled. With `init` the program is entered as the
 * kernel enters init, otherwise with a start block. Exit status 0: the program ended with the line "all passed".
 *
 * The handler runs while FS belongs to the program, so this file is compiled without stack protector and calls nothing
 * of the host's C library once the program runs.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "abi/info_page.h"
#include "abi/syscall.h" /* SYS_LARGE; Linux's own are SYS_small */
#include "abi/thread_page.h"
#include "lib/elf_check.h"
#include "lib/start_block.h"

#define SLOTS_MAX 1024u
#define MAPPINGS_MAX 1024u
#define STACK_BYTES 65536u

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif

struct slot {
    uint32_t type; /* enum object_type */
    bool dead;
    int file; /* memory */
    uint64_t size_bytes;
    int32_t bits; /* notification: low half, one futex word */
    struct thread_arguments thread;
};

static struct slot slots[SLOTS_MAX];
static struct {
    uint64_t address, bytes;
} mappings[MAPPINGS_MAX];
static int32_t table_lock;
static bool all_passed;
static uint32_t objects_alive;

extern const char __executable_start[], __etext[];

/* A Linux system call from this file's text, which is outside the dispatch. */
static long host(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static void say(const char *text, size_t length)
{
    host(SYS_write, 1, (long)text, (long)length, 0, 0, 0);
}

static _Noreturn void leave(const char *why, int status)
{
    size_t length = 0;

    while (why[length] != 0)
        length++;
    say(why, length);
    for (;;)
        host(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

static void lock(void)
{
    while (__atomic_exchange_n(&table_lock, 1, __ATOMIC_ACQUIRE) != 0)
        host(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
}

static void unlock(void)
{
    __atomic_store_n(&table_lock, 0, __ATOMIC_RELEASE);
}

static struct slot *free_slot(uint64_t slot)
{
    return slot > 7 && slot < SLOTS_MAX && slots[slot].type == OBJECT_NONE ? &slots[slot] : NULL;
}

static struct slot *slot_of(uint64_t slot, enum object_type type)
{
    return slot < SLOTS_MAX && slots[slot].type == (uint32_t)type ? &slots[slot] : NULL;
}

/* ---------------------------------------------------------------------------------------------------- memory */

static enum cl_status memory_create(uint64_t new_slot, uint64_t bytes)
{
    struct slot *slot = free_slot(new_slot);

    if (slot == NULL || bytes == 0 || bytes % 4096 != 0)
        return CL_BAD_ARGUMENT;
    int file = (int)host(SYS_memfd_create, (long)"memory", 0, 0, 0, 0, 0);
    if (file < 0 || host(SYS_ftruncate, file, (long)bytes, 0, 0, 0, 0) != 0)
        return CL_NO_MEMORY;
    *slot = (struct slot){ .type = OBJECT_MEMORY, .file = file, .size_bytes = bytes };
    objects_alive++;
    return CL_OK;
}

/* The piece by piece way of the ABI: at most 64 KiB a call. */
static enum cl_status memory_map(uint64_t memory, uint64_t offset, uint64_t bytes, uint64_t address, uint64_t rights,
                                 uint64_t *done)
{
    const struct slot *slot = slot_of(memory, OBJECT_MEMORY);
    unsigned at, unused = MAPPINGS_MAX;
    const uint64_t piece = 65536;

    if (slot == NULL || offset % 4096 != 0 || bytes % 4096 != 0 || address % 4096 != 0 ||
        offset + bytes > slot->size_bytes)
        return CL_BAD_ARGUMENT;
    for (at = 0; at < MAPPINGS_MAX; at++) {
        if (mappings[at].address == address)
            break;
        if (mappings[at].address == 0)
            unused = at;
    }
    at = at < MAPPINGS_MAX ? at : unused;
    uint64_t have = mappings[at].address == address ? mappings[at].bytes : 0;
    if (have == bytes)
        return CL_OCCUPIED;
    uint64_t now = bytes - have < piece ? bytes - have : piece;
    long protection = ((rights & MAP_READ) != 0 ? PROT_READ : 0) | ((rights & MAP_WRITE) != 0 ? PROT_WRITE : 0) |
                      ((rights & MAP_EXECUTE) != 0 ? PROT_EXEC : 0);
    long result = host(SYS_mmap, (long)(address + have), (long)now, protection, MAP_SHARED | MAP_FIXED_NOREPLACE,
                       slot->file, (long)(offset + have));
    if (result != (long)(address + have))
        return CL_OCCUPIED;
    mappings[at].address = address;
    mappings[at].bytes = have + now;
    *done = have + now;
    return have + now < bytes ? CL_IN_PROGRESS : CL_OK;
}

static enum cl_status memory_unmap(uint64_t address)
{
    for (unsigned at = 0; at < MAPPINGS_MAX; at++) {
        if (address != 0 && mappings[at].address == address) {
            host(SYS_munmap, (long)address, (long)mappings[at].bytes, 0, 0, 0, 0);
            mappings[at].address = 0;
            mappings[at].bytes = 0;
            return CL_OK;
        }
    }
    return CL_NOT_FOUND;
}

/* --------------------------------------------------------------------------------------------------- threads */

static void enter_dispatch(void)
{
    long text = (long)__executable_start;

    if (host(SYS_prctl, PR_SET_SYSCALL_USER_DISPATCH, 1, text, (long)__etext - text, 0, 0) != 0)
        leave("machine: this Linux has no Syscall User Dispatch\n", 2);
}

static void use_signal_stack(void *memory)
{
    stack_t stack = { .ss_sp = memory, .ss_size = STACK_BYTES };

    host(SYS_sigaltstack, (long)&stack, 0, 0, 0, 0, 0);
}

static _Noreturn void jump(uint64_t entry, uint64_t stack, uint64_t argument)
{
    __asm__ volatile("mov %1, %%rsp; xor %%ebp, %%ebp; jmp *%0" : : "r"(entry), "r"(stack), "D"(argument));
    __builtin_unreachable();
}

static _Noreturn __attribute__((used)) void thread_main(const struct thread_arguments *arguments, void *stacks)
{
    use_signal_stack((uint8_t *)stacks + STACK_BYTES);
    enter_dispatch();
    host(SYS_arch_prctl, ARCH_SET_FS, (long)arguments->fs_base, 0, 0, 0, 0);
    jump(arguments->entry, arguments->stack, arguments->argument);
}

static enum cl_status thread_create(uint64_t new_slot, const struct thread_page *page)
{
    struct slot *slot = free_slot(new_slot);

    if (slot == NULL)
        return CL_OCCUPIED;
    *slot = (struct slot){ .type = OBJECT_THREAD };
    memcpy(&slot->thread, page->argument, sizeof(slot->thread));
    long address = (long)slot->thread.page_address;
    if (host(SYS_mmap, address, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
             0) != address) {
        slot->type = OBJECT_NONE;
        return CL_OCCUPIED;
    }
    objects_alive++;
    return CL_OK;
}

static enum cl_status thread_start(const struct slot *slot)
{
    long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    long stacks = host(SYS_mmap, 0, 2 * STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    long result;
    /* the child begins with its parent's registers: these two are what it starts with */
    register const struct thread_arguments *arguments __asm__("r12") = &slot->thread;
    register long stacks_kept __asm__("r13") = stacks;

    __asm__ volatile("syscall\n"
                     "test %%rax, %%rax\n"
                     "jnz 1f\n"
                     "mov %%r12, %%rdi\n"
                     "mov %%r13, %%rsi\n"
                     "call thread_main\n"
                     "1:\n"
                     : "=a"(result)
                     : "a"(SYS_clone), "D"(flags), "S"(stacks + STACK_BYTES), "r"(arguments), "r"(stacks_kept)
                     : "rcx", "r11", "memory", "rdx", "r10", "r8", "r9");
    return result > 0 ? CL_OK : CL_NO_MEMORY;
}

/* ---------------------------------------------------------------------------------------------- notifications */

static int64_t ticks_per_us = 1000;

static enum cl_status wait_for(struct slot *slot, uint64_t deadline_tsc, uint64_t *bits)
{
    for (;;) {
        *bits = (uint64_t)(uint32_t)__atomic_exchange_n(&slot->bits, 0, __ATOMIC_ACQUIRE);
        if (*bits != 0)
            return CL_OK;
        uint64_t now = __builtin_ia32_rdtsc();
        if (deadline_tsc != UINT64_MAX && now >= deadline_tsc)
            return CL_TIMED_OUT;
        uint64_t left_us = deadline_tsc == UINT64_MAX ? 1000000 : (deadline_tsc - now) / (uint64_t)ticks_per_us + 1;
        struct timespec timeout = { .tv_sec = (time_t)(left_us / 1000000),
                                    .tv_nsec = (long)(left_us % 1000000 * 1000) };
        host(SYS_futex, (long)&slot->bits, FUTEX_WAIT_PRIVATE, 0, (long)&timeout, 0, 0);
    }
}

static enum cl_status notify(struct slot *slot, uint64_t bits)
{
    __atomic_fetch_or(&slot->bits, (int32_t)bits, __ATOMIC_RELEASE);
    host(SYS_futex, (long)&slot->bits, FUTEX_WAKE_PRIVATE, INT32_MAX, 0, 0, 0);
    return CL_OK;
}

/* ------------------------------------------------------------------------------------------------------ calls */

static enum cl_status object_destroy(uint64_t number)
{
    struct slot *slot = number > 7 && number < SLOTS_MAX ? &slots[number] : NULL;

    if (slot == NULL || slot->type == OBJECT_NONE)
        return CL_BAD_CAPABILITY;
    if (slot->dead)
        return CL_OK;
    if (slot->type == OBJECT_MEMORY)
        host(SYS_close, slot->file, 0, 0, 0, 0, 0);
    if (slot->type == OBJECT_THREAD)
        host(SYS_munmap, (long)slot->thread.page_address, 4096, 0, 0, 0, 0);
    slot->dead = true;
    objects_alive--;
    return CL_OK;
}

/* The object lives on, as in the kernel: a runtime that forgets to destroy it is found out by the count. */
static enum cl_status cap_delete(uint64_t number)
{
    if (number <= 7 || number >= SLOTS_MAX || slots[number].type == OBJECT_NONE)
        return CL_NOT_FOUND;
    slots[number].type = OBJECT_NONE;
    return CL_OK;
}

static enum cl_status log_write(const struct thread_page *page, uint64_t length)
{
    static const char last[] = "all passed";

    if (length > THREAD_PAGE_DATA_MAX)
        return CL_BAD_ARGUMENT;
    if (length == sizeof(last) - 1 && memcmp(page->data, last, length) == 0)
        all_passed = true;
    say((const char *)page->data, length);
    say("\n", 1);
    return CL_OK;
}

static enum cl_status dispatch(const uint64_t *a, uint64_t number, uint64_t *value, struct thread_page *page)
{
    struct slot *slot;
    enum cl_status status = CL_OK;

    switch ((enum syscall_number)number) {
    case SYS_MEMORY_MAP:
        lock();
        status = memory_map(a[0], a[2], a[3], a[4], a[5], value);
        unlock();
        return status;
    case SYS_MEMORY_UNMAP:
        lock();
        status = memory_unmap(a[1]);
        unlock();
        return status;
    case SYS_MEMORY_CREATE:
        lock();
        status = memory_create(a[0], a[2]);
        unlock();
        return status;
    case SYS_NOTIFICATION_CREATE:
        slot = free_slot(a[0]);
        if (slot == NULL)
            return CL_OCCUPIED;
        *slot = (struct slot){ .type = OBJECT_NOTIFICATION };
        return CL_OK;
    case SYS_CAP_DELETE:
        lock();
        status = cap_delete(a[1]);
        unlock();
        return status;
    case SYS_OBJECT_DESTROY:
        lock();
        status = object_destroy(a[0]);
        unlock();
        return status;
    case SYS_NOTIFY:
        slot = slot_of(a[0], OBJECT_NOTIFICATION);
        return slot != NULL ? notify(slot, a[1]) : CL_BAD_CAPABILITY;
    case SYS_WAIT:
        slot = slot_of(a[0], OBJECT_NOTIFICATION);
        return slot != NULL ? wait_for(slot, a[1], value) : CL_BAD_CAPABILITY;
    case SYS_YIELD:
        host(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
        return CL_OK;
    case SYS_THREAD_CREATE:
        lock();
        status = thread_create(a[0], page);
        unlock();
        return status;
    case SYS_THREAD_CONTROL:
        if (a[1] == THREAD_SET_FS_BASE)
            return host(SYS_arch_prctl, ARCH_SET_FS, (long)a[2], 0, 0, 0, 0) == 0 ? CL_OK : CL_BAD_ARGUMENT;
        slot = slot_of(a[0], OBJECT_THREAD);
        return slot != NULL && a[1] == THREAD_START ? thread_start(slot) : CL_BAD_CAPABILITY;
    case SYS_THREAD_EXIT:
        host(SYS_exit, 0, 0, 0, 0, 0, 0);
        return CL_BAD_CALL;
    case SYS_DOMAIN_STOP:
        leave("", all_passed ? 0 : 1);
    case SYS_LOG_WRITE:
        return log_write(page, a[0]);
    case SYS_SYSTEM_INFO: /* for tests: how many memory objects and threads there are */
        *value = objects_alive;
        return CL_OK;
    default:
        page->breadcrumb.status = CL_BAD_CALL;
        page->breadcrumb.call = (uint32_t)number;
        memcpy(page->breadcrumb.text, "not in this machine", 20);
        return CL_BAD_CALL;
    }
}

static void on_system_call(int signal, siginfo_t *information, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    uint64_t arguments[6] = { (uint64_t)registers[REG_RDI], (uint64_t)registers[REG_RSI], (uint64_t)registers[REG_RDX],
                              (uint64_t)registers[REG_R10], (uint64_t)registers[REG_R8],  (uint64_t)registers[REG_R9] };
    struct thread_page *page = (struct thread_page *)INIT_THREAD_PAGE_ADDRESS;
    uint64_t fs = 0, value = 0;

    (void)signal;
    (void)information;
    host(SYS_arch_prctl, ARCH_GET_FS, (long)&fs, 0, 0, 0, 0);
    if (fs != 0 && registers[REG_RAX] != SYS_THREAD_CONTROL) {
        /* the kernel knows the thread's page by itself; here it is found as lib/thread.h finds it */
        struct thread_page **record = *(struct thread_page ***)(fs + 0x20);
        page = *record;
    }
    enum cl_status status = dispatch(arguments, (uint64_t)registers[REG_RAX], &value, page);
    registers[REG_RAX] = status;
    registers[REG_RDX] = (greg_t)value;
    /* what SYSCALL destroys must not be relied upon */
    registers[REG_RCX] = (greg_t)0xdeadbeefdeadbeef;
    registers[REG_R11] = (greg_t)0xdeadbeefdeadbeef;
}

/* An end by a fault is an end without "all passed": show where. */
static void on_fault(int signal, siginfo_t *information, void *context)
{
    char text[80] = "machine: signal ?? at 0x................ address 0x................\n";
    uint64_t values[2] = { (uint64_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP],
                           (uint64_t)information->si_addr };

    text[16] = (char)('0' + signal / 10);
    text[17] = (char)('0' + signal % 10);
    for (unsigned i = 0; i < 16; i++) {
        text[24 + i] = "0123456789abcdef"[values[0] >> (60 - 4 * i) & 15];
        text[51 + i] = "0123456789abcdef"[values[1] >> (60 - 4 * i) & 15];
    }
    leave(text, 3);
}

/* --------------------------------------------------------------------------------------------------- start-up */

static _Noreturn void die(const char *what)
{
    printf("machine: %s\n", what);
    exit(2);
}

static void *place(uint64_t address, uint64_t bytes)
{
    void *result =
        mmap((void *)address, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    if (result != (void *)address)
        die("an address that the program needs is taken");
    return result;
}

static uint8_t *read_program(const char *path, uint64_t *size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(1 << 24);

    if (file == NULL || bytes == NULL)
        die("the program file cannot be read");
    *size = fread(bytes, 1, 1 << 24, file);
    fclose(file);
    return bytes;
}

static void load(const uint8_t *file, const struct elf_program *program)
{
    for (uint32_t i = 0; i < program->segment_count; i++) {
        const struct elf_segment *segment = &program->segment[i];
        uint8_t *memory = place(segment->address, segment->size_bytes);
        memcpy(memory, file + segment->file_offset, segment->file_bytes);
        mprotect(memory, segment->size_bytes,
                 PROT_READ | ((segment->rights & MAP_WRITE) != 0 ? PROT_WRITE : 0) |
                     ((segment->rights & MAP_EXECUTE) != 0 ? PROT_EXEC : 0));
    }
}

static void make_info_page(void)
{
    struct info_page *info = place(INFO_PAGE_ADDRESS, 4096);
    struct timespec before, after, pause = { .tv_nsec = 50000000 };

    clock_gettime(CLOCK_MONOTONIC, &before);
    info->boot_tsc = __builtin_ia32_rdtsc();
    nanosleep(&pause, NULL);
    uint64_t tsc = __builtin_ia32_rdtsc();
    clock_gettime(CLOCK_MONOTONIC, &after);
    int64_t ns = (after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec;
    info->version = INFO_PAGE_VERSION;
    info->cpu_count = 2;
    info->tsc_hz = (tsc - info->boot_tsc) * 1000000000 / (uint64_t)ns;
    info->boot_unix_ns = (uint64_t)time(NULL) * 1000000000;
    ticks_per_us = (int64_t)(info->tsc_hz / 1000000);
    mprotect(info, 4096, PROT_READ);
}

static struct start_block *make_block(void)
{
    static const char argument[] = "{\"colour\": \"blue\"}";
    struct start_block *block = place(PROGRAM_START_BLOCK_ADDRESS, 4096);
    uint8_t entropy[32];

    memset(entropy, 0x5a, sizeof(entropy));
    if (start_block_init(block, "program", entropy) != CL_OK || start_block_add_slot(block, "console", 6) != CL_OK ||
        start_block_add_region(block, "ram", UINT64_C(0x10000000000), 8192) != CL_OK)
        die("the start block was refused");
    block->argument_address = (uint64_t)argument;
    block->argument_size_bytes = sizeof(argument) - 1;
    block->domain_slot = 1;
    block->account_slot = 2;
    block->first_free_slot = 8;
    block->free_slot_count = 200;
    return block;
}

int main(int argc, char **argv)
{
    struct elf_program program;
    uint64_t size, argument = 0;

    if (argc != 3)
        die("usage: machine PROGRAM init|block");
    const uint8_t *file = read_program(argv[1], &size);
    if (elf_check(file, size, &program) != CL_OK)
        die(program.refusal);
    load(file, &program);
    make_info_page();
    place(INIT_THREAD_PAGE_ADDRESS, 4096);
    slots[1].type = OBJECT_DOMAIN;
    slots[2].type = OBJECT_ACCOUNT;
    if (strcmp(argv[2], "init") != 0)
        argument = (uint64_t)make_block();

    struct sigaction action = { .sa_sigaction = on_system_call, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
    sigaction(SIGSYS, &action, NULL);
    action.sa_sigaction = on_fault;
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGILL, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    use_signal_stack(malloc(STACK_BYTES));
    fflush(stdout);
    enter_dispatch();
    host(SYS_arch_prctl, ARCH_SET_FS, 0, 0, 0, 0, 0);
    jump(program.entry, 0, argument);
}
