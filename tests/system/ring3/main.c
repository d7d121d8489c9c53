/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: the system calls, tried from ring 3 on the real kernel.
 *
 * This program takes init's place in a system image of its own. Each test prints `ring3: NAME PASS` or
 * `ring3: NAME FAIL why`; the last line is `ring3: N passed, N failed`, then the machine powers off.
 */
#include "tests/system/ring3/ring3.h"

#include <stdarg.h>
#include <stdio.h>

static unsigned passed, failed;
static char reason[200];

void fail(const char *format, ...)
{
    va_list arguments;

    if (reason[0] != '\0')
        return; /* the first reason is the one that counts */
    va_start(arguments, format);
    vsnprintf(reason, sizeof(reason), format, arguments);
    va_end(arguments);
}

void expect_status(enum cl_status status, enum cl_status wanted, const char *what)
{
    if (status != wanted)
        fail("%s: %s instead of %s", what, cl_refusal(status), cl_status_name(wanted));
}

void run_test(const char *name, void (*test)(void))
{
    reason[0] = '\0';
    test();
    if (reason[0] == '\0') {
        passed++;
        printf("ring3: %s PASS\n", name);
    } else {
        failed++;
        printf("ring3: %s FAIL %s\n", name, reason);
    }
    fflush(stdout);
}

int main(void)
{
    authority_tests();
    memory_tests();
    fault_tests();
    notification_tests();
    vcpu_tests();
    printf("ring3: %u passed, %u failed\n", passed, failed);
    fflush(stdout);
    (void)!cl_system_control(INIT_SLOT_SYSTEM, SYSTEM_POWER_OFF);
    return 0;
}
