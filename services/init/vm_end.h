/* SPDX-License-Identifier: Apache-2.0 */
/* vm_end.h: what follows when a VM ends, by itself or with its VMM: the policies of the configuration. */
#ifndef CL_SERVICES_INIT_VM_END_H
#define CL_SERVICES_INIT_VM_END_H

#include "services/init/vm.h"

#define VM_RESTART_WINDOW_NS (UINT64_C(30) * 1000 * 1000 * 1000) /* a VM that lives shorter than this ... */
#define VM_RESTARTS_MAX 5u                                       /* ... so many times in a row is not started again */

/* What a VMM reports about its guest. */
void vm_end_report(struct vm *vm, const struct vmm_report *report);

/* The VMM cannot go on, or is dead: nothing is kept that only it could show. `reason` may be empty. */
void vm_end_lost(struct vm *vm, const char *reason);

#endif
