/* SPDX-License-Identifier: Apache-2.0 */
/* outcome.c: checks, and the four ways to end. MICRO_NAME comes from the build. */
#include "console.h"
#include "pc.h"

extern const char micro_name[];

#define REASON_LENGTH 160

static char first_failure[REASON_LENGTH];
static unsigned failures;

static const char *const outcome_names[] = { "PASS", "FAIL", "ERROR", "SKIP" };

static _Noreturn void end(enum micro_outcome outcome)
{
    interrupts_off();
    outl(PORT_DEBUG_EXIT, outcome);
    for (;;)
        asm volatile("cli; hlt");
}

_Noreturn void micro_finish(enum micro_outcome outcome, const char *format, ...)
{
    va_list arguments;

    micro_printf("micro: %s %s ", micro_name, outcome_names[outcome]);
    va_start(arguments, format);
    console_vprint(format, arguments);
    va_end(arguments);
    micro_printf("\n");
    end(outcome);
}

_Noreturn void micro_finish_checked(void);
_Noreturn void micro_finish_checked(void)
{
    if (failures != 0)
        micro_fail("%s (%u check%s failed)", first_failure, failures, failures == 1 ? "" : "s");
    micro_printf("micro: %s PASS\n", micro_name);
    end(MICRO_PASS);
}

bool micro_check(bool held, const char *format, ...)
{
    char reason[REASON_LENGTH];
    va_list arguments;

    if (held)
        return true;
    va_start(arguments, format);
    console_vformat(reason, sizeof(reason), format, arguments);
    va_end(arguments);
    micro_printf("micro: %s check failed: %s\n", micro_name, reason);
    if (failures++ == 0)
        memcpy(first_failure, reason, sizeof(reason));
    return false;
}

bool micro_check_departure(const char *id, bool held, const char *format, ...)
{
    va_list arguments;

    if (held)
        return true;
    micro_printf("micro: %s DEPARTS %s: ", micro_name, id);
    va_start(arguments, format);
    console_vprint(format, arguments);
    va_end(arguments);
    micro_printf("\n");
    return false;
}

void micro_step(const char *format, ...)
{
    va_list arguments;

    micro_printf("micro: %s step ", micro_name);
    va_start(arguments, format);
    console_vprint(format, arguments);
    va_end(arguments);
    micro_printf("\n");
}
