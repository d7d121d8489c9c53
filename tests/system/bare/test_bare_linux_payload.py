# SPDX-License-Identifier: Apache-2.0
"""test_linux_payload.py: the demo Linux on bare QEMU: console, devices, power button, poweroff, reboot, tests.

Wants `make guests-linux` before.
"""
import hashlib
import os
import pathlib
import socket
import subprocess
import sys

import pexpect
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
LINUX = ROOT / "build/guests/linux"
BOOT_SECONDS = 90


def machine(tmp_path, words, *extra):
    """The command that boots the payload with virtio net, console, block and rng; its monitor is tmp_path/monitor."""
    disk = tmp_path / "disk.img"
    disk.write_bytes(b"Cloison!" * (1 << 17))
    return ["qemu-system-x86_64", "-M", "q35", "-cpu", "EPYC", "-m", "192", "-accel", "tcg", "-display", "none",
            "-nodefaults", "-monitor", f"unix:{tmp_path}/monitor,server=on,wait=off",
            "-netdev", "user,id=net,restrict=on", "-device", "virtio-net-pci,netdev=net",
            "-drive", f"if=none,id=disk,file={disk},format=raw,readonly=on", "-device", "virtio-blk-pci,drive=disk",
            "-device", "virtio-rng-pci", "-kernel", str(LINUX / "vmlinuz"), "-initrd",
            str(LINUX / "initramfs.cpio.gz"), "-append",
            f"{words} quiet cloison.hostname=alpha cloison.ip=10.0.2.15/24 cloison.hosts=alpha:10.0.2.15,beta:10.0.2.2",
            *extra]


VIRTIO_CONSOLE = ["-device", "virtio-serial-pci", "-chardev", "stdio,id=hvc", "-device", "virtconsole,chardev=hvc"]
SERIAL_CONSOLE = ["-serial", "stdio"]
CONSOLES = {"hvc0": VIRTIO_CONSOLE, "ttyS0": SERIAL_CONSOLE}


@pytest.fixture
def boot(tmp_path):
    children = []

    def start(words, *extra):
        command = machine(tmp_path, words, *extra)
        child = pexpect.spawn(command[0], command[1:], encoding="utf-8", timeout=BOOT_SECONDS, echo=False)
        child.logfile_read = sys.stdout
        children.append(child)
        return child

    yield start
    for child in children:
        child.close(force=True)


def monitor(tmp_path, command):
    """Have the monitor execute a command: one whose sender leaves before the next prompt may be lost."""
    def prompt(s):
        said = b""
        while not said.endswith(b"(qemu) "):
            piece = s.recv(1024)
            assert piece, f"the monitor has closed: {said!r}"
            said += piece

    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(BOOT_SECONDS)
        s.connect(os.fspath(tmp_path / "monitor"))
        prompt(s)
        s.sendall(command.encode() + b"\n")
        prompt(s)


def run(child, command):
    child.sendline(command)
    child.expect(r"alpha:\S+# ")
    return child.before


@pytest.mark.parametrize("console", CONSOLES)
def test_a_shell_answers_on_the_console_and_poweroff_ends_the_machine(boot, console):
    child = boot(f"console={console}", *CONSOLES[console])
    child.expect("cloison-guest: alpha ready")
    child.expect(r"alpha:\S+# ")
    assert "10.0.2.2 beta" in run(child, "cat /etc/hosts").replace("\t", " ")
    assert "10.0.2.15/24" in run(child, "ip address show eth0")
    assert "1 packets received" in run(child, "ping -c 1 -W 5 beta")
    # init starts another shell where one ends
    child.sendline("exit")
    child.expect(r"alpha:\S+# ")
    child.sendline("poweroff")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_all_virtio_devices_work(boot):
    child = boot("console=hvc0 cloison.test=devices:net:block:console:rng", *VIRTIO_CONSOLE)
    child.expect("cloison-guest: alpha test devices ended with 0")
    child.expect(pexpect.EOF)


def test_the_power_button_powers_off(boot, tmp_path):
    child = boot("console=ttyS0", *SERIAL_CONSOLE)
    child.expect(r"alpha:\S+# ")
    monitor(tmp_path, "system_powerdown")
    child.expect("power button pressed", timeout=20)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_reboot_starts_the_guest_again(boot):
    child = boot("console=ttyS0", *SERIAL_CONSOLE)
    child.expect(r"alpha:\S+# ")
    child.sendline("reboot")
    child.expect("cloison-guest: alpha ready")


def test_a_panic_reaches_pvpanic(boot, tmp_path):
    child = boot("console=ttyS0", *SERIAL_CONSOLE, "-device", "pvpanic", "-action", "panic=shutdown")
    child.expect(r"alpha:\S+# ")
    child.sendline("echo c >/proc/sysrq-trigger")
    child.expect("sysrq triggered crash")
    child.expect(pexpect.EOF, timeout=20)


def test_building_twice_gives_the_same_bytes(tmp_path):
    built = (LINUX / "initramfs.cpio.gz").read_bytes()
    tree = os.environ.get("LINUX_TREE", ROOT / "build/third-party/linux")
    source = ROOT / "guests/linux"
    subprocess.run([source / "build_initramfs.py", "--tree", tree, "--busybox", "/bin/busybox", "--source", source,
                    "--out", tmp_path], check=True)
    again = (tmp_path / "initramfs.cpio.gz").read_bytes()
    assert hashlib.sha256(again).hexdigest() == hashlib.sha256(built).hexdigest()
