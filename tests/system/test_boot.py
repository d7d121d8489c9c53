# SPDX-License-Identifier: Apache-2.0
"""test_boot: machines of every size start and run a VM, and the demo boots to both shells, pings, and powers off.

The demo boots twice with 1 and with 4 CPUs, once on either processor of QEMU; CLOISON_BOOTS says how often otherwise
(`make soak`: 20). In Bochs it boots once, which takes minutes.
"""

import os
import re

import pytest

import emulator
from cloison import BUILD, disk_image
from machines import KINDS

QEMU = [kind for kind in KINDS if kind.emulator == "qemu"]
BOOTS = int(os.environ.get("CLOISON_BOOTS", "2"))
HELLO = f"""
[host]
headless = true
[[vm]]
name = "small"
memory = "16M"
kernel = "{BUILD}/guests/micro/hello.elf"
cmdline = "argument=4711"
console = "serial"
debug_exit = 0
"""


@pytest.mark.parametrize("kind, cpus, memory", [
    pytest.param(kind, cpus, memory, id=f"{kind.name}-{cpus}-{memory}")
    for kind in KINDS for cpus, memory in ((1, 512), (2, 2048), (4, 3072))])
def test_a_machine_of_any_size_starts_all_its_cpus_and_runs_a_vm(tmp_path, kind, cpus, memory):
    with kind.boot(cpus, memory, image=disk_image(tmp_path, HELLO)) as machine:
        started = machine.expect(r"^cloison: memory: (\d+) MiB, .*; (\d+) of (\d+) CPUs run$", 90)
        assert started[2] == started[3] == str(cpus)
        assert 0.9 * memory < int(started[1]) <= memory
        if kind.emulator == "bochs":  # whose CPUID 15h and 16h, and the processor's name, say gigahertz
            assert abs(int(re.search(r"^cloison: CPU: .* TSC (\d+) MHz", machine.log, re.M)[1]) - emulator.BOCHS_HZ / 1e6) <= 1
        machine.expect("^small: micro: hello PASS", 30)
        assert machine.wait(30) == "shutdown"
    assert re.search("^cloison: stopped$", machine.log, re.M)


def ping_and_power_off(machine):
    """Both guests of the demo reach their shells and each other, and the machine switches itself off."""
    machine.boot()
    assert f"{machine.smp} of {machine.smp} CPUs run" in machine.log
    with machine.console("beta"):
        pass
    with machine.console("alpha") as shell:
        assert "3 packets received" in shell.run("ping -c 3 -i 0.2 beta")
    for name in ("alpha", "beta"):
        assert machine.listed(name)["state"] == "running"
    machine.command("poweroff")
    assert machine.wait(60) == "shutdown"
    assert "did not stop in time" not in machine.log


@pytest.mark.parametrize("kind, cpus, turn", [
    pytest.param(QEMU[turn % len(QEMU)], cpus, turn, id=f"{QEMU[turn % len(QEMU)].name}-{cpus}-{turn}")
    for turn in range(BOOTS) for cpus in (1, 4)])
def test_the_demo_boots_pings_and_powers_off(kind, cpus, turn):
    with kind.boot(cpus) as machine:
        ping_and_power_off(machine)
        assert machine.exit_status == 0, f"boot {turn}"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in QEMU], ids=lambda kind: kind.name)
def test_the_demo_boots_pings_and_powers_off_in_bochs(kind):
    with kind.boot() as machine:
        ping_and_power_off(machine)
