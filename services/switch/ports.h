/* SPDX-License-Identifier: Apache-2.0 */
/* ports.h: moving frames between the channels of the ports, in rounds of bounded work. */
#ifndef CL_SERVICES_SWITCH_PORTS_H
#define CL_SERVICES_SWITCH_PORTS_H

#include "services/common/link.h"
#include "services/switch/bridge.h"

/* Frames taken from one port before the next one has its turn: nobody's flood keeps another port waiting longer than
 * this for each busy port. */
#define PORTS_FRAMES_PER_TURN 32u

struct ports {
    struct bridge bridge;
    struct link link[SWITCH_PORTS_MAX];
    bool broken_told[SWITCH_PORTS_MAX];
};

/* One round: a turn for each port that is attached. True: some port may have more. `now_ns` as in bridge.h. */
bool ports_round(struct ports *ports, uint64_t now_ns);

/* Ask all peers for a bell. True: do not sleep. */
bool ports_arm(struct ports *ports);

/* As bridge_attach(), and opening the channel: CL_CORRUPT if that cannot be. */
CL_MUST_CHECK enum cl_status ports_attach(struct ports *ports, const struct switch_attach *attach);
void ports_detach(struct ports *ports, uint32_t port);

#endif
