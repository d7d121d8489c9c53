/* SPDX-License-Identifier: Apache-2.0 */
/* domain.c: protection domains, from the empty address space to the last slot swept. */
#include "kernel/domain.h"

#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/hostmap.h"
#include "kernel/info.h"
#include "kernel/pool.h"
#include "kernel/string.h"
#include "kernel/system.h"
#include "kernel/thread.h"

#define SWEEP_PIECE 64 /* capabilities dropped per call */
#define TABLE_PIECE 32 /* page-table pages freed per look */

enum cl_status domain_create(struct account *account, const char *name, uint32_t slot_count, struct domain **created)
{
    struct domain *domain;

    if (slot_count < 8 || slot_count > DOMAIN_SLOTS_MAX)
        return refuse(CL_BAD_ARGUMENT, "a capability table has 8 to %u slots, not %u", DOMAIN_SLOTS_MAX, slot_count);

    domain = *created = object_create(account, OBJECT_DOMAIN);
    if (domain == NULL)
        return CL_NO_MEMORY;
    memcpy(domain->name, name, DOMAIN_NAME_MAX - 1);
    domain->slots = pool_take(account, slot_count * sizeof(capability));
    if (domain->slots == NULL)
        return CL_NO_MEMORY;
    TRY(pt_create(&domain->space.pt, &pt_format_host, account));
    hostmap_share(domain->space.pt.root);
    TRY(space_map_kernel_page(&domain->space, info_page, INFO_PAGE_ADDRESS, PT_READ));
    domain->slot_count = slot_count; /* lastly: until then there is nothing to sweep */
    return CL_OK;
}

/* Each CPU copies the map anew when it next switches to the domain; a CPU that runs it now is made to. */
void domain_ports_changed(void)
{
    for (uint32_t i = 0; i < cpu_count; i++)
        __atomic_store_n(&cpus[i].iomap_stale, true, __ATOMIC_RELEASE);
    shootdown_post();
}

bool domain_stop(struct domain *domain)
{
    bool running = false;

    __atomic_store_n(&domain->stopped, true, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < cpu_count; i++) {
        struct thread *current = __atomic_load_n(&cpus[i].current, __ATOMIC_ACQUIRE);
        if (current != NULL && current->domain == domain) {
            running = true;
            cpu_attention(&cpus[i], ATTENTION_RESCHEDULE);
        }
    }
    return !running;
}

enum cl_status domain_destroy(struct object *object)
{
    struct domain *domain = (struct domain *)object;

    if (!domain_stop(domain))
        return CL_IN_PROGRESS;
    for (unsigned i = 0; domain->slot_count > 0; domain->slot_count--) {
        if (i++ == SWEEP_PIECE)
            return CL_IN_PROGRESS;
        cap_remove(domain, domain->slot_count - 1);
    }
    return space_unmap_all(&domain->space);
}

bool domain_free(struct object *object)
{
    struct domain *domain = (struct domain *)object;

    /* no CPU has these tables loaded any more */
    if (!pt_destroy(&domain->space.pt, TABLE_PIECE))
        return false;
    pool_give(object->account, domain->slots);
    pool_give(object->account, domain->iomap);
    if (domain->faults != NULL)
        object_drop((struct object *)domain->faults);
    return true;
}
