/* SPDX-License-Identifier: Apache-2.0 */
/* log.c: the kernel's log ring, read and printed. */
#include <string.h>

#include "lib/log.h"
#include "lib/syscall.h"
#include "services/console/console.h"

#define PIECE_BYTES THREAD_PAGE_DATA_MAX
#define LOG_BYTES_MAX 65536u /* of the kernel's ring */

static char pieces[LOG_BYTES_MAX + PIECE_BYTES];

/* Everything from *position on that fits; the length. */
static size_t read_all(uint64_t *position)
{
    size_t length = 0, piece;
    static char buffer[THREAD_PAGE_DATA_MAX];

    while (length < LOG_BYTES_MAX && cl_log_read(console.system, position, buffer, sizeof(buffer), &piece) == CL_OK &&
           piece > 0) {
        if (piece > sizeof(pieces) - length)
            piece = sizeof(pieces) - length;
        memcpy(pieces + length, buffer, piece);
        length += piece;
    }
    return length;
}

/* The kernel prints what comes before init's line about the take-over. A console that is started again begins with what the
 * kernel says of the death of the last one. */
void log_skip_to_take_over(void)
{
    static const char dies[] = "cloison: domain console stopped";
    uint64_t position = 0;
    size_t length = read_all(&position), start = length, died = length, behind = strlen(CONSOLE_TAKES_OVER);

    for (size_t at = 0; at + behind <= length; at++) {
        if (died == length && at + sizeof(dies) <= length && memcmp(pieces + at, dies, sizeof(dies) - 1) == 0)
            died = at;
        if (memcmp(pieces + at, CONSOLE_TAKES_OVER, behind) == 0) {
            start = died != length ? died : at + behind;
            died = length;
        }
    }
    console.log_position = position - (length - start);
    if (start < length && pieces[start] == '\n')
        console.log_position++;
}

void log_print_new(void)
{
    size_t length = read_all(&console.log_position);

    if (length > 0)
        console_print("%.*s", (int)length, pieces);
}

void log_print_last(unsigned lines)
{
    uint64_t position = 0;
    size_t length = read_all(&position), start = length;

    for (unsigned count = 0; start > 0; start--) {
        if (pieces[start - 1] == '\n' && start != length && ++count == lines)
            break;
    }
    console_print("%.*s", (int)(length - start), pieces + start);
    if (length > start && pieces[length - 1] != '\n')
        console_print("\n");
}
