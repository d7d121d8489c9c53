/* SPDX-License-Identifier: Apache-2.0 */
/* test_ring3.c: the runtime as a whole: ring3/program, the real thing, in ring3/machine, which stands for the kernel.
 * Entered as init is, and with a start block.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <libgen.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Run the machine beside this program. What the program prints has cmocka's form: each of its lines counts. */
static void run_as(const char *mode)
{
    char own[PATH_MAX] = "", machine[PATH_MAX + 32], program[PATH_MAX + 32], mode_copy[16];
    char *arguments[] = { machine, program, mode_copy, NULL };
    char *environment[] = { NULL };
    pid_t child;
    int status;

    assert_true(readlink("/proc/self/exe", own, sizeof(own) - 1) > 0);
    const char *directory = dirname(own);
    snprintf(machine, sizeof(machine), "%s/ring3/machine", directory);
    snprintf(program, sizeof(program), "%s/ring3/program", directory);
    snprintf(mode_copy, sizeof(mode_copy), "%s", mode);
    fflush(stdout);
    assert_int_equal(posix_spawn(&child, machine, NULL, NULL, arguments, environment), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_program_runs_as_init(void **state)
{
    (void)state;
    run_as("init");
}

static void a_program_runs_with_a_start_block(void **state)
{
    (void)state;
    run_as("block");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_runs_as_init),
        cmocka_unit_test(a_program_runs_with_a_start_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
