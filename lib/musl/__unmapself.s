/* SPDX-License-Identifier: Apache-2.0 */
/* __unmapself.s: the end of a detached thread, which gives back the stack it stands on: lib/thread.c knows how. */
.text
.global __unmapself
.type __unmapself,@function
__unmapself:
	jmp cl_thread_exit
.size __unmapself,.-__unmapself
.section .note.GNU-stack,"",@progbits
