/* SPDX-License-Identifier: Apache-2.0 */
/* words.h: which known word was probably meant by a wrong one. */
#ifndef CL_SERVICES_COMMON_WORDS_H
#define CL_SERVICES_COMMON_WORDS_H

#include <stddef.h>

#define WORDS_LENGTH_MAX 32u /* longer words have no likeness */

/* How many single steps (insert, delete, replace, swap two neighbours) lead from `a` to `b`; case does not count.
 * Words longer than WORDS_LENGTH_MAX are as far from everything as they are long. */
unsigned words_distance(const char *a, const char *b);

/* The one of `count` words that is like `wrong`: a third of its letters may differ, at least one. NULL: none is. */
const char *words_nearest(const char *wrong, const char *const *words, size_t count);

#endif
