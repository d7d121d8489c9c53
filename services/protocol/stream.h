/* SPDX-License-Identifier: Apache-2.0 */
/* stream.h: the bytes of a VM's console between its VMM (end A) and the console service (end B).
 *
 * A byte stream cut into messages anyhow. Nothing is dropped on the way: who finds the ring full leaves the rest with its
 * own source (the guest's transmitter, the machine's serial port) until the other end has rung (lib/channel.h). Only a
 * peer that takes nothing at all for STREAM_PATIENCE_NS is given up: a guest does not wait for a console service that is
 * dead, nor an operator for a guest that is.
 */
#ifndef CL_SERVICES_PROTOCOL_STREAM_H
#define CL_SERVICES_PROTOCOL_STREAM_H

#include <stdint.h>

#define STREAM_RING_ENTRIES 64u
#define STREAM_MESSAGE_MAX 256u /* bytes of one message */
#define STREAM_INPUT_MESSAGE_MAX 64u
#define STREAM_PATIENCE_NS (UINT64_C(5) * 1000 * 1000 * 1000)

enum stream_kind {
    STREAM_BYTES = 0, /* both ways */
};

#endif
