/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmm/capsule.c vmm/bus.c vmm/machine.c vmm/irq.c vmm/pic8259.c vmm/ioapic.c vmm/uart16550.c vmm/pit8254.c
 * vmm/rtc.c vmm/pm.c vmm/i8042.c vmm/pvpanic.c vmm/debug_exit.c vmm/delay_ports.c tests/unit/vmm/crash_harness.c
 * vmm/decode.c vmm/emulate.c vmm/emulate_alu.c vmm/emulate_memory.c vmm/emulate_string.c vmm/emulate_system.c
 * vmm/emulate_task.c vmm/guest_paging.c vmm/boot_state.c */
/* LIBS: zydis */
/* test_emulate.c: emulated instructions against the CPU that the test runs on, and against devices. */
#include <stdlib.h>
#include <sys/mman.h>

#include "tests/unit/vmm/crash_harness.h"
#include "vmm/boot_state.h"
#include "vmm/emulate.h"

#define PML4 0x1000u
#define PDPT 0x2000u
#define CODE 0x8000u
#define DATA 0x100000u
#define IOAPIC UINT64_C(0xFEC00000)
#define CR0_PAGED UINT64_C(0x80010011)
#define FLAGS 0x8D5u /* arithmetic */
#define AF 0x10u
#define OF 0x800u

struct guest {
    struct fake *fake;
    struct emulator emulator;
    struct vcpu_page page;
    uint32_t apic[64];
    uint64_t msr;
};

static bool apic_read(void *context, uint32_t offset, uint32_t *value)
{
    *value = ((struct guest *)context)->apic[offset >> 4 & 63];
    return true;
}

static bool apic_write(void *context, uint32_t offset, uint32_t value)
{
    ((struct guest *)context)->apic[offset >> 4 & 63] = value;
    return true;
}

static bool msr_read(void *context, uint32_t index, uint64_t *value)
{
    *value = ((struct guest *)context)->msr;
    return index == 0x10;
}

static bool msr_write(void *context, uint32_t index, uint64_t value)
{
    ((struct guest *)context)->msr = value;
    return index == 0x10;
}

static void cpuid(void *context, uint32_t leaf, uint32_t subleaf, uint32_t result[4])
{
    (void)context;
    for (unsigned i = 0; i < 4; i++)
        result[i] = leaf + subleaf + i;
}

static const struct emulator_ops ops = { apic_read, apic_write, msr_read, msr_write, cpuid };

static void set64(struct guest *g, uint64_t address, uint64_t value)
{
    assert_int_equal(guest_memory_write(&g->fake->machine.memory, address, &value, 8), CL_OK);
}

/* 64-bit mode, the first 4 GiB mapped one to one, at CODE. */
static struct guest *prepare(void)
{
    struct guest *g = calloc(1, sizeof(*g));

    assert_non_null(g);
    g->fake = fake_create();
    g->emulator.memory = &g->fake->machine.memory;
    g->emulator.bus = &g->fake->machine.bus;
    g->emulator.tx = &g->fake->tx;
    g->emulator.ops = &ops;
    g->emulator.context = g;
    g->emulator.cr4_allowed = 0x7FF | 1u << 18;
    g->emulator.xcr0_allowed = 7;
    set64(g, PML4, PDPT | 7);
    for (unsigned i = 0; i < 4; i++)
        set64(g, PDPT + i * 8, (uint64_t)i << 30 | 0x87);
    boot_state_flat32(&g->page, CODE, 8, 16);
    g->page.cr0 = CR0_PAGED;
    g->page.cr3 = PML4;
    g->page.cr4 = 0x20;
    g->page.efer = 0xD00;
    g->page.segment[SEG_CS].attributes = 0xA09B;
    g->page.gpr[GPR_RSP] = 0x200000;
    g->page.dirty = 0;
    return g;
}

static void finish(struct guest *g)
{
    fake_destroy(g->fake);
    free(g);
}

static enum cl_status step(struct guest *g, const void *code, size_t length, uint32_t reason)
{
    assert_int_equal(guest_memory_write(&g->fake->machine.memory, g->page.rip, code, length), CL_OK);
    g->page.exit.reason = reason;
    g->page.exit.sequence = ++g->fake->sequence;
    capsule_exit_begin(&g->fake->tx, g->page.exit.sequence);
    return emulate(&g->emulator, &g->page);
}

#define CODE_OF(...) ((const uint8_t[]){ __VA_ARGS__ }), sizeof((const uint8_t[]){ __VA_ARGS__ })
#define STEP_MEMORY(g, gpa, write, ...)                                                                                \
    ((g)->page.exit.memory.address = (gpa), (g)->page.exit.memory.flags = (write),                                     \
     step((g), CODE_OF(__VA_ARGS__), VCPU_EXIT_MEMORY))
#define STEP_DECODE(g, what, ...)                                                                                      \
    ((g)->page.exit.decode.intercept = (what), step((g), CODE_OF(__VA_ARGS__), VCPU_EXIT_DECODE))

/* ------------------------------------------------------------------------------------- against the host's own CPU */

struct native {
    uint64_t rax, rcx, rdx, rbx, rsi, rdi, rflags;
};

void run_native(struct native *registers, void *code);
__asm__(".text\n.globl run_native\nrun_native:\n"
        "push %rbx\npush %rbp\npush %r12\npush %r13\npush %r14\npush %r15\npush %rdi\n"
        "mov %rsi, %r11\npush 48(%rdi)\npopfq\n"
        "mov 0(%rdi), %rax\nmov 8(%rdi), %rcx\nmov 16(%rdi), %rdx\nmov 24(%rdi), %rbx\nmov 32(%rdi), %rsi\n"
        "mov 40(%rdi), %rdi\ncall *%r11\n"
        "pushfq\npop %r10\ncld\nmov (%rsp), %r11\n"
        "mov %rax, 0(%r11)\nmov %rcx, 8(%r11)\nmov %rdx, 16(%r11)\nmov %rbx, 24(%r11)\nmov %rsi, 32(%r11)\n"
        "mov %rdi, 40(%r11)\nmov %r10, 48(%r11)\n"
        "pop %rdi\npop %r15\npop %r14\npop %r13\npop %r12\npop %rbp\npop %rbx\nret\n");

struct form {
    uint8_t length;
    uint8_t bytes[8];
    uint16_t undefined; /* flags that the manual leaves open */
};

/* Memory at [rBX]; registers rAX, rCX, rDX. */
static const struct form forms[] = {
    { 2, { 0x00, 0x0B }, 0 },
    { 2, { 0x01, 0x0B }, 0 },
    { 3, { 0x66, 0x01, 0x0B }, 0 },
    { 3, { 0x48, 0x01, 0x0B }, 0 },
    { 2, { 0x02, 0x0B }, 0 },
    { 2, { 0x03, 0x0B }, 0 },
    { 3, { 0x48, 0x03, 0x0B }, 0 },
    { 2, { 0x08, 0x0B }, AF },
    { 2, { 0x09, 0x0B }, AF },
    { 3, { 0x48, 0x0B, 0x0B }, AF },
    { 2, { 0x10, 0x0B }, 0 },
    { 2, { 0x11, 0x0B }, 0 },
    { 3, { 0x48, 0x13, 0x0B }, 0 },
    { 2, { 0x18, 0x0B }, 0 },
    { 2, { 0x19, 0x0B }, 0 },
    { 3, { 0x48, 0x1B, 0x0B }, 0 },
    { 2, { 0x20, 0x0B }, AF },
    { 2, { 0x21, 0x0B }, AF },
    { 3, { 0x48, 0x23, 0x0B }, AF },
    { 2, { 0x28, 0x0B }, 0 },
    { 2, { 0x29, 0x0B }, 0 },
    { 3, { 0x48, 0x2B, 0x0B }, 0 },
    { 2, { 0x30, 0x0B }, AF },
    { 3, { 0x48, 0x33, 0x0B }, AF },
    { 2, { 0x38, 0x0B }, 0 },
    { 2, { 0x39, 0x0B }, 0 },
    { 2, { 0x3A, 0x0B }, 0 },
    { 3, { 0x48, 0x3B, 0x0B }, 0 },
    { 3, { 0x80, 0x03, 0x85 }, 0 },
    { 3, { 0x80, 0x3B, 0x85 }, 0 },
    { 6, { 0x81, 0x23, 1, 2, 3, 0x84 }, AF },
    { 3, { 0x83, 0x2B, 0xF1 }, 0 },
    { 4, { 0x48, 0x83, 0x3B, 0xFF }, 0 },
    { 4, { 0x66, 0x83, 0x03, 0x80 }, 0 },
    { 2, { 0x84, 0x0B }, AF },
    { 3, { 0x48, 0x85, 0x0B }, AF },
    { 3, { 0xF6, 0x03, 0x55 }, AF },
    { 6, { 0xF7, 0x03, 1, 2, 3, 0x80 }, AF },
    { 2, { 0x86, 0x0B }, 0 },
    { 3, { 0x48, 0x87, 0x0B }, 0 },
    { 2, { 0x86, 0x23 }, 0 },
    { 2, { 0x88, 0x0B }, 0 },
    { 2, { 0x88, 0x23 }, 0 },
    { 2, { 0x89, 0x0B }, 0 },
    { 3, { 0x66, 0x89, 0x0B }, 0 },
    { 3, { 0x48, 0x89, 0x0B }, 0 },
    { 2, { 0x8A, 0x0B }, 0 },
    { 2, { 0x8A, 0x2B }, 0 },
    { 2, { 0x8B, 0x0B }, 0 },
    { 3, { 0x66, 0x8B, 0x0B }, 0 },
    { 3, { 0x48, 0x8B, 0x0B }, 0 },
    { 3, { 0x40, 0x8A, 0x33 }, 0 },
    { 3, { 0x40, 0x88, 0x3B }, 0 },
    { 3, { 0xC6, 0x03, 0x77 }, 0 },
    { 6, { 0xC7, 0x03, 1, 2, 3, 0x84 }, 0 },
    { 7, { 0x48, 0xC7, 0x03, 1, 2, 3, 0x84 }, 0 },
    { 3, { 0x0F, 0xB6, 0x0B }, 0 },
    { 3, { 0x0F, 0xB7, 0x0B }, 0 },
    { 3, { 0x0F, 0xBE, 0x0B }, 0 },
    { 3, { 0x0F, 0xBF, 0x0B }, 0 },
    { 4, { 0x48, 0x0F, 0xBE, 0x0B }, 0 },
    { 4, { 0x66, 0x0F, 0xB6, 0x0B }, 0 },
    { 3, { 0x48, 0x63, 0x0B }, 0 },
    { 2, { 0xFE, 0x03 }, 0 },
    { 2, { 0xFF, 0x03 }, 0 },
    { 3, { 0x48, 0xFF, 0x0B }, 0 },
    { 2, { 0xFE, 0x0B }, 0 },
    { 2, { 0xF6, 0x13 }, 0 },
    { 2, { 0xF7, 0x1B }, 0 },
    { 3, { 0x48, 0xF7, 0x1B }, 0 },
    { 3, { 0x66, 0xF7, 0x13 }, 0 },
    { 3, { 0x0F, 0xC0, 0x0B }, 0 },
    { 3, { 0x0F, 0xC1, 0x0B }, 0 },
    { 4, { 0x48, 0x0F, 0xC1, 0x0B }, 0 },
    { 3, { 0x0F, 0xB0, 0x0B }, 0 },
    { 3, { 0x0F, 0xB1, 0x0B }, 0 },
    { 4, { 0x48, 0x0F, 0xB1, 0x0B }, 0 },
    { 5, { 0xF0, 0x48, 0x0F, 0xB1, 0x0B }, 0 },
    { 4, { 0xF0, 0x0F, 0xC1, 0x0B }, 0 },
    { 3, { 0xF0, 0x01, 0x0B }, 0 },
    { 4, { 0x0F, 0xBA, 0x23, 0x05 }, FLAGS & ~1u },
    { 4, { 0x0F, 0xBA, 0x2B, 0x1F }, FLAGS & ~1u },
    { 5, { 0x48, 0x0F, 0xBA, 0x33, 0x3F }, FLAGS & ~1u },
    { 5, { 0x66, 0x0F, 0xBA, 0x3B, 0x09 }, FLAGS & ~1u },
    { 3, { 0x0F, 0xA3, 0x13 }, FLAGS & ~1u },
    { 3, { 0x0F, 0xAB, 0x13 }, FLAGS & ~1u },
    { 3, { 0x0F, 0xB3, 0x13 }, FLAGS & ~1u },
    { 4, { 0x48, 0x0F, 0xBB, 0x13 }, FLAGS & ~1u },
    { 4, { 0x66, 0x0F, 0xAB, 0x13 }, FLAGS & ~1u },
    { 2, { 0xD1, 0x23 }, AF },
    { 2, { 0xD1, 0x2B }, AF },
    { 2, { 0xD1, 0x3B }, AF },
    { 3, { 0xC1, 0x23, 0x05 }, AF | OF },
    { 3, { 0xC0, 0x2B, 0x03 }, AF | OF },
    { 4, { 0x48, 0xC1, 0x3B, 0x3F }, AF | OF },
    { 3, { 0xC1, 0x2B, 0x20 }, 0 },
    { 3, { 0x66, 0xD1, 0x23 }, AF },
    { 3, { 0x0F, 0xC3, 0x0B }, 0 },
    { 4, { 0x48, 0x0F, 0xC3, 0x0B }, 0 },
    { 4, { 0x0F, 0x38, 0xF0, 0x0B }, 0 },
    { 4, { 0x0F, 0x38, 0xF1, 0x0B }, 0 },
    { 5, { 0x66, 0x0F, 0x38, 0xF0, 0x0B }, 0 },
    { 5, { 0x48, 0x0F, 0x38, 0xF1, 0x0B }, 0 },
    { 3, { 0x8B, 0x4B, 0x04 }, 0 },
    { 4, { 0x8B, 0x4C, 0x43, 0x08 }, 0 },
    { 6, { 0x89, 0x8B, 0x10, 0, 0, 0 }, 0 },
};

static const struct form strings[] = {
    { 1, { 0xA4 }, 0 },
    { 1, { 0xA5 }, 0 },
    { 2, { 0x48, 0xA5 }, 0 },
    { 2, { 0xF3, 0xA4 }, 0 },
    { 3, { 0xF3, 0x48, 0xA5 }, 0 },
    { 2, { 0xF3, 0xAA }, 0 },
    { 3, { 0xF3, 0x66, 0xAB }, 0 },
    { 1, { 0xAC }, 0 },
    { 2, { 0xF3, 0xAD }, 0 },
    { 2, { 0xF3, 0xA6 }, 0 },
    { 2, { 0xF2, 0xA6 }, 0 },
    { 2, { 0xF2, 0xAE }, 0 },
    { 2, { 0xF3, 0xAF }, 0 },
    { 1, { 0xA7 }, 0 },
};

static uint64_t seed = 88172645463325252u;

static uint64_t random64(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Bytes that make carries, signs and zeros likely. */
static uint64_t operand(void)
{
    static const uint64_t edges[] = { 0,
                                      1,
                                      0x7F,
                                      0x80,
                                      0xFF,
                                      0x7FFF,
                                      0x8000,
                                      0x7FFFFFFF,
                                      0x80000000,
                                      UINT64_MAX,
                                      UINT64_C(0x7FFFFFFFFFFFFFFF),
                                      UINT64_C(0x8000000000000000) };

    return random64() & 1 ? random64() : edges[random64() % (sizeof(edges) / sizeof(edges[0]))];
}

static void compare(struct guest *g, uint8_t *code, uint8_t *data, const struct form *form, bool string)
{
    struct native n = { .rax = operand(), .rcx = operand(), .rdx = operand() & 63, .rflags = random64() & FLAGS };
    uint8_t *ram = g->fake->ram + DATA;

    for (unsigned i = 0; i < 512; i += 8)
        *(uint64_t *)(void *)(data + i) = random64() & 3 ? operand() : UINT64_C(0x4141414141414141);
    memcpy(ram, data, 512);
    memcpy(code, form->bytes, form->length);
    code[form->length] = 0xC3;
    n.rflags |= 2;
    n.rbx = (uint64_t)(data + 64);
    if (string) {
        n.rcx = random64() % 14;
        n.rsi = (uint64_t)(data + 128);
        n.rdi = (uint64_t)(data + 256);
        n.rflags |= random64() & 1 ? 0x400 : 0;
    } else {
        n.rax = form->bytes[1] == 0x4C ? n.rax & 7 : n.rax; /* an index */
        n.rsi = operand();
        n.rdi = operand();
    }
    g->page.rip = CODE;
    g->page.gpr[GPR_RAX] = n.rax;
    g->page.gpr[GPR_RCX] = n.rcx;
    g->page.gpr[GPR_RDX] = n.rdx;
    g->page.gpr[GPR_RBX] = DATA + 64;
    g->page.gpr[GPR_RSI] = string ? DATA + 128 : n.rsi;
    g->page.gpr[GPR_RDI] = string ? DATA + 256 : n.rdi;
    g->page.rflags = n.rflags;
    run_native(&n, code);
    g->page.exit.memory.address = UINT64_MAX; /* no hint: walk */
    assert_int_equal(step(g, form->bytes, form->length, VCPU_EXIT_MEMORY), CL_OK);
    assert_int_equal(g->page.completion, VCPU_COMPLETE_ADVANCE);
    assert_int_equal(g->page.exit.next_rip, CODE + form->length);
    assert_int_equal(g->page.gpr[GPR_RAX], n.rax);
    assert_int_equal(g->page.gpr[GPR_RCX], n.rcx);
    assert_int_equal(g->page.gpr[GPR_RDX], n.rdx);
    if (string) {
        assert_int_equal(g->page.gpr[GPR_RSI] - DATA, n.rsi - (uint64_t)data);
        assert_int_equal(g->page.gpr[GPR_RDI] - DATA, n.rdi - (uint64_t)data);
    } else {
        assert_int_equal(g->page.gpr[GPR_RSI], n.rsi);
        assert_int_equal(g->page.gpr[GPR_RDI], n.rdi);
    }
    assert_int_equal(g->page.rflags & FLAGS & ~(unsigned)form->undefined,
                     n.rflags & FLAGS & ~(unsigned)form->undefined);
    assert_memory_equal(ram, data, 512);
}

static void instructions_do_what_this_cpu_does(void **unused)
{
    uint8_t *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    static _Alignas(64) uint8_t data[512];
    struct guest *g = prepare();

    (void)unused;
    assert_ptr_not_equal(code, MAP_FAILED);
    for (unsigned round = 0; round < 200; round++) {
        for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
            compare(g, code, data, &forms[i], false);
        for (unsigned i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
            compare(g, code, data, &strings[i], true);
    }
    munmap(code, 4096);
    finish(g);
}

/* ------------------------------------------------------------------------------------------------ against devices */

static void device_registers_are_read_and_written(void **unused)
{
    struct guest *g = prepare();

    (void)unused;
    g->page.gpr[GPR_RBX] = IOAPIC;
    assert_int_equal(STEP_MEMORY(g, IOAPIC, 1, 0xC7, 0x03, 1, 0, 0, 0), CL_OK); /* movl $1, (%rbx) */
    assert_int_equal(STEP_MEMORY(g, IOAPIC + 16, 0, 0x8B, 0x43, 0x10), CL_OK);  /* mov 16(%rbx), %eax */
    assert_int_equal(g->page.gpr[GPR_RAX], 0x170020);
    assert_int_equal(STEP_MEMORY(g, IOAPIC + 16, 0, 0x0F, 0xB6, 0x4B, 0x10), CL_OK);
    assert_int_equal(g->page.gpr[GPR_RCX], 0x20);
    assert_int_equal(g->emulator.cache.misses, 3);
    assert_int_equal(STEP_MEMORY(g, IOAPIC + 16, 0, 0x8B, 0x43, 0x10), CL_OK);
    assert_int_equal(g->emulator.cache.misses, 4); /* the bytes behind it were others */
    assert_int_equal(STEP_MEMORY(g, IOAPIC + 16, 0, 0x8B, 0x43, 0x10), CL_OK);
    assert_int_equal(g->emulator.cache.misses, 4);
    finish(g);
}

static void a_published_instruction_is_not_run_again(void **unused)
{
    struct guest *g = prepare();
    struct vcpu_page before;

    (void)unused;
    g->page.gpr[GPR_RBX] = IOAPIC;
    g->page.gpr[GPR_RAX] = 0x17;
    assert_int_equal(STEP_MEMORY(g, IOAPIC, 1, 0xC7, 0x03, 0x10, 0, 0, 0), CL_OK);
    before = g->page;
    g->page.gpr[GPR_RAX] = 3;
    assert_int_equal(STEP_MEMORY(g, IOAPIC, 1, 0x01, 0x03), CL_OK); /* add %eax, (%rbx) */
    /* The VMM died while it copied registers: the exit comes again, and is answered from the capsule. */
    before.exit.sequence = g->fake->sequence;
    before.gpr[GPR_RAX] = 0x1234;
    g->page = before;
    capsule_tx_init(&g->fake->tx, g->fake->machine.capsule, 0);
    capsule_exit_begin(&g->fake->tx, g->page.exit.sequence);
    assert_int_equal(emulate(&g->emulator, &g->page), CL_OK);
    assert_int_equal(g->page.gpr[GPR_RAX], 3);
    assert_int_equal(g->page.completion, VCPU_COMPLETE_ADVANCE);
    assert_int_equal(g->page.exit.next_rip, CODE + 2);
    assert_int_equal(fake_read(g->fake, IOAPIC, 4), 0x13);
    finish(g);
}

static uint64_t do_add(struct fake *f, void *argument)
{
    struct guest *g = argument;

    (void)f;
    g->page.gpr[GPR_RAX] = 3;
    g->page.rflags = 2;
    assert_int_equal(emulate(&g->emulator, &g->page), CL_OK);
    return g->page.rflags << 32 | g->page.exit.next_rip;
}

static uint64_t do_store(struct fake *f, void *argument)
{
    struct guest *g = argument;

    (void)f;
    g->page.gpr[GPR_RAX] = 0x23;
    assert_int_equal(emulate(&g->emulator, &g->page), CL_OK);
    return g->page.gpr[GPR_RAX] << 32 | g->page.exit.next_rip;
}

static void a_crash_inside_a_move_to_a_device_is_made_good(void **unused)
{
    struct guest *g = prepare();
    const uint8_t code[] = { 0x89, 0x03 };

    (void)unused;
    g->page.gpr[GPR_RBX] = IOAPIC;
    g->page.exit.reason = VCPU_EXIT_MEMORY;
    g->page.exit.memory = (struct vcpu_exit_memory){ .address = IOAPIC, .flags = VCPU_MEMORY_WRITE };
    assert_int_equal(guest_memory_write(&g->fake->machine.memory, CODE, code, sizeof(code)), CL_OK);
    (void)crash_exit(g->fake, do_store, g);
    assert_int_equal(fake_read(g->fake, IOAPIC, 4), 0x23);
    finish(g);
}

/* A read-modify-write of a device register is two accesses: neither may be lost or done twice. */
static void crashes_inside_an_instruction_are_made_good(void **unused)
{
    struct guest *g = prepare();
    const uint8_t code[] = { 0x01, 0x03 };

    (void)unused;
    g->page.gpr[GPR_RBX] = IOAPIC;
    assert_int_equal(STEP_MEMORY(g, IOAPIC, 1, 0xC7, 0x03, 0x20, 0, 0, 0), CL_OK);
    assert_int_equal(guest_memory_write(&g->fake->machine.memory, CODE, code, sizeof(code)), CL_OK);
    (void)crash_exit(g->fake, do_add, g);
    assert_int_equal(fake_read(g->fake, IOAPIC, 4), 0x23);
    finish(g);
}

/* The way that drivers' accesses take, and what must not take it. */
static void moves_reach_the_device_register_that_the_exit_names(void **unused)
{
    struct guest *g = prepare();

    (void)unused;
    g->page.gpr[GPR_RBX] = IOAPIC - 8;
    g->page.gpr[GPR_RCX] = 2;
    g->page.gpr[GPR_RAX] = UINT64_C(0xAA00000001);
    assert_int_equal(STEP_MEMORY(g, IOAPIC, 1, 0x89, 0x04, 0x8B), CL_OK); /* mov %eax, (%rbx,%rcx,4) */
    assert_int_equal(g->page.exit.next_rip, CODE + 3);
    assert_int_equal(fake_read(g->fake, IOAPIC, 4), 1);
    g->page.gpr[GPR_RAX] = IOAPIC;
    assert_int_equal(STEP_MEMORY(g, IOAPIC + 0x10, 0, 0x8B, 0x40, 0x10), CL_OK); /* mov 16(%rax), %eax */
    assert_int_equal(g->page.gpr[GPR_RAX], fake_read(g->fake, IOAPIC + 0x10, 4));
    g->page.gpr[GPR_RDX] = UINT64_MAX;
    assert_int_equal(STEP_MEMORY(g, IOAPIC, 0, 0x66, 0x8B, 0x14, 0x8B), CL_OK); /* mov (%rbx,%rcx,4), %dx */
    assert_int_equal(g->page.gpr[GPR_RDX], UINT64_C(0xFFFFFFFFFFFF0001));
    g->page.segment[SEG_GS].base = IOAPIC;
    assert_int_equal(STEP_MEMORY(g, IOAPIC, 0, 0x65, 0x8B, 0x14, 0x25, 0, 0, 0, 0), CL_OK); /* mov %gs:0, %edx */
    assert_int_equal(g->page.gpr[GPR_RDX], 1);
    /* the code was changed after the exit: this store goes where it says, to RAM */
    g->page.gpr[GPR_RBX] = DATA + 0x20;
    assert_int_equal(STEP_MEMORY(g, IOAPIC, 0, 0x89, 0x03), CL_OK); /* mov %eax, (%rbx) */
    assert_int_equal(fake_read(g->fake, IOAPIC, 4), 1);
    assert_memory_equal(g->fake->ram + DATA + 0x20, &g->page.gpr[GPR_RAX], 4);
    finish(g);
}

static void the_local_apic_page_goes_to_the_kernel(void **unused)
{
    struct guest *g = prepare();

    (void)unused;
    g->page.gpr[GPR_RBX] = 0xFEE00000;
    g->page.gpr[GPR_RAX] = 0xAB;
    assert_int_equal(STEP_MEMORY(g, 0xFEE00080, 1, 0x89, 0x83, 0x80, 0, 0, 0), CL_OK);
    assert_int_equal(g->apic[8], 0xAB);
    assert_int_equal(STEP_MEMORY(g, 0xFEE00080, 0, 0x8B, 0x8B, 0x80, 0, 0, 0), CL_OK);
    assert_int_equal(g->page.gpr[GPR_RCX], 0xAB);
    finish(g);
}

static void string_output_goes_to_its_port_in_pieces(void **unused)
{
    struct guest *g = prepare();

    (void)unused;
    memset(g->fake->ram + DATA, 'x', 40);
    g->page.gpr[GPR_RSI] = DATA;
    g->page.gpr[GPR_RCX] = 40;
    g->page.gpr[GPR_RDX] = 0x3F8;
    g->page.exit.io.flags = VCPU_IO_STRING | VCPU_IO_REP;
    assert_int_equal(step(g, CODE_OF(0xF3, 0x6E), VCPU_EXIT_IO), CL_OK);
    assert_int_equal(g->page.completion, VCPU_COMPLETE_RETRY);
    assert_int_equal(g->page.gpr[GPR_RCX], 25);
    assert_int_equal(step(g, CODE_OF(0xF3, 0x6E), VCPU_EXIT_IO), CL_OK);
    assert_int_equal(step(g, CODE_OF(0xF3, 0x6E), VCPU_EXIT_IO), CL_OK);
    assert_int_equal(g->page.completion, VCPU_COMPLETE_ADVANCE);
    assert_int_equal(g->page.gpr[GPR_RCX], 0);
    assert_int_equal(g->fake->outside.serial_total, 40);
    finish(g);
}

static void string_input_writes_memory_or_faults_before_it_reads(void **unused)
{
    struct guest *g = prepare();

    (void)unused;
    fake_out(g->fake, 0x70, 1, 0x50);
    fake_out(g->fake, 0x71, 1, 0xC3);
    g->page.gpr[GPR_RDI] = DATA;
    g->page.gpr[GPR_RDX] = 0x71;
    assert_int_equal(step(g, CODE_OF(0x6C), VCPU_EXIT_IO), CL_OK);
    assert_int_equal(g->fake->ram[DATA], 0xC3);
    assert_int_equal(g->page.gpr[GPR_RDI], DATA + 1);
    g->page.gpr[GPR_RDI] = UINT64_C(0x8000000000); /* no such entry in the PML4 */
    assert_int_equal(step(g, CODE_OF(0x6C), VCPU_EXIT_IO), CL_OK);
    assert_int_equal(g->page.completion, VCPU_COMPLETE_EXCEPTION);
    assert_int_equal(g->page.event.vector, 14);
    assert_int_equal(g->page.event.error_code, 2);
    assert_int_equal(g->page.event.payload, UINT64_C(0x8000000000));
    finish(g);
}

static void non_canonical_addresses_are_protected(void **unused)
{
    struct guest *g = prepare();

    (void)unused;
    g->page.gpr[GPR_RBX] = UINT64_C(0x8000000000000000);
    assert_int_equal(STEP_MEMORY(g, 0, 0, 0x8B, 0x03), CL_OK);
    assert_int_equal(g->page.completion, VCPU_COMPLETE_EXCEPTION);
    assert_int_equal(g->page.event.vector, 13);
    finish(g);
}

static void forbidden_instructions_become_ud(void **unused)
{
    struct guest *g = prepare();

    (void)unused;
    assert_int_equal(STEP_DECODE(g, VCPU_INTERCEPT_INVALID_INSTRUCTION, 0x0F, 0x01, 0xD8), CL_OK); /* VMRUN */
    assert_int_equal(g->page.event.vector, 6);
    assert_int_equal(STEP_DECODE(g, VCPU_INTERCEPT_MWAIT, 0x0F, 0x01, 0xC9), CL_OK);
    assert_int_equal(g->page.completion, VCPU_COMPLETE_EXCEPTION);
    assert_int_equal(STEP_DECODE(g, VCPU_INTERCEPT_INSTRUCTION, 0x0F, 0x0B), CL_UNSUPPORTED);
    finish(g);
}

static void control_registers_follow_the_manual(void **unused)
{
    struct guest *g = prepare();

    (void)unused;
    assert_int_equal(STEP_DECODE(g, VCPU_INTERCEPT_CR_READ, 0x0F, 0x20, 0xC0), CL_OK); /* mov %cr0, %rax */
    assert_int_equal(g->page.gpr[GPR_RAX], CR0_PAGED);
    g->page.gpr[GPR_RAX] = CR0_PAGED | 1u << 29; /* NW without CD */
    assert_int_equal(STEP_DECODE(g, VCPU_INTERCEPT_CR_WRITE, 0x0F, 0x22, 0xC0), CL_OK);
    assert_int_equal(g->page.event.vector, 13);
    g->page.gpr[GPR_RAX] = CR0_PAGED | 8;
    assert_int_equal(STEP_DECODE(g, VCPU_INTERCEPT_CR_WRITE, 0x0F, 0x22, 0xC0), CL_OK);
    assert_int_equal(g->page.completion, VCPU_COMPLETE_ADVANCE);
    assert_int_equal(g->page.cr0, CR0_PAGED | 8);
    assert_true(g->page.dirty & VCPU_GROUP_CONTROL);
    assert_int_equal(STEP_DECODE(g, VCPU_INTERCEPT_CR_WRITE, 0x0F, 0x06), CL_OK); /* clts */
    assert_int_equal(g->page.cr0, CR0_PAGED);
    g->page.gpr[GPR_RAX] = 0x20 | 1u << 13; /* VMXE */
    assert_int_equal(STEP_DECODE(g, VCPU_INTERCEPT_CR_WRITE, 0x0F, 0x22, 0xE0), CL_OK);
    assert_int_equal(g->page.completion, VCPU_COMPLETE_EXCEPTION);
    g->page.gpr[GPR_RAX] = 0; /* PAE is needed here */
    assert_int_equal(STEP_DECODE(g, VCPU_INTERCEPT_CR_WRITE, 0x0F, 0x22, 0xE0), CL_OK);
    assert_int_equal(g->page.completion, VCPU_COMPLETE_EXCEPTION);
    g->page.segment[SEG_SS].attributes |= 3 << SEG_ATTR_DPL_SHIFT;
    assert_int_equal(STEP_DECODE(g, VCPU_INTERCEPT_WBINVD, 0x0F, 0x09), CL_OK);
    assert_int_equal(g->page.event.vector, 13);
    finish(g);
}

static void debug_registers_follow_the_manual(void **unused)
{
    struct guest *g = prepare();

    (void)unused;
    g->page.dr[6] = 0xFFFF0FF0;
    g->page.dr[7] = 0x400;
    g->page.gpr[GPR_RAX] = 0xFFFFFFFF;
    assert_int_equal(STEP_DECODE(g, VCPU_INTERCEPT_DR, 0x0F, 0x23, 0xF8), CL_OK); /* mov %rax, %dr7 */
    assert_int_equal(g->page.completion, VCPU_COMPLETE_ADVANCE);
    assert_int_equal(g->page.dr[7], 0xFFFF27FF);
    assert_int_equal(g->page.dirty & VCPU_GROUP_DEBUG, VCPU_GROUP_DEBUG);
    g->page.gpr[GPR_RAX] = 0;
    assert_int_equal(STEP_DECODE(g, VCPU_INTERCEPT_DR, 0x0F, 0x23, 0xE8), CL_OK); /* dr5, without CR4.DE: dr7 */
    assert_int_equal(g->page.dr[7], 0x400);
    assert_int_equal(STEP_DECODE(g, VCPU_INTERCEPT_DR, 0x0F, 0x21, 0xE8), CL_OK); /* mov %dr5, %rax */
    assert_int_equal(g->page.gpr[GPR_RAX], 0x400);
    g->page.gpr[GPR_RAX] = UINT64_C(1) << 32 | 3;
    assert_int_equal(STEP_DECODE(g, VCPU_INTERCEPT_DR, 0x0F, 0x23, 0xF8), CL_OK);
    assert_int_equal(g->page.completion, VCPU_COMPLETE_EXCEPTION);
    assert_int_equal(g->page.event.vector, 13);
    assert_int_equal(g->page.dr[7], 0x400);
    g->page.cr4 |= 8; /* DE */
    assert_int_equal(STEP_DECODE(g, VCPU_INTERCEPT_DR, 0x0F, 0x21, 0xE8), CL_OK);
    assert_int_equal(g->page.event.vector, 6);
    g->page.segment[SEG_SS].attributes |= 3 << SEG_ATTR_DPL_SHIFT;
    assert_int_equal(STEP_DECODE(g, VCPU_INTERCEPT_DR, 0x0F, 0x21, 0xF8), CL_OK);
    assert_int_equal(g->page.event.vector, 13);
    finish(g);
}

static void long_mode_begins_and_ends_with_paging(void **unused)
{
    struct guest *g = prepare();

    (void)unused;
    g->page.cr0 = 0x11;
    g->page.efer = 0x100;
    g->page.segment[SEG_CS].attributes = 0xC09B;
    g->page.gpr[GPR_RAX] = 0x80000011;
    assert_int_equal(STEP_DECODE(g, VCPU_INTERCEPT_CR_WRITE, 0x0F, 0x22, 0xC0), CL_OK);
    assert_int_equal(g->page.completion, VCPU_COMPLETE_ADVANCE);
    assert_int_equal(g->page.efer, 0x500);
    g->page.gpr[GPR_RAX] = 0x11;
    assert_int_equal(STEP_DECODE(g, VCPU_INTERCEPT_CR_WRITE, 0x0F, 0x22, 0xC0), CL_OK);
    assert_int_equal(g->page.efer, 0x100);
    finish(g);
}

static void odd_encodings_of_simple_instructions_work(void **unused)
{
    struct guest *g = prepare();

    (void)unused;
    g->page.gpr[GPR_RAX] = 5;
    g->page.gpr[GPR_RCX] = 1;
    assert_int_equal(STEP_DECODE(g, VCPU_INTERCEPT_INSTRUCTION, 0x66, 0x0F, 0xA2), CL_OK); /* CPUID with a prefix */
    assert_int_equal(g->page.gpr[GPR_RBX], 7);
    g->page.gpr[GPR_RCX] = 0x10;
    g->page.gpr[GPR_RAX] = 0x11;
    g->page.gpr[GPR_RDX] = 0x22;
    assert_int_equal(STEP_DECODE(g, VCPU_INTERCEPT_INSTRUCTION, 0x3E, 0x0F, 0x30), CL_OK); /* DS WRMSR */
    assert_int_equal(g->msr, UINT64_C(0x2200000011));
    assert_int_equal(g->page.exit.next_rip, CODE + 3);
    g->page.gpr[GPR_RCX] = 0x11;
    assert_int_equal(STEP_DECODE(g, VCPU_INTERCEPT_INSTRUCTION, 0x48, 0x0F, 0x32), CL_OK);
    assert_int_equal(g->page.event.vector, 13);
    finish(g);
}

static void real_mode_uses_segments_and_limits(void **unused)
{
    struct guest *g = prepare();

    (void)unused;
    boot_state_reset(&g->page);
    g->page.segment[SEG_CS].base = CODE;
    g->page.rip = 0;
    g->page.segment[SEG_DS].base = DATA & 0xFFFFF;
    g->page.segment[SEG_ES].base = 0x20000;
    g->page.gpr[GPR_RBX] = 0xFFF0;
    g->fake->ram[0x2FFF0] = 0x5A;
    assert_int_equal(guest_memory_write(&g->fake->machine.memory, CODE, "\x26\x8A\x07", 3), CL_OK);
    g->page.exit.reason = VCPU_EXIT_MEMORY;
    g->page.exit.memory.address = UINT64_MAX;
    capsule_exit_begin(&g->fake->tx, ++g->fake->sequence);
    assert_int_equal(emulate(&g->emulator, &g->page), CL_OK); /* mov %es:(%bx), %al */
    assert_int_equal(g->page.gpr[GPR_RAX], 0x5A);
    assert_int_equal(guest_memory_write(&g->fake->machine.memory, CODE, "\x66\x26\x8B\x47\x0D", 5), CL_OK);
    capsule_exit_begin(&g->fake->tx, ++g->fake->sequence);
    assert_int_equal(emulate(&g->emulator, &g->page), CL_OK); /* four bytes, one of them behind the limit */
    assert_int_equal(g->page.event.vector, 13);
    finish(g);
}

static void refusals_show_the_bytes(void **unused)
{
    struct guest *g = prepare();

    (void)unused;
    assert_int_equal(STEP_MEMORY(g, IOAPIC, 0, 0x0F, 0x6F, 0x03), CL_UNSUPPORTED); /* movq (%rbx), %mm0 */
    assert_non_null(strstr(g->emulator.reason, "0f 6f 03"));
    g->page.rip = 0xD0000000;
    g->page.exit.memory.flags = VCPU_MEMORY_FETCH;
    capsule_exit_begin(&g->fake->tx, ++g->fake->sequence);
    assert_int_equal(emulate(&g->emulator, &g->page), CL_UNSUPPORTED);
    finish(g);
}

#define TASK_GDT 0x3000u
#define TASK_TSS(number) (0x4000u + (number)*0x1000u)
#define TASK_SELECTOR(number) (0x28u + (number)*8u)
#define TASK_EIP(number) (CODE + (number)*0x100u)
#define FAR_JUMP CODE_OF(0xEA, 0, 0, 0, 0, 0x30, 0)
#define FAR_CALL CODE_OF(0x9A, 0, 0, 0, 0, 0x30, 0)

static uint32_t get32(struct guest *g, uint64_t address)
{
    uint32_t value = 0;

    assert_int_equal(guest_memory_read(&g->fake->machine.memory, address, &value, 4), CL_OK);
    return value;
}

static void set32(struct guest *g, uint64_t address, uint32_t value)
{
    assert_int_equal(guest_memory_write(&g->fake->machine.memory, address, &value, 4), CL_OK);
}

/* 32-bit mode without paging in task 0; task 1 has been laid out. Descriptors: 8 code, 10h data, 18h absent data, 20h
 * LDT, then the TSSs. */
static struct guest *prepare_tasks(void)
{
    struct guest *g = prepare();

    boot_state_flat32(&g->page, CODE, 8, 16);
    set64(g, TASK_GDT + 0x08, UINT64_C(0x00CF9B000000FFFF));
    set64(g, TASK_GDT + 0x10, UINT64_C(0x00CF92000000FFFF)); /* not yet accessed */
    set64(g, TASK_GDT + 0x18, UINT64_C(0x00CF13000000FFFF));
    set64(g, TASK_GDT + 0x20, UINT64_C(0x000082003000000F));
    set64(g, TASK_GDT + TASK_SELECTOR(0), UINT64_C(0x00008B0000000067) | (uint64_t)TASK_TSS(0) << 16);
    set64(g, TASK_GDT + TASK_SELECTOR(1), UINT64_C(0x0000890000000067) | (uint64_t)TASK_TSS(1) << 16);
    g->page.gdtr = (struct vcpu_table){ .base = TASK_GDT, .limit = 0x37 };
    g->page.segment[SEG_TR] =
        (struct vcpu_segment){ .selector = TASK_SELECTOR(0), .limit = 0x67, .attributes = 0x8B, .base = TASK_TSS(0) };
    g->page.dr[7] = 0x55F;
    for (unsigned i = 0; i < 8; i++) {
        g->page.gpr[i] = 0x1000 + i;
        set32(g, TASK_TSS(1) + (10 + i) * 4, 0x2000 + i);
        set32(g, TASK_TSS(1) + (18 + i) * 4, i == SEG_CS ? 8 : i < SEG_LDTR ? 0x10 : 0);
    }
    set32(g, TASK_TSS(1) + 25 * 4, 0);
    set32(g, TASK_TSS(1) + 8 * 4, TASK_EIP(1));
    set32(g, TASK_TSS(1) + 9 * 4, 0x246);
    g->page.dirty = 0;
    return g;
}

static enum cl_status step_task(struct guest *g, unsigned source, const void *code, size_t length)
{
    g->page.exit.task.selector = TASK_SELECTOR(source == 1 ? 0 : 1);
    g->page.exit.task.source = (uint8_t)source;
    return step(g, code, length, VCPU_EXIT_TASK_SWITCH);
}

static void a_far_call_enters_a_task_and_iret_leaves_it(void **unused)
{
    struct guest *g = prepare_tasks();

    (void)unused;
    g->page.rflags = 0xA47;
    assert_int_equal(step_task(g, 0, FAR_CALL), CL_OK);
    assert_int_equal(g->page.completion, VCPU_COMPLETE_RETRY);
    assert_int_equal(g->page.rip, TASK_EIP(1));
    assert_int_equal(g->page.rflags, 0x4246); /* NT */
    assert_int_equal(g->page.gpr[GPR_RAX], 0x2000);
    assert_int_equal(g->page.gpr[GPR_RSP], 0x2004);
    assert_int_equal(g->page.segment[SEG_TR].selector, TASK_SELECTOR(1));
    assert_int_equal(g->page.segment[SEG_TR].attributes, 0x8B);
    assert_int_equal(g->page.segment[SEG_SS].attributes, 0xC093);
    assert_int_equal(g->page.segment[SEG_SS].limit, UINT32_MAX);
    assert_int_equal(g->page.segment[SEG_LDTR].attributes & SEG_ATTR_UNUSABLE, SEG_ATTR_UNUSABLE);
    assert_int_equal(g->page.cr0 & 8, 8); /* TS */
    assert_int_equal(g->page.dr[7], 0x40A);
    assert_int_equal(g->page.dirty & 0xF, 0xF);
    assert_int_equal(get32(g, TASK_TSS(0) + 8 * 4), CODE + 7);
    assert_int_equal(get32(g, TASK_TSS(0) + 9 * 4), 0xA47);
    assert_int_equal(get32(g, TASK_TSS(0) + 12 * 4), 0x1002);
    assert_int_equal(get32(g, TASK_TSS(0) + 19 * 4) & 0xFFFF, 8);
    assert_int_equal(get32(g, TASK_TSS(1)) & 0xFFFF, TASK_SELECTOR(0));
    assert_int_equal(get32(g, TASK_GDT + TASK_SELECTOR(0) + 4) >> 8 & 0xFF, 0x8B); /* both are busy */
    assert_int_equal(get32(g, TASK_GDT + TASK_SELECTOR(1) + 4) >> 8 & 0xFF, 0x8B);
    assert_int_equal(get32(g, TASK_GDT + 0x14) >> 8 & 0xFF, 0x93); /* accessed */

    set32(g, TASK_TSS(0) + 25 * 4, 0);
    assert_int_equal(step_task(g, 1, CODE_OF(0xCF)), CL_OK);
    assert_int_equal(g->page.rip, CODE + 7);
    assert_int_equal(g->page.rflags, 0xA47);
    assert_int_equal(g->page.gpr[GPR_RDI], 0x1007);
    assert_int_equal(get32(g, TASK_TSS(1) + 9 * 4), 0x246); /* NT is not kept */
    assert_int_equal(get32(g, TASK_TSS(1) + 8 * 4), TASK_EIP(1) + 1);
    assert_int_equal(get32(g, TASK_GDT + TASK_SELECTOR(1) + 4) >> 8 & 0xFF, 0x89);
    assert_int_equal(get32(g, TASK_GDT + TASK_SELECTOR(0) + 4) >> 8 & 0xFF, 0x8B);
    finish(g);
}

static void a_far_jump_leaves_its_task_for_good(void **unused)
{
    struct guest *g = prepare_tasks();

    (void)unused;
    assert_int_equal(step_task(g, 2, FAR_JUMP), CL_OK);
    assert_int_equal(g->page.rflags, 0x246);
    assert_int_equal(get32(g, TASK_TSS(1)), 0);
    assert_int_equal(get32(g, TASK_GDT + TASK_SELECTOR(0) + 4) >> 8 & 0xFF, 0x89);
    finish(g);
}

static void a_fault_through_a_task_gate_restarts_its_instruction(void **unused)
{
    struct guest *g = prepare_tasks();

    (void)unused;
    set32(g, TASK_TSS(1) + 14 * 4, 0x9000);
    g->page.exit.task.has_error_code = 1;
    g->page.exit.task.error_code = 0x1234;
    assert_int_equal(step_task(g, 3, CODE_OF(0xCD, 0x40)), CL_OK);
    assert_int_equal(get32(g, TASK_TSS(0) + 8 * 4), CODE);
    assert_int_equal(g->page.gpr[GPR_RSP], 0x8FFC);
    assert_int_equal(get32(g, 0x8FFC), 0x1234);
    finish(g);
    g = prepare_tasks();
    assert_int_equal(step_task(g, 3, CODE_OF(0xCD, 0x40)), CL_OK); /* but INT n is behind it */
    assert_int_equal(get32(g, TASK_TSS(0) + 8 * 4), CODE + 2);
    finish(g);
}

static void a_bad_segment_faults_in_the_new_task(void **unused)
{
    struct guest *g = prepare_tasks();

    (void)unused;
    set32(g, TASK_TSS(1) + (18 + SEG_FS) * 4, 0x18);
    assert_int_equal(step_task(g, 0, FAR_CALL), CL_OK);
    assert_int_equal(g->page.completion, VCPU_COMPLETE_EXCEPTION);
    assert_int_equal(g->page.event.vector, 11);
    assert_int_equal(g->page.event.error_code, 0x18);
    assert_int_equal(g->page.rip, TASK_EIP(1));
    assert_int_equal(g->page.gpr[GPR_RAX], 0x2000);
    finish(g);
}

static void task_switches_that_are_not_emulated_are_refused_by_name(void **unused)
{
    struct guest *g = prepare_tasks();

    (void)unused;
    set64(g, TASK_GDT + TASK_SELECTOR(1), UINT64_C(0x0000810000000067) | (uint64_t)TASK_TSS(1) << 16);
    assert_int_equal(step_task(g, 0, FAR_CALL), CL_UNSUPPORTED);
    assert_non_null(strstr(g->emulator.reason, "16-bit TSS"));
    finish(g);
    g = prepare_tasks();
    set32(g, TASK_TSS(1) + 9 * 4, 0x20002);
    assert_int_equal(step_task(g, 0, FAR_CALL), CL_UNSUPPORTED);
    assert_non_null(strstr(g->emulator.reason, "virtual-8086"));
    assert_int_equal(g->page.rip, CODE);
    finish(g);
    g = prepare_tasks();
    set64(g, TASK_GDT + TASK_SELECTOR(1), UINT64_C(0x0000890000000066) | (uint64_t)TASK_TSS(1) << 16);
    assert_int_equal(step_task(g, 0, FAR_CALL), CL_OK);
    assert_int_equal(g->page.event.vector, 10); /* #TS: too short */
    finish(g);
}

static void far_transfers_are_not_run_outside_of_task_switches(void **unused)
{
    struct guest *g = prepare();

    (void)unused;
    assert_int_equal(STEP_MEMORY(g, IOAPIC, 0, 0xFF, 0x20), CL_UNSUPPORTED); /* JMP through a device */
    assert_int_equal(STEP_MEMORY(g, IOAPIC, 0, 0xCD, 0x40), CL_UNSUPPORTED);
    finish(g);
}

static void random_bytes_never_harm_the_emulator(void **unused)
{
    struct guest *g = prepare();
    struct vcpu_page start = g->page;

    (void)unused;
    for (unsigned i = 0; i < 300000; i++) {
        uint64_t bytes[2] = { random64(), random64() };

        g->page = start;
        for (unsigned r = 0; r < GPR_COUNT; r++)
            g->page.gpr[r] = random64() & 1 ? random64() & 0xFFFFFFFF : operand();
        if (random64() % 3 == 0)
            g->page.segment[SEG_CS].attributes = random64() & 1 ? 0xC09B : 0x009B;
        if (random64() % 8 == 0)
            g->page.cr3 = random64();
        bytes[0] = random64() & 1 ? bytes[0] : (bytes[0] & ~UINT64_C(0xFF)) | 0x0F;
        g->page.exit.memory.address = random64() & 0xFFFFFFFF;
        memcpy(g->fake->ram + CODE, bytes, sizeof(bytes));
        g->page.exit.reason = random64() & 1 ? VCPU_EXIT_MEMORY : VCPU_EXIT_DECODE;
        g->page.exit.decode.intercept = VCPU_INTERCEPT_INSTRUCTION;
        g->fake->outside.messages = 0;
        capsule_exit_begin(&g->fake->tx, ++g->fake->sequence);
        (void)!emulate(&g->emulator, &g->page);
        g->fake->now_ns += 1000;
        memset(g->fake->ram + PML4, 0, 8192);
        set64(g, PML4, PDPT | 7);
        for (unsigned e = 0; e < 4; e++)
            set64(g, PDPT + e * 8, (uint64_t)e << 30 | 0x87);
    }
    finish(g);
}

/* INSD takes four accesses of a register that is a byte wide, and one more for the IOAPIC that it goes to. */
static void a_long_string_from_device_to_device_is_done_in_pieces(void **unused)
{
    struct guest *g = prepare();

    (void)unused;
    g->page.gpr[GPR_RCX] = 1000;
    g->page.gpr[GPR_RDX] = 0x40;
    g->page.exit.io.flags = VCPU_IO_STRING | VCPU_IO_IN | VCPU_IO_REP;
    for (unsigned exits = 0; g->page.gpr[GPR_RCX] != 0; exits++) {
        uint64_t left = g->page.gpr[GPR_RCX];

        g->page.gpr[GPR_RDI] = IOAPIC;
        assert_int_equal(step(g, CODE_OF(0xF3, 0x6D), VCPU_EXIT_IO), CL_OK);
        assert_true(g->page.gpr[GPR_RCX] < left);
        assert_int_equal(g->page.completion, g->page.gpr[GPR_RCX] != 0 ? VCPU_COMPLETE_RETRY : VCPU_COMPLETE_ADVANCE);
        assert_true(exits < 1000);
    }
    finish(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instructions_do_what_this_cpu_does),
        cmocka_unit_test(device_registers_are_read_and_written),
        cmocka_unit_test(a_published_instruction_is_not_run_again),
        cmocka_unit_test(a_crash_inside_a_move_to_a_device_is_made_good),
        cmocka_unit_test(crashes_inside_an_instruction_are_made_good),
        cmocka_unit_test(moves_reach_the_device_register_that_the_exit_names),
        cmocka_unit_test(the_local_apic_page_goes_to_the_kernel),
        cmocka_unit_test(string_output_goes_to_its_port_in_pieces),
        cmocka_unit_test(string_input_writes_memory_or_faults_before_it_reads),
        cmocka_unit_test(non_canonical_addresses_are_protected),
        cmocka_unit_test(forbidden_instructions_become_ud),
        cmocka_unit_test(control_registers_follow_the_manual),
        cmocka_unit_test(debug_registers_follow_the_manual),
        cmocka_unit_test(long_mode_begins_and_ends_with_paging),
        cmocka_unit_test(odd_encodings_of_simple_instructions_work),
        cmocka_unit_test(a_long_string_from_device_to_device_is_done_in_pieces),
        cmocka_unit_test(real_mode_uses_segments_and_limits),
        cmocka_unit_test(refusals_show_the_bytes),
        cmocka_unit_test(a_far_call_enters_a_task_and_iret_leaves_it),
        cmocka_unit_test(a_far_jump_leaves_its_task_for_good),
        cmocka_unit_test(a_fault_through_a_task_gate_restarts_its_instruction),
        cmocka_unit_test(a_bad_segment_faults_in_the_new_task),
        cmocka_unit_test(task_switches_that_are_not_emulated_are_refused_by_name),
        cmocka_unit_test(far_transfers_are_not_run_outside_of_task_switches),
        cmocka_unit_test(random_bytes_never_harm_the_emulator),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
