/* SPDX-License-Identifier: Apache-2.0 */
/* boot_init.c: init's domain, from segments that the loader has checked and filled in. */
#include "kernel/boot.h"

#include "abi/syscall.h"
#include "kernel/account.h"
#include "kernel/assert.h"
#include "kernel/domain.h"
#include "kernel/memory.h"
#include "kernel/system.h"
#include "kernel/thread.h"
#include "lib/start_block.h"

#define RIGHTS (RIGHT_ALL & ~(unsigned)RIGHT_DESTROY)

static void must(enum cl_status status, const char *what)
{
    if (status != CL_OK)
        panic("init cannot be started: %s failed with status %u", what, status);
}

static void give_boot_object(struct domain *init, uint64_t slot, enum object_type type)
{
    struct object *object = object_create(NULL, type);

    ASSERT(object != NULL);
    cap_insert(init, slot, object, RIGHTS);
}

static struct memory *fixed(uint64_t base, uint64_t size_bytes, enum pt_type type)
{
    struct memory *memory;

    must(memory_create_fixed(hpa(base), align_up(size_bytes, PAGE_SIZE), type, &memory), "a memory object");
    return memory;
}

static void map_segment(struct domain *init, struct memory *memory, const struct boot_segment *s)
{
    enum cl_status status;
    uint64_t done;

    do
        status = memory_map(memory, &init->space, s->offset, s->size_bytes, s->address, PT_USER | s->rights, &done);
    while (status == CL_IN_PROGRESS);
    must(status, "mapping a segment");
}

void boot_init(const struct boot_info *boot, struct account *root)
{
    struct thread_arguments arguments = { .entry = boot->init_entry, .page_address = INIT_THREAD_PAGE_ADDRESS };
    struct memory *image = fixed(boot->image_base, boot->image_size_bytes, PT_WRITE_BACK);
    struct memory *data = fixed(boot->init_data, boot->init_data_bytes, PT_WRITE_BACK);
    static const char name[DOMAIN_NAME_MAX] = "init";
    struct domain *init;
    struct thread *thread;

    must(domain_create(root, name, INIT_SLOT_COUNT, &init), "its domain");
    cap_insert(init, INIT_SLOT_DOMAIN, &init->object, RIGHTS);
    cap_insert(init, INIT_SLOT_ACCOUNT, &root->object, RIGHTS);
    give_boot_object(init, INIT_SLOT_SYSTEM, OBJECT_SYSTEM);
    give_boot_object(init, INIT_SLOT_PORTS, OBJECT_PORTS);
    give_boot_object(init, INIT_SLOT_IRQS, OBJECT_IRQS);
    cap_insert(init, INIT_SLOT_IMAGE, &image->object, RIGHT_READ | RIGHT_EXECUTE | RIGHT_COPY);
    if (boot->framebuffer.format != BOOT_PIXELS_NONE)
        cap_insert(init, INIT_SLOT_FRAMEBUFFER,
                   &fixed(boot->framebuffer.base, boot->framebuffer.size_bytes, PT_WRITE_COMBINING)->object,
                   RIGHT_READ | RIGHT_WRITE | RIGHT_COPY);
    for (uint32_t i = 0; i < boot->init_segment_count; i++) {
        const struct boot_segment *segment = &boot->init_segments[i];
        map_segment(init, (segment->rights & PT_WRITE) != 0 ? data : image, segment);
    }
    must(thread_create(init, root, &arguments, &thread), "its thread");
    thread_start(thread);
}
