/* SPDX-License-Identifier: Apache-2.0 */
/* load.h: a kernel image, its command line and a module become a guest that can begin.
 *
 * Loaders are pure functions over guest memory. Images come from the configuration and are input: everything in them is
 * checked, and a refusal says what is wrong with which field.
 */
#ifndef CL_VMM_LOAD_H
#define CL_VMM_LOAD_H

#include "abi/vcpu.h"
#include "vmm/guest_memory.h"

#define LOAD_TEXT_MAX 160

struct load_request {
    const struct guest_memory *memory;
    const uint8_t *kernel;
    uint64_t kernel_bytes;
    const uint8_t *module; /* initrd, or the one multiboot module; NULL: none */
    uint64_t module_bytes;
    const char *name;         /* of the kernel, for multiboot's command line */
    const char *command_line; /* NUL-terminated, never NULL */
    uint64_t rsdp;            /* guest-physical address of the ACPI tables' root; 0: none */
    char error[LOAD_TEXT_MAX];
};

/* One range of the memory map that a guest is told. */
struct load_range {
    uint64_t base, length;
    uint32_t type; /* as in e820: 1 RAM, 2 reserved, 3 ACPI tables */
};

#define LOAD_RANGES_MAX 8

/* The machine's memory map. Returns how many ranges there are. */
unsigned load_memory_map(const struct guest_memory *memory, struct load_range ranges[LOAD_RANGES_MAX]);

/* Note why an image is refused; returns CL_CORRUPT. */
__attribute__((format(printf, 2, 3))) enum cl_status load_refuse(struct load_request *request, const char *format, ...);

/* Load the ELF image (32 or 64 bits, by physical addresses). `entry`: physical; `end`: first byte behind it all. */
enum cl_status load_elf(struct load_request *request, uint32_t *entry, uint64_t *end) CL_MUST_CHECK;

/* The same for an image that begins at `entry` (physical), whatever its ELF header says. */
enum cl_status load_elf_at(struct load_request *request, uint64_t entry, uint64_t *end) CL_MUST_CHECK;

/* The 4 or 8 bytes of the note `type` of `owner` (gABI 5 "Note Section"). False: there is none. */
bool load_elf_note(struct load_request *request, const char *owner, uint32_t type, uint64_t *value) CL_MUST_CHECK;

/* A place of `length` bytes for data, page-aligned, behind `*end` (which moves) and in none of the reserved ranges. */
enum cl_status load_place(struct load_request *request, uint64_t *end, uint64_t length,
                          uint32_t *address) CL_MUST_CHECK;

/* True if the image has a multiboot 1 header, or Linux' setup header. */
bool load_is_multiboot(const uint8_t *kernel, uint64_t bytes);
bool load_is_linux(const uint8_t *kernel, uint64_t bytes);

/* Load, and set the registers of the first vCPU in `page`. CL_CORRUPT: the image is damaged; CL_UNSUPPORTED: it wants
 * what is not there; CL_NO_MEMORY: the VM's RAM is too small. `request->error` says it in words. */
enum cl_status load_multiboot(struct load_request *request, struct vcpu_page *page) CL_MUST_CHECK;
enum cl_status load_linux(struct load_request *request, struct vcpu_page *page) CL_MUST_CHECK;
enum cl_status load_pvh(struct load_request *request, struct vcpu_page *page) CL_MUST_CHECK;

/* Whichever it is. */
enum cl_status load_kernel(struct load_request *request, struct vcpu_page *page) CL_MUST_CHECK;

#endif
