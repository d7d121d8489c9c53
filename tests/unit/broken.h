/* SPDX-License-Identifier: Apache-2.0 */
/* broken.h: how to break a rule: bits of one field of a structure. */
#ifndef CL_TESTS_UNIT_BROKEN_H
#define CL_TESTS_UNIT_BROKEN_H

#include "kernel/string.h"
#include "kernel/types.h"

struct broken {
    const char *rule; /* as the auditor words it */
    size_t offset;    /* of the field in the structure */
    unsigned bytes;
    uint64_t set;
    uint64_t clear;
};

/* The field's value then. */
static inline uint64_t broken_apply(const struct broken *b, void *structure)
{
    uint64_t value = 0;

    memcpy(&value, (char *)structure + b->offset, b->bytes);
    value = (value & ~b->clear) | b->set;
    memcpy((char *)structure + b->offset, &value, b->bytes);
    return value;
}

#endif
