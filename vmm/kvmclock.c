/* SPDX-License-Identifier: Apache-2.0 */
/* kvmclock.c: the structures of Linux Documentation/virt/kvm/x86/msr.rst in the guest's memory.
 *
 * The clock is stable: every vCPU's structure says system time = TSC * 10^9 / frequency, from TSC 0 on, and is written
 * once, when the guest registers it, and again by derive(). The version is odd while a structure is being written. The wall clock
 * structure holds the Unix time at which system time was 0.
 */
#include "vmm/kvmclock.h"

#define SYSTEM_TIME_ENABLE UINT64_C(1)
#define TSC_STABLE 1u
#define NS_PER_SECOND UINT64_C(1000000000)

struct pvclock_time {
    uint32_t version;
    uint32_t reserved;
    uint64_t tsc_timestamp;
    uint64_t system_time;
    uint32_t tsc_to_system_mul;
    int8_t tsc_shift;
    uint8_t flags;
    uint8_t reserved2[2];
};

struct pvclock_wall {
    uint32_t version;
    uint32_t seconds;
    uint32_t nanoseconds;
};

static_assert(sizeof(struct pvclock_time) == 32, "layout of the interface");
static_assert(sizeof(struct pvclock_wall) == 12, "layout of the interface");

struct kvmclock_state {
    uint64_t tsc_hz;
    uint64_t wall_address;
    uint64_t wall_at_zero_ns; /* Unix time at system time 0, fixed when the guest asks first */
    uint64_t system_time[KVMCLOCK_CPUS_MAX];
};

static void kvmclock_reset(struct device *device, struct capsule_tx *tx)
{
    struct kvmclock_state *s = device->state;

    CAPSULE_SET(tx, s->wall_address, 0);
    CAPSULE_SET(tx, s->wall_at_zero_ns, 0);
    for (unsigned i = 0; i < KVMCLOCK_CPUS_MAX; i++)
        CAPSULE_SET(tx, s->system_time[i], 0);
}

/* ns = (tsc << shift, or >> -shift) * mul >> 32, with the largest mul that fits 32 bits. */
static void scale_of(uint64_t hz, uint32_t *mul, int8_t *shift)
{
    int power = 0;
    unsigned __int128 ratio = ((unsigned __int128)NS_PER_SECOND << 32) / hz;

    while (ratio > UINT32_MAX) {
        ratio = ((unsigned __int128)NS_PER_SECOND << 32) / ((unsigned __int128)hz << ++power);
    }
    while (ratio <= UINT32_MAX / 2 && power > -31) {
        power--;
        ratio = ((unsigned __int128)NS_PER_SECOND << 32 << -power) / hz;
    }
    *mul = (uint32_t)ratio;
    *shift = (int8_t)power;
}

static void write_time(struct device *device, uint64_t address)
{
    const struct kvmclock_state *s = device->state;
    struct pvclock_time *t = guest_memory_at(&device->machine->memory, address, sizeof(*t));
    uint32_t version;

    if (t == NULL || address % 4 != 0)
        return;
    version = (__atomic_load_n(&t->version, __ATOMIC_RELAXED) | 1) + 2;
    __atomic_store_n(&t->version, version, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    t->tsc_timestamp = 0;
    t->system_time = 0;
    scale_of(s->tsc_hz, &t->tsc_to_system_mul, &t->tsc_shift);
    t->flags = TSC_STABLE;
    __atomic_store_n(&t->version, version + 1, __ATOMIC_RELEASE);
}

static void write_wall(struct device *device, uint64_t address)
{
    const struct kvmclock_state *s = device->state;
    struct pvclock_wall *w = guest_memory_at(&device->machine->memory, address, sizeof(*w));
    uint32_t version;

    if (w == NULL || address % 4 != 0)
        return;
    version = (__atomic_load_n(&w->version, __ATOMIC_RELAXED) | 1) + 2;
    __atomic_store_n(&w->version, version, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    w->seconds = (uint32_t)(s->wall_at_zero_ns / NS_PER_SECOND);
    w->nanoseconds = (uint32_t)(s->wall_at_zero_ns % NS_PER_SECOND);
    __atomic_store_n(&w->version, version + 1, __ATOMIC_RELEASE);
}

static void kvmclock_derive(struct device *device, struct capsule_tx *tx)
{
    const struct kvmclock_state *s = device->state;

    (void)tx;
    if (s->wall_address != 0)
        write_wall(device, s->wall_address);
    for (unsigned i = 0; i < KVMCLOCK_CPUS_MAX; i++)
        if (s->system_time[i] & SYSTEM_TIME_ENABLE)
            write_time(device, s->system_time[i] & ~SYSTEM_TIME_ENABLE);
}

static const struct device_ops kvmclock_ops = { .name = "kvmclock",
                                                .version = 1,
                                                .state_size = sizeof(struct kvmclock_state),
                                                .reset = kvmclock_reset,
                                                .derive = kvmclock_derive };

enum cl_status kvmclock_add(struct machine *machine, uint64_t tsc_hz, struct device **device)
{
    struct kvmclock_state *s;

    if (tsc_hz == 0)
        return CL_BAD_ARGUMENT;
    TRY(machine_add(machine, &kvmclock_ops, NULL, device));
    s = (*device)->state;
    if (s->tsc_hz == 0)
        s->tsc_hz = tsc_hz; /* a constant of the VM, set while nobody else looks */
    return CL_OK;
}

bool kvmclock_msr_read(struct device *device, struct capsule_tx *tx, unsigned cpu, uint32_t index, uint64_t *value)
{
    const struct kvmclock_state *s = device->state;

    if (cpu >= KVMCLOCK_CPUS_MAX)
        return false;
    if (capsule_replay(tx, value))
        return true;
    device_lock(device);
    *value = index == KVM_MSR_WALL_CLOCK || index == KVM_MSR_WALL_CLOCK_OLD ? s->wall_address : s->system_time[cpu];
    capsule_commit(tx, *value);
    device_unlock(device);
    return true;
}

/* Nanoseconds that `tsc` ticks are. */
static uint64_t system_time_of(const struct kvmclock_state *s, uint64_t tsc)
{
    return (uint64_t)((unsigned __int128)tsc * NS_PER_SECOND / s->tsc_hz);
}

bool kvmclock_msr_write(struct device *device, struct capsule_tx *tx, unsigned cpu, uint32_t index, uint64_t value,
                        uint64_t guest_tsc)
{
    struct kvmclock_state *s = device->state;
    bool wall = index == KVM_MSR_WALL_CLOCK || index == KVM_MSR_WALL_CLOCK_OLD;
    uint64_t ignored, address = wall ? value : value & ~SYSTEM_TIME_ENABLE;
    bool used = wall ? value != 0 : (value & SYSTEM_TIME_ENABLE) != 0;
    const struct machine *m = device->machine;

    if (cpu >= KVMCLOCK_CPUS_MAX || (used && (address % 4 != 0 || guest_memory_at(&m->memory, address, 32) == NULL)))
        return false;
    if (capsule_replay(tx, &ignored))
        return true;
    device_lock(device);
    if (wall) {
        CAPSULE_SET(tx, s->wall_address, value);
        CAPSULE_SET(tx, s->wall_at_zero_ns, m->host->wall_ns(m->host_context) - system_time_of(s, guest_tsc));
    } else {
        CAPSULE_SET(tx, s->system_time[cpu], value);
    }
    capsule_commit(tx, 0);
    /* Only what was asked for: the other vCPUs' structures are as they should be. */
    if (used && wall)
        write_wall(device, address);
    else if (used)
        write_time(device, address);
    device_unlock(device);
    return true;
}
