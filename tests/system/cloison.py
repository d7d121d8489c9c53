# SPDX-License-Identifier: Apache-2.0
"""cloison: disk images for system tests, each with a configuration of its own and the programs that `make` built;
and its console, as a person uses it."""

import contextlib
import itertools
import os
import re
import subprocess
import time

import emulator

BUILD = os.path.join(emulator.ROOT, "build")

# Arguments for a Linux kernel. It would try out all its ciphers before it starts init: 7 of 15 s of its time in Bochs.
QUICKLY = "quiet cryptomgr.notests"


def image_tool(*words):
    """Run tools/image; its complaint becomes the exception's text."""
    done = subprocess.run([os.path.join(emulator.ROOT, "tools", "image"), *map(str, words)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise emulator.MachineError(done.stdout.strip())


def disk_image(folder, configuration, kernel=None):
    """A disk image in `folder` that boots with `configuration` (TOML text; relative paths are those below `folder`), and
    with another kernel than ours, perhaps."""
    folder = str(folder)
    toml, system, disk = (os.path.join(folder, name) for name in ("config.toml", "system.img", "disk.img"))
    with open(toml, "w", encoding="utf-8") as file:
        file.write(configuration)
    with open(os.path.join(BUILD, "members.list"), encoding="utf-8") as file:
        members = [name + "=" + os.path.join(emulator.ROOT, path)
                   for name, _, path in (word.partition("=") for word in file.read().split())]
    if kernel:
        members = [f"kernel.elf={kernel}" if word.startswith("kernel.elf=") else word for word in members]
    image_tool("system", "-o", system, "--config", toml, *members)
    image_tool("disk", "-o", disk, "--loader", os.path.join(BUILD, "boot", "BOOTX64.EFI"), "--system", system)
    return disk


class Cloison(emulator.Machine):
    """A machine with Cloison's console on its serial port: commands, and the shells of its Linux guests.

        with Cloison(smp=2, image=disk_image(folder, CONFIGURATION)) as machine:
            machine.boot()
            assert "alpha" in machine.command("list")
            with machine.console("alpha") as shell:
                assert shell.run("uname") == "Linux"
    """

    PROMPT = "cloison> "

    def boot(self, timeout=90):
        """Wait for the first prompt."""
        self.expect("^" + self.PROMPT, timeout)

    def command(self, line, timeout=30):
        """Enter a command; what was printed until the next prompt. Events that come meanwhile are part of it."""
        self.send(line + "\r")
        self.expect(rf"{re.escape(line)}\n", timeout)
        begin = self.position
        self.expect("^" + self.PROMPT, timeout)
        return self.log[begin:self.position - len(self.PROMPT)]

    def listed(self, name):
        """`list`'s line of the VM as a dictionary of what stands in its columns."""
        row = re.search(rf"^{name} +(\S+) +(\d+) MiB +(\d+) +([\d.]+) s +(\d+) s *(.*)$", self.command("list"), re.M)
        keys = ("state", "memory", "cpus", "cpu_time", "up", "last")
        return dict(zip(keys, (row[1], int(row[2]), int(row[3]), float(row[4]), int(row[5]), row[6])))

    def await_state(self, name, state, timeout):
        """Wait until `list` shows the VM in `state`; its row."""
        timeout *= self.patience
        deadline = time.monotonic() + timeout
        while (row := self.listed(name))["state"] != state:
            if time.monotonic() > deadline:
                raise self.error(f"{name} is {row['state']} and not {state} after {timeout:g} s")
            self.pass_time(0.05)
        return row

    def free_memory(self):
        """Free memory and free kernel pool in KiB, as `info` tells them, when both stand still: what a program had that has
        ended, or a thread, goes bit by bit, after its end was told."""
        last = None
        for _ in range(20):
            text = self.command("info")
            free = (int(re.search(r"^memory .*\((\d+) KiB\)", text, re.M)[1]),
                    int(re.search(r"^kernel pool +(\d+) of", text, re.M)[1]))
            if free == last:
                break
            last = free
            self.pass_time(0.3)
        return free

    def host_uptime(self):
        """Seconds that Cloison has been up, by its own clock."""
        return int(re.search(r": up (\d+) s,", self.command("info"))[1])

    def pass_time(self, seconds):
        """Let the machine run, and collect what it says."""
        deadline = time.monotonic() + seconds
        while (rest := deadline - time.monotonic()) > 0:
            self.pump(min(rest, 0.2))
            self.check_fatal()

    def live(self, seconds):
        """Let the machine run until its own clock has gone on by `seconds`: in Bochs, its seconds are not ours."""
        end = self.host_uptime() + seconds
        while self.host_uptime() <= end:
            self.pass_time(0.2)

    @contextlib.contextmanager
    def console(self, name, timeout=90):
        """The shell on the VM's console, entered from the prompt and left at the end."""
        self.send(f"console {name}\r")
        self.expect(rf"^Connected to {name}\.", 10)
        try:
            yield Shell(self, name, timeout)
        finally:
            if self.serial_open:
                self.send("\x1d")
                self.expect("^" + self.PROMPT, 20)


class Shell:
    """A root shell of the demo Linux, on its console."""

    numbers = itertools.count(1)

    def __init__(self, machine, name, timeout):
        self.machine, self.name = machine, name
        machine.expect(rf"{name}:\S*# ", timeout)  # of what was said before, or of a guest that still boots

    def start(self, command):
        """Type a command and do not wait."""
        self.machine.send(command + "\r")

    def answers(self, timeout):
        """Whether the guest is at its shell: whether it does what is typed within `timeout` seconds."""
        mark = 7000 + next(Shell.numbers)
        self.start(f"echo /$(({mark}))?/")
        try:
            self.machine.expect(rf"/{mark}\?/", timeout)
        except emulator.MachineError:
            self.machine.check_fatal()
            return False
        return True

    def run(self, command, timeout=30):
        """Run a command line; what it wrote. Raises if its status is not 0."""
        # The markers are not what is typed, nor what was said before and is shown again: neither matches.
        mark = 7000 + next(Shell.numbers)
        self.start(f"echo /$(({mark}))/; {command}; echo /$(({mark})):$?/")
        self.machine.expect(rf"/{mark}/\n", timeout)
        begin = self.machine.position
        end = self.machine.expect(rf"/{mark}:(\d+)/", timeout)
        text = self.machine.log[begin:end.start()].strip()
        if end[1] != "0":
            raise self.machine.error(f"{self.name}: '{command}' ended with status {end[1]}")
        return text
