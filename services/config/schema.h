/* SPDX-License-Identifier: Apache-2.0 */
/* schema.h: the configuration's schema as data: which keys there are, of which kind, and where their values go. */
#ifndef CL_SERVICES_CONFIG_SCHEMA_H
#define CL_SERVICES_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/config/config.h"

enum schema_kind {
    SCHEMA_TEXT,    /* char[size] */
    SCHEMA_NAME,    /* char[size], value_is_name() */
    SCHEMA_BOOL,    /* bool */
    SCHEMA_NUMBER,  /* uint32_t, min to max */
    SCHEMA_MEMORY,  /* uint64_t bytes: a size, or a number of MiB; min to max in bytes */
    SCHEMA_CHOICE,  /* uint32_t: position in `choices` */
    SCHEMA_MAC,     /* uint8_t[6] */
    SCHEMA_ADDRESS, /* struct config_address */
    SCHEMA_TABLE,   /* one table: `table` */
    SCHEMA_TABLES,  /* a list of them: uint32_t at count_offset says how many were read */
    SCHEMA_REFUSED, /* known, but not there yet: `right` says so */
};

struct schema_table;

/* A word that people will try, and the sentence that it gets. */
struct schema_refusal {
    const char *word;
    const char *why;
};

struct schema_key {
    const char *name;
    enum schema_kind kind;
    bool required;
    size_t offset;                         /* of the value in the table's structure */
    size_t size;                           /* of a text with its NUL, or of one structure of a list */
    uint64_t min, max;                     /* numbers and sizes; max also: structures that a list has room for */
    const char *right;                     /* what would be right, for the message */
    const char *const *choices;            /* ends with NULL */
    const struct schema_refusal *refusals; /* of choices; ends with a NULL word; may be NULL */
    const struct schema_table *table;
    const void *defaults; /* of each structure of a list */
    size_t count_offset;
};

struct schema_table {
    const struct schema_key *keys;
    size_t count;
};

/* The whole configuration; values go into struct config. */
extern const struct schema_table schema_config;

/* Its [host] alone; values go into struct config_host. */
extern const struct schema_table schema_host;

/* What struct config holds before anything is read. */
extern const struct config_host schema_host_defaults;

#endif
