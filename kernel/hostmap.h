/* SPDX-License-Identifier: Apache-2.0 */
/* hostmap.h: the kernel half: image, pool, device registers, stacks, windows; the same in every address space. */
#ifndef CL_KERNEL_HOSTMAP_H
#define CL_KERNEL_HOSTMAP_H

#include "abi/boot_info.h"
#include "kernel/pagetable.h"

struct cpu;

/* Build the kernel half from the pool: the image by the rights of its parts, the pool. Boot CPU. */
void hostmap_build(const struct boot_info *boot);

/* Load the kernel's own tables: kernel half only. */
void hostmap_load(void);
struct hpa hostmap_root(void);

/* Put the kernel half's root entries into another root table. */
void hostmap_share(uint64_t *root);

/* Map the device registers at `base`, up to the end of their page, uncacheable; returns their address. Boot. */
void *hostmap_device(struct hpa base);

/* Stacks of one CPU. Boot. */
void hostmap_cpu(struct cpu *cpu);

/* Fill a frame with zeroes: the one way in which the kernel touches a frame of a memory object, through one page per CPU
 * that is open for one call. Interrupts off; 512 stores. */
void window_zero(struct hpa frame);

#endif
