# SPDX-License-Identifier: Apache-2.0
"""test_ring3: the system calls, tried from ring 3 by a program that takes init's place (tests/system/ring3). Each
machine boots once; every test of the program is a case here.
"""

import functools
import os
import re
import subprocess

import pytest

from emulator import ROOT, Machine
from machines import KINDS, on_each

IMAGE = "build/tests/system/ring3/disk.img"

# Lines of the boot log: a feature that the machine has, and one that it has not.
FEATURES = {
    "qemu-epyc": ["AMD-V: next-RIP save: absent, lengths of the usual encodings, and decoding instead",
                  "AMD-V: flush by ASID: absent, a new ASID instead"],
    "qemu-max": ["AMD-V: next-RIP save: absent, lengths of the usual encodings, and decoding instead",
                 "AMD-V: PAUSE filter: absent, time slices alone instead"],
    "bochs-skylake": ["this processor has no AMD-V", "VT-x: TPR shadow: used", "VT-x: virtual-interrupt delivery in x2APIC mode: used",
                      "VT-x: virtual interrupts: delivered by this emulator although the guest has them off, so only to VMs that ask",
                      "VT-x: VPID: used",
                      "VT-x: code of guests in large pages: may machine-check this processor, pages of 4 KiB instead",
                      "VT-x: page-modification logging: present, unused"],
    "bochs-ryzen": ["AMD-V: next-RIP save: used", "AMD-V: flush by ASID: used", "AMD-V: PAUSE filter: used"],
}


def names():
    """The names of all tests that the program runs, out of its source."""
    folder, found = os.path.join(ROOT, "tests", "system", "ring3"), []
    for source in sorted(os.listdir(folder)):
        if source.endswith(".c"):
            with open(os.path.join(folder, source), encoding="utf-8") as file:
                text = file.read()
            found += re.findall(r'run_test\("(\w+)"', text)
            found += ["fault_" + case for case in re.findall(r'^    \{ "(\w+)", (?:/\*.*)?$|^    \{ "(\w+)", BYTES', text, re.M)
                      for case in case if case]
    return found


@functools.lru_cache(maxsize=None)
def boot(kind):
    """What the machine said, after it has switched itself off; or why it did not come that far."""
    subprocess.run(["make", "-s", "-C", ROOT, IMAGE], check=True)
    try:
        with kind.boot(memory=512, machine=Machine, image=os.path.join(ROOT, IMAGE)) as machine:
            machine.expect(r"^init: ring3: \d+ passed, \d+ failed", 120)
            return machine.log + f"\nmachine: {machine.wait(60)}\n"
    except Exception as error:  # pylint: disable=broad-except
        return f"machine: {error}\n"


@pytest.mark.parametrize("kind, test", [pytest.param(kind, test, id=f"{kind.name}-{test}")
                                        for kind in KINDS for test in names()])
def test_system_call(kind, test):
    said = re.search(rf"^init: ring3: {test} (PASS|FAIL.*)$", boot(kind), re.M)
    assert said, f"{test} has not run on {kind.name}:\n{boot(kind)[-1500:]}"
    assert said[1] == "PASS"


@on_each
def test_every_test_of_the_program_is_counted_and_the_machine_powers_off(kind):
    log = boot(kind)
    assert re.search(rf"^init: ring3: {len(names())} passed, 0 failed$", log, re.M), log[-1500:]
    assert log.endswith("machine: shutdown\n")


@on_each
def test_the_log_names_each_feature_of_this_machine_and_what_is_used_without_it(kind):
    log = boot(kind)
    for answer in FEATURES[kind.name] + [f"virtualisation: {kind.vendor} with nested paging"]:
        assert re.search(f"cloison: {answer}", log), f"{answer!r} in\n{log[:3000]}"
