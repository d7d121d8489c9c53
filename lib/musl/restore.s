/* SPDX-License-Identifier: Apache-2.0 */
/* restore.s: the return from a signal handler. There are no signals: whoever comes here is lost, and faults. */
.text
.global __restore_rt
.hidden __restore_rt
.type __restore_rt,@function
__restore_rt:
	ud2
.size __restore_rt,.-__restore_rt
.section .note.GNU-stack,"",@progbits
