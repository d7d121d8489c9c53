/* SPDX-License-Identifier: Apache-2.0 */
/* exit_table.h: a row for each exit reason. */
#ifndef CL_VMX_EXIT_TABLE_H
#define CL_VMX_EXIT_TABLE_H

#include "vmx/vmx.h"

/* How exit.c finishes an exit: PLAIN is nothing but a kind, INSTRUCTION has a length besides: these two are enter.c's, too.
 * UNKNOWN rows, the gaps of the table, are exits that nobody asked for. */
enum vmx_exit_finish {
    VMX_EXIT_UNKNOWN,
    VMX_EXIT_DECODE,
    VMX_EXIT_EXCEPTION,
    VMX_EXIT_CR,
    VMX_EXIT_IO,
    VMX_EXIT_TASK,
    VMX_EXIT_MEMORY,
    VMX_EXIT_EOI,
    VMX_EXIT_SELF_IPI,
    VMX_EXIT_PLAIN,
    VMX_EXIT_INSTRUCTION,
};

struct vmx_exit_row {
    uint8_t kind;       /* enum virt_exit_kind */
    uint8_t finish;     /* enum vmx_exit_finish */
    uint16_t intercept; /* enum vcpu_intercept */
};

/* Behind the reasons below EXIT_TABLE_END: all the others. */
extern const struct vmx_exit_row vmx_exit_rows[EXIT_TABLE_END + 1];

static inline const struct vmx_exit_row *vmx_exit_row(uint32_t reason)
{
    return &vmx_exit_rows[reason < EXIT_TABLE_END ? reason : EXIT_TABLE_END];
}

#endif
