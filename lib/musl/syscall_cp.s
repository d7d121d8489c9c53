/* SPDX-License-Identifier: Apache-2.0 */
/* syscall_cp.s: a system call that is a cancellation point: (cancel flag, number, six arguments).
 *
 * Without signals a thread is cancelled only here, before the call, never in the middle of it.
 */
.text
.global __cp_begin
.hidden __cp_begin
.global __cp_end
.hidden __cp_end
.global __cp_cancel
.hidden __cp_cancel
.hidden __cancel
.global __syscall_cp_asm
.hidden __syscall_cp_asm
.type __syscall_cp_asm,@function
__syscall_cp_asm:
__cp_begin:
	mov (%rdi),%eax
	test %eax,%eax
	jnz __cp_cancel
	mov %rsi,%rdi
	mov %rdx,%rsi
	mov %rcx,%rdx
	mov %r8,%rcx
	mov %r9,%r8
	mov 8(%rsp),%r9
	/* cl_posix() takes a seventh argument on the stack; the push also aligns it to 16 */
	push 16(%rsp)
	call cl_posix
	add $8,%rsp
__cp_end:
	ret
__cp_cancel:
	jmp __cancel
.size __syscall_cp_asm,.-__syscall_cp_asm
.section .note.GNU-stack,"",@progbits
