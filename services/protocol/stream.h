/* SPDX-License-Identifier: Apache-2.0 */
/* stream.h: the bytes of a VM's console between its VMM (end A) and the console service (end B).
 *
 * A byte stream cut into messages anyhow. The VMM drops output when the ring is full: a
 * guest never waits for a console that nobody reads. Bytes towards the guest wait in the ring until it takes them.
 */
#ifndef CL_SERVICES_PROTOCOL_STREAM_H
#define CL_SERVICES_PROTOCOL_STREAM_H

#include <stdint.h>

#define STREAM_RING_ENTRIES 64u
#define STREAM_MESSAGE_MAX 256u /* bytes of one message */
#define STREAM_INPUT_MESSAGE_MAX 64u

enum stream_kind {
    STREAM_BYTES = 0, /* both ways */
};

#endif
