# SPDX-License-Identifier: Apache-2.0
"""test_supervisor: what init does when guests, VMMs and services end badly, and when there is nothing to run.

One boot serves most of it: the tests of the fixture `machine` run in the order in which they stand here. alpha and
beta, two Linux guests on a network, must notice nothing of what happens beside them.
"""

import os
import re

import pytest

from cloison import BUILD, QUICKLY, Cloison, disk_image
from machines import KINDS, on_each

LINUX = os.path.join(BUILD, "guests", "linux")
MICRO = os.path.join(BUILD, "guests", "micro")


def linux(name):
    """A Linux guest on the network."""
    return f"""
[[vm]]
name = "{name}"
memory = "192M"
kernel = "{LINUX}/vmlinuz"
initrd = "{LINUX}/initramfs.cpio.gz"
cmdline = "console=hvc0 {QUICKLY}"
nics = [{{ network = "lan" }}]
"""


def micro(name, guest, arguments, more="autostart = false"):
    """A micro-guest; it is started by its test."""
    return f"""
[[vm]]
name = "{name}"
memory = "16M"
kernel = "{MICRO}/{guest}.elf"
cmdline = "{arguments}"
console = "serial"
{more}
"""


CONFIGURATION = """
[[network]]
name = "lan"
subnet = "10.0.0.0/24"
""" + linux("alpha") + linux("beta") + \
    micro("deaf", "end", "how=never", "") + \
    micro("phoenix", "end", "how=never", 'on_crash = "restart"') + \
    micro("kept", "end", "how=panic", 'autostart = false\non_crash = "preserve"') + \
    micro("gone", "end", "how=panic", 'autostart = false\non_crash = "destroy"') + \
    micro("wide", "end", "how=wide", 'autostart = false\non_crash = "preserve"') + \
    micro("again", "end", "how=panic", 'autostart = false\non_crash = "restart"') + \
    micro("looping", "triple_fault", "expected") + \
    micro("msr", "msr", "") + micro("mmio", "mmio", "")


# Bochs ends itself at a triple fault of a guest on AMD-V: there is none for "looping" there.
NO_TRIPLE_FAULT = "bochs-ryzen"


class Neighbours:
    """alpha and beta, which were started once and for all."""

    def __init__(self, machine):
        self.machine = machine

    def reach_each_other(self):
        """A ping from alpha to beta by name; both have been up since their start."""
        machine = self.machine
        machine.start_console("alpha")
        with machine.console("alpha") as shell:
            assert "3 packets received" in shell.run("ping -c 3 -i 0.2 beta")
        for name in ("alpha", "beta"):
            row = machine.listed(name)
            assert row["state"] == "running" and row["last"] == ""
            assert not re.search(r"^resets", machine.command(f"info {name}"), re.M)


class Supervised(Cloison):
    """With consoles that may have forgotten what a guest said before: Enter brings its prompt back."""

    def start_console(self, name):
        """See that the guest's prompt is the last thing that its console shows."""
        self.send(f"console {name}\r")
        self.expect(f"Connected to {name}", 10)
        self.send("\r")
        self.expect(rf"^{name}:\S*# ", 30)
        self.send("\x1d")
        self.expect("^" + self.PROMPT, 10)


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name, name="kind")
def make_kind(request):
    """The kind of machine."""
    return request.param


@pytest.fixture(scope="module", name="machine")
def make_machine(kind, tmp_path_factory):
    """Both Linux guests at their shells, and a guest whose power button has been pressed in vain."""
    image = disk_image(tmp_path_factory.mktemp("supervisor"), CONFIGURATION)
    with kind.boot(machine=Supervised, image=image) as booted:
        booted.boot()
        assert "deaf: power button pressed" in booted.command("shutdown deaf")
        for name in ("alpha", "beta"):
            with booted.console(name):
                pass
        yield booted


@pytest.fixture(scope="module", name="neighbours")
def make_neighbours(machine):
    """What must not notice anything."""
    return Neighbours(machine)


# ---------------------------------------------------------------------------------------- guests and VMMs that crash


def test_a_crashed_guest_is_preserved_destroyed_or_started_again_as_configured(machine, kind):
    for name in ("kept", "gone", "again") + (("looping",) if kind.name != NO_TRIPLE_FAULT else ()):
        assert f"{name} is starting" in machine.command(f"start {name}")
    kept = machine.await_state("kept", "crashed", 20)
    gone = machine.await_state("gone", "off", 20)
    assert kept["last"] == gone["last"] == "the guest says that it has crashed (pvpanic)"
    assert re.search(r"^outside RAM", machine.command("info kept"), re.M), "nothing of it was preserved"
    assert not re.search(r"^outside RAM", machine.command("info gone"), re.M)


def test_a_guest_that_uses_a_device_as_no_monitor_emulates_it_ends_and_the_instruction_is_said(machine):
    machine.command("start wide")
    last = machine.await_state("wide", "crashed", 20)["last"]
    assert re.search(r"no emulation for the instruction at .*: ?0f 28 ", last), last


def test_a_guest_that_does_nothing_but_crash_or_reset_is_given_up_and_the_reason_said(machine, kind):
    ends = {"again": "the guest says that it has crashed (pvpanic)", "looping": "the guest reset itself: triple fault"}
    if kind.name == NO_TRIPLE_FAULT:
        del ends["looping"]
    for name, why in ends.items():
        row = machine.await_state(name, "crashed", 30)
        assert row["last"] == f"it was started 6 times in a row and ended at once each time; the last time: {why}"


def test_a_vmm_that_crashes_is_started_again_where_the_configuration_says_so(machine, neighbours):
    assert "the VMM of phoenix is stopped" in machine.command("kill-vmm phoenix")
    assert machine.await_state("phoenix", "running", 20)["last"] == ""
    assert re.search(r"^resets +1$", machine.command("info phoenix"), re.M)
    neighbours.reach_each_other()
    machine.command("destroy phoenix")


def test_the_log_says_what_a_guest_touched_that_is_not_its_own(machine):
    for name in ("msr", "mmio"):
        machine.command(f"start {name}")
        machine.await_state(name, "off", 20)
    log = machine.command("log 100")
    assert re.search(r"^cloison: VM msr: vCPU 0 may not (read|write) MSR [0-9a-f]+: #GP \(refusals so far: 1\)$", log, re.M)
    assert re.search(r"^vmm-mmio: nothing at memory [0-9a-f]+: a \d-byte (read|write) ", log, re.M)


def test_trace_shows_which_threads_ran_and_caps_whose_they_are(machine, kind):
    ran = re.findall(r"^ *\d+ +([01])  (?:thread ([0-9a-f]+)|idle)$", machine.command("trace 120"), re.M)
    owners = {thread: owner for owner, thread in
              re.findall(r"^(\S+) +\d+  thread +([0-9a-f]+) ", machine.command("caps"), re.M)}
    seen = {(owners[thread], cpu) for cpu, thread in ran if thread in owners}
    assert len(ran) == 120
    assert {cpu for _, cpu in seen} == {"0", "1"}
    if kind.emulator == "qemu":  # whose CPU 0 runs no guest
        assert not [owner for owner, cpu in seen if owner.startswith("vmm-") and cpu == "0"]


# ------------------------------------------------------------------------------------------------ services that crash


def kill_switch(machine):
    """A dead switch, and another one."""
    machine.send("kill-switch\r")
    machine.expect("the switch had died and was started again", 10)
    machine.expect("^" + machine.PROMPT, 10)


def test_the_switch_comes_back_and_the_guests_hear_each_other_again(machine, neighbours):
    before = machine.free_memory()
    kill_switch(machine)
    neighbours.reach_each_other()
    assert machine.free_memory() == before, "something of the dead switch is left"


def test_the_console_comes_back_with_all_guests_on_it(machine, neighbours):
    before = machine.free_memory()
    machine.send("kill-console\r")
    machine.expect("the console had died and was started again", 10)
    machine.expect("^" + machine.PROMPT, 10)
    neighbours.reach_each_other()
    machine.start_console("beta")
    machine.send("inf\tal\t\r")
    machine.expect(r"info alpha *\nNAME", 10)  # completion knows the names again
    machine.expect("^" + machine.PROMPT, 10)
    # what the console kept of the guests' output went with it
    assert machine.free_memory()[0] >= before[0], "something of the dead console is left"


def test_a_switch_that_only_dies_is_given_up_and_the_guests_run_on(machine):
    for _ in range(7):  # the first one may have lived long enough not to count
        machine.send("kill-switch\r")
        last = machine.expect("the switch (had died and was started again|has died 6 times in a row, at once each time: "
                              "it is not started again)", 10)
        machine.expect("^" + machine.PROMPT, 10)
        if "not started again" in last[0]:
            break
    assert "not started again" in last[0]
    assert machine.command("kill-switch").strip() == "the switch does not run"
    for name in ("alpha", "beta"):
        assert machine.listed(name)["state"] == "running"


# ------------------------------------------------------------------------------------------------ buttons and ends


def test_shutdown_says_when_a_guest_does_not_react_and_what_to_do(machine):
    sentence = "deaf has not reacted to its power button for 30 s: 'destroy deaf' pulls the plug"
    if sentence not in machine.log:
        machine.expect(sentence, 40)
    assert machine.await_state("deaf", "running", 5)
    assert machine.command("destroy deaf").strip() == "deaf is off"
    assert machine.listed("deaf")["last"] == "the operator pulled the plug"


def test_reboot_stops_the_guests_and_resets_the_machine(machine):
    machine.send("reboot\r")
    assert machine.wait(60) == "reset"
    assert re.search("^cloison: stopped$", machine.log, re.M)
    assert "did not stop in time" not in machine.log, "a preserved guest was waited for, or a guest did not react"


# ---------------------------------------------------------------------------------------- a configuration that is wrong

WRONG = micro("alpha", "end", "how=never", "colour = 1")
REFUSAL = "the configuration is refused, so there are no VMs: vm[0].colour: there is no such key"


@on_each
def test_a_refused_configuration_ends_a_headless_run_as_failed(tmp_path, kind):
    image = disk_image(tmp_path, WRONG + "[host]\nheadless = true\n")
    with kind.boot(1, 512, image=image, fatal={}) as machine:
        machine.expect("^cloison: failed: " + re.escape(REFUSAL), 40)
        assert machine.wait(20) == "shutdown"


@on_each
def test_a_refused_configuration_is_told_at_the_prompt(tmp_path, kind):
    with kind.boot(1, 512, image=disk_image(tmp_path, WRONG)) as machine:
        machine.boot()
        assert machine.command("list").startswith(REFUSAL)
        assert "init: " + REFUSAL in machine.log.split(machine.PROMPT, maxsplit=1)[0], "the boot log does not say it"
        assert "init: " + REFUSAL in machine.command("log")
        machine.send("poweroff\r")
        assert machine.wait(20) == "shutdown"
