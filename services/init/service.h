/* SPDX-License-Identifier: Apache-2.0 */
/* service.h: what console and switch have in common for init: a program that VMs depend on and that may die, its wire to
 * init, and a limit to starting it again.
 */
#ifndef CL_SERVICES_INIT_SERVICE_H
#define CL_SERVICES_INIT_SERVICE_H

#include "services/init/program.h"
#include "services/init/wiring.h"

/* So many deaths in a row, each within the time from its start, and a service is not started again. */
#define SERVICE_DEATHS_MAX 5u
#define SERVICE_DEATH_WINDOW_NS (UINT64_C(10) * 1000 * 1000 * 1000)

struct service {
    const char *name;      /* in its domain's name, and in sentences */
    const char *member;    /* of the image */
    unsigned index;        /* PROGRAM_INDEX_* */
    unsigned place;        /* of the cable in init's own space */
    uint32_t ring_entries; /* of the cable, and the bytes of the two ends' messages */
    uint32_t here_bytes, there_bytes;
    uint64_t control_bit; /* of its notification: init has sent something */
    unsigned init_bit;    /* of init's: it has sent something */

    struct program program;
    uint32_t events; /* outlives the program: peers keep their capabilities */
    struct cable cable;
    struct link link;
    unsigned deaths;
    uint64_t started_ns;
};

/* Its notification (once), a new cable, and the program with its end of it; nothing runs yet. */
CL_MUST_CHECK enum cl_status service_create(struct service *service, struct wire *control);

/* Let it run. */
CL_MUST_CHECK enum cl_status service_start(struct service *service, const void *setup, size_t size);

/* Whether it faulted or ended, by the bits of init's notification or by a look at it. */
bool service_died(const struct service *service, uint64_t bits);

/* Take away what is left of it. False: it has died too often, start it no more. */
bool service_bury(struct service *service);

/* For those who want to see what survives: stop it as a fault would. CL_NOT_FOUND: it does not run. */
CL_MUST_CHECK enum cl_status service_kill(struct service *service);

#endif
