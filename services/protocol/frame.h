/* SPDX-License-Identifier: Apache-2.0 */
/* frame.h: network frames between a VMM (end A) and the switch (end B).
 *
 * One message is one whole Ethernet frame without preamble and checksum. Shorter ones than 14 bytes and longer ones
 * than FRAME_BYTES_MAX are dropped and counted. When a ring is full the sender drops the frame, as a wire would.
 */
#ifndef CL_SERVICES_PROTOCOL_FRAME_H
#define CL_SERVICES_PROTOCOL_FRAME_H

#include <stdint.h>

#define FRAME_RING_ENTRIES 128u
#define FRAME_BYTES_MIN 14u
#define FRAME_BYTES_MAX 1518u    /* 1500 behind a header with a VLAN tag */
#define FRAME_BUFFER_BYTES 1536u /* of each descriptor */

enum frame_kind {
    FRAME_ETHERNET = 1,
};

#endif
