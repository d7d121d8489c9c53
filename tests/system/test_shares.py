# SPDX-License-Identifier: Apache-2.0
"""test_shares: three guests on one CPU: who spins gets his share by weight and no more, and a neighbour that has
something to do gets its own.
"""

import os
import time

import pytest

from cloison import BUILD, QUICKLY, disk_image
from machines import KINDS

LINUX = os.path.join(BUILD, "guests", "linux")
MICRO = os.path.join(BUILD, "guests", "micro")
SECONDS = 6


def linux(name, weight):
    """A Linux guest."""
    return f"""
[[vm]]
name = "{name}"
memory = "160M"
kernel = "{LINUX}/vmlinuz"
initrd = "{LINUX}/initramfs.cpio.gz"
cmdline = "console=ttyS0 {QUICKLY}"
console = "serial"
weight = {weight}
"""


CONFIGURATION = linux("light", 512) + linux("heavy", 1536) + f"""
[[vm]]
name = "hostile"
memory = "32M"
kernel = "{MICRO}/spin.elf"
console = "serial"
weight = 1024
autostart = false
"""


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def machine(request, tmp_path_factory):
    """Both Linux guests at their shells, on one CPU."""
    with request.param.boot(1, image=disk_image(tmp_path_factory.mktemp("shares"), CONFIGURATION)) as booted:
        booted.boot()
        for name in ("light", "heavy"):
            with booted.console(name):
                pass
        yield booted


def tick(machine):
    """Wait for the beginning of a second of the machine's time; its number."""
    now = machine.host_uptime()
    while (second := machine.host_uptime()) == now:
        machine.pass_time(0.1)
    return second


def shares(machine, *names):
    """The parts of a CPU that the VMs got, by `list`'s column, in the next seconds of the machine's time."""
    machine.pass_time(1)
    begin = tick(machine)
    before = {name: machine.listed(name) for name in names}
    machine.live(SECONDS - 2)
    passed = tick(machine) - begin
    return [(machine.listed(name)["cpu_time"] - before[name]["cpu_time"]) / passed for name in names]


def spin(machine, name):
    """Have a Linux guest spin."""
    with machine.console(name) as shell:
        shell.run("(while :; do :; done &)")


def test_an_idle_guest_uses_hardly_any_cpu_time(machine):
    assert max(shares(machine, "light", "heavy")) < 0.15


def test_who_spins_alone_gets_the_whole_cpu(machine):
    spin(machine, "light")
    light, heavy = shares(machine, "light", "heavy")
    assert light > 0.8 and heavy < 0.15


def test_two_spinning_guests_share_by_weight(machine):
    spin(machine, "heavy")
    light, heavy = shares(machine, "light", "heavy")
    assert light + heavy > 0.85
    assert 2.5 < heavy / light < 3.5


@pytest.mark.not_on("bochs-ryzen", "a guest with interrupts off is not preempted there: docs/limits.md")
def test_a_hostile_guest_gets_its_share_and_no_more(machine):
    machine.command("start hostile")
    machine.await_state("hostile", "running", 30)
    light, heavy, hostile = shares(machine, "light", "heavy", "hostile")
    assert light + heavy + hostile > 0.85
    assert 1.6 < hostile / light < 2.4 and 2.5 < heavy / light < 3.5


def test_a_shell_answers_beside_spinning_neighbours(machine):
    with machine.console("light") as shell:
        begin = time.monotonic()
        shell.run("true", timeout=20)
    assert time.monotonic() - begin < 5 * machine.patience
