/* SPDX-License-Identifier: Apache-2.0 */
/* breach.c: a hole in the walls, made on purpose: tests/system/test_walls.py has to find it.
 *
 * Linked into a kernel of its own (build/tests/system/breach/) between everybody and memory_map(): the first frame of
 * the first VM that gets memory is entered in the kernel half and in the user half of the domain that asked, too.
 */
#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/domain.h"
#include "kernel/hostmap.h"
#include "kernel/memory.h"

#define BREACH_ADDRESS UINT64_C(0x00007e0000000000) /* test_walls.py knows it, too */

enum cl_status __real_memory_map(struct memory *memory, struct space *space, uint64_t offset, uint64_t length,
                                 uint64_t address, unsigned rights, uint64_t *done) CL_MUST_CHECK;
enum cl_status __wrap_memory_map(struct memory *memory, struct space *space, uint64_t offset, uint64_t length,
                                 uint64_t address, unsigned rights, uint64_t *done) CL_MUST_CHECK;

enum cl_status __wrap_memory_map(struct memory *memory, struct space *space, uint64_t offset, uint64_t length,
                                 uint64_t address, unsigned rights, uint64_t *done)
{
    enum cl_status status = __real_memory_map(memory, space, offset, length, address, rights, done);
    static bool breached;
    struct pt_leaf leaf;

    if (status == CL_OK && !breached && space->pt.format != &pt_format_host &&
        pt_get(&space->pt, address, &leaf) != NULL) {
        breached = true;
        leaf.page_shift = PAGE_SHIFT;
        leaf.rights = PT_READ | PT_WRITE | PT_USER;
        hostmap_device(leaf.frame);
        enum cl_status entered = pt_set(&this_cpu()->domain->space.pt, BREACH_ADDRESS, leaf);
        ASSERT(entered == CL_OK);
    }
    return status;
}
