# SPDX-License-Identifier: Apache-2.0
"""test_bare_micro_guests.py: micro-guests on bare QEMU, the oracle for what they expect of Cloison.

Run from anywhere: `pytest tests/system/bare`. Wants `make guests-micro` before. What each must say stands in
guests/micro/list.json.
"""
import json
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
LIST = json.loads((ROOT / "guests/micro/list.json").read_text())
GUESTS = LIST["guests"] + LIST["hostile"] + LIST["bench"]
STATUS_OF_OUTCOME = {"PASS": 1, "FAIL": 3, "ERROR": 5, "SKIP": 7}  # isa-debug-exit: 2 * value + 1


def boot(guest, cpu):
    """Boot `guest` and return (exit status or None for a time-out, console text)."""
    image = ROOT / "build/guests/micro" / f"{guest['name']}.elf"
    if not image.exists():
        pytest.fail(f"{image} is missing: run `make guests-micro`")
    cpus = guest.get("bare_vcpus", guest.get("vcpus", 1))
    words = (f"cpus={cpus} " if "vcpus" in guest else "") + guest.get("arguments", "")
    command = ["qemu-system-x86_64", "-M", "q35", "-cpu", cpu, "-m", "128", "-accel", "tcg", "-display", "none",
               "-no-reboot", "-nodefaults", "-serial", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
               "-smp", str(cpus), "-kernel", str(image), "-append", words]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              timeout=guest["timeout"], check=False)
    except subprocess.TimeoutExpired as late:
        return None, (late.stdout or b"").decode(errors="replace")
    return done.returncode, done.stdout.decode(errors="replace")


def outcome_lines(name, console):
    return re.findall(rf"^micro: {name} (PASS|FAIL|ERROR|SKIP)\b", console.replace("\r", ""), re.MULTILINE)


@pytest.mark.parametrize("cpu", LIST["machines"]["bare"])
@pytest.mark.parametrize("guest", [g for g in GUESTS if g["bare"] is not None], ids=lambda g: g["name"])
def test_micro_guest_says_what_the_list_expects(guest, cpu):
    status, console = boot(guest, cpu)
    outcomes = outcome_lines(guest["name"], console)

    if guest["bare"] == "runs":
        assert status is None and outcomes == [], f"ended instead of running on:\n{console}"
    elif guest["bare"] == "reset":
        # -no-reboot turns the reset into an orderly end
        assert status == 0 and outcomes == [] and f"micro: {guest['name']} step about to" in console, console
    else:
        assert outcomes == [guest["bare"]], f"status {status}\n{console}"
        assert status == STATUS_OF_OUTCOME[guest["bare"]], console

    allowed = {d["id"] for d in guest.get("departs", []) if "qemu" in d["on"]}
    departed = set(re.findall(rf"^micro: {guest['name']} DEPARTS (\S+):", console, re.MULTILINE))
    assert departed <= allowed, f"departs from the manual in {sorted(departed - allowed)}:\n{console}"


@pytest.mark.parametrize("number, name", enumerate(["PASS", "FAIL", "ERROR", "SKIP"]))
def test_each_outcome_reaches_the_debug_exit_port(number, name):
    guest = {"name": "hello", "arguments": f"argument=4711 outcome={number}", "timeout": 20}
    status, console = boot(guest, "max")

    assert outcome_lines("hello", console) == [name]
    assert status == STATUS_OF_OUTCOME[name]


def test_a_failed_check_fails_the_guest():
    status, console = boot({"name": "hello", "arguments": "argument=4712", "timeout": 20}, "max")

    assert "check failed: the word `argument`" in console
    assert outcome_lines("hello", console) == ["FAIL"]
    assert status == STATUS_OF_OUTCOME["FAIL"]


def test_every_micro_guest_is_in_the_list():
    folders = {p.parent.name for p in (ROOT / "guests/micro").glob("*/main.c")}

    assert folders == {g["name"] for g in GUESTS + LIST["supervised"]}
