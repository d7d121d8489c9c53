# SPDX-License-Identifier: Apache-2.0
"""test_ring3: the system calls, tried from ring 3 by a program that takes init's place (tests/system/ring3), on QEMU
and on Bochs' AMD-V and VT-x machines. Each machine boots once; every test of the program is a case here.
"""

import functools
import os
import re
import subprocess

import pytest

from emulator import ROOT, Machine

IMAGE = "build/tests/system/ring3/disk.img"
MACHINES = {
    "qemu-epyc": {"emulator": "qemu", "smp": 2, "memory": 512},
    "bochs-ryzen": {"emulator": "bochs", "cpu": "ryzen", "memory": 512},
    "bochs-skylake": {"emulator": "bochs", "cpu": "corei7_skylake_x", "memory": 512},
}
TIMEOUT = 240  # Bochs is slow


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
def boot(name):
    """What the machine said, after it has switched itself off; or why it did not come that far."""
    subprocess.run(["make", "-s", "-C", ROOT, IMAGE], check=True)
    try:
        with Machine(image=os.path.join(ROOT, IMAGE), **MACHINES[name]) as machine:
            machine.expect(r"^init: ring3: \d+ passed, \d+ failed", TIMEOUT)
            return machine.log + f"\nmachine: {machine.wait(60)}\n"
    except Exception as error:  # pylint: disable=broad-except
        return f"machine: {error}\n"


@pytest.mark.parametrize("name, test", [(machine, test) for machine in MACHINES for test in names()])
def test_system_call(name, test):
    said = re.search(rf"^init: ring3: {test} (PASS|FAIL.*)$", boot(name), re.M)
    assert said, f"{test} has not run on {name}:\n{boot(name)[-1500:]}"
    assert said[1] == "PASS"


@pytest.mark.parametrize("name", MACHINES)
def test_every_test_of_the_program_is_counted_and_the_machine_powers_off(name):
    log = boot(name)
    assert re.search(rf"^init: ring3: {len(names())} passed, 0 failed$", log, re.M), log[-1500:]
    assert log.endswith("machine: shutdown\n")


@pytest.mark.parametrize("name, answer", [
    ("qemu-epyc", r"virtualisation: AMD-V with nested paging"),
    ("bochs-ryzen", r"virtualisation: AMD-V with nested paging"),
    ("bochs-skylake", r"VT-x: TPR shadow: used(?s:.*)virtualisation: VT-x with nested paging"),
])
def test_the_log_says_how_this_machine_runs_vms(name, answer):
    assert re.search(answer, boot(name)), boot(name)[:3000]
