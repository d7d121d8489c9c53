/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmm/virtqueue.c vmm/capsule.c */
/* fuzz_virtqueue.c: the input is the guest's memory: a queue's rings, tables and buffers, and what features it has. */
#include "vmm/virtqueue.h"

#define RAM_BYTES 0x4000u
#define CAPSULE_BYTES 0x10000u
#define SIZE 16u
#define AVAIL 0x000u /* first, so that short inputs say something */
#define DESC 0x030u
#define USED 0x400u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static _Alignas(4096) uint8_t ram[RAM_BYTES], memory[CAPSULE_BYTES];
    static struct virtqueue_chain chain;
    const struct guest_memory guest = { .low = ram, .low_bytes = RAM_BYTES };
    struct capsule_section *section;
    struct virtqueue_state *state;
    struct virtqueue queue;
    struct capsule *capsule;
    struct capsule_tx tx;
    uint8_t bytes[256];
    bool created;

    if (size < 1 || size > RAM_BYTES)
        return 0;
    memset(ram, 0, sizeof(ram));
    memset(memory, 0, sizeof(memory));
    memcpy(ram, data + 1, size - 1);
    if (capsule_create(memory, sizeof(memory), 1, &capsule) != CL_OK ||
        capsule_section(capsule, "queue", 1, sizeof(*state), &section, &created) != CL_OK)
        __builtin_trap();
    capsule_tx_init(&tx, capsule, 0);
    state = capsule_section_state(capsule, section);
    *state = (struct virtqueue_state){ .desc = DESC, .avail = AVAIL, .used = USED, .size = SIZE, .enabled = 1 };
    if (virtqueue_open(&queue, state, &guest, (uint64_t)data[0] << 24) != CL_OK)
        __builtin_trap();
    memset(bytes, 0x5A, sizeof(bytes));
    for (unsigned i = 0; i < 4 * SIZE && virtqueue_next(&queue, &chain) == CL_OK; i++) {
        (void)virtqueue_read(&chain, i, bytes, sizeof(bytes));
        (void)virtqueue_write(&chain, i, bytes, sizeof(bytes));
        virtqueue_complete(&queue, &tx, &chain, i);
        capsule_commit_quietly(&tx);
        if (virtqueue_publish(&queue))
            state->signalled = state->used_index;
        if (!virtqueue_arm(&queue))
            break;
    }
    return 0;
}
