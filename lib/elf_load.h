/* SPDX-License-Identifier: Apache-2.0 */
/* elf_load.h: put a checked program into a domain, for init.
 *
 * What cannot be written is mapped straight out of the system image, so all instances of a program share it. What can
 * be written is one fresh memory object on the new program's account.
 */
#ifndef CL_LIB_ELF_LOAD_H
#define CL_LIB_ELF_LOAD_H

#include <stdint.h>

#include "abi/status.h"
#include "lib/elf_check.h"

struct elf_source {
    uint32_t image_slot;   /* memory object of the system image, readable and executable */
    uint64_t image_offset; /* of the program file in it: a multiple of 4096 */
    const uint8_t *file;   /* the same bytes, mapped in the caller */
};

struct elf_target {
    uint32_t domain_slot;  /* RIGHT_MAP */
    uint32_t account_slot; /* pays for data, bss and stack */
    uint64_t window; /* free addresses of the caller, as many as the writable segments take: used and given back */
};

/* Map the program into the domain. `*data_slot` is the slot (from lib/slots.h) of the memory object with the writable
 * segments, for cl_slot_destroy() when the domain is gone; 0: there are none.
 *
 * CL_BAD_ARGUMENT: the file does not begin on a page of the image. Otherwise the kernel's refusals; what was mapped by
 * then goes away with the domain. */
CL_MUST_CHECK enum cl_status elf_load(const struct elf_program *program, const struct elf_source *source,
                                      const struct elf_target *target, uint32_t *data_slot);

#endif
