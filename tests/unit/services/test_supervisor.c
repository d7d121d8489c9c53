/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: services/init/vm_end.c services/init/host_end.c services/init/wishes.c */
/* test_supervisor.c: what init does when a VM ends, when the operator wants something, and when the machine ends: with
 * VMs that are made of nothing but their states.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "lib/log.h"
#include "lib/syscall.h"
#include "services/init/console.h"
#include "services/init/host_end.h"
#include "services/init/operator.h"
#include "services/init/supervisor.h"
#include "services/init/switch.h"
#include "services/init/vm_end.h"

#define SECOND UINT64_C(1000000000)
#define VMS 3

struct config config;
struct vm vms[CONFIG_VMS_MAX];

static uint64_t now_ns;
static char told[4000];                   /* every line that the operator was told */
static char last_line[OPERATOR_TEXT_MAX]; /* of the machine; empty: it has not ended */
static enum system_operation ended_with;
static uint32_t asked[VMS]; /* of each VMM, as bits */
static unsigned starts[VMS];
static jmp_buf machine_off;
static struct service services[2] = { { .name = "console" }, { .name = "switch" } };

/* --------------------------------------------------------------------------------------------- what lies around */

uint64_t cl_monotonic_ns(void)
{
    return now_ns;
}

void cl_log(const char *format, ...)
{
    (void)format;
}

void cl_log_refusal(enum cl_status status, const char *format, ...)
{
    (void)status, (void)format;
}

struct cl_result cl_syscall6(enum syscall_number number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                             uint64_t f)
{
    (void)a, (void)c, (void)d, (void)e, (void)f;
    if (number == SYS_SYSTEM_CONTROL) {
        ended_with = (enum system_operation)b;
        longjmp(machine_off, 1);
    }
    assert_int_equal(number, SYS_DOMAIN_STOP);
    return (struct cl_result){ CL_OK, 0 };
}

struct cl_thread *cl_thread_self(void)
{
    static struct cl_thread self;

    return &self;
}

uint32_t program_init_events(void)
{
    return 1;
}

void supervisor_tell(const char *format, ...)
{
    size_t length = strlen(told);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(told + length, sizeof(told) - length, format, arguments);
    va_end(arguments);
    strncat(told, "\n", sizeof(told) - strlen(told) - 1);
}

void console_last_line(const char *text)
{
    snprintf(last_line, sizeof(last_line), "%s", text);
}

struct service *console_service(void)
{
    return &services[0];
}

struct service *switch_service(void)
{
    return &services[1];
}

enum cl_status service_kill(struct service *service)
{
    return service->program.alive ? CL_OK : CL_NOT_FOUND;
}

void vm_set_last(struct vm *vm, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(vm->last, sizeof(vm->last), format, arguments);
    va_end(arguments);
}

enum cl_status vm_prepare(struct vm *vm)
{
    if (vm->held && vm->state != OPERATOR_STATE_OFF && vm->state != OPERATOR_STATE_CRASHED)
        return CL_OCCUPIED;
    vm->held = vm->vmm.alive = true;
    vm->state = OPERATOR_STATE_STARTING;
    vm->outcome = VM_OUTCOME_NONE;
    vm->started_ns = now_ns;
    vm->shutdown_deadline_ns = 0;
    vm->last[0] = '\0';
    return CL_OK;
}

enum cl_status vm_go(struct vm *vm)
{
    starts[vm->number]++;
    return CL_OK;
}

enum cl_status vm_start(struct vm *vm)
{
    enum cl_status status = vm_prepare(vm);

    return status == CL_OK ? vm_go(vm) : status;
}

void vm_release(struct vm *vm)
{
    vm->state = OPERATOR_STATE_OFF;
    vm->held = vm->vmm.alive = false;
    vm->shutdown_deadline_ns = 0;
}

enum cl_status vm_ask(struct vm *vm, uint32_t kind, uint32_t cookie)
{
    (void)cookie;
    asked[vm->number] |= 1u << kind;
    return CL_OK;
}

/* ------------------------------------------------------------------------------------------------------- helpers */

static void report(struct vm *vm, enum machine_request request, uint32_t value, const char *reason)
{
    struct vmm_report message = { .request = request, .value = value };

    snprintf(message.reason, sizeof(message.reason), "%s", reason);
    vm_end_report(vm, &message);
}

static bool was_asked(const struct vm *vm, uint32_t kind)
{
    return (asked[vm->number] & 1u << kind) != 0;
}

/* `VMS` VMs that run, with the policies of the schema's defaults. */
static int set_up(void **state)
{
    static const char *const names[VMS] = { "alpha", "beta", "gamma" };

    (void)state;
    memset(&config, 0, sizeof(config));
    memset(vms, 0, sizeof(vms));
    memset(asked, 0, sizeof(asked));
    memset(starts, 0, sizeof(starts));
    told[0] = last_line[0] = '\0';
    now_ns = 100 * SECOND;
    config.vm_count = VMS;
    for (uint32_t i = 0; i < VMS; i++) {
        config.vm[i] = (struct config_vm){ .debug_exit = CONFIG_NO_VALUE,
                                           .on_poweroff = CONFIG_DESTROY,
                                           .on_reboot = CONFIG_RESTART,
                                           .on_crash = CONFIG_PRESERVE,
                                           .autostart = true };
        snprintf(config.vm[i].name, sizeof(config.vm[i].name), "%s", names[i]);
        vms[i].config = &config.vm[i];
        vms[i].number = i;
    }
    wish_autostart();
    for (uint32_t i = 0; i < VMS; i++)
        report(&vms[i], MACHINE_RUN, 0, "");
    told[0] = '\0';
    memset(starts, 0, sizeof(starts));
    now_ns += 1000 * SECOND;
    return 0;
}

static enum cl_status wish(enum operator_verb verb, struct vm *vm, const char *answer)
{
    char text[OPERATOR_TEXT_MAX] = "";
    enum cl_status status = wish_about_vm(verb, vm, text);

    assert_string_equal(text, answer);
    return status;
}

/* Whether the machine ends in this round. */
static bool ends(void)
{
    if (setjmp(machine_off) != 0)
        return true;
    host_end_serve(now_ns);
    return false;
}

/* ------------------------------------------------------------------------------------------------ crashes of guests */

static void a_crash_is_preserved_destroyed_or_started_again_as_configured(void **state)
{
    (void)state;
    config.vm[0].on_crash = CONFIG_PRESERVE;
    config.vm[1].on_crash = CONFIG_DESTROY;
    config.vm[2].on_crash = CONFIG_RESTART;
    for (unsigned i = 0; i < VMS; i++)
        report(&vms[i], MACHINE_PANICKED, 1, "");

    assert_int_equal(vms[0].state, OPERATOR_STATE_CRASHED);
    assert_true(vms[0].held && was_asked(&vms[0], VMM_CONTROL_PAUSE));
    assert_string_equal(vms[0].last, "the guest says that it has crashed (pvpanic)");

    assert_int_equal(vms[1].state, OPERATOR_STATE_OFF);
    assert_false(vms[1].held);
    assert_string_equal(vms[1].last, "the guest says that it has crashed (pvpanic)");

    assert_int_equal(vms[2].state, OPERATOR_STATE_STARTING);
    assert_int_equal(starts[2], 1);
    assert_int_equal(vms[2].resets, 1);
    assert_non_null(strstr(told, "gamma: the guest says that it has crashed"));
}

static void a_guest_that_is_preserved_can_be_started_reset_or_destroyed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < VMS; i++)
        report(&vms[i], MACHINE_PANICKED, 1, "");
    assert_int_equal(wish(OPERATOR_START, &vms[0], "alpha is starting"), CL_OK);
    assert_int_equal(wish(OPERATOR_RESET, &vms[1], "beta was reset"), CL_OK);
    assert_int_equal(wish(OPERATOR_DESTROY, &vms[2], "gamma is off"), CL_OK);
    assert_int_equal(vms[0].state, OPERATOR_STATE_STARTING);
    assert_int_equal(vms[1].state, OPERATOR_STATE_STARTING);
    assert_int_equal(vms[2].state, OPERATOR_STATE_OFF);
}

static void a_vmm_that_dies_leaves_nothing_but_its_state(void **state)
{
    (void)state;
    config.vm[1].on_crash = CONFIG_DESTROY;
    config.vm[2].on_crash = CONFIG_RESTART;
    for (unsigned i = 0; i < VMS; i++)
        vm_end_lost(&vms[i], "it faulted");

    assert_int_equal(vms[0].state, OPERATOR_STATE_CRASHED);
    assert_false(vms[0].held);
    assert_string_equal(vms[0].last, "its VMM ended: it faulted");
    assert_int_equal(vms[1].state, OPERATOR_STATE_OFF);
    assert_int_equal(vms[2].state, OPERATOR_STATE_STARTING);

    assert_int_equal(wish(OPERATOR_DESTROY, &vms[0], "alpha is off"), CL_OK);
    assert_int_equal(vms[0].state, OPERATOR_STATE_OFF);
}

static void a_vmm_that_cannot_go_on_says_why(void **state)
{
    (void)state;
    report(&vms[0], MACHINE_STOPPED, 0, "vCPU 0: exit 9 cannot be handled");
    assert_int_equal(vms[0].state, OPERATOR_STATE_CRASHED);
    assert_string_equal(vms[0].last, "its VMM ended: vCPU 0: exit 9 cannot be handled");
}

/* ------------------------------------------------------------------------------------------------- resets, power off */

static void a_triple_fault_is_a_reset_and_follows_on_reboot(void **state)
{
    (void)state;
    config.vm[1].on_reboot = CONFIG_DESTROY;
    config.vm[2].on_reboot = CONFIG_PRESERVE;
    for (unsigned i = 0; i < VMS; i++)
        report(&vms[i], MACHINE_RESET, 0, "triple fault");
    assert_int_equal(starts[0], 1);
    assert_int_equal(vms[1].state, OPERATOR_STATE_OFF);
    assert_false(vms[1].held);
    assert_string_equal(vms[1].last, "the guest reset itself: triple fault");
    assert_int_equal(vms[2].state, OPERATOR_STATE_OFF);
    assert_true(vms[2].held);
}

static void a_guest_that_only_resets_is_given_up_with_a_sentence(void **state)
{
    (void)state;
    for (unsigned i = 0; i <= VM_RESTARTS_MAX; i++) {
        report(&vms[0], MACHINE_RESET, 0, "triple fault");
        now_ns += SECOND;
    }
    assert_int_equal(starts[0], VM_RESTARTS_MAX + 1); /* the first life was long enough */
    report(&vms[0], MACHINE_RESET, 0, "triple fault");
    assert_int_equal(vms[0].state, OPERATOR_STATE_CRASHED);
    assert_false(vms[0].held);
    assert_string_equal(vms[0].last, "it was started 6 times in a row and ended at once each time; the last time: the "
                                     "guest reset itself: triple fault");
    assert_int_equal(wish(OPERATOR_START, &vms[0], "alpha is starting"), CL_OK);
    assert_int_equal(vms[0].restarts, 0);
}

static void a_guest_that_resets_now_and_then_is_always_started_again(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        report(&vms[0], MACHINE_RESET, 0, "");
        now_ns += VM_RESTART_WINDOW_NS;
    }
    assert_int_equal(starts[0], 100);
    assert_int_equal(vms[0].resets, 100);
}

static void a_guest_that_was_told_to_shut_down_is_not_started_again(void **state)
{
    (void)state;
    config.vm[0].on_poweroff = CONFIG_RESTART;
    assert_int_equal(wish(OPERATOR_SHUTDOWN, &vms[0], "alpha: power button pressed"), CL_OK);
    report(&vms[0], MACHINE_POWER_OFF, 0, "");
    assert_int_equal(vms[0].state, OPERATOR_STATE_OFF);
    assert_int_equal(starts[0], 0);
}

/* --------------------------------------------------------------------------------------------------- the power button */

static void a_guest_that_ignores_its_power_button_is_reported_with_what_to_do(void **state)
{
    (void)state;
    assert_int_equal(wish(OPERATOR_SHUTDOWN, &vms[1], "beta: power button pressed"), CL_OK);
    assert_int_equal(vms[1].state, OPERATOR_STATE_STOPPING);
    assert_int_equal(wish_next_ns(), now_ns + WISH_SHUTDOWN_NS);
    now_ns += WISH_SHUTDOWN_NS - 1;
    wish_deadlines(now_ns);
    assert_string_equal(told, "");
    now_ns++;
    wish_deadlines(now_ns);
    assert_string_equal(told,
                        "beta has not reacted to its power button for 30 s: 'destroy beta' pulls the plug, 'console "
                        "beta' shows what it does\n");
    assert_int_equal(vms[1].state, OPERATOR_STATE_RUNNING);
    assert_true(wish_next_ns() == UINT64_MAX);
}

static void a_wish_that_does_not_fit_the_state_gets_a_sentence(void **state)
{
    (void)state;
    assert_int_equal(wish(OPERATOR_START, &vms[0], "alpha is not off"), CL_OCCUPIED);
    assert_int_equal(wish(OPERATOR_RESUME, &vms[0], "alpha is not suspended"), CL_NOT_FOUND);
    assert_int_equal(wish(OPERATOR_SUSPEND, &vms[0], "alpha is suspended"), CL_OK);
    assert_int_equal(wish(OPERATOR_SHUTDOWN, &vms[0], "alpha is suspended: 'resume alpha' lets it go on"),
                     CL_NOT_FOUND);
    assert_int_equal(wish(OPERATOR_RESUME, &vms[0], "alpha is running again"), CL_OK);
    report(&vms[0], MACHINE_POWER_OFF, 0, "");
    assert_int_equal(wish(OPERATOR_SHUTDOWN, &vms[0], "alpha does not run: the guest switched itself off"),
                     CL_NOT_FOUND);
    assert_int_equal(wish(OPERATOR_DESTROY, &vms[0], "alpha does not run: the guest switched itself off"),
                     CL_NOT_FOUND);
}

/* -------------------------------------------------------------------------------------------------- the machine's end */

/* These end the machine, which remembers it: they come last, in this order. */

static void a_headless_run_ends_when_the_last_vm_has(void **state)
{
    (void)state;
    host_end_set_headless();
    assert_false(ends());
    report(&vms[0], MACHINE_POWER_OFF, 0, "");
    report(&vms[1], MACHINE_POWER_OFF, 0, "");
    assert_false(ends());
    report(&vms[2], MACHINE_POWER_OFF, 0, "");
    assert_true(ends());
    assert_string_equal(last_line, "cloison: stopped");
    assert_int_equal(ended_with, SYSTEM_POWER_OFF);
}

static void a_headless_run_fails_with_the_first_vm_that_crashes(void **state)
{
    (void)state;
    report(&vms[1], MACHINE_PANICKED, 1, "");
    assert_true(ends());
    assert_string_equal(last_line, "cloison: failed: beta: the guest says that it has crashed (pvpanic)");
}

static void a_headless_run_goes_on_where_a_crash_means_another_start(void **state)
{
    (void)state;
    config.vm[1].on_crash = CONFIG_RESTART;
    report(&vms[1], MACHINE_PANICKED, 1, "");
    assert_false(ends());
}

static void a_headless_run_of_a_refused_configuration_fails_with_the_reason(void **state)
{
    (void)state;
    config.vm_count = 0;
    host_end_nothing_to_run("the configuration is refused, so there are no VMs: vm[0].colour: there is no such key");
    assert_true(ends());
    assert_string_equal(last_line, "cloison: failed: the configuration is refused, so there are no VMs: vm[0].colour: "
                                   "there is no such key");
}

static void poweroff_waits_for_guests_that_can_react_and_for_no_others(void **state)
{
    (void)state;
    report(&vms[1], MACHINE_PANICKED, 1, "");
    assert_int_equal(wish(OPERATOR_SUSPEND, &vms[2], "gamma is suspended"), CL_OK);
    host_end_begin(SYSTEM_RESET);
    assert_true(was_asked(&vms[0], VMM_CONTROL_POWER_BUTTON));
    assert_false(was_asked(&vms[1], VMM_CONTROL_POWER_BUTTON));
    assert_true(was_asked(&vms[2], VMM_CONTROL_RESUME) && was_asked(&vms[2], VMM_CONTROL_POWER_BUTTON));
    assert_int_equal(wish(OPERATOR_START, &vms[1], "beta cannot be started: the machine is shutting down"), CL_STOPPED);
    assert_int_equal(wish(OPERATOR_RESET, &vms[0], "alpha cannot be started: the machine is shutting down"),
                     CL_STOPPED);
    assert_false(ends());
    report(&vms[0], MACHINE_POWER_OFF, 0, "");
    assert_false(ends());
    report(&vms[2], MACHINE_RESET, 0, "");
    assert_int_equal(starts[2], 0);
    assert_true(ends());
    assert_string_equal(last_line, "cloison: stopped");
    assert_int_equal(ended_with, SYSTEM_RESET);
}

static void poweroff_pulls_the_plug_when_time_is_up(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < VMS; i++)
        vms[i].state = OPERATOR_STATE_STOPPING;
    now_ns = host_end_next_ns() - 1;
    assert_false(ends());
    now_ns++;
    assert_true(ends());
    assert_non_null(strstr(told, "alpha did not stop in time: its plug is pulled"));
    assert_false(vms[0].held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_crash_is_preserved_destroyed_or_started_again_as_configured, set_up),
        cmocka_unit_test_setup(a_guest_that_is_preserved_can_be_started_reset_or_destroyed, set_up),
        cmocka_unit_test_setup(a_vmm_that_dies_leaves_nothing_but_its_state, set_up),
        cmocka_unit_test_setup(a_vmm_that_cannot_go_on_says_why, set_up),
        cmocka_unit_test_setup(a_triple_fault_is_a_reset_and_follows_on_reboot, set_up),
        cmocka_unit_test_setup(a_guest_that_only_resets_is_given_up_with_a_sentence, set_up),
        cmocka_unit_test_setup(a_guest_that_resets_now_and_then_is_always_started_again, set_up),
        cmocka_unit_test_setup(a_guest_that_was_told_to_shut_down_is_not_started_again, set_up),
        cmocka_unit_test_setup(a_guest_that_ignores_its_power_button_is_reported_with_what_to_do, set_up),
        cmocka_unit_test_setup(a_wish_that_does_not_fit_the_state_gets_a_sentence, set_up),
        cmocka_unit_test_setup(a_headless_run_ends_when_the_last_vm_has, set_up),
        cmocka_unit_test_setup(a_headless_run_fails_with_the_first_vm_that_crashes, set_up),
        cmocka_unit_test_setup(a_headless_run_goes_on_where_a_crash_means_another_start, set_up),
        cmocka_unit_test_setup(a_headless_run_of_a_refused_configuration_fails_with_the_reason, set_up),
        cmocka_unit_test_setup(poweroff_waits_for_guests_that_can_react_and_for_no_others, set_up),
        cmocka_unit_test_setup(poweroff_pulls_the_plug_when_time_is_up, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
