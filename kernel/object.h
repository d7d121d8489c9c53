/* SPDX-License-Identifier: Apache-2.0 */
/* object.h: what every kernel object begins with: type, references, who pays.
 *
 * An object is reached through capabilities and through other objects. Each holds a reference, and so does its
 * existence, from creation to destruction; the memory goes back when the last one is dropped and every CPU has left the
 * kernel once (system.h), so a pointer from a look-up is good until the call ends. A destroyed object stays as a husk
 * that every look-up refuses until its references are gone. An object without capabilities lives until the account that
 * pays for it is destroyed.
 */
#ifndef CL_KERNEL_OBJECT_H
#define CL_KERNEL_OBJECT_H

#include "abi/syscall.h"
#include "kernel/list.h"
#include "kernel/types.h"

struct account;

struct object {
    uint8_t type;            /* [o] enum object_type */
    uint8_t dead;            /* [s] 1: on the way to destruction, 2: destroyed */
    uint32_t references;     /* [a] */
    struct account *account; /* [o] pays for it; NULL for those made at boot */
    struct link link;        /* [s] the account's list of what it pays for */
    uint64_t identity;       /* [o] never used twice: names the object in logs and reports */
};
/* [o] set once, before the object is shared; [s] structure lock; [a] atomic */

/* What an object of some type is, and how it ends. */
struct object_kind {
    const char *name; /* as in "slot 5 is a thread" */
    size_t size;      /* of the whole structure */

    /* A bounded piece of taking it apart: CL_OK when done, CL_IN_PROGRESS otherwise. It may be half made. Structure lock.
     * NULL: it was made at boot and stays. */
    enum cl_status (*destroy)(struct object *object);

    /* A bounded piece of giving back what it has, when no CPU can reach it any more; true when done. Structure lock.
     * NULL: there is nothing to give back but itself. */
    bool (*free)(struct object *object);
};

extern const struct object_kind object_kinds[OBJECT_TYPE_COUNT];

#endif
