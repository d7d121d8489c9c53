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
#include "kernel/types.h"

struct account;

struct object {
    uint8_t type;                   /* [o] enum object_type */
    uint8_t dead;                   /* [s] 1: on the way to destruction, 2: destroyed */
    uint32_t references;            /* [a] */
    struct account *account;        /* [o] pays for it; NULL for those made at boot */
    struct object *next, *previous; /* [s] the account's list of what it pays for */
    uint64_t identity;              /* [o] never used twice: names the object in logs and reports */
};

#endif
