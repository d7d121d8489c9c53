/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: tests/unit/vmm/crash_harness.c tests/unit/vmm/virtio_fixture.c lib/channel.c vmm/capsule.c vmm/bus.c
 * vmm/machine.c vmm/irq.c vmm/pic8259.c vmm/ioapic.c vmm/uart16550.c vmm/pit8254.c vmm/rtc.c vmm/pm.c vmm/i8042.c
 * vmm/pvpanic.c vmm/debug_exit.c vmm/delay_ports.c vmm/pci.c vmm/pci_function.c vmm/pci_msix.c vmm/virtio.c
 * vmm/virtio_pci.c vmm/virtio_channel.c vmm/virtio_net.c vmm/virtio_console.c vmm/virtio_block.c vmm/virtio_rng.c
 * vmm/virtqueue.c */
/* test_virtio.c: the transport and the four devices, with drivers that keep the rules and drivers that do not. */
#include "services/protocol/frame.h"
#include "tests/unit/vmm/virtio_fixture.h"

#include <stdlib.h>

#define ALL_FEATURES UINT64_MAX
#define BUFFERS 0x28000u /* guest-physical, behind the queues */
#define CONTROL_BUFFERS 0x38000u
#define RX 0u
#define TX 1u
#define CONTROL_RX 2u
#define CONTROL_TX 3u
#define HEADER 12u /* of a frame */

static int setup(void **context)
{
    *context = fixture_create();
    return 0;
}

static int teardown(void **context)
{
    fixture_destroy(*context);
    return 0;
}

/* -------------------------------------------------------------------------------------------------------- transport */

static void write_status(struct fixture *x, unsigned slot, uint8_t status)
{
    guest_write(x, x->driver[slot].common + VIRTIO_COMMON_STATUS, 1, status);
}

static void write_features(struct fixture *x, unsigned slot, uint64_t features)
{
    uint64_t common = x->driver[slot].common;

    for (unsigned i = 0; i < 2; i++) {
        guest_write(x, common + VIRTIO_COMMON_DRIVER_FEATURE_SELECT, 4, i);
        guest_write(x, common + VIRTIO_COMMON_DRIVER_FEATURE, 4, features >> i * 32 & 0xFFFFFFFF);
    }
}

static void features_are_accepted_only_if_offered_and_modern(void **context)
{
    struct fixture *x = *context;

    driver_start(x, SLOT_RNG, 0, 8);
    write_status(x, SLOT_RNG, 0);
    write_status(x, SLOT_RNG, 3);
    write_features(x, SLOT_RNG, VIRTIO_F_EVENT_IDX); /* without VERSION_1 */
    write_status(x, SLOT_RNG, 3 | VIRTIO_STATUS_FEATURES_OK);
    assert_int_equal(driver_status(x, SLOT_RNG), 3);
    write_features(x, SLOT_RNG, VIRTIO_F_VERSION_1 | UINT64_C(1) << 40);
    write_status(x, SLOT_RNG, 3 | VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK);
    assert_int_equal(driver_status(x, SLOT_RNG), 3);
    write_features(x, SLOT_RNG, VIRTIO_F_VERSION_1);
    write_status(x, SLOT_RNG, 3 | VIRTIO_STATUS_FEATURES_OK);
    assert_int_equal(driver_status(x, SLOT_RNG), 3 | VIRTIO_STATUS_FEATURES_OK);
    write_features(x, SLOT_RNG, VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX); /* too late */
    assert_int_equal(x->rng.virtio.state->driver_features, VIRTIO_F_VERSION_1);
    write_status(x, SLOT_RNG, 1); /* no bit is ever taken back but by a reset */
    assert_int_equal(driver_status(x, SLOT_RNG), 3 | VIRTIO_STATUS_FEATURES_OK);
    write_status(x, SLOT_RNG, 0);
    assert_int_equal(driver_status(x, SLOT_RNG), 0);
    assert_int_equal(x->rng.virtio.state->driver_features, 0);
}

static void queues_that_are_not_there_have_no_size(void **context)
{
    struct fixture *x = *context;
    uint64_t common;

    driver_start(x, SLOT_RNG, 0, 8);
    common = x->driver[SLOT_RNG].common;
    guest_write(x, common + VIRTIO_COMMON_QUEUE_SELECT, 2, 1);
    assert_int_equal(guest_read(x, common + VIRTIO_COMMON_QUEUE_SIZE, 2), 0);
    guest_write(x, common + VIRTIO_COMMON_QUEUE_ENABLE, 2, 1);
    assert_int_equal(guest_read(x, common + VIRTIO_COMMON_QUEUE_ENABLE, 2), 0);
    guest_write(x, common + VIRTIO_COMMON_QUEUE_SELECT, 2, 0);
    guest_write(x, common + VIRTIO_COMMON_QUEUE_VECTOR, 2, 2);
    assert_int_equal(guest_read(x, common + VIRTIO_COMMON_QUEUE_VECTOR, 2), PCI_NO_VECTOR);
}

static void queue_outside_of_ram_needs_a_reset(void **context)
{
    struct fixture *x = *context;
    uint64_t common;

    driver_start(x, SLOT_RNG, 0, 8);
    common = x->driver[SLOT_RNG].common;
    write_status(x, SLOT_RNG, 0);
    write_status(x, SLOT_RNG, 3);
    write_features(x, SLOT_RNG, VIRTIO_F_VERSION_1);
    write_status(x, SLOT_RNG, 3 | VIRTIO_STATUS_FEATURES_OK);
    guest_write(x, common + VIRTIO_COMMON_QUEUE_DESC, 8, FIXTURE_RAM_BYTES - 16);
    guest_write(x, common + VIRTIO_COMMON_QUEUE_ENABLE, 2, 1);
    assert_int_equal(guest_read(x, common + VIRTIO_COMMON_QUEUE_ENABLE, 2), 0);
    assert_true(driver_status(x, SLOT_RNG) & VIRTIO_STATUS_NEEDS_RESET);
    assert_int_equal(x->logged, 1);
    assert_non_null(strstr(x->last_log, "rng: the driver gave a part of the queue"));
}

static void set_up_survives_a_crash_at_every_store(void **context)
{
    struct fixture *x = *context;

    x->crash_exits = true;
    driver_start(x, SLOT_NET, ALL_FEATURES, 8);
    write_status(x, SLOT_NET, 0);
    x->crash_exits = false;
    assert_int_equal(driver_status(x, SLOT_NET), 0);
}

static void without_bus_mastering_nothing_is_touched(void **context)
{
    struct fixture *x = *context;
    struct driver_queue *q = &x->driver[SLOT_RNG].queue[0];
    struct virtq_used_elem element;

    driver_start(x, SLOT_RNG, 0, 8);
    guest_ecam_write(x, SLOT_RNG, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
    driver_add(x, q, &(struct driver_segment){ BUFFERS, 8, true }, 1);
    driver_ring(x, q);
    fixture_run(x);
    assert_false(driver_done(x, q, &element));
    guest_ecam_write(x, SLOT_RNG, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    fixture_run(x);
    assert_true(driver_done(x, q, &element));
}

static void doorbell_of_another_width_works_as_an_exit(void **context)
{
    struct fixture *x = *context;
    struct driver_queue *q = &x->driver[SLOT_RNG].queue[0];
    struct virtq_used_elem element;

    driver_start(x, SLOT_RNG, 0, 8);
    fixture_run(x);
    driver_add(x, q, &(struct driver_segment){ BUFFERS, 8, true }, 1);
    guest_out(x, q->port, 4, 0);
    fixture_run(x);
    assert_true(driver_done(x, q, &element));
    driver_add(x, q, &(struct driver_segment){ BUFFERS, 8, true }, 1);
    guest_out(x, q->port, 1, 0);
    fixture_run(x);
    assert_true(driver_done(x, q, &element));
}

static void failed_driver_is_not_served(void **context)
{
    struct fixture *x = *context;
    struct driver_queue *q = &x->driver[SLOT_RNG].queue[0];
    struct virtq_used_elem element;

    driver_start(x, SLOT_RNG, 0, 8);
    write_status(x, SLOT_RNG, 0xF | VIRTIO_STATUS_FAILED);
    driver_add(x, q, &(struct driver_segment){ BUFFERS, 8, true }, 1);
    driver_ring(x, q);
    fixture_run(x);
    assert_false(driver_done(x, q, &element));
}

static void broken_chain_stops_the_device_until_reset(void **context)
{
    struct fixture *x = *context;
    struct driver_queue *q = &x->driver[SLOT_RNG].queue[0];
    struct fake_outside *o = &x->fake->outside;
    struct virtq_used_elem element;

    driver_start(x, SLOT_RNG, 0, 8);
    driver_add(x, q, &(struct driver_segment){ BUFFERS, 8, true }, 1);
    driver_add(x, q, &(struct driver_segment){ UINT64_MAX - 3, 8, true }, 1);
    driver_ring(x, q);
    fixture_run(x);
    assert_true(driver_done(x, q, &element)); /* the good one was served */
    assert_false(driver_done(x, q, &element));
    assert_true(driver_status(x, SLOT_RNG) & VIRTIO_STATUS_NEEDS_RESET);
    assert_int_equal(o->message[o->messages - 1].data, 0x47 + SLOT_RNG * 8); /* configuration change */
    assert_int_equal(guest_read(x, x->driver[SLOT_RNG].isr, 1) & VIRTIO_ISR_CONFIG, VIRTIO_ISR_CONFIG);
    assert_int_equal(x->logged, 1);
    driver_add(x, q, &(struct driver_segment){ BUFFERS, 8, true }, 1);
    driver_ring(x, q);
    fixture_run(x);
    assert_false(driver_done(x, q, &element));
    driver_start(x, SLOT_RNG, 0, 8);
    driver_add(x, q, &(struct driver_segment){ BUFFERS, 8, true }, 1);
    driver_ring(x, q);
    fixture_run(x);
    assert_true(driver_done(x, q, &element));
    for (unsigned i = 0; i < 1000; i++) { /* it may break rules for ever, but not fill the log */
        driver_start(x, SLOT_RNG, 0, 8);
        driver_add(x, q, &(struct driver_segment){ UINT64_MAX, 8, true }, 1);
        driver_ring(x, q);
        fixture_run(x);
        o->messages = 0;
    }
    assert_true(x->logged < 20);
    assert_int_equal(x->rng.virtio.state->faults, 1001);
}

static void doorbells_rung_before_a_crash_are_not_lost(void **context)
{
    struct fixture *x = *context;
    struct virtq_used_elem element;

    for (unsigned slot = SLOT_NET; slot < SLOT_COUNT; slot++)
        driver_start(x, slot, ALL_FEATURES, 8);
    fixture_run(x);
    driver_add(x, &x->driver[SLOT_RNG].queue[0], &(struct driver_segment){ BUFFERS, 8, true }, 1);
    driver_add(x, &x->driver[SLOT_NET].queue[TX], &(struct driver_segment){ BUFFERS, 100, false }, 1);
    driver_ring(x, &x->driver[SLOT_RNG].queue[0]);
    driver_ring(x, &x->driver[SLOT_NET].queue[TX]);
    x->notified = 0;
    fixture_take_over(x);             /* its notification has no bits yet */
    assert_int_equal(x->notified, 2); /* nor do peers know what they have missed */
    fixture_run(x);
    assert_true(driver_done(x, &x->driver[SLOT_RNG].queue[0], &element));
    assert_true(driver_done(x, &x->driver[SLOT_NET].queue[TX], &element));
}

/* --------------------------------------------------------------------------------------------------------------- rng */

static void step_rng(struct fixture *x, void *argument)
{
    struct driver_queue *q = &x->driver[SLOT_RNG].queue[0];

    (void)argument;
    driver_add(x, q, (struct driver_segment[]){ { BUFFERS, 5, true }, { BUFFERS + 0x100, 3, true } }, 2);
    driver_kick(x, q);
}

static void rng_fills_buffers(void **context)
{
    struct fixture *x = *context;
    struct driver_queue *q = &x->driver[SLOT_RNG].queue[0];
    struct virtq_used_elem element;

    driver_start(x, SLOT_RNG, ALL_FEATURES, 16);
    for (unsigned i = 0; i < 3; i++) {
        memset(ram(x, BUFFERS), 0, 0x200);
        fixture_crash(x, step_rng, NULL);
        assert_true(driver_done(x, q, &element));
        assert_int_equal(element.length, 8);
        assert_int_equal(*ram(x, BUFFERS + 4), 0xA5);
        assert_int_equal(*ram(x, BUFFERS + 5), 0);
        assert_int_equal(*ram(x, BUFFERS + 0x102), 0xA5);
        assert_int_equal(*ram(x, BUFFERS + 0x103), 0);
        assert_false(driver_done(x, q, &element));
    }
}

/* ------------------------------------------------------------------------------------------------------------- block */

struct request {
    uint32_t type, reserved;
    uint64_t sector;
};

struct block_step {
    uint32_t type;
    uint64_t sector;
    uint32_t bytes;
    bool write;
};

static void step_block(struct fixture *x, void *argument)
{
    const struct block_step *s = argument;
    struct driver_queue *q = &x->driver[SLOT_BLOCK].queue[0];
    const struct request request = { s->type, 0, s->sector };
    struct driver_segment segment[3] = { { BUFFERS, sizeof(request), false },
                                         { BUFFERS + 0x1000, s->bytes, !s->write },
                                         { BUFFERS + 0x100, 1, true } };

    memcpy(ram(x, BUFFERS), &request, sizeof(request));
    if (s->bytes == 0)
        segment[1] = segment[2];
    driver_add(x, q, segment, s->bytes == 0 ? 2 : 3);
    driver_kick(x, q);
}

/* Returns the request's status byte; `*length` is what the device says that it wrote. */
static uint8_t block(struct fixture *x, struct block_step s, uint32_t *length)
{
    struct driver_queue *q = &x->driver[SLOT_BLOCK].queue[0];
    struct virtq_used_elem element;

    *ram(x, BUFFERS + 0x100) = 0xEE;
    step_block(x, &s);
    fixture_run(x);
    assert_true(driver_done(x, q, &element));
    *length = element.length;
    x->fake->outside.messages = 0;
    return *ram(x, BUFFERS + 0x100);
}

static void block_reads_what_the_image_holds(void **context)
{
    struct fixture *x = *context;
    uint32_t length;

    driver_start(x, SLOT_BLOCK, ALL_FEATURES, 64);
    assert_int_equal(guest_read(x, x->driver[SLOT_BLOCK].config, 8), 21);
    assert_true(x->driver[SLOT_BLOCK].features & 1u << 5);
    assert_int_equal(block(x, (struct block_step){ 0, 3, 1024, false }, &length), 0);
    assert_int_equal(length, 1025);
    assert_memory_equal(ram(x, BUFFERS + 0x1000), x->image + 3 * 512, 1024);
    memset(ram(x, BUFFERS + 0x1000), 0xFF, 512);
    assert_int_equal(block(x, (struct block_step){ 0, 20, 512, false }, &length), 0);
    assert_memory_equal(ram(x, BUFFERS + 0x1000), x->image + 20 * 512, 100);
    for (unsigned i = 100; i < 512; i++) /* behind the image's end */
        assert_int_equal(*ram(x, BUFFERS + 0x1000 + i), 0);
}

static void block_refuses_what_it_cannot_do(void **context)
{
    struct fixture *x = *context;
    uint32_t length;

    driver_start(x, SLOT_BLOCK, ALL_FEATURES, 64);
    assert_int_equal(block(x, (struct block_step){ 0, 21, 512, false }, &length), 1);
    assert_int_equal(length, 1);
    assert_int_equal(block(x, (struct block_step){ 0, 20, 1024, false }, &length), 1);
    assert_int_equal(block(x, (struct block_step){ 0, UINT64_MAX, 512, false }, &length), 1);
    assert_int_equal(block(x, (struct block_step){ 0, UINT64_MAX / 512, 512, false }, &length), 1);
    assert_int_equal(block(x, (struct block_step){ 0, 0, 511, false }, &length), 1);
    assert_int_equal(block(x, (struct block_step){ 0, 0, 0, false }, &length), 1);
    assert_int_equal(block(x, (struct block_step){ 1, 0, 512, true }, &length), 1);  /* read-only */
    assert_int_equal(block(x, (struct block_step){ 11, 0, 512, true }, &length), 2); /* discard */
    assert_int_equal(block(x, (struct block_step){ 4, 0, 0, false }, &length), 0);   /* flush */
    assert_int_equal(block(x, (struct block_step){ 8, 0, 20, false }, &length), 0);  /* get ID */
    assert_int_equal(length, 21);
    assert_memory_equal(ram(x, BUFFERS + 0x1000), "cloison-disk0\0\0\0\0\0\0\0", 20);
    assert_int_equal(driver_status(x, SLOT_BLOCK) & VIRTIO_STATUS_NEEDS_RESET, 0);
}

static void block_request_without_status_needs_a_reset(void **context)
{
    struct fixture *x = *context;
    struct driver_queue *q = &x->driver[SLOT_BLOCK].queue[0];

    driver_start(x, SLOT_BLOCK, ALL_FEATURES, 64);
    driver_add(x, q, &(struct driver_segment){ BUFFERS, 16, false }, 1);
    driver_ring(x, q);
    fixture_run(x);
    assert_true(driver_status(x, SLOT_BLOCK) & VIRTIO_STATUS_NEEDS_RESET);
}

static void block_survives_a_crash_at_every_store(void **context)
{
    struct fixture *x = *context;
    struct driver_queue *q = &x->driver[SLOT_BLOCK].queue[0];
    struct block_step read = { 0, 3, 1024, false };
    struct virtq_used_elem element;

    driver_start(x, SLOT_BLOCK, ALL_FEATURES, 64);
    for (unsigned i = 0; i < 3; i++) {
        fixture_crash(x, step_block, &read);
        assert_true(driver_done(x, q, &element));
        assert_false(driver_done(x, q, &element));
        assert_memory_equal(ram(x, BUFFERS + 0x1000), x->image + 3 * 512, 1024);
    }
}

/* --------------------------------------------------------------------------------------------------------------- net */

static void fill_frame(uint8_t *frame, unsigned length, unsigned number)
{
    for (unsigned i = 0; i < length; i++)
        frame[i] = (uint8_t)(number * 31 + i);
}

/* `*argument`: the frame's number, of which its length follows. */
static unsigned frame_length(unsigned number)
{
    return FRAME_BYTES_MIN + number * 97 % (FRAME_BYTES_MAX - FRAME_BYTES_MIN + 1);
}

static void step_send(struct fixture *x, void *argument)
{
    const unsigned number = *(const unsigned *)argument;
    struct driver_queue *q = &x->driver[SLOT_NET].queue[TX];
    uint64_t at = BUFFERS + q->added % 8 * 0x800;

    memset(ram(x, at), 0, HEADER);
    fill_frame(ram(x, at + HEADER), frame_length(number), number);
    driver_add(x, q, (struct driver_segment[]){ { at, HEADER, false }, { at + HEADER, frame_length(number), false } },
               2);
    driver_kick(x, q);
}

static void expect_frame(struct fixture *x, unsigned number)
{
    uint8_t expected[FRAME_BYTES_MAX], frame[FRAME_BYTES_MAX];
    struct channel_descriptor d;

    fill_frame(expected, frame_length(number), number);
    assert_int_equal(channel_receive(&x->switch_end, &d, frame, sizeof(frame)), CL_OK);
    assert_int_equal(d.kind, FRAME_ETHERNET);
    assert_int_equal(d.length, frame_length(number));
    assert_memory_equal(frame, expected, frame_length(number));
}

/* The peer has taken what was there, and rings if somebody may wait for room. */
static bool peer_rings(struct fixture *x, struct channel_end *end, unsigned bit)
{
    bool rings = channel_made_room(end);

    if (rings)
        x->kicked |= UINT64_C(1) << bit;
    fixture_run(x);
    return rings;
}

static void expect_no_frame(struct fixture *x)
{
    uint8_t frame[FRAME_BYTES_MAX];
    struct channel_descriptor d;

    assert_int_equal(channel_receive(&x->switch_end, &d, frame, sizeof(frame)), CL_NOT_FOUND);
}

static void net_tells_its_address_link_and_mtu(void **context)
{
    struct fixture *x = *context;
    uint64_t config;

    driver_start(x, SLOT_NET, ALL_FEATURES, 64);
    config = x->driver[SLOT_NET].config;
    assert_int_equal(guest_read(x, config, 4), 0x00000002);
    assert_int_equal(guest_read(x, config + 4, 2), 0x0100);
    assert_int_equal(guest_read(x, config + 6, 2), 1);
    assert_int_equal(guest_read(x, config + 10, 2), 1500);
    x->fake->outside.messages = 0;
    virtio_net_disconnect(&x->net, &x->fake->tx);
    assert_int_equal(guest_read(x, config + 6, 2), 0);
    assert_int_equal(x->fake->outside.messages, 1);
    assert_int_equal(x->fake->outside.message[0].data, 0x47 + SLOT_NET * 8);
}

static void net_sends_each_frame_once_whatever_crashes(void **context)
{
    struct fixture *x = *context;
    struct driver_queue *q = &x->driver[SLOT_NET].queue[TX];
    struct virtq_used_elem element;

    driver_start(x, SLOT_NET, ALL_FEATURES, 8);
    for (unsigned i = 0; i < 12; i++) {
        fixture_crash(x, step_send, &i);
        expect_frame(x, i);
        expect_no_frame(x);
        assert_true(driver_done(x, q, &element));
        assert_false(driver_done(x, q, &element));
    }
}

static void step_send_batch(struct fixture *x, void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < 4; i++)
        step_send(x, &i);
}

static void net_sends_a_batch_once_whatever_crashes(void **context)
{
    struct fixture *x = *context;

    driver_start(x, SLOT_NET, 0, 8);
    fixture_crash(x, step_send_batch, NULL);
    for (unsigned i = 0; i < 4; i++)
        expect_frame(x, i);
    expect_no_frame(x);
}

static void give_buffer(struct fixture *x, uint32_t bytes)
{
    struct driver_queue *q = &x->driver[SLOT_NET].queue[RX];

    driver_add(x, q, &(struct driver_segment){ BUFFERS + 0x8000 + q->added % 8 * 0x800, bytes, true }, 1);
    driver_kick(x, q);
}

static void switch_sends(struct fixture *x, unsigned number)
{
    uint8_t frame[FRAME_BYTES_MAX];

    fill_frame(frame, frame_length(number), number);
    assert_int_equal(channel_send(&x->switch_end, frame, frame_length(number), FRAME_ETHERNET, 0), CL_OK);
    if (channel_publish(&x->switch_end))
        x->kicked |= UINT64_C(1) << FIXTURE_NET_BIT;
}

static void expect_received(struct fixture *x, unsigned number)
{
    struct driver_queue *q = &x->driver[SLOT_NET].queue[RX];
    uint8_t expected[FRAME_BYTES_MAX];
    struct virtq_used_elem element;
    uint64_t at = BUFFERS + 0x8000 + q->seen % 8 * 0x800;

    fill_frame(expected, frame_length(number), number);
    assert_true(driver_done(x, q, &element));
    assert_int_equal(element.length, HEADER + frame_length(number));
    assert_memory_equal(ram(x, at), "\0\0\0\0\0\0\0\0\0\0\1\0", HEADER);
    assert_memory_equal(ram(x, at + HEADER), expected, frame_length(number));
}

static void step_device_thread(struct fixture *x, void *argument)
{
    (void)argument;
    x->kicked |= UINT64_C(1) << FIXTURE_NET_BIT | UINT64_C(1) << FIXTURE_CONSOLE_BIT;
}

static void net_receives_each_frame_once_whatever_crashes(void **context)
{
    struct fixture *x = *context;
    struct virtq_used_elem element;

    driver_start(x, SLOT_NET, ALL_FEATURES, 8);
    for (unsigned i = 0; i < 12; i++) {
        give_buffer(x, HEADER + FRAME_BYTES_MAX);
        fixture_run(x);
        switch_sends(x, i);
        x->kicked = 0;
        fixture_crash(x, step_device_thread, NULL);
        expect_received(x, i);
        assert_false(driver_done(x, &x->driver[SLOT_NET].queue[RX], &element));
    }
}

static void frames_wait_in_the_channel_for_buffers(void **context)
{
    struct fixture *x = *context;

    driver_start(x, SLOT_NET, ALL_FEATURES, 8);
    for (unsigned i = 0; i < 6; i++)
        switch_sends(x, i);
    fixture_run(x);
    for (unsigned i = 0; i < 6; i++) {
        give_buffer(x, HEADER + FRAME_BYTES_MAX);
        fixture_run(x);
        expect_received(x, i);
    }
}

static void frames_that_do_not_fit_are_dropped_and_counted(void **context)
{
    struct fixture *x = *context;
    struct driver_queue *q = &x->driver[SLOT_NET].queue[TX];
    uint8_t long_frame[FRAME_BUFFER_BYTES] = { 0 };

    driver_start(x, SLOT_NET, ALL_FEATURES, 8);
    give_buffer(x, 100);
    switch_sends(x, 1); /* 111 bytes */
    switch_sends(x, 0); /* 14 bytes */
    assert_int_equal(channel_send(&x->switch_end, long_frame, sizeof(long_frame), FRAME_ETHERNET, 0), CL_OK);
    assert_int_equal(channel_send(&x->switch_end, long_frame, 13, FRAME_ETHERNET, 0), CL_OK);
    if (channel_publish(&x->switch_end))
        x->kicked |= UINT64_C(1) << FIXTURE_NET_BIT;
    fixture_run(x);
    give_buffer(x, HEADER + FRAME_BYTES_MAX);
    x->kicked |= UINT64_C(1) << FIXTURE_NET_BIT;
    fixture_run(x);
    expect_received(x, 0);
    assert_int_equal(x->net.dropped_received, 3);
    driver_add(x, q, &(struct driver_segment){ BUFFERS, HEADER + FRAME_BYTES_MAX + 1, false }, 1);
    driver_add(x, q, &(struct driver_segment){ BUFFERS, HEADER - 1, false }, 1);
    driver_ring(x, q);
    fixture_run(x);
    expect_no_frame(x);
    assert_int_equal(x->net.dropped_sent, 2);
    assert_false(driver_status(x, SLOT_NET) & VIRTIO_STATUS_NEEDS_RESET);
}

static void let_time_pass(struct fixture *x, uint64_t ns)
{
    x->fake->now_ns += ns;
    machine_timers(&x->fake->machine, &x->fake->tx);
    fixture_run(x);
}

static void slow_switch_is_waited_for_a_dead_one_is_not(void **context)
{
    struct fixture *x = *context;
    struct driver_queue *q = &x->driver[SLOT_NET].queue[TX];
    unsigned number, extra = FIXTURE_CHANNEL_ENTRIES;

    driver_start(x, SLOT_NET, ALL_FEATURES, 8);
    for (number = 0; number < FIXTURE_CHANNEL_ENTRIES; number++) {
        step_send(x, &number);
        fixture_run(x);
    }
    step_send(x, &extra);
    fixture_run(x);
    assert_int_equal(x->net.dropped_sent, 0);
    assert_int_equal(machine_deadline(&x->fake->machine), x->fake->now_ns + 20000000 + 1); /* no sooner: it is woken */
    expect_frame(x, 0);
    assert_true(peer_rings(x, &x->switch_end, FIXTURE_NET_BIT));
    for (number = 1; number <= FIXTURE_CHANNEL_ENTRIES; number++)
        expect_frame(x, number);
    for (number = 0; number <= FIXTURE_CHANNEL_ENTRIES; number++) {
        step_send(x, &number);
        fixture_run(x);
    }
    for (unsigned i = 0; i < 100; i++)
        let_time_pass(x, 1000000);
    assert_int_equal(x->net.dropped_sent, 1);
    assert_int_equal(x->net.virtio.state->queue[TX].used_index, q->added);
}

static void reset_with_requests_in_flight_forgets_them(void **context)
{
    struct fixture *x = *context;
    struct driver_queue *q = &x->driver[SLOT_NET].queue[TX];
    unsigned number = 1;

    driver_start(x, SLOT_NET, ALL_FEATURES, 8);
    fixture_run(x);
    step_send(x, &number);
    write_status(x, SLOT_NET, 0); /* the bell has rung, nothing was served */
    fixture_run(x);
    expect_no_frame(x);
    assert_int_equal(*(uint16_t *)(void *)ram(x, q->used + 2), 0);
    driver_start(x, SLOT_NET, ALL_FEATURES, 8);
    step_send(x, &number);
    fixture_run(x);
    expect_frame(x, number);
    expect_no_frame(x);
}

/* ----------------------------------------------------------------------------------------------------------- console */

struct console_step {
    unsigned first, length; /* of the text that the guest prints */
};

static uint8_t letter(unsigned position)
{
    return (uint8_t)('a' + position % 26);
}

static void step_print(struct fixture *x, void *argument)
{
    const struct console_step *s = argument;
    struct driver_queue *q = &x->driver[SLOT_CONSOLE].queue[TX];

    for (unsigned i = 0; i < s->length; i++)
        *ram(x, BUFFERS + i) = letter(s->first + i);
    driver_add(x, q, (struct driver_segment[]){ { BUFFERS, 1, false }, { BUFFERS + 1, s->length - 1, false } }, 2);
    driver_kick(x, q);
}

/* Takes everything that the terminal was sent and returns how much it was. */
static unsigned expect_text(struct fixture *x, unsigned first)
{
    uint8_t text[STREAM_MESSAGE_MAX];
    struct channel_descriptor d;
    unsigned total = 0;

    while (channel_receive(&x->terminal_end, &d, text, sizeof(text)) == CL_OK) {
        assert_int_equal(d.kind, STREAM_BYTES);
        for (unsigned i = 0; i < d.length; i++)
            assert_int_equal(text[i], letter(first + total + i));
        total += d.length;
    }
    return total;
}

static void console_prints_each_byte_once_whatever_crashes(void **context)
{
    struct fixture *x = *context;
    struct driver_queue *q = &x->driver[SLOT_CONSOLE].queue[TX];
    const unsigned lengths[] = { 2, 255, 256, 257, 1000, 3000 };
    struct virtq_used_elem element;
    unsigned first = 0;

    driver_start(x, SLOT_CONSOLE, ALL_FEATURES, 8);
    for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct console_step step = { first, lengths[i] };

        fixture_crash(x, step_print, &step);
        assert_int_equal(expect_text(x, first), lengths[i]);
        first += lengths[i];
        assert_true(driver_done(x, q, &element));
        assert_false(driver_done(x, q, &element));
    }
}

static void output_longer_than_the_ring_goes_on_when_there_is_room(void **context)
{
    struct fixture *x = *context;
    struct console_step step = { 0, FIXTURE_CHANNEL_ENTRIES * STREAM_MESSAGE_MAX + 1000 };
    struct virtq_used_elem element;
    unsigned taken;

    driver_start(x, SLOT_CONSOLE, ALL_FEATURES, 8);
    step_print(x, &step);
    fixture_run(x);
    assert_false(driver_done(x, &x->driver[SLOT_CONSOLE].queue[TX], &element));
    taken = expect_text(x, 0);
    assert_true(peer_rings(x, &x->terminal_end, FIXTURE_CONSOLE_BIT));
    assert_int_equal(taken + expect_text(x, taken), step.length);
    assert_int_equal(x->console.dropped_bytes, 0);
    assert_true(driver_done(x, &x->driver[SLOT_CONSOLE].queue[TX], &element));
}

static struct fixture *eager;
static unsigned eaten;

/* The ring is full for the device, and the peer has not been shown its last messages: it takes what it sees. */
static void take_early(void)
{
    if (eager->console.channel.stalled_since_ns == 0)
        return;
    eaten += expect_text(eager, eaten);
    if (channel_made_room(&eager->terminal_end))
        eager->kicked |= UINT64_C(1) << FIXTURE_CONSOLE_BIT;
}

/* A peer that never saw a full ring does not ring: the device has to look again when it has shown all. */
static void room_that_was_made_before_the_ring_was_shown_to_be_full_is_used(void **context)
{
    const unsigned published = 20 * STREAM_MESSAGE_MAX, more = 40 * STREAM_MESSAGE_MAX;
    struct fixture *x = *context;

    driver_start(x, SLOT_CONSOLE, ALL_FEATURES, 8);
    step_print(x, &(struct console_step){ 0, published });
    fixture_run(x);
    step_print(x, &(struct console_step){ published, more });
    eager = x;
    eaten = 0;
    capsule_store_hook = take_early;
    fixture_run(x);
    capsule_store_hook = NULL;
    assert_true(eaten >= published);
    for (unsigned i = 0; i < 3; i++) {
        eaten += expect_text(x, eaten);
        (void)peer_rings(x, &x->terminal_end, FIXTURE_CONSOLE_BIT);
    }
    assert_int_equal(eaten, published + more);
}

static void output_is_dropped_when_nobody_reads(void **context)
{
    struct fixture *x = *context;
    struct console_step step = { 0, FIXTURE_CHANNEL_ENTRIES * STREAM_MESSAGE_MAX + 1000 };
    struct virtq_used_elem element;

    driver_start(x, SLOT_CONSOLE, ALL_FEATURES, 8);
    step_print(x, &step);
    fixture_run(x);
    let_time_pass(x, STREAM_PATIENCE_NS - 1);
    assert_int_equal(x->console.dropped_bytes, 0);
    let_time_pass(x, 2);
    assert_true(driver_done(x, &x->driver[SLOT_CONSOLE].queue[TX], &element));
    assert_int_equal(x->console.dropped_bytes, 1000);
    virtio_console_disconnect(&x->console, &x->fake->tx);
    step = (struct console_step){ 0, 10 };
    step_print(x, &step);
    fixture_run(x);
    assert_true(driver_done(x, &x->driver[SLOT_CONSOLE].queue[TX], &element));
    assert_int_equal(x->console.dropped_bytes, 1010);
}

/* A control message of the driver's (§5.3.6.2). */
static void say_to_console(struct fixture *x, uint32_t port, uint16_t event, uint16_t value)
{
    struct driver_queue *q = &x->driver[SLOT_CONSOLE].queue[CONTROL_TX];
    uint64_t at = CONTROL_BUFFERS + 0x100 + q->added % 8 * 16;

    memcpy(ram(x, at), &port, 4);
    memcpy(ram(x, at + 4), &event, 2);
    memcpy(ram(x, at + 6), &value, 2);
    driver_add(x, q, &(struct driver_segment){ at, 8, false }, 1);
    driver_kick(x, q);
}

/* The device's message number `number` is `event` for port 0, value 1. */
static void expect_control(struct fixture *x, unsigned number, uint16_t event)
{
    struct virtq_used_elem element;
    uint8_t expected[8] = { 0, 0, 0, 0, (uint8_t)event, 0, 1, 0 };

    assert_true(driver_done(x, &x->driver[SLOT_CONSOLE].queue[CONTROL_RX], &element));
    assert_int_equal(element.length, 8);
    assert_memory_equal(ram(x, CONTROL_BUFFERS + number * 16), expected, 8);
}

static void step_give_small_buffers(struct fixture *x, void *argument)
{
    struct driver_queue *q = &x->driver[SLOT_CONSOLE].queue[RX];

    (void)argument;
    for (unsigned i = 0; i < 4; i++)
        driver_add(x, q, &(struct driver_segment){ BUFFERS + 0x100 * (q->added % 8), 7, true }, 1);
    driver_ring(x, q);
}

static void input_reaches_the_guest_once_whatever_crashes(void **context)
{
    struct fixture *x = *context;
    struct driver_queue *q = &x->driver[SLOT_CONSOLE].queue[RX];
    struct virtq_used_elem element;
    uint8_t text[100];
    unsigned got = 0, sent = 0;

    driver_start(x, SLOT_CONSOLE, ALL_FEATURES, 8);
    say_to_console(x, 0, 6, 1); /* PORT_OPEN */
    fixture_run(x);
    for (unsigned round = 0; round < 4; round++) {
        unsigned length = 10 + round * 9;

        for (unsigned i = 0; i < length; i++)
            text[i] = letter(sent + i);
        sent += length;
        assert_int_equal(channel_send(&x->terminal_end, text, length, STREAM_BYTES, 0), CL_OK);
        if (channel_publish(&x->terminal_end))
            x->kicked |= UINT64_C(1) << FIXTURE_CONSOLE_BIT;
        fixture_crash(x, step_device_thread, NULL);
        for (unsigned i = 0; i < 3; i++) {
            unsigned at = q->seen;

            if (i > 0 && got == sent)
                break;
            fixture_crash(x, step_give_small_buffers, NULL);
            while (driver_done(x, q, &element)) {
                for (unsigned j = 0; j < element.length; j++)
                    assert_int_equal(*ram(x, BUFFERS + 0x100 * (at % 8) + j), letter(got + j));
                got += element.length;
                at++;
            }
        }
    }
    assert_int_equal(got, sent);
}

static void type_text(struct fixture *x, const char *text)
{
    assert_int_equal(channel_send(&x->terminal_end, text, (uint32_t)strlen(text), STREAM_BYTES, 0), CL_OK);
    if (channel_publish(&x->terminal_end))
        x->kicked |= UINT64_C(1) << FIXTURE_CONSOLE_BIT;
    fixture_run(x);
}

static void step_open_port(struct fixture *x, void *argument)
{
    (void)argument;
    say_to_console(x, 0, 6, 1); /* PORT_OPEN */
}

/* As Linux does: buffers first, then "ready", then each step when the device has asked for it. */
static void input_waits_until_the_driver_has_opened_the_port(void **context)
{
    struct fixture *x = *context;
    struct driver_queue *q = &x->driver[SLOT_CONSOLE].queue[RX], *control = &x->driver[SLOT_CONSOLE].queue[CONTROL_RX];
    struct virtq_used_elem element;

    type_text(x, "before");
    driver_start(x, SLOT_CONSOLE, ALL_FEATURES, 8);
    step_give_small_buffers(x, NULL);
    for (unsigned i = 0; i < 8; i++)
        driver_add(x, control, &(struct driver_segment){ CONTROL_BUFFERS + i * 16, 16, true }, 1);
    driver_kick(x, control);
    fixture_run(x);
    assert_false(driver_done(x, control, &element));
    say_to_console(x, UINT32_MAX, 0, 1); /* DEVICE_READY */
    fixture_run(x);
    expect_control(x, 0, 1); /* PORT_ADD */
    assert_false(driver_done(x, control, &element));
    say_to_console(x, 0, 3, 1); /* PORT_READY */
    fixture_run(x);
    expect_control(x, 1, 4); /* CONSOLE_PORT */
    expect_control(x, 2, 6); /* PORT_OPEN */
    assert_false(driver_done(x, control, &element));
    type_text(x, " open");
    assert_false(driver_done(x, q, &element));
    fixture_crash(x, step_open_port, NULL);
    assert_true(driver_done(x, q, &element));
    assert_int_equal(element.length, 6);
    assert_memory_equal(ram(x, BUFFERS), "before", 6);
    assert_true(driver_done(x, q, &element));
    say_to_console(x, 0, 6, 0);
    fixture_run(x);
    type_text(x, "closed");
    assert_false(driver_done(x, q, &element));
}

static void a_driver_that_knows_one_port_only_gets_input_at_once(void **context)
{
    struct fixture *x = *context;
    struct virtq_used_elem element;

    driver_start(x, SLOT_CONSOLE, 0, 8);
    step_give_small_buffers(x, NULL);
    type_text(x, "at once");
    assert_true(driver_done(x, &x->driver[SLOT_CONSOLE].queue[RX], &element));
}

static void control_messages_that_mean_nothing_are_ignored(void **context)
{
    struct fixture *x = *context;
    struct driver_queue *q = &x->driver[SLOT_CONSOLE].queue[CONTROL_TX];
    struct virtq_used_elem element;

    driver_start(x, SLOT_CONSOLE, ALL_FEATURES, 8);
    say_to_console(x, 1, 3, 1); /* there is no port 1 */
    say_to_console(x, 0, 3, 0);
    say_to_console(x, 0, 0xFFFF, 0xFFFF);
    driver_add(x, q, &(struct driver_segment){ CONTROL_BUFFERS, 7, false }, 1); /* too short */
    driver_ring(x, q);
    fixture_run(x);
    for (unsigned i = 0; i < 4; i++)
        assert_true(driver_done(x, q, &element));
    assert_int_equal(driver_status(x, SLOT_CONSOLE) & VIRTIO_STATUS_NEEDS_RESET, 0);
    driver_add(x, &x->driver[SLOT_CONSOLE].queue[CONTROL_RX], &(struct driver_segment){ CONTROL_BUFFERS, 16, true }, 1);
    driver_ring(x, &x->driver[SLOT_CONSOLE].queue[CONTROL_RX]);
    fixture_run(x);
    assert_false(driver_done(x, &x->driver[SLOT_CONSOLE].queue[CONTROL_RX], &element));
}

/* ----------------------------------------------------------------------------------------------------- hostile peers */

static void channel_peer_that_breaks_the_protocol_is_disconnected(void **context)
{
    struct fixture *x = *context;

    driver_start(x, SLOT_NET, ALL_FEATURES, 8);
    give_buffer(x, HEADER + FRAME_BYTES_MAX);
    x->switch_end.send_ring->produced = 0x80000000;
    x->kicked |= UINT64_C(1) << FIXTURE_NET_BIT;
    fixture_run(x);
    assert_null(x->net.channel.end);
    assert_int_equal(x->logged, 1);
}

/* A driver that writes anything anywhere in its rings and registers, serves itself resets, and rings all bells. */
static void wild_drivers_break_nothing(void **context)
{
    struct fixture *x = *context;
    uint64_t seed = 0xC0FFEE;
    uint8_t frame[FRAME_BUFFER_BYTES];
    struct channel_descriptor d;
    unsigned served = 0;

    for (unsigned slot = SLOT_NET; slot < SLOT_COUNT; slot++)
        driver_start(x, slot, ALL_FEATURES, 16);
    for (unsigned step = 0; step < 120000; step++) {
        uint64_t r = random_next(&seed), value = random_next(&seed);
        unsigned slot = SLOT_NET + (unsigned)(r % (SLOT_COUNT - SLOT_NET));
        struct driver *driver = &x->driver[slot];
        struct driver_queue *q = &driver->queue[slot == SLOT_CONSOLE ? r >> 8 & 3 : slot == SLOT_NET ? r >> 8 & 1 : 0];
        uint64_t place = r >> 20 & 3 ? BUFFERS + (value & 0xFFFF) : value >> (value & 31);

        switch (r >> 32 & 15) {
        case 0: /* a word of the queue */
            memcpy(ram(x, q->desc + (r >> 40) % 0x1600), &value, 8);
            break;
        case 1:
            guest_write(x, driver->common + (r >> 40) % VIRTIO_PCI_COMMON_BYTES, 1u << (r >> 50 & 3), value);
            break;
        case 2:
            *(uint16_t *)(void *)ram(x, q->avail + 2) = (uint16_t)(value & 0x1F);
            break;
        case 3:
        case 4: { /* an almost decent request */
            struct driver_segment segment[4];
            unsigned count = 1 + (r >> 40 & 3);

            for (unsigned i = 0; i < count; i++)
                segment[i] = (struct driver_segment){ i == 0 ? place : BUFFERS + i * 0x1000,
                                                      1 + (uint32_t)(value >> (8 * i) & 0xFFF), (r >> 44 & 3) < i };
            if (q->size != 0 && slot == SLOT_BLOCK)
                memset(ram(x, BUFFERS + (value & 0xFF)), 0, 16);
            driver_add(x, q, segment, count);
            break;
        }
        case 5:
            if (r >> 40 & 7 || x->driver[slot].common == 0)
                break;
            guest_ecam_write(x, slot, PCI_BAR0 + 4, 4, (uint32_t)(PLATFORM_PCI_MMIO + slot * 0x4000));
            driver_start(x, slot, value, 16);
            break;
        case 6:
            fill_frame(frame, sizeof(frame), step);
            if (channel_send(slot & 1 ? &x->switch_end : &x->terminal_end, frame, (uint32_t)(value & 0xFF), 1, 0) ==
                CL_OK)
                x->kicked |= channel_publish(slot & 1 ? &x->switch_end : &x->terminal_end) ? UINT64_MAX : 0;
            break;
        case 7:
            while (channel_receive(&x->switch_end, &d, frame, sizeof(frame)) == CL_OK)
                served++;
            while (channel_receive(&x->terminal_end, &d, frame, sizeof(frame)) == CL_OK)
                served++;
            break;
        case 8:
            let_time_pass(x, value & 0xFFFFFF);
            break;
        default:
            driver_ring(x, q);
            break;
        }
        fixture_run(x);
        assert_int_equal(x->fake->tx.count, 0);
        x->fake->outside.messages = 0;
    }
    assert_true(served > 100);
    /* and after all that a decent driver gets what it asks for */
    guest_ecam_write(x, SLOT_RNG, PCI_BAR0 + 4, 4, (uint32_t)(PLATFORM_PCI_MMIO + SLOT_RNG * 0x4000));
    driver_start(x, SLOT_RNG, ALL_FEATURES, 16);
    step_rng(x, NULL);
    fixture_run(x);
    assert_int_equal(*(uint16_t *)(void *)ram(x, x->driver[SLOT_RNG].queue[0].used + 2), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(features_are_accepted_only_if_offered_and_modern),
        TEST(queues_that_are_not_there_have_no_size),
        TEST(queue_outside_of_ram_needs_a_reset),
        TEST(set_up_survives_a_crash_at_every_store),
        TEST(without_bus_mastering_nothing_is_touched),
        TEST(doorbell_of_another_width_works_as_an_exit),
        TEST(failed_driver_is_not_served),
        TEST(broken_chain_stops_the_device_until_reset),
        TEST(doorbells_rung_before_a_crash_are_not_lost),
        TEST(rng_fills_buffers),
        TEST(block_reads_what_the_image_holds),
        TEST(block_refuses_what_it_cannot_do),
        TEST(block_request_without_status_needs_a_reset),
        TEST(block_survives_a_crash_at_every_store),
        TEST(net_tells_its_address_link_and_mtu),
        TEST(net_sends_each_frame_once_whatever_crashes),
        TEST(net_sends_a_batch_once_whatever_crashes),
        TEST(net_receives_each_frame_once_whatever_crashes),
        TEST(frames_wait_in_the_channel_for_buffers),
        TEST(frames_that_do_not_fit_are_dropped_and_counted),
        TEST(slow_switch_is_waited_for_a_dead_one_is_not),
        TEST(reset_with_requests_in_flight_forgets_them),
        TEST(console_prints_each_byte_once_whatever_crashes),
        TEST(output_longer_than_the_ring_goes_on_when_there_is_room),
        TEST(room_that_was_made_before_the_ring_was_shown_to_be_full_is_used),
        TEST(output_is_dropped_when_nobody_reads),
        TEST(input_reaches_the_guest_once_whatever_crashes),
        TEST(input_waits_until_the_driver_has_opened_the_port),
        TEST(a_driver_that_knows_one_port_only_gets_input_at_once),
        TEST(control_messages_that_mean_nothing_are_ignored),
        TEST(channel_peer_that_breaks_the_protocol_is_disconnected),
        TEST(wild_drivers_break_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
