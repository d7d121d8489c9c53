# SPDX-License-Identifier: Apache-2.0
"""test_run: `tools/run --headless --until stopped`: its exit code tells how the VMs ended, its last line why."""

import os
import subprocess

import pytest

from cloison import BUILD, QUICKLY
from emulator import ROOT
from machines import KINDS, on_each

LINUX = os.path.join(BUILD, "guests", "linux")
MICRO = os.path.join(BUILD, "guests", "micro")
DISK_BYTES = 1 << 20
PANICS = "a boot to save time: test_linux.py has Linux panic there, and end.elf says here what a panic does"


def linux(name, test, more=""):
    """A Linux guest that runs one of its tests and switches itself off."""
    return f"""
[[vm]]
name = "{name}"
memory = "192M"
kernel = "{LINUX}/vmlinuz"
initrd = "{LINUX}/initramfs.cpio.gz"
cmdline = "console=ttyS0 {QUICKLY} cloison.test={test}"
console = "serial"
{more}
"""


def micro(name, guest, more=""):
    """A micro-guest."""
    return f"""
[[vm]]
name = "{name}"
memory = "32M"
kernel = "{MICRO}/{guest}.elf"
console = "serial"
{more}
"""


def run(kind, folder, configuration, timeout=120, host="headless = true"):
    """Run headless: exit code, and the lines of standard output and standard error."""
    timeout = round(timeout * kind.patience)
    config = folder / "test.toml"
    config.write_text(f"[host]\n{host}\n" + configuration)
    done = subprocess.run([os.path.join(ROOT, "tools", "run"), "--config", str(config), "--headless", "--until",
                           "stopped", "--timeout", str(timeout), "--memory", "1024", "--emulator", kind.emulator,
                           "--cpu", kind.cpu],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=timeout + 120, check=False)
    return done.returncode, done.stdout.splitlines(), done.stderr.splitlines()


@on_each
def test_run_ends_with_0_when_every_vm_stopped_as_it_should(tmp_path, kind):
    """With a configuration as a person writes it: for a console, with a name of its own, with paths beside it."""
    (tmp_path / "disks").mkdir()
    (tmp_path / "disks" / "data.raw").write_bytes(b"Cloison's disk\n".ljust(DISK_BYTES, b"\xa5"))
    (tmp_path / "vmlinuz").symlink_to(os.path.join(LINUX, "vmlinuz"))
    status, lines, errors = run(kind, tmp_path, linux("penguin", "devices:rng") +
                                linux("reader", "disk", 'disk = "disks/data.raw"')
                                .replace(f"{LINUX}/vmlinuz", "vmlinuz") +
                                micro("small", "hello", 'cmdline = "argument=4711"\ndebug_exit = 0'),
                                host='hostname = "tower"')
    assert status == 0, "\n".join(lines[-20:] + errors)
    assert "small: micro: hello PASS" in lines
    assert "penguin: cloison-guest: penguin test devices ended with 0" in lines
    assert "reader: cloison-guest: disk begins with Cloison's disk" in lines
    assert f"reader: cloison-guest: disk has {DISK_BYTES} bytes" in lines
    assert "reader: cloison-guest: disk takes no write" in lines
    assert "reader: cloison-guest: reader test disk ended with 0" in lines
    assert lines[-1] == "cloison: stopped"


@on_each
@pytest.mark.parametrize("configuration, reason", [
    (micro("wrong", "hello", 'cmdline = "argument=4711"\ndebug_exit = 7'),
     "cloison: failed: wrong: the guest ended with debug-exit value 0; 7 was expected"),
    (micro("unexpected", "hello", 'cmdline = "argument=4711"'),
     "cloison: failed: unexpected: the guest ended with debug-exit value 0; none was expected"),
    (micro("again", "end", 'cmdline = "how=panic"\non_crash = "restart"'),
     "cloison: failed: again: it was started 6 times in a row and ended at once each time"),
    pytest.param(linux("penguin", "crash"), "cloison: failed: penguin: the guest says that it has crashed (pvpanic)",
                 marks=[pytest.mark.not_on("bochs-skylake", PANICS), pytest.mark.not_on("bochs-ryzen", PANICS)]),
], ids=["wrong_debug_exit_value", "unexpected_debug_exit", "crash_loop", "panic"])
def test_run_ends_with_1_and_the_reason(tmp_path, kind, configuration, reason):
    status, lines, errors = run(kind, tmp_path, configuration)
    assert status == 1, "\n".join(lines[-20:] + errors)
    assert any(line.startswith(reason) for line in lines), "\n".join(lines[-20:])
    assert reason in errors[-1]


@on_each
def test_run_ends_with_1_when_time_is_up(tmp_path, kind):
    seconds = 8
    status, lines, errors = run(kind, tmp_path, micro("endless", "end", 'cmdline = "how=never"'), timeout=seconds)
    assert status == 1
    assert any(line == "endless: micro: end step halting" for line in lines), "\n".join(lines[-20:])
    assert errors[-1] == f"run: time-out: no end within {round(seconds * kind.patience)} s"


def test_run_ends_with_1_when_a_vm_asks_for_what_the_processor_cannot_do(tmp_path):
    status, _, errors = run(KINDS[0], tmp_path, micro("wishful", "hello", 'local_apic = "hardware"'))
    assert status == 1
    assert "wishful: this processor does not work on a guest's local APIC" in errors[-1], "\n".join(errors)


def test_run_ends_with_2_when_the_configuration_is_wrong(tmp_path):
    status, _, errors = run(KINDS[0], tmp_path, micro("twice", "hello") + "colour = 1\n")
    assert status in (1, 2)
    assert "vm[0].colour" in "\n".join(errors)
