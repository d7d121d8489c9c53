# SPDX-License-Identifier: Apache-2.0
"""test_micro_guests.py: every micro-guest as a VM of Cloison; what each must say stands in guests/micro/list.json.

One boot runs many of them side by side: on each machine one for the ordinary guests, and one for the hostile ones
together with a witness that must not notice them. A guest that does not apply to a machine has no test case there.
"""

import dataclasses
import functools
import json
import os
import re
import time

import cloison
import emulator
import pytest

MICRO = os.path.join(cloison.BUILD, "guests", "micro")
WITNESS = "hello"
MIB_EACH = 24  # memory_above looks for what lies behind it

with open(os.path.join(emulator.ROOT, "guests", "micro", "list.json"), encoding="utf-8") as _file:
    LIST = json.load(_file)


@dataclasses.dataclass(frozen=True)
class Host:
    """A machine that Cloison boots on; `seconds` is what a boot with all its guests may take."""

    emulator: str
    cpu: str
    departs: str  # the word of list.json for the departures that guests may show here; "" for none
    seconds: float


HOSTS = {
    "qemu-epyc": Host("qemu", "EPYC,+svm,+npt", "cloison-qemu", 180),
    "qemu-max": Host("qemu", "max,+svm", "cloison-qemu", 180),
    "bochs-ryzen": Host("bochs", "ryzen", "cloison-bochs", 240),
    "bochs-skylake": Host("bochs", "corei7_skylake_x", "cloison-bochs-vmx", 240),
}


def applies(guest, host):
    """Whether `guest` is to be run as a VM on the machine named `host`."""
    hosts = guest.get("needs", {}).get("host", [HOSTS[host].emulator])
    return guest["cloison"] is not None and HOSTS[host].emulator in hosts and host not in guest.get("not_on", {})


def guests_of(group, host):
    """The guests of one boot, the witness last: a hostile neighbour has begun when it starts."""
    chosen = [guest for guest in LIST[group] if applies(guest, host)]
    if group == "hostile":
        chosen.append(next(guest for guest in LIST["guests"] if guest["name"] == WITNESS))
    return chosen


def configuration(guests):
    """The TOML text for VMs with these guests."""
    text = "[host]\nheadless = true\n"
    for guest in guests:
        text += (f"[[vm]]\nname = \"{guest['name'].replace('_', '-')}\"\nmemory = \"{MIB_EACH}M\"\n"
                 f"kernel = \"{MICRO}/{guest['name']}.elf\"\nconsole = \"serial\"\n"
                 f"cmdline = \"{guest.get('arguments', '')}\"\non_reboot = \"destroy\"\n")
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


def boot(folder, host, guests):
    """Boot once with `guests`: name → Saying. A failed guest ends the run of all: see run_all()."""
    image = cloison.disk_image(folder, configuration(guests))
    machine = emulator.Machine(host.emulator, host.cpu, 2, 1024, image)
    deadline = time.monotonic() + host.seconds
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
def run_all(root, name, group):
    """All guests of one group on one machine. Init ends a headless run at the first guest that fails; the guests that
    had no time to say anything are booted again without those that had, so that each fails alone."""
    host, left, said = HOSTS[name], guests_of(group, name), {}
    for attempt in range(4):
        folder = os.path.join(root, f"{name}-{group}-{attempt}")
        os.mkdir(folder)
        result = boot(folder, host, left)
        said.update(result)
        rest = [guest for guest in left if not result[guest["name"]].over]
        failed = any(one.over and one.guest["cloison"] == "PASS" and one.outcomes != ["PASS"]
                     for one in result.values())
        if not rest or not failed:
            break
        left = rest
    return said


CASES = [pytest.param(host, group, guest, id=f"{host}-{guest['name']}" + ("-beside-hostile" if witness else ""))
         for host in HOSTS for group in ("guests", "hostile") for guest in guests_of(group, host)
         for witness in [group == "hostile" and guest["name"] == WITNESS]]


@pytest.fixture(scope="session", name="folder")
def make_folder(tmp_path_factory):
    """Where the images of this session lie."""
    return str(tmp_path_factory.mktemp("micro"))


@pytest.mark.parametrize("host, group, guest", CASES)
def test_micro_guest(folder, host, group, guest):
    said = run_all(folder, host, group)[guest["name"]]

    if guest["cloison"] == "runs":
        assert said.lines and said.outcomes == [] and said.end is None, f"it does not just run:\n{said}"
    elif guest["cloison"] == "reset":
        assert said.outcomes == [] and said.end and "reset itself" in said.end[1], f"no reset:\n{said}"
    else:
        assert said.outcomes == [guest["cloison"]], str(said)
        assert said.end and said.end[1].endswith("as expected"), f"its debug-exit value did not arrive:\n{said}"

    allowed = {entry["id"] for entry in guest.get("departs", []) if HOSTS[host].departs in entry["on"]}
    assert said.departed <= allowed, f"departs from the manual in {sorted(said.departed - allowed)}:\n{said}"
