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
    SVM_EXIT_WINDOW,
    SVM_EXIT_IRET,
};

struct svm_exit_row {
    uint8_t kind;       /* enum virt_exit_kind */
    uint8_t finish;     /* enum svm_exit_finish */
    uint16_t intercept; /* enum vcpu_intercept */
};
extern const struct svm_exit_row svm_exit_rows[VMEXIT_TABLE_END];

#endif
