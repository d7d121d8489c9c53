/* SPDX-License-Identifier: Apache-2.0 */
/* symbols.c: names of the kernel's own functions; the table is made at build time (tools/symbols). */
#include "kernel/crash.h"

extern const uint32_t symbol_count;
extern const struct {
    uint32_t offset, name; /* of the function in the image, of its name in symbol_names */
} symbol_table[];
extern const char symbol_names[], kernel_start[];

const char *symbol_name(uint64_t address, uint64_t *offset)
{
    uint64_t wanted = address - (uint64_t)kernel_start;
    uint32_t low = 0, high = symbol_count;

    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (symbol_table[middle].offset <= wanted)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0) {
        *offset = 0;
        return "?";
    }
    *offset = wanted - symbol_table[low - 1].offset;
    return symbol_names + symbol_table[low - 1].name;
}
