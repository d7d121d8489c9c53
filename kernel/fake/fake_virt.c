/* SPDX-License-Identifier: Apache-2.0 */
/* fake_virt.c: a backend without a CPU behind it: it writes down what it is asked, and the test plays the guest. */
#include "kernel/assert.h"
#include "kernel/fake/machine.h"
#include "kernel/pool.h"
#include "kernel/x86.h"

void (*fake_guest)(struct vcpu *vcpu, struct virt_exit *exit);
void (*fake_unload_hook)(void);
enum cl_status fake_vcpu_set_status;
unsigned fake_audits, fake_broken_rules;
unsigned fake_blind_entries;

struct fake_vcpu *fake_vcpu(const struct vcpu *vcpu)
{
    return vcpu->virt;
}

static enum cl_status probe(uint64_t *guest_cpus)
{
    (void)guest_cpus;
    return CL_OK;
}

static enum cl_status cpu_enable(void)
{
    return CL_OK;
}

static enum cl_status vm_make(struct vm *vm, struct account *account)
{
    vm->virt = pool_take(account, PAGE_SIZE);
    return vm->virt != NULL ? CL_OK : CL_NO_MEMORY;
}

static void vm_unmake(struct vm *vm, struct account *account)
{
    pool_give(account, vm->virt);
}

static enum cl_status vcpu_make(struct vcpu *vcpu, struct account *account)
{
    struct fake_vcpu *fake = pool_take(account, sizeof(*fake));

    if (fake == NULL)
        return CL_NO_MEMORY;
    fake->interruptible = fake->nmi_allowed = true;
    vcpu->virt = fake;
    return CL_OK;
}

static void vcpu_unmake(struct vcpu *vcpu, struct account *account)
{
    /* a control block that a CPU still has loaded is written to when that CPU lets go of it */
    ASSERT(fake_vcpu(vcpu)->loads == fake_vcpu(vcpu)->unloads);
    pool_give(account, vcpu->virt);
}

static void load(struct vcpu *vcpu)
{
    ASSERT(fake_vcpu(vcpu)->loads == fake_vcpu(vcpu)->unloads); /* active on one CPU at most: SDM Vol. 3C 25.1 */
    fake_vcpu(vcpu)->loads++;
}

static void park(struct vcpu *vcpu)
{
    ASSERT(fake_vcpu(vcpu)->loads == fake_vcpu(vcpu)->unloads + 1);
    fake_vcpu(vcpu)->live = false;
}

static void unload(struct vcpu *vcpu)
{
    park(vcpu);
    fake_vcpu(vcpu)->unloads++;
    if (fake_unload_hook != NULL)
        fake_unload_hook();
}

static void enter(struct vcpu *vcpu, struct virt_exit *exit)
{
    ASSERT(fake_vcpu(vcpu)->loads == fake_vcpu(vcpu)->unloads + 1);
    ASSERT(vcpu->cpu == cpu_index());
    fake_vcpu(vcpu)->entries++;
    fake_vcpu(vcpu)->live = true;
    if (fake_cpu_is_blind())
        fake_blind_entries++;
    *exit = (struct virt_exit){ .kind = VIRT_EXIT_HLT, .length = 1 };
    if (fake_guest != NULL)
        fake_guest(vcpu, exit);
}

static void get(struct vcpu *vcpu, uint32_t groups)
{
    const struct fake_vcpu *fake = fake_vcpu(vcpu);

    if ((groups & VCPU_GROUP_CONTROL) != 0) {
        vcpu->page->cr4 = fake->cr4;
        vcpu->page->efer = fake->efer;
    }
    if ((groups & (VCPU_GROUP_SEGMENTS | VCPU_GROUP_CODE)) != 0)
        vcpu->page->segment[SEG_SS].attributes = SEG_ATTR_PRESENT | fake->cpl << SEG_ATTR_DPL_SHIFT;
}

static enum cl_status set(struct vcpu *vcpu, uint32_t groups)
{
    if (fake_vcpu_set_status != CL_OK)
        return refuse(fake_vcpu_set_status, "the fake backend was told to refuse");
    if ((groups & VCPU_GROUP_EVENTS) != 0 && vcpu->page->event.activity > VCPU_WAIT_FOR_SIPI)
        return refuse(CL_BAD_ARGUMENT, "activity %u", vcpu->page->event.activity);
    fake_vcpu(vcpu)->set_groups |= groups;
    return CL_OK;
}

static bool interruptible(struct vcpu *vcpu, bool nmi)
{
    return nmi ? fake_vcpu(vcpu)->nmi_allowed : fake_vcpu(vcpu)->interruptible;
}

static void inject(struct vcpu *vcpu, enum vcpu_event_type type, uint8_t vector, bool has_error, uint32_t error)
{
    struct fake_vcpu *fake = fake_vcpu(vcpu);
    unsigned slot = fake->injected++ % FAKE_EVENTS_MAX;

    fake->event[slot].type = type;
    fake->event[slot].vector = vector;
    fake->event[slot].has_error = has_error;
    fake->event[slot].error = error;
}

static void window(struct vcpu *vcpu, bool interrupt, bool nmi, unsigned cr8_threshold)
{
    fake_vcpu(vcpu)->window_interrupt = interrupt || cr8_threshold != 0;
    fake_vcpu(vcpu)->window_nmi = nmi;
}

static void advance(struct vcpu *vcpu, uint64_t next_rip)
{
    fake_vcpu(vcpu)->advances++;
    fake_vcpu(vcpu)->advanced_to = next_rip;
    vcpu->page->rip = next_rip;
}

static bool msr(struct vcpu *vcpu, uint32_t index, bool write, uint64_t *value)
{
    if (index != MSR_STAR)
        return false;
    if (write)
        fake_vcpu(vcpu)->msr = *value;
    else
        *value = fake_vcpu(vcpu)->msr;
    return true;
}

static void flush(void)
{
    fake_tlb_flush_guests(cpu_index());
}

static unsigned audit(struct vcpu *vcpu)
{
    (void)vcpu;
    fake_audits++;
    return fake_broken_rules;
}

const struct virt_ops fake_virt_ops = {
    .name = "fake",
    .nested_format = &pt_format_npt,
    .probe = probe,
    .cpu_enable = cpu_enable,
    .vm_create = vm_make,
    .vm_destroy = vm_unmake,
    .vcpu_create = vcpu_make,
    .vcpu_destroy = vcpu_unmake,
    .vcpu_load = load,
    .vcpu_park = park,
    .vcpu_unload = unload,
    .vcpu_enter = enter,
    .vcpu_get = get,
    .vcpu_set = set,
    .vcpu_interruptible = interruptible,
    .vcpu_inject = inject,
    .vcpu_window = window,
    .vcpu_advance = advance,
    .vcpu_msr = msr,
    .cpu_flush = flush,
    .vcpu_audit = audit,
};
