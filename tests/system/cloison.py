# SPDX-License-Identifier: Apache-2.0
"""cloison: disk images for system tests, each with a configuration of its own and the programs that `make` built."""

import os
import subprocess

import emulator

BUILD = os.path.join(emulator.ROOT, "build")


def image_tool(*words):
    """Run tools/image; its complaint becomes the exception's text."""
    done = subprocess.run([os.path.join(emulator.ROOT, "tools", "image"), *map(str, words)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise emulator.MachineError(done.stdout.strip())


def disk_image(folder, configuration):
    """A disk image in `folder` that boots with `configuration` (TOML text; relative paths are those below `folder`)."""
    folder = str(folder)
    toml, system, disk = (os.path.join(folder, name) for name in ("config.toml", "system.img", "disk.img"))
    with open(toml, "w", encoding="utf-8") as file:
        file.write(configuration)
    with open(os.path.join(BUILD, "members.list"), encoding="utf-8") as file:
        members = [name + "=" + os.path.join(emulator.ROOT, path)
                   for name, _, path in (word.partition("=") for word in file.read().split())]
    image_tool("system", "-o", system, "--config", toml, *members)
    image_tool("disk", "-o", disk, "--loader", os.path.join(BUILD, "boot", "BOOTX64.EFI"), "--system", system)
    return disk
