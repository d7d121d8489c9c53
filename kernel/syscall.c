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

void call_arguments(const struct call *call, void *arguments, size_t size)
{
    memcpy(arguments, call->thread->page->argument, size);
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

/* What stands between the commas of abi/syscall.h's groups. */
static enum cl_status dispatch(struct call *call, uint64_t number)
{
    if (number <= SYS_OBJECT_DESTROY)
        return syscall_authority(call, (enum syscall_number)number);
    if (number <= SYS_MEMORY_UNMAP)
        return syscall_memory(call, (enum syscall_number)number);
    if (number <= SYS_THREAD_EXIT)
        return syscall_execution(call, (enum syscall_number)number);
    if (number <= SYS_IRQ_ACK)
        return syscall_device(call, (enum syscall_number)number);
    if (number <= SYS_VM_EOI_READ)
        return syscall_guest(call, (enum syscall_number)number);
    if (number < SYS_COUNT)
        return syscall_system(call, (enum syscall_number)number);
    return refuse(CL_BAD_CALL, "no system call has the number %lu", number);
}

void syscall_handler(struct registers *registers)
{
    struct thread *thread = container_of(registers, struct thread, registers);
    struct call call = { .thread = thread,
                         .domain = thread->domain,
                         .a = registers->rdi,
                         .b = registers->rsi,
                         .c = registers->rdx,
                         .d = registers->r10,
                         .e = registers->r8,
                         .f = registers->r9 };

    enum cl_status status = dispatch(&call, registers->rax);
    if (!call.asleep) {
        registers->rax = status;
        registers->rdx = call.value;
    }
    kernel_exit();
}
