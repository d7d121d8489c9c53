/* SPDX-License-Identifier: Apache-2.0 */
/* syscall.c: from the number to the group, breadcrumbs on the way back. */
#include "kernel/syscall.h"

#include <stdarg.h>

#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/domain.h"
#include "kernel/print.h"
#include "kernel/string.h"
#include "kernel/system.h"
#include "kernel/thread.h"
#include "kernel/trap.h"
#include "kernel/vcpu_run.h"

enum cl_status refuse(enum cl_status status, const char *format, ...)
{
    struct thread *thread = cpu_count > 0 ? this_cpu()->current : NULL;
    char text[THREAD_PAGE_TEXT_MAX];
    va_list arguments;

    va_start(arguments, format);
    size_t length = print_format(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (thread == NULL) {
        log_line("%s", text);
        return status;
    }
    thread->page->breadcrumb.status = status;
    thread->page->breadcrumb.call = (uint32_t)thread->registers.rax;
    memcpy(thread->page->breadcrumb.text, text, length + 1);
    return status;
}

enum cl_status call_name(const struct call *call, char *name, size_t size)
{
    memcpy(name, call->thread->page->data, size);
    name[size - 1] = '\0';
    for (size_t i = 0; name[i] != '\0'; i++) {
        if (name[i] < ' ' || name[i] > '~')
            return refuse(CL_BAD_ARGUMENT, "a name has only printable ASCII characters");
    }
    return name[0] != '\0' ? CL_OK : refuse(CL_BAD_ARGUMENT, "a name is at least one character long");
}

static enum cl_status decode(struct call *call, const struct argument_rule *rule, unsigned i)
{
    switch (rule->kind) {
    case ARGUMENT_OBJECT:
        return call_lookup(call, i, rule->type, rule->rights);
    case ARGUMENT_NEW:
        return cap_check_free(call->domain, call->argument[i]);
    default:
        if (call->argument[i] > rule->max)
            return refuse(CL_BAD_ARGUMENT, "argument %u is %lx: at most %lx", i, call->argument[i], rule->max);
        return CL_OK;
    }
}

static enum cl_status decode_and_commit(struct call *call)
{
    const struct syscall_rule *rule = &syscall_rules[call->number];
    enum cl_status status;

    for (unsigned i = 0; i < rule->count; i++)
        TRY(decode(call, &rule->argument[i], i));
    status = rule->commit(call);
    if (call->made == NULL)
        return status;
    if (status == CL_OK) {
        cap_insert(call->domain, call->argument[0], call->made, call->made_rights);
    } else {
        enum cl_status destroyed = object_destroy(call->made);
        ASSERT(destroyed == CL_OK);
    }
    return status;
}

static enum cl_status dispatch(struct call *call)
{
    enum cl_status status;

    if (call->number >= SYS_COUNT)
        return refuse(CL_BAD_CALL, "no system call has the number %lu", call->number);
    if (!syscall_rules[call->number].structure)
        return decode_and_commit(call);
    lock_acquire(&structure_lock);
    (void)graveyard_sweep();
    status = decode_and_commit(call);
    lock_release(&structure_lock);
    return status;
}

/* The one call that every exit to a VMM pays for: without the table when all is well; false: the table finds the reason. */
static bool run_quickly(struct thread *thread, struct registers *registers)
{
    struct object *vcpu = cap_quick(thread->domain, registers->rdi, OBJECT_VCPU, RIGHT_EXECUTE);
    struct object *notification = cap_quick(thread->domain, registers->rsi, OBJECT_NOTIFICATION, RIGHT_WAIT);

    return vcpu != NULL && notification != NULL &&
           vcpu_run_begin(thread, (struct vcpu *)vcpu, (struct notification *)notification, registers->rdx) == CL_OK;
}

void syscall_handler(struct registers *registers)
{
    struct thread *thread = container_of(registers, struct thread, registers);
    struct call call;

    if (registers->rax == SYS_VCPU_RUN && run_quickly(thread, registers))
        kernel_exit();

    call.number = registers->rax;
    call.thread = thread;
    call.domain = thread->domain;
    call.argument[0] = registers->rdi;
    call.argument[1] = registers->rsi;
    call.argument[2] = registers->rdx;
    call.argument[3] = registers->r10;
    call.argument[4] = registers->r8;
    call.argument[5] = registers->r9;
    call.made = NULL;
    call.made_rights = RIGHT_ALL;
    call.value = 0;
    call.asleep = false;

    enum cl_status status = dispatch(&call);
    if (!call.asleep) {
        registers->rax = status;
        registers->rdx = call.value;
    }
    kernel_exit();
}
