#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""build_initramfs.py: the demo Linux: Debian's kernel as it is, and an initramfs from busybox and its modules.

    build_initramfs.py --tree DIR --busybox FILE --source DIR --out DIR

DIR of --tree is the extracted package that linux-image-cloud-amd64 depends on. Writes vmlinuz and initramfs.cpio.gz,
the same bytes each time: members sorted, times zero, owner root. Dependencies are read from the modules themselves,
because modules.dep is made only when the package is installed.
"""
import argparse
import gzip
import pathlib
import re
import shutil
import stat
import subprocess
import sys

# In the order in which init loads them; what each needs goes before it.
MODULES = ["virtio_pci", "virtio_net", "virtio_blk", "virtio_console", "virtio-rng", "button", "evdev", "pvpanic-mmio",
           "pvpanic-pci"]
FOLDERS = ["dev", "etc", "etc/acpi", "etc/acpi/PWRF", "lib", "lib/modules", "mnt", "proc", "root", "run", "sbin", "sys",
           "tests", "tmp", "bin"]


class Archive:
    """A cpio archive in the "newc" format (kernel: Documentation/driver-api/early-userspace/buffer-format.rst)."""

    def __init__(self):
        self.members = {}

    def add(self, name, mode, data=b"", device=(0, 0)):
        self.members[name] = (mode, data, device)

    def file(self, name, data, mode=0o644):
        self.add(name, stat.S_IFREG | mode, data)

    def bytes(self):
        out = bytearray()
        for inode, name in enumerate(sorted(self.members), start=1):
            out += self.entry(inode, name, *self.members[name])
        return bytes(out + self.entry(0, "TRAILER!!!", 0, b"", (0, 0)))

    @staticmethod
    def entry(inode, name, mode, data, device):
        encoded = name.encode() + b"\0"
        fields = [inode, mode, 0, 0, 1, 0, len(data), 0, 0, device[0], device[1], len(encoded), 0]
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def canonical(name):
    return name.replace("-", "_")


class Modules:
    """The modules of one kernel, by name, with what each needs."""

    def __init__(self, tree):
        folders = sorted((tree / "lib/modules").glob("*"))
        if len(folders) != 1:
            sys.exit(f"{tree}/lib/modules: expected one kernel version, found {[f.name for f in folders]}")
        self.version = folders[0].name
        self.files = {canonical(p.stem): p for p in folders[0].rglob("*.ko")}

    def needs(self, name):
        path = self.files.get(canonical(name))
        if path is None:
            sys.exit(f"kernel {self.version} has no module {name}: is it built in now?")
        found = re.search(rb"\0depends=([^\0]*)\0", path.read_bytes())
        return [n for n in (found.group(1).decode() if found else "").split(",") if n]

    def load_order(self, wanted):
        order = []

        def visit(name):
            for need in self.needs(name):
                visit(need)
            if canonical(name) not in order:
                order.append(canonical(name))

        for name in wanted:
            visit(name)
        return order


def build_archive(modules, busybox, source):
    archive = Archive()
    for folder in FOLDERS:
        archive.add(folder, stat.S_IFDIR | 0o755)
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.add("dev/null", stat.S_IFCHR | 0o666, device=(1, 3))

    archive.file("bin/busybox", busybox.read_bytes(), 0o755)
    for applet in subprocess.run([busybox, "--list"], stdout=subprocess.PIPE, check=True, text=True).stdout.split():
        if applet != "busybox":
            archive.add(f"bin/{applet}", stat.S_IFLNK | 0o777, b"busybox")

    order = modules.load_order(MODULES)
    for name in order:
        archive.file(f"lib/modules/{name}.ko", modules.files[name].read_bytes())
    archive.file("lib/modules/order", "".join(f"{name}\n" for name in order).encode())

    archive.file("init", (source / "init").read_bytes(), 0o755)
    archive.file("etc/acpi/PWRF/00000080", (source / "power-button").read_bytes(), 0o755)
    archive.file("etc/profile", (source / "profile").read_bytes())
    for test in sorted((source / "tests").iterdir()):
        archive.file(f"tests/{test.name}", test.read_bytes(), 0o755)
    return archive.bytes()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tree", type=pathlib.Path, required=True)
    parser.add_argument("--busybox", type=pathlib.Path, required=True)
    parser.add_argument("--source", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    options = parser.parse_args()

    kernels = sorted((options.tree / "boot").glob("vmlinuz-*"))
    if len(kernels) != 1:
        sys.exit(f"{options.tree}/boot: expected one vmlinuz-*, found {len(kernels)}: run `make setup`")
    if not options.busybox.exists():
        sys.exit(f"{options.busybox} is missing: it comes with Debian's busybox-static")
    options.out.mkdir(parents=True, exist_ok=True)
    archive = build_archive(Modules(options.tree), options.busybox, options.source)
    (options.out / "initramfs.cpio.gz").write_bytes(gzip.compress(archive, 9, mtime=0))
    shutil.copyfile(kernels[0], options.out / "vmlinuz")


if __name__ == "__main__":
    main()
