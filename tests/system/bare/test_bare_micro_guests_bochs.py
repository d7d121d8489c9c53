# SPDX-License-Identifier: Apache-2.0
"""test_bare_micro_guests_bochs.py: micro-guests on bare Bochs, the second oracle.

Bochs checks much that QEMU does not (canonical addresses, reserved bits, #AC, SIMD exceptions, DR7.GD) and has x2APIC
and the TSC deadline. GRUB on a small disk image loads the guest; skipped where Bochs, its BIOS or GRUB's PC modules
(Debian: bochs, bochsbios, vgabios, grub-common, grub-pc-bin) are missing.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
LIST = json.loads((ROOT / "guests/micro/list.json").read_text())
GUESTS = LIST["guests"] + LIST["hostile"] + LIST["bench"]
GRUB = pathlib.Path(os.environ.get("GRUB_PC_MODULES", "/usr/lib/grub/i386-pc"))
MKIMAGE = os.environ.get("GRUB_MKIMAGE") or shutil.which("grub-mkimage")
BIOS = pathlib.Path("/usr/share/bochs/BIOS-bochs-latest")
CYLINDERS, HEADS, SECTORS = 20, 16, 63

pytestmark = pytest.mark.skipif(
    not (shutil.which("bochs-bin") and BIOS.exists() and MKIMAGE and (GRUB / "boot.img").exists()),
    reason="needs bochs, bochsbios, vgabios, grub-common and grub-pc-bin")

CONFIGURATION = f"""\
config_interface: textconfig
display_library: rfb, options="timeout=0"
memory: guest=128, host=128
romimage: file={BIOS}, address=0xfffe0000
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
cpu: model=corei7_skylake_x, count=COUNT, ips=100000000, reset_on_triple_fault=0
pci: enabled=1, chipset=i440fx
speaker: enabled=0
sound: waveoutdrv=dummy, wavein="", midiout=""
com1: enabled=1, mode=file, dev=com1.txt
log: bochs.log
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
boot: disk
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, path=disk.img, mode=flat, cylinders={CYLINDERS}, heads={HEADS}, spt={SECTORS}
"""


def cpus_of(guest):
    """How many CPUs the guest has here."""
    return guest.get("bare_vcpus", guest.get("vcpus", 1))


def make_disk(folder, guest):
    """A disk whose GRUB loads the guest from a memory disk within itself."""
    cpus = f"cpus={cpus_of(guest)} " if "vcpus" in guest else ""
    words = f"{cpus}{guest.get('arguments', '')} {guest.get('bochs_arguments', '')}"
    image = ROOT / "build/guests/micro" / f"{guest['name']}.elf"
    if not image.exists():
        pytest.fail(f"{image} is missing: run `make guests-micro`")
    with tarfile.open(folder / "memdisk.tar", "w", format=tarfile.USTAR_FORMAT) as archive:
        archive.add(image, "guest.elf")
    (folder / "early.cfg").write_text(f"multiboot (memdisk)/guest.elf guest.elf {words}\nboot\n")
    subprocess.run([MKIMAGE, "-d", GRUB, "-O", "i386-pc", "-m", "memdisk.tar", "-c", "early.cfg", "-p", "(memdisk)/",
                    "-o", "core.img", "memdisk", "tar", "multiboot", "boot", "biosdisk"], cwd=folder, check=True)
    disk = bytearray((GRUB / "boot.img").read_bytes().ljust(512, b"\0")[:510] + b"\x55\xaa")
    disk += (folder / "core.img").read_bytes()
    (folder / "disk.img").write_bytes(disk.ljust(CYLINDERS * HEADS * SECTORS * 512, b"\0"))


def boot(folder, guest):
    """Run the guest until it has said how it ended; returns what it printed."""
    make_disk(folder, guest)
    (folder / "bochsrc").write_text(CONFIGURATION.replace("COUNT", str(cpus_of(guest))))
    (folder / "commands").write_text("c\n")
    com1 = folder / "com1.txt"
    end = re.compile(rb"micro: %s (PASS|FAIL|ERROR|SKIP)[^\n]*\n" % guest["name"].encode())
    deadline = time.monotonic() + guest["timeout"] + 10
    # a CPU that halts for ever goes unnoticed by Bochs: the console tells when it is over
    with subprocess.Popen(["bochs-bin", "-q", "-f", "bochsrc", "-rc", "commands"], cwd=folder, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as bochs:
        try:
            while time.monotonic() < deadline and bochs.poll() is None:
                if com1.exists() and end.search(com1.read_bytes()):
                    break
                time.sleep(0.1)
        finally:
            bochs.kill()
    return com1.read_text(errors="replace") if com1.exists() else ""


@pytest.mark.parametrize("guest", [g for g in GUESTS if g.get("bochs", g["cloison"]) is not None],
                         ids=lambda g: g["name"])
def test_micro_guest_says_what_the_list_expects(guest, tmp_path):
    console = boot(tmp_path, guest).replace("\r", "")
    outcomes = re.findall(rf"^micro: {guest['name']} (PASS|FAIL|ERROR|SKIP)\b", console, re.MULTILINE)
    expected = guest.get("bochs", guest["cloison"])

    if expected == "runs":
        assert outcomes == [] and f"micro: {guest['name']} step" in console, console
    else:
        assert outcomes == [expected], console
    allowed = {d["id"] for d in guest.get("departs", []) if "bochs" in d["on"]}
    departed = set(re.findall(rf"^micro: {guest['name']} DEPARTS (\S+):", console, re.MULTILINE))
    assert departed <= allowed, f"departs from the manual in {sorted(departed - allowed)}:\n{console}"
