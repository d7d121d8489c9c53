# SPDX-License-Identifier: Apache-2.0
"""test_micro_guests: every micro-guest as a VM of Cloison; what each must say stands in guests/micro/list.json.

One boot runs many of them side by side: on each machine one for the ordinary guests, and one for the hostile ones
together with a witness that must not notice them; where the processor can work on a guest's local APIC, and does so only
for those who ask (Bochs), a third one for the guests that have to do with it, which ask. A guest that does not apply to a
machine has no test case there.
"""

import functools
import json
import os
import re
import time

import cloison
import emulator
import pytest
from machines import KINDS

MICRO = os.path.join(cloison.BUILD, "guests", "micro")
WITNESS = "hello"
GROUPS = ("guests", "hostile", "hardware_apic")
OF_THE_APIC = {"apic", "exceptions", "hlt_timer", "nmi", "smp", "tsc_deadline"}
MIB_EACH = 24  # memory_above looks for what lies behind it
SECONDS = 120  # for one boot with all its guests

with open(os.path.join(emulator.ROOT, "guests", "micro", "list.json"), encoding="utf-8") as _file:
    LIST = json.load(_file)


def applies(guest, kind):
    """Whether `guest` is to be run as a VM on a machine of this kind."""
    hosts = guest.get("needs", {}).get("host", [kind.emulator])
    return guest["cloison"] is not None and kind.emulator in hosts and kind.name not in guest.get("not_on", {})


def guests_of(group, kind):
    """The guests of one boot, the witness last: a hostile neighbour has begun when it starts."""
    if group == "hardware_apic":
        return [guest for guest in guests_of("guests", kind) if kind.vendor == "VT-x" and guest["name"] in OF_THE_APIC]
    chosen = [guest for guest in LIST[group] if applies(guest, kind)]
    if chosen and group == "hostile":
        chosen.append(next(guest for guest in LIST["guests"] if guest["name"] == WITNESS))
    return chosen


def configuration(group, guests):
    """The TOML text for VMs with these guests of a group."""
    text = "[host]\nheadless = true\n"
    for guest in guests:
        cpus = f"cpus={guest['vcpus']} " if "vcpus" in guest else ""
        text += (f"[[vm]]\nname = \"{guest['name'].replace('_', '-')}\"\nmemory = \"{MIB_EACH}M\"\n"
                 f"kernel = \"{MICRO}/{guest['name']}.elf\"\nconsole = \"serial\"\n"
                 f"cmdline = \"{cpus}{guest.get('arguments', '')}\"\non_reboot = \"destroy\"\n")
        if "vcpus" in guest:
            text += f"vcpus = {guest['vcpus']}\n"
        if group == "hardware_apic":
            text += 'local_apic = "hardware"\n'
        if guest["cloison"] == "PASS":
            text += "debug_exit = 0\n"
    return text


class Saying:
    """What one guest, and init about it, said in a boot."""

    def __init__(self, guest, log, ended):
        name = guest["name"].replace("_", "-")
        self.guest, self.ended = guest, ended  # why the boot ended
        log = log[:log.rfind("\n") + 1]  # a line that has not ended yet says nothing
        self.lines = re.findall(rf"^{name}: (.*)$", log, re.MULTILINE)
        self.outcomes = re.findall(rf"^{name}: micro: {guest['name']} (PASS|FAIL|ERROR|SKIP)\b", log, re.MULTILINE)
        self.departed = set(re.findall(rf"^{name}: micro: {guest['name']} DEPARTS (\S+):", log, re.MULTILINE))
        self.end = re.search(rf"^init: {name}: (?!destroying)(.*)$", log, re.MULTILINE)

    @property
    def over(self):
        """Nothing more is expected of this guest: one that runs for ever has begun, the others have ended."""
        return bool(self.lines) if self.guest["cloison"] == "runs" else self.end is not None

    def __str__(self):
        return "\n".join([f"the boot ended: {self.ended}", *self.lines,
                          f"init: {self.end[1]}" if self.end else "init says nothing of its end"])


def boot(folder, kind, group, guests):
    """Boot once with `guests` of a group: name → Saying. A failed guest ends the run of all: see run_all()."""
    image = cloison.disk_image(folder, configuration(group, guests))
    machine = kind.boot(memory=2048, machine=emulator.Machine, image=image)
    deadline = time.monotonic() + SECONDS * kind.patience
    ended = "time-out"
    with machine:
        try:
            while time.monotonic() < deadline:
                said = {guest["name"]: Saying(guest, machine.log, ended) for guest in guests}
                if all(one.over for one in said.values()):
                    ended = "all guests have said what they had to say"
                    break
                machine.check_fatal()
                if machine.ended_by and not machine.serial_open:
                    ended = f"the machine {machine.ended_by}"
                    break
                machine.pump(0.5)
        except emulator.MachineError as error:
            ended = str(error)
    return {guest["name"]: Saying(guest, machine.log, ended) for guest in guests}


@functools.lru_cache(maxsize=None)
def run_all(root, kind, group):
    """All guests of one group on one machine. Init ends a headless run at the first guest that fails; the guests that
    had no time to say anything are booted again without those that had, so that each fails alone."""
    left, said = guests_of(group, kind), {}
    for attempt in range(4):
        folder = os.path.join(root, f"{kind.name}-{group}-{attempt}")
        os.mkdir(folder)
        result = boot(folder, kind, group, left)
        said.update(result)
        rest = [guest for guest in left if not result[guest["name"]].over]
        failed = any(one.over and one.guest["cloison"] == "PASS" and one.outcomes != ["PASS"]
                     for one in result.values())
        if not rest or not failed:
            break
        left = rest
    return said


def case(kind, group, guest):
    """The test case of a guest."""
    beside = {("hostile", WITNESS): "-beside-hostile", ("hardware_apic", guest["name"]): "-hardware-apic"}
    return pytest.param(kind, group, guest, id=f"{kind.name}-{guest['name']}" + beside.get((group, guest["name"]), ""))


CASES = [case(kind, group, guest) for kind in KINDS for group in GROUPS for guest in guests_of(group, kind)]


@pytest.fixture(scope="session", name="folder")
def make_folder(tmp_path_factory):
    """Where the images of this session lie."""
    return str(tmp_path_factory.mktemp("micro"))


@pytest.mark.parametrize("kind, group, guest", CASES)
def test_micro_guest(folder, kind, group, guest):
    said = run_all(folder, kind, group)[guest["name"]]

    if guest["cloison"] == "runs":
        assert said.lines and said.outcomes == [] and said.end is None, f"it does not just run:\n{said}"
    elif guest["cloison"] == "reset":
        assert said.outcomes == [] and said.end and "reset itself" in said.end[1], f"no reset:\n{said}"
    else:
        assert said.outcomes == [guest["cloison"]], str(said)
        assert said.end and said.end[1].endswith("as expected"), f"its debug-exit value did not arrive:\n{said}"

    allowed = {entry["id"] for entry in guest.get("departs", []) if kind.departs in entry["on"]}
    assert said.departed <= allowed, f"departs from the manual in {sorted(said.departed - allowed)}:\n{said}"
