# SPDX-License-Identifier: Apache-2.0
"""machines: the machines that the system tests run on: the columns of the matrix.

A test that can run on any of them is parametrised with a Kind (or shares a boot that is); one without a Kind needs what
only QEMU has, a monitor to read physical memory with or a gdb stub, and counts as the first machine's. Its file says
so in a line `ONLY = "why"`.
"""

import dataclasses

import pytest

from cloison import Cloison


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of machine."""

    name: str        # in the names of test cases, in guests/micro/list.json, and at the head of the matrix's column
    emulator: str
    cpu: str         # in the emulator's words
    vendor: str      # what its guests run on
    departs: str     # the word of list.json for departures from the manual that micro-guests may show here
    slowness: float  # how many times as long as on QEMU things take

    def boot(self, smp=2, memory=1024, machine=Cloison, **more):
        """A machine of this kind, off."""
        return machine(self.emulator, self.cpu, smp, memory, patience=self.patience, **more)

    def rounds(self, count):
        """How often something is done here that is done `count` times on QEMU."""
        return max(3, round(count / self.slowness))

    @property
    def patience(self):
        """The factor on every time-out. Two machines share the computer, which may be a slow one."""
        return max(2, self.slowness)


KINDS = [
    Kind("qemu-epyc", "qemu", "EPYC,+svm,+npt", "AMD-V", "cloison-qemu", 1),
    Kind("qemu-max", "qemu", "max,+svm", "AMD-V", "cloison-qemu", 1),
    Kind("bochs-skylake", "bochs", "corei7_skylake_x", "VT-x", "cloison-bochs-vmx", 5),
    Kind("bochs-ryzen", "bochs", "ryzen", "AMD-V", "cloison-bochs", 5),
]
NAMED = {kind.name: kind for kind in KINDS}
on_each = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
