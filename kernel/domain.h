/* SPDX-License-Identifier: Apache-2.0 */
/* domain.h: a protection domain: address space, capability table, port rights. */
#ifndef CL_KERNEL_DOMAIN_H
#define CL_KERNEL_DOMAIN_H

#include "kernel/memory.h"

#define DOMAIN_NAME_MAX 24
#define DOMAIN_SLOTS_MAX 4096

struct notification;

/* A capability: an object and rights, in one word so that a look-up on another CPU sees both or neither. Kernel
 * addresses have their top 16 bits set: the rights take that place. 0: the slot is empty. */
typedef uint64_t capability;

#define CAP_POINTER UINT64_C(0x0000ffffffffffff)
#define CAP_KERNEL UINT64_C(0xffff000000000000)
#define CAP_RIGHTS_SHIFT 48

static inline struct object *cap_object(capability cap)
{
    return (struct object *)((cap & CAP_POINTER) | CAP_KERNEL);
}

static inline unsigned cap_rights(capability cap)
{
    return (unsigned)(cap >> CAP_RIGHTS_SHIFT);
}

struct domain {
    struct object object;
    struct space space;
    char name[DOMAIN_NAME_MAX];
    capability *slots;           /* [s] written, read without a lock */
    uint32_t slot_count;         /* [s] fewer and fewer while it is destroyed */
    bool stopped;                /* [a] none of its threads enters ring 3 or a guest */
    uint8_t *iomap;              /* [s] 8 KiB, bit clear = port granted; NULL: no ports */
    struct notification *faults; /* [o] told when the domain is stopped by a fault; may be NULL */
    uint64_t faults_bit;
};
/* [o] set once; [s] structure lock; [a] atomic */

/* What stands in `slot`; 0 for one beyond the table. No lock: what it leads to is good until the call ends (object.h). */
static inline capability cap_read(const struct domain *domain, uint64_t slot)
{
    return slot < domain->slot_count ? __atomic_load_n(&domain->slots[slot], __ATOMIC_ACQUIRE) : 0;
}

/* The object in `slot`, of type `type`, alive, with all of `rights`; NULL when anything at all is not as wanted:
 * call_lookup() (syscall.h) finds out what. */
static inline struct object *cap_quick(const struct domain *domain, uint64_t slot, enum object_type type,
                                       unsigned rights)
{
    capability cap = cap_read(domain, slot);
    struct object *object = cap_object(cap);

    if ((cap_rights(cap) & rights) != rights || cap == 0 || object->type != type || object->dead)
        return NULL;
    return object;
}

/* CL_OK if `slot` is a free slot of the table. Structure lock. */
enum cl_status cap_check_free(struct domain *domain, uint64_t slot) CL_MUST_CHECK;

/* Put a capability into a free slot; takes a reference. Structure lock. */
void cap_insert(struct domain *domain, uint64_t slot, struct object *object, unsigned rights);

/* Empty the slot and drop the reference. Structure lock. */
void cap_remove(struct domain *domain, uint64_t slot);

/* An empty domain. CL_NO_MEMORY. Structure lock. */
enum cl_status domain_create(struct account *account, const char *name, uint32_t slot_count,
                             struct domain **created) CL_MUST_CHECK;

/* All its threads leave at their next kernel entry. True once no CPU runs one. */
bool domain_stop(struct domain *domain);

/* Some domain's iomap was changed: CPUs that show it have to look again. Structure lock. */
void domain_ports_changed(void);

/* One bounded piece of taking it apart: CL_OK when done, CL_IN_PROGRESS otherwise. Structure lock. */
enum cl_status domain_destroy(struct object *object) CL_MUST_CHECK;
/* The last thing of its life, in pieces: true when done. */
bool domain_free(struct object *object);

#endif
