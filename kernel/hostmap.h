/* SPDX-License-Identifier: Apache-2.0 */
/* hostmap.h: the kernel half: image, pool, device registers, stacks, windows; the same in every address space. */
#ifndef CL_KERNEL_HOSTMAP_H
#define CL_KERNEL_HOSTMAP_H

#include "abi/boot_info.h"
#include "kernel/pagetable.h"

struct cpu;

/* Build the kernel half from the pool, which is mapped at `pool_base` with the loader's help until then. Boot CPU. */
void hostmap_build(const struct boot_info *boot, uint64_t pool_base, struct hpa pool, uint64_t pool_bytes);

/* Load the kernel's own tables: kernel half only. */
void hostmap_load(void);
struct hpa hostmap_root(void);

/* Put the kernel half's root entries into another root table. */
void hostmap_share(uint64_t *root);

/* Map `size_bytes` of device registers, uncacheable (or a framebuffer, write-combining); returns their address. Boot. */
void *hostmap_device(struct hpa base, uint64_t size_bytes, enum pt_type type);

/* Stacks and window of one CPU. Boot. */
void hostmap_cpu(struct cpu *cpu);

/* Identity-map [base, base + size) for the trampoline, in a root of its own that APs start on. */
struct hpa hostmap_trampoline(struct hpa page);

#endif
