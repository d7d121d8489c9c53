/* SPDX-License-Identifier: Apache-2.0 */
/* pool.c: a buddy allocator of pages, and slabs of equal objects in single pages on top of it.
 *
 * All bookkeeping is in one array at the start of the range, one entry for each page; free memory itself is never
 * written, so a stray write through a dead pointer cannot lead the allocator astray. Blocks are aligned by their
 * physical address.
 */
#include "kernel/pool.h"

#include "kernel/assert.h"
#include "kernel/list.h"
#include "kernel/lock.h"
#include "kernel/string.h"

#define SHIFT_MIN 6u /* 64 bytes: a page has no more of them than free_objects has bits */
#define BLOCK_PAGES(shift) (UINT64_C(1) << ((shift)-PAGE_SHIFT))

enum page_state { PAGE_INNER, PAGE_FREE, PAGE_USED }; /* inner: not the first of a block, or not ours */

struct page {
    struct link link; /* in the list of its shift: of free blocks, or of slabs with room */
    union {
        uint64_t free_objects; /* of a slab: bit n: its n-th object is free */
        void *note;            /* of a used block of pages: pool_note */
    };
    uint8_t state;
    uint8_t shift; /* the block that begins here has 2^shift bytes; below PAGE_SHIFT: a slab of such objects */
};

/* Everything but the addresses is protected by `lock`. Page 0 is the first page of the 4 MiB block of physical memory
 * in which the range begins. */
static struct pool {
    struct spinlock lock;
    char *virtual_base;
    uint64_t physical_base;
    uint64_t size_bytes;
    struct page *pages;
    uint32_t first_page;
    uint32_t end_page;
    uint64_t free_bytes;
    struct link *list[POOL_SHIFT_MAX + 1];
} pool;

static void block_insert(struct page *page, unsigned shift)
{
    page->state = PAGE_FREE;
    page->shift = (uint8_t)shift;
    list_push(&pool.list[shift], &page->link);
}

/* The smallest block that is large enough, its upper halves given back until it fits. NULL when there is none. */
static struct page *block_take(unsigned shift)
{
    unsigned found = shift;
    struct page *page;

    while (found <= POOL_SHIFT_MAX && pool.list[found] == NULL)
        found++;
    if (found > POOL_SHIFT_MAX)
        return NULL;
    page = container_of(pool.list[found], struct page, link);
    list_remove(&page->link);
    while (found-- > shift)
        block_insert(page + BLOCK_PAGES(found), found);
    page->state = PAGE_USED;
    page->shift = (uint8_t)shift;
    page->note = NULL;
    return page;
}

/* Join the block with its free buddies and put the result on its list. */
static void block_give(struct page *page, unsigned shift)
{
    page->state = PAGE_INNER;
    for (; shift < POOL_SHIFT_MAX; shift++) {
        uint64_t index = (uint64_t)(page - pool.pages), buddy = index ^ BLOCK_PAGES(shift);

        if (buddy >= pool.end_page || pool.pages[buddy].state != PAGE_FREE || pool.pages[buddy].shift != shift)
            break;
        list_remove(&pool.pages[buddy].link);
        pool.pages[buddy].state = PAGE_INNER;
        page = &pool.pages[index & buddy];
    }
    block_insert(page, shift);
}

static char *address_of(const struct page *page)
{
    return pool.virtual_base + (uint64_t)(page - pool.pages - pool.first_page) * PAGE_SIZE;
}

static struct page *page_of(const void *pointer)
{
    return &pool.pages[pool.first_page + ((pool_physical(pointer).value - pool.physical_base) >> PAGE_SHIFT)];
}

void pool_init(void *virtual_base, struct hpa physical_base, uint64_t size_bytes)
{
    uint64_t first = (physical_base.value >> PAGE_SHIFT) % BLOCK_PAGES(POOL_SHIFT_MAX);
    uint64_t end = first + (size_bytes >> PAGE_SHIFT);
    uint64_t index = first + align_up(end * sizeof(struct page), PAGE_SIZE) / PAGE_SIZE;

    ASSERT(is_aligned((uintptr_t)virtual_base | physical_base.value | size_bytes, PAGE_SIZE));
    ASSERT(index < end && end < UINT32_MAX);
    pool = (struct pool){
        .virtual_base = virtual_base,
        .physical_base = physical_base.value,
        .size_bytes = size_bytes,
        .pages = virtual_base,
        .first_page = (uint32_t)first,
        .end_page = (uint32_t)end,
        .free_bytes = (end - index) * PAGE_SIZE,
    };
    memset(pool.pages, 0, end * sizeof(struct page));

    for (; index < end; index++)
        block_give(&pool.pages[index], PAGE_SHIFT);
}

static uint64_t all_objects(unsigned shift)
{
    return UINT64_MAX >> (64 - (PAGE_SIZE >> shift));
}

static void *object_take(unsigned shift)
{
    struct page *slab = (struct page *)pool.list[shift]; /* its first member */
    char *object;

    if (slab == NULL) {
        slab = block_take(PAGE_SHIFT);
        if (slab == NULL)
            return NULL;
        slab->shift = (uint8_t)shift;
        slab->free_objects = all_objects(shift);
        list_push(&pool.list[shift], &slab->link);
    }
    object = address_of(slab) + ((uint64_t)__builtin_ctzll(slab->free_objects) << shift);
    slab->free_objects &= slab->free_objects - 1;
    if (slab->free_objects == 0)
        list_remove(&slab->link);
    return object;
}

static void object_give(struct page *slab, uint64_t offset)
{
    uint64_t bit = UINT64_C(1) << (offset >> slab->shift);

    ASSERT((slab->free_objects & bit) == 0);
    if (slab->free_objects == 0)
        list_push(&pool.list[slab->shift], &slab->link);
    slab->free_objects |= bit;
    if (slab->free_objects == all_objects(slab->shift)) {
        list_remove(&slab->link);
        block_give(slab, PAGE_SHIFT);
    }
}

void *pool_take(struct account *account, uint64_t size_bytes)
{
    unsigned shift = SHIFT_MIN;
    void *block;

    while (UINT64_C(1) << shift < size_bytes)
        shift++;
    ASSERT(shift <= POOL_SHIFT_MAX);
    size_bytes = UINT64_C(1) << shift;
    if (account_charge(account, PURSE_KERNEL, size_bytes) != CL_OK)
        return NULL;
    lock_acquire(&pool.lock);
    if (shift < PAGE_SHIFT) {
        block = object_take(shift);
    } else {
        struct page *page = block_take(shift);
        block = page != NULL ? address_of(page) : NULL;
    }
    if (block != NULL)
        pool.free_bytes -= size_bytes;
    lock_release(&pool.lock);
    if (block != NULL)
        return memset(block, 0, size_bytes);
    account_refund(account, PURSE_KERNEL, size_bytes);
    (void)refuse(CL_NO_MEMORY, "the kernel's pool has no %lu contiguous bytes left", size_bytes);
    return NULL;
}

void pool_give(struct account *account, void *block)
{
    struct page *page;
    uint64_t size_bytes;

    if (block == NULL)
        return;
    lock_acquire(&pool.lock);
    page = page_of(block);
    size_bytes = pool_bytes_of(block);
    if (page->shift < PAGE_SHIFT)
        object_give(page, (uintptr_t)block % PAGE_SIZE);
    else
        block_give(page, page->shift);
    pool.free_bytes += size_bytes;
    lock_release(&pool.lock);
    account_refund(account, PURSE_KERNEL, size_bytes);
}

uint64_t pool_bytes_of(const void *block)
{
    const struct page *page = page_of(block);
    uint64_t size_bytes = UINT64_C(1) << page->shift;

    ASSERT(page->state == PAGE_USED && is_aligned((uintptr_t)block % PAGE_SIZE, size_bytes));
    return size_bytes;
}

void **pool_note(const void *block)
{
    return &page_of(block)->note;
}

struct hpa pool_physical(const void *pointer)
{
    uint64_t offset = (uintptr_t)pointer - (uintptr_t)pool.virtual_base;

    ASSERT(offset < pool.size_bytes);
    return hpa(pool.physical_base + offset);
}

void *pool_virtual(struct hpa physical)
{
    uint64_t offset = physical.value - pool.physical_base;

    ASSERT(offset < pool.size_bytes);
    return pool.virtual_base + offset;
}

uint64_t pool_size(void)
{
    return pool.size_bytes;
}

uint64_t pool_free_bytes(void)
{
    return READ_ONCE(pool.free_bytes);
}
