/* SPDX-License-Identifier: Apache-2.0 */
/* wiring.c: laying cables. */
#include "services/init/wiring.h"

#include "lib/log.h"
#include "lib/slots.h"
#include "lib/syscall.h"
#include "services/init/image.h"

#define PLACE_BYTES (UINT64_C(16) << 20)
#define LATE_ADDRESS UINT64_C(0x0000040000000000)

enum cl_status cable_create(uint32_t account, uint32_t entries, uint32_t bytes_a, uint32_t bytes_b, struct cable *cable)
{
    const uint32_t pools[2] = { entries * bytes_a, entries * bytes_b };
    enum cl_status status;

    cable->size_bytes = channel_size_bytes(entries, pools);
    if (cable->size_bytes == 0 || cable->size_bytes > PLACE_BYTES)
        return CL_BAD_ARGUMENT;
    TRY(cl_slot_alloc(&cable->memory));
    status = cl_memory_create(cable->memory, account, cable->size_bytes, 0);
    if (status != CL_OK) {
        cl_slot_free(cable->memory);
        cable->memory = 0;
        return status;
    }
    status =
        cl_memory_map(cable->memory, INIT_SLOT_DOMAIN, 0, cable->size_bytes, INIT_WINDOW_ADDRESS, MAP_READ | MAP_WRITE);
    if (status == CL_OK) {
        status = channel_create((void *)INIT_WINDOW_ADDRESS, cable->size_bytes, entries, pools);
        enum cl_status unmapped = cl_memory_unmap(INIT_SLOT_DOMAIN, INIT_WINDOW_ADDRESS);
        status = status == CL_OK ? unmapped : status;
    }
    if (status != CL_OK)
        cable_forget(cable);
    return status;
}

void cable_forget(struct cable *cable)
{
    if (cable->memory != 0 && cl_slot_delete(cable->memory) != CL_OK)
        cl_slot_free(cable->memory);
    cable->memory = 0;
}

void cable_destroy(struct cable *cable)
{
    enum cl_status status;

    if (cable->memory == 0)
        return;
    status = cl_object_destroy(cable->memory);
    if (status != CL_OK)
        cl_log_refusal(status, "destroying a channel");
    cable_forget(cable);
}

enum cl_status cable_open_here(const struct cable *cable, unsigned place, enum channel_side side, uint32_t peer_slot,
                               uint64_t peer_bits, struct link *link)
{
    const struct wire wire = { .address = INIT_CHANNELS_ADDRESS + place * PLACE_BYTES,
                               .size_bytes = cable->size_bytes,
                               .peer_bits = peer_bits,
                               .peer_slot = peer_slot,
                               .side = side };

    TRY(cl_memory_map(cable->memory, INIT_SLOT_DOMAIN, 0, cable->size_bytes, wire.address, MAP_READ | MAP_WRITE));
    return link_open(link, &wire);
}

void cable_close_here(unsigned place, struct link *link)
{
    enum cl_status status;

    link->open = false;
    status = cl_memory_unmap(INIT_SLOT_DOMAIN, INIT_CHANNELS_ADDRESS + place * PLACE_BYTES);
    if (status != CL_OK && status != CL_NOT_FOUND)
        cl_log_refusal(status, "unmapping channel %u", place);
}

enum cl_status cable_give(const struct cable *cable, struct program *program, enum channel_side side, uint64_t own_bits,
                          uint32_t peer_events, uint64_t peer_bits, struct wire *wire)
{
    *wire =
        (struct wire){ .size_bytes = cable->size_bytes, .own_bits = own_bits, .peer_bits = peer_bits, .side = side };
    TRY(program_give_unnamed(program, peer_events, RIGHT_SIGNAL, &wire->peer_slot));
    return program_map(program, NULL, cable->memory, 0, cable->size_bytes, MAP_READ | MAP_WRITE, &wire->address);
}

enum cl_status cable_give_late(const struct cable *cable, struct program *program, uint32_t late,
                               enum channel_side side, uint64_t own_bits, uint32_t peer_events, uint64_t peer_bits,
                               struct wire *wire)
{
    enum cl_status status;

    *wire = (struct wire){ .address = LATE_ADDRESS + late * PLACE_BYTES,
                           .size_bytes = cable->size_bytes,
                           .own_bits = own_bits,
                           .peer_bits = peer_bits,
                           .side = side };
    TRY(program_give_late(program, late, peer_events, RIGHT_SIGNAL, &wire->peer_slot));
    status = cl_memory_map(cable->memory, program->domain, 0, cable->size_bytes, wire->address, MAP_READ | MAP_WRITE);
    if (status != CL_OK)
        program_take_late(program, late);
    return status;
}

void cable_take_late(struct program *program, uint32_t late)
{
    enum cl_status status = cl_memory_unmap(program->domain, LATE_ADDRESS + late * PLACE_BYTES);

    if (status != CL_OK && status != CL_NOT_FOUND)
        cl_log_refusal(status, "%s: unmapping a channel", program->name);
    program_take_late(program, late);
}
