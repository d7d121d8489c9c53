/* SPDX-License-Identifier: Apache-2.0 */
/* clone.s: __clone(function, stack, flags, argument, ptid, tls, ctid): only threads can be made, by lib/thread.c. */
.text
.global __clone
.hidden __clone
.type __clone,@function
__clone:
	jmp cl_thread_clone
.size __clone,.-__clone
.section .note.GNU-stack,"",@progbits
