# SPDX-License-Identifier: Apache-2.0
"""test_image: the system image and the disk image are what the loader, and other people's tools, expect."""

import hashlib
import json
import os
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
IMAGE = os.path.join(ROOT, "tools", "image")


def image(*arguments, fails=False):
    """Run tools/image; its standard output, or its complaint if it has to fail."""
    done = subprocess.run([IMAGE, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == fails, done.stderr
    return done.stderr if fails else done.stdout


@pytest.fixture(name="members")
def fixture_members(tmp_path):
    """Three files whose sizes are around the page size, and empty."""
    sizes = {"kernel.elf": 4096, "init": 4097, "empty": 0}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(os.urandom(size))
    return [f"{name}={tmp_path / name}" for name in sizes]


def test_every_member_begins_on_a_page_and_the_manifest_comes_first(tmp_path, members):
    image("system", "-o", tmp_path / "s.img", *members)
    rows = [line.split() for line in image("list", tmp_path / "s.img").splitlines()]
    assert rows[0][3] == "manifest.sha256"
    assert [row[3] for row in rows[1:]] == ["kernel.elf", "init", "empty"]
    assert all(int(row[0]) % 4096 == 0 for row in rows)
    assert (tmp_path / "s.img").stat().st_size % 4096 == 0


def test_cpio_and_sha256sum_read_the_archive(tmp_path, members):
    image("system", "-o", tmp_path / "s.img", *members)
    out = tmp_path / "out"
    out.mkdir()
    with open(tmp_path / "s.img", "rb") as archive:
        subprocess.run(["cpio", "-id", "--quiet"], stdin=archive, cwd=out, check=True)
    subprocess.run(["sha256sum", "--quiet", "-c", "manifest.sha256"], cwd=out, check=True)


def test_a_program_goes_in_without_what_only_a_debugger_reads(tmp_path):
    program = tmp_path / "program"
    subprocess.run(["gcc", "-g", "-nostdlib", "-static", "-Wl,-e,0", "-x", "c", "-o", program, "-"],
                   input="int function(void) { return 4711; }", text=True, check=True)
    loaded = [line for line in segments(program) if "LOAD" in line]
    image("system", "-o", tmp_path / "s.img", f"kernel.elf={program}")
    with open(tmp_path / "s.img", "rb") as archive:
        subprocess.run(["cpio", "-id", "--quiet"], stdin=archive, cwd=tmp_path, check=True)
    assert b".debug_info" in program.read_bytes() and b".debug_info" not in (tmp_path / "kernel.elf").read_bytes()
    assert loaded and [line for line in segments(tmp_path / "kernel.elf") if "LOAD" in line] == loaded


def test_a_machine_without_objcopy_is_told_so(tmp_path):
    (tmp_path / "program").write_bytes(b"\x7fELF")
    done = subprocess.run([sys.executable, IMAGE, "system", "-o", tmp_path / "s.img",
                           f"kernel.elf={tmp_path / 'program'}"],
                          env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "objcopy" in done.stderr and "Traceback" not in done.stderr


def segments(program):
    """readelf's lines about what is loaded of an ELF program."""
    return subprocess.run(["readelf", "-lW", program], capture_output=True, text=True, check=True).stdout.splitlines()


def test_equal_input_gives_equal_images(tmp_path, members):
    digests = set()
    for turn in ("1", "2"):
        image("system", "-o", tmp_path / "s.img", *members)
        image("disk", "-o", tmp_path / turn, "--loader", tmp_path / "init", "--system", tmp_path / "s.img")
        digests.add(hashlib.sha256((tmp_path / turn).read_bytes()).hexdigest())
    assert len(digests) == 1


def test_the_partition_table_and_the_file_system_are_sound(tmp_path, members):
    image("system", "-o", tmp_path / "s.img", *members)
    image("disk", "-o", tmp_path / "d.img", "--loader", tmp_path / "init", "--system", tmp_path / "s.img")
    verify = subprocess.run(["/sbin/sfdisk", "--verify", tmp_path / "d.img"], capture_output=True, text=True, check=True)
    assert "No errors" in verify.stdout
    disk = (tmp_path / "d.img").read_bytes()
    first, last = (int.from_bytes(disk[1024 + at : 1032 + at], "little") for at in (32, 40))
    (tmp_path / "p.img").write_bytes(disk[first * 512 : (last + 1) * 512])
    subprocess.run(["/sbin/fsck.vfat", "-n", tmp_path / "p.img"], stdout=subprocess.DEVNULL, check=True)
    volume = f"{tmp_path / 'd.img'}@@{first * 512}"
    for path, original in (("::/EFI/BOOT/BOOTX64.EFI", "init"), ("::/cloison/system.img", "s.img")):
        copy = subprocess.run(["mtype", "-i", volume, path], capture_output=True, check=True).stdout
        assert copy == (tmp_path / original).read_bytes()


def test_files_of_a_configuration_become_members_once(tmp_path):
    (tmp_path / "files").mkdir()
    for name in ("linux", "initrd", "disk"):
        (tmp_path / "files" / name).write_text(name)
    (tmp_path / "c.toml").write_text(
        """
        [[vm]]
        name = "alpha"
        kernel = "files/linux"
        initrd = "files/initrd"
        command_line = "kernel=files/linux"
        [[vm]]
        name = "beta"
        kernel = "files/../files/linux"
        [[vm.disk]]
        path = "files/disk"
        [[vm.disk]]
        path = "files/initrd"
        """)
    image("system", "-o", tmp_path / "s.img", "--config", tmp_path / "c.toml")
    subprocess.run(["cpio", "-id", "--quiet"], input=(tmp_path / "s.img").read_bytes(), cwd=tmp_path, check=True)
    alpha, beta = json.loads((tmp_path / "config.json").read_text())["vm"]
    assert alpha["kernel"] == beta["kernel"] == "vm/alpha/kernel"
    assert alpha["command_line"] == "kernel=files/linux"
    assert [disk["path"] for disk in beta["disk"]] == ["vm/beta/disk/0/path", "vm/alpha/initrd"]
    assert (tmp_path / "vm/alpha/kernel").read_text() == "linux"
    assert image("files", "--config", tmp_path / "c.toml").split() == [
        str(tmp_path / "files" / name) for name in ("linux", "initrd", "disk")]


@pytest.mark.parametrize("text, complaint", [
    ("[[vm]\n", "not TOML"),
    ("[[vm]]\nname = 'a'\nkernel = 'absent'\n", "No such file"),
    ("[[vm]]\nname = 'a'\nborn = 2024-01-01\n", "is a date"),
])
def test_a_configuration_that_cannot_work_is_refused(tmp_path, text, complaint):
    (tmp_path / "c.toml").write_text(text)
    assert complaint in image("system", "-o", tmp_path / "s.img", "--config", tmp_path / "c.toml", fails=True)


def test_a_damaged_archive_is_recognised(tmp_path, members):
    image("system", "-o", tmp_path / "s.img", *members)
    data = bytearray((tmp_path / "s.img").read_bytes())
    data[8192] ^= 1
    (tmp_path / "s.img").write_bytes(data)
    assert "do not match" in image("list", tmp_path / "s.img", fails=True)


def test_a_member_given_twice_is_refused(tmp_path, members):
    assert "twice" in image("system", "-o", tmp_path / "s.img", *members, members[0], fails=True)
