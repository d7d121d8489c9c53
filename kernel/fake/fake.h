/* SPDX-License-Identifier: Apache-2.0 */
/* fake.h: what a unit test of the kernel may ask of the stand-ins in this folder. */
#ifndef CL_KERNEL_FAKE_FAKE_H
#define CL_KERNEL_FAKE_FAKE_H

#include <setjmp.h>

#include "kernel/types.h"

/* fake_assert.c: the sentence and the status of the last refusal, the last panic and the last log line. */
extern char fake_refusal[256];
extern enum cl_status fake_refusal_status;
extern char fake_panic_text[256];
extern char fake_log_text[256];

/* fake_assert.c: where panic() goes; NULL: it prints and aborts the test program. */
extern jmp_buf *fake_panic_target;

/* True when `statement` panicked. Nothing after the panic has run; locks that it held stay held. */
#define FAKE_PANICS(statement)                                                                                         \
    __extension__({                                                                                                    \
        jmp_buf fake_here_;                                                                                            \
        volatile bool fake_panicked_ = true;                                                                           \
        fake_panic_target = &fake_here_;                                                                               \
        if (setjmp(fake_here_) == 0) {                                                                                 \
            statement;                                                                                                 \
            fake_panicked_ = false;                                                                                    \
        }                                                                                                              \
        fake_panic_target = NULL;                                                                                      \
        fake_panicked_;                                                                                                \
    })

/* fake_pool.c: the kernel's pool in memory of the test program, `size_bytes` large, at the invented physical address
 * `physical_base`. It starts full of garbage, so that a page that was not zeroed is seen. Replaces the pool before. */
#define FAKE_POOL_BASE UINT64_C(0x123400000)
void fake_pool_create_at(struct hpa physical_base, uint64_t size_bytes);
void fake_pool_create(uint64_t size_bytes);
void fake_pool_destroy(void);

/* fake_random.c: a reproducible sequence; the same in every run. */
void fake_random_seed(uint64_t seed);
uint64_t fake_random(uint64_t below);

#endif
