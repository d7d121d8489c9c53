/* SPDX-License-Identifier: Apache-2.0 */
/* syscall.h: every system call, its arguments, rights and results.
 *
 * SYSCALL with the number in RAX and arguments in RDI, RSI, RDX, R10, R8, R9. Status comes back in RAX (enum
 * cl_status), a value in RDX; RCX and R11 are lost, every other register is kept. Arguments marked [page] are in
 * thread_page.argument[] (the structure of that name), bytes in thread_page.data[].
 *
 * Capabilities are named by slot, an index into the caller's table. "new slot" is a free slot, chosen by the caller.
 * A call that can be long does a bounded piece and returns CL_IN_PROGRESS: repeat it with the same arguments.
 */
#ifndef CL_ABI_SYSCALL_H
#define CL_ABI_SYSCALL_H

#include <stdint.h>

enum syscall_number {
    /* authority */
    SYS_ACCOUNT_CREATE = 0, /* (new slot, parent account) [page: account_arguments] */
    SYS_DOMAIN_CREATE = 1, /* (new slot, account, capability slots, fault notification, bit) data: name, NUL-terminated.
                               The notification is signalled when a fault stops the domain. Its table is empty */
    SYS_DOMAIN_STOP =
        2, /* (domain): no thread of it enters ring 3 or a guest again. CL_IN_PROGRESS until all CPUs saw it */
    SYS_CAP_COPY = 3,       /* (slot, target domain, new slot there, rights to keep) */
    SYS_CAP_DELETE = 4,     /* (domain, slot there). The object lives on until it or its account is destroyed */
    SYS_OBJECT_DESTROY = 5, /* (slot): RIGHT_DESTROY. An account: with all that was charged to it. May be IN_PROGRESS */

    /* memory */
    SYS_MEMORY_CREATE = 6, /* (new slot, account, size in bytes, MEMORY_* flags) */
    SYS_MEMORY_SLICE = 7,  /* (new slot, memory, offset, length): revocable part, dies with its parent */
    SYS_MEMORY_MAP =
        8, /* (memory, target domain or vm, offset, length, address, MAP_* rights) RDX: bytes done so far */
    SYS_MEMORY_UNMAP = 9, /* (target domain or vm, address): the whole mapping that starts there */

    /* execution */
    SYS_THREAD_CREATE = 10,       /* (new slot, domain, account) [page: thread_arguments]. The thread is born stopped */
    SYS_THREAD_CONTROL = 11,      /* (thread, enum thread_operation, value) RDX: old value or state */
    SYS_NOTIFICATION_CREATE = 12, /* (new slot, account) */
    SYS_NOTIFY = 13,              /* (notification, bits) */
    SYS_WAIT = 14,        /* (notification, deadline as TSC; 0: poll; ~0: never) RDX: bits collected, then cleared */
    SYS_YIELD = 15,       /* (): to other threads of the same priority or account */
    SYS_THREAD_EXIT = 16, /* (): stops the caller for good */

    /* devices */
    SYS_PORTS_GRANT = 17, /* (ports, domain, first port, count, 1 grant or 0 revoke) */
    SYS_IRQ_BIND = 18,    /* (new slot, account, irq source slot, gsi, notification, bit) */
    SYS_IRQ_ACK = 19,     /* (irq): unmask a level interrupt again */

    /* guests */
    SYS_VM_CREATE = 20,    /* (new slot, account, notification for EOIs and INITs, bit) data: name */
    SYS_VM_POLICY = 21,    /* (vm, enum vm_policy_kind, first, count) data: struct vm_cpuid_entry[] or vm_msr_entry[] */
    SYS_VM_DOORBELL = 22,  /* (vm, port, width in bytes 1|2|4, notification, bit, 1 add or 0 remove) */
    SYS_VM_INTERRUPT = 23, /* (vm, MSI address, MSI data): SDM Vol. 3A 11.11 */
    SYS_VCPU_CREATE = 24,  /* (new slot, vm, account, vCPU index = APIC ID, address for the vCPU page in the caller,
                               enum vcpu_apic) */
    SYS_VCPU_RUN =
        25, /* (vcpu, notification, completed sequence): abi/vcpu.h. The notification's bits are not collected */
    SYS_VCPU_KICK = 26, /* (vcpu): sticky; this or the next vcpu_run returns at an instruction boundary */
    SYS_VCPU_STATE_GET =
        27, /* (vcpu, VCPU_GROUP_* or VCPU_STATE_*, part) data for XSAVE and LAPIC; the vCPU must not be running */
    SYS_VCPU_STATE_SET = 28, /* the same, the other way; checked */
    SYS_VCPU_APIC = 29,      /* (vcpu, register offset in the xAPIC page, value, 1 write or 0 read) RDX: value read */
    SYS_VCPU_EXTINT = 30, /* (vcpu, 0..255: vector of the 8259 to inject; or 256: raise, 257: lower the ExtINT line) */
    SYS_VCPU_LINT = 31,   /* (vcpu, 0|1: LINT pin, level): NMI and fixed modes as the LVT has them */
    SYS_VM_EOI_READ =
        32, /* (vm, word 0..3) RDX: the bits of 64 level vectors whose EOI came since the last read; cleared */

    /* system */
    SYS_SYSTEM_INFO = 33,    /* (enum system_info_kind, argument) RDX: value; data: struct or text */
    SYS_LOG_READ = 34,       /* (system, position) data: text, RDX: bytes; argument[0]: next position */
    SYS_LOG_WRITE = 35,      /* (length) data: text, one line of this domain */
    SYS_TRACE_MAP = 36,      /* (system, cpu, address in the caller): its trace ring, read-only */
    SYS_SYSTEM_CONTROL = 37, /* (system, enum system_operation) */
    SYS_COUNT
};

enum object_type {
    OBJECT_NONE,
    OBJECT_ACCOUNT,
    OBJECT_DOMAIN,
    OBJECT_THREAD,
    OBJECT_MEMORY,
    OBJECT_NOTIFICATION,
    OBJECT_VM,
    OBJECT_VCPU,
    OBJECT_IRQ,
    OBJECT_PORTS,
    OBJECT_SYSTEM,
    OBJECT_IRQS,
    OBJECT_TYPE_COUNT
};

/* Rights of a capability. What a right means depends on the type of object it stands beside. */
enum right {
    RIGHT_READ = 1 << 0,    /* memory: map readable; thread, vcpu, account: read state; system: read log and trace */
    RIGHT_WRITE = 1 << 1,   /* memory: map writable; thread, vcpu: set state */
    RIGHT_EXECUTE = 1 << 2, /* memory: map executable; vcpu: run */
    RIGHT_SIGNAL = 1 << 3,  /* notification: set bits; vm: raise interrupts; vcpu: kick */
    RIGHT_WAIT = 1 << 4,    /* notification: collect bits */
    RIGHT_CONFIGURE =
        1 << 5, /* vm: policy, doorbells, vCPUs; domain: capability table, threads; irq: bind; system: control */
    RIGHT_MAP = 1 << 6,    /* domain, vm: be the target of memory_map and memory_unmap */
    RIGHT_CHARGE = 1 << 7, /* account: create objects on it, sub-accounts */
    RIGHT_COPY = 1 << 8,   /* the capability may be copied */
    RIGHT_DESTROY = 1 << 9,
    RIGHT_ALL = (1 << 10) - 1
};

/* What init finds in its table at boot. */
enum init_slot {
    INIT_SLOT_NULL = 0,
    INIT_SLOT_DOMAIN = 1,  /* its own domain */
    INIT_SLOT_ACCOUNT = 2, /* the root account: all memory and CPU authority */
    INIT_SLOT_SYSTEM = 3,
    INIT_SLOT_IMAGE = 4,       /* memory: the system image, read and execute only */
    INIT_SLOT_PORTS = 5,       /* all I/O ports but the kernel's own */
    INIT_SLOT_IRQS = 6,        /* all interrupt sources */
    INIT_SLOT_FRAMEBUFFER = 7, /* empty if there is none */
    INIT_SLOT_FIRST_FREE = 8
};

enum scheduling_class { CLASS_FAIR = 0, CLASS_REALTIME = 1 };

#define PRIORITY_COUNT 32 /* real-time priorities 0 (lowest) to 31 */
#define WEIGHT_DEFAULT 1024
#define AFFINITY_ALL UINT64_MAX

struct account_arguments {
    uint64_t kernel_bytes;     /* for objects and page tables, out of the kernel's pool; taken from the parent */
    uint64_t memory_bytes;     /* for memory objects; taken from the parent */
    uint64_t affinity;         /* CPUs its threads may run on, a subset of the parent's */
    uint32_t scheduling_class; /* enum scheduling_class */
    uint32_t weight;           /* fair: 1 to 65,536 */
    uint32_t priority_max;     /* real-time: highest priority of its threads, at most the parent's */
    uint32_t reserved;
    uint64_t budget_ns; /* real-time: CPU time per period, 0 = no real-time authority */
    uint64_t period_ns;
    uint64_t cap_permille; /* fair: at most this share of one CPU, 0 = no cap */
};

struct thread_arguments {
    uint64_t entry;
    uint64_t stack;
    uint64_t fs_base;
    uint64_t argument;     /* in RDI at entry */
    uint64_t page_address; /* where the thread page is to be mapped in its domain */
    uint32_t priority;     /* real-time accounts only */
    uint32_t cpu;          /* preferred CPU, ~0: any */
};

enum thread_operation {
    THREAD_START = 0,
    THREAD_STOP = 1,        /* CL_IN_PROGRESS until it has left its CPU */
    THREAD_SET_FS_BASE = 2, /* own thread only: slot is ignored */
    THREAD_GET_TIME = 3,    /* RDX: TSC ticks it has run */
    THREAD_SET_AFFINITY = 4,
    THREAD_GET_STATE = 5, /* RDX: enum thread_state; data: struct thread_report */
};

enum thread_state {
    THREAD_STATE_STOPPED,
    THREAD_STATE_READY,
    THREAD_STATE_RUNNING,
    THREAD_STATE_WAITING,
    THREAD_STATE_FAULTED
};

/* What a faulted thread looked like; its domain is stopped, and the domain's fault notification has been signalled. */
struct thread_report {
    uint32_t state;
    uint32_t vector;
    uint64_t error_code, address;
    uint64_t rip, rsp, rflags;
    uint64_t gpr[16];
};

#define MEMORY_CONTIGUOUS (1u << 0)
#define MEMORY_BELOW_4GIB (1u << 1)
#define MEMORY_LARGE (1u << 2) /* prefer 2 MiB blocks */

#define MAP_READ (1u << 0)
#define MAP_WRITE (1u << 1)
#define MAP_EXECUTE (1u << 2) /* write and execute together only in a VM */

enum vm_policy_kind { VM_POLICY_CPUID = 0, VM_POLICY_MSR = 1 };

#define VM_CPUID_MAX 128
#define VM_MSR_MAX 64

/* One leaf of the VM's CPUID. Sorted by (leaf, subleaf) across the whole table. The kernel lays the live bits over it:
 * APIC IDs, OSXSAVE, OSPKE, XSAVE sizes. A leaf that is not there reads as zero. */
struct vm_cpuid_entry {
    uint32_t leaf;
    uint32_t subleaf;
    uint32_t flags; /* VM_CPUID_SUBLEAF: only this subleaf; otherwise ECX is ignored */
    uint32_t eax, ebx, ecx, edx;
    uint32_t reserved;
};
#define VM_CPUID_SUBLEAF (1u << 0)

enum vm_msr_action { VM_MSR_REFUSED = 0, VM_MSR_FIXED = 1, VM_MSR_TO_VMM = 2, VM_MSR_WRITE_IGNORED = 3 };

/* MSRs that the kernel keeps for every vCPU (EFER, STAR, …, APIC base, x2APIC, TSC, TSC deadline) need no entry. */
struct vm_msr_entry {
    uint32_t index;
    uint32_t action; /* enum vm_msr_action */
    uint64_t value;  /* VM_MSR_FIXED, VM_MSR_WRITE_IGNORED: what a read gives */
};

/* Who works on a vCPU's local APIC. A processor that can (VT-x virtual-interrupt delivery) does so in x2APIC mode. */
enum vcpu_apic {
    VCPU_APIC_AUTO = 0,     /* the processor, if it can and no fault of it is known */
    VCPU_APIC_SOFTWARE = 1, /* the kernel alone */
    VCPU_APIC_HARDWARE = 2, /* the processor; CL_UNSUPPORTED where it cannot */
};

/* vcpu_state_get/set beyond the register groups of abi/vcpu.h. */
enum vcpu_state {
    VCPU_STATE_XSAVE = 1 << 16, /* part = component number */
    VCPU_STATE_LAPIC = 1 << 17,
    VCPU_STATE_AUDIT = 1 << 18, /* get only. RDX: rules of VM entry that the next entry would break; the log has them */
};

enum system_info_kind {
    SYSTEM_INFO_ACCOUNT = 0, /* (account slot) data: struct account_report */
    SYSTEM_INFO_MEMORY = 1,  /* data: struct memory_report */
    SYSTEM_INFO_CPU = 2,     /* (cpu) data: struct cpu_report */
    SYSTEM_INFO_CAPS = 3,    /* (domain slot, first table slot) data: struct cap_report[] RDX: count */
};

struct account_report {
    uint64_t kernel_used, kernel_limit, memory_used, memory_limit, cpu_tsc, objects;
};
struct memory_report {
    uint64_t total, free, pool_total, pool_free;
};
struct cpu_report {
    uint64_t idle_tsc, switches, interrupts, ipis;
};
struct cap_report {
    uint32_t slot, type, rights, reserved;
    uint64_t identity;
};

enum system_operation {
    SYSTEM_POWER_OFF = 0,
    SYSTEM_RESET = 1,
    SYSTEM_RELEASE_SERIAL = 2, /* the kernel stops echoing its log to the UART: the caller's console owns it now */
};

#endif
