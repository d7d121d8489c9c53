/* SPDX-License-Identifier: Apache-2.0 */
/* fake_system.c: kernel/system.c, whose inline assembly is carried out by the fake machine. */
#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/domain.h"
#include "kernel/fake/machine.h"
#include "kernel/hostmap.h"
#include "kernel/lapic.h"
#include "kernel/string.h"
#include "kernel/system.h"
#include "kernel/thread.h"
#include "kernel/trace.h"
#include "kernel/vcpu_run.h"
#include "kernel/virt.h"
#include "kernel/x86.h"
#include "kernel/xstate.h"

#include "kernel/fake/instructions.h"

#include "kernel/system.c" /* NOLINT(bugprone-suspicious-include): the real code, with instructions that are calls */
