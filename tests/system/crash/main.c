/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: an init that fails at once, so that the end of a machine without a supervisor can be read. */
#include <stdio.h>

int main(void)
{
    volatile int *volatile nowhere = (volatile int *)8;

    printf("about to fail\n");
    fflush(stdout);
    *nowhere = 1;
    return 0;
}
