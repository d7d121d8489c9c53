/* SPDX-License-Identifier: Apache-2.0 */
/* __set_thread_area.s: the thread pointer is set by the kernel, at lib/thread.c's request. */
.text
.global __set_thread_area
.hidden __set_thread_area
.type __set_thread_area,@function
__set_thread_area:
	jmp cl_thread_set_pointer
.size __set_thread_area,.-__set_thread_area
.section .note.GNU-stack,"",@progbits
