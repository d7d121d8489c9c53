/* SPDX-License-Identifier: Apache-2.0 */
/* fake_vcpu_run.c: kernel/vcpu_run.c, whose inline assembly is carried out by the fake machine. */
#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/fake/machine.h"
#include "kernel/notification.h"
#include "kernel/system.h"
#include "kernel/thread.h"
#include "kernel/vcpu_run.h"
#include "kernel/vm.h"
#include "kernel/x86.h"
#include "kernel/xstate.h"

#include "kernel/fake/instructions.h"

#include "kernel/vcpu_run.c" /* NOLINT(bugprone-suspicious-include): the real code, with instructions that are calls */
