/* SPDX-License-Identifier: Apache-2.0 */
/* exit_table.h: a row for each exit code. */
#ifndef CL_SVM_EXIT_TABLE_H
#define CL_SVM_EXIT_TABLE_H

#include "svm/svm.h"

/* How exit.c finishes an exit: PLAIN is nothing but a kind; UNKNOWN rows, the gaps of the table, are exits that nobody
 * asked for. */
enum svm_exit_finish {
    SVM_EXIT_UNKNOWN,
    SVM_EXIT_PLAIN,
    SVM_EXIT_DECODE,
    SVM_EXIT_EXCEPTION,
    SVM_EXIT_INTERRUPT,
    SVM_EXIT_IO,
    SVM_EXIT_MSR,
    SVM_EXIT_TASK,
    SVM_EXIT_MEMORY,
    SVM_EXIT_IRET,
};

struct svm_exit_row {
    uint8_t kind;       /* enum virt_exit_kind */
    uint8_t finish;     /* enum svm_exit_finish */
    uint16_t intercept; /* enum vcpu_intercept */
};

/* Behind the codes below VMEXIT_TABLE_END: nested page faults; all the others. */
enum { SVM_EXIT_ROW_NPF = VMEXIT_TABLE_END, SVM_EXIT_ROW_OTHER, SVM_EXIT_ROWS };
extern const struct svm_exit_row svm_exit_rows[SVM_EXIT_ROWS];

#endif
