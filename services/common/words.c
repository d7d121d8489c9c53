/* SPDX-License-Identifier: Apache-2.0 */
/* words.c: edit distance (optimal string alignment) over three rows. */
#include "services/common/words.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static bool same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned words_distance(const char *a, const char *b)
{
    size_t a_length = strlen(a), b_length = strlen(b);
    unsigned rows[3][WORDS_LENGTH_MAX + 1];

    if (a_length > WORDS_LENGTH_MAX || b_length > WORDS_LENGTH_MAX)
        return (unsigned)(a_length > b_length ? a_length : b_length);
    for (unsigned j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= a_length; i++) {
        unsigned *now = rows[i % 3], *before = rows[(i + 2) % 3], *earlier = rows[(i + 1) % 3];
        now[0] = i;
        for (unsigned j = 1; j <= b_length; j++) {
            now[j] = before[j - 1] + (same(a[i - 1], b[j - 1]) ? 0 : 1);
            now[j] = least(now[j], least(before[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
                now[j] = least(now[j], earlier[j - 2] + 1);
        }
    }
    return rows[a_length % 3][b_length];
}

const char *words_nearest(const char *wrong, const char *const *words, size_t count)
{
    size_t length = strlen(wrong);
    unsigned best = length < 6 ? 1 : (unsigned)(length / 3);
    const char *nearest = NULL;

    for (size_t i = 0; i < count; i++) {
        unsigned distance = words_distance(wrong, words[i]);
        if (distance < best || (distance == best && nearest == NULL)) {
            best = distance;
            nearest = words[i];
        }
    }
    return nearest;
}
