# SPDX-License-Identifier: Apache-2.0
"""trace: which instructions a machine executed, one by one, and what they cost beyond their number.

QEMU is made to translate one instruction at a time and to log each one that it executes; `record` does so for a moment
of a running machine. Bochs' debugger prints them; `stepped` reads that. `Code` knows, from the ELF files, what stands at an address; `Path` is a stretch of the trace:
the number of its instructions, the expensive ones by kind, and the functions that they belong to.
"""

import bisect
import collections
import os
import re
import subprocess
import time

EXECUTED = re.compile(r"^Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/")
STEPPED = re.compile(r"^\(0\)\.\[\d+\] \[0x[0-9a-f]+\] [0-9a-f]+:([0-9a-f]+) ")
LINE = re.compile(r"^\s*([0-9a-f]+):\s+(\S.*)")

# Kinds of expensive instructions, by their mnemonic (Intel syntax) and operands.
EXPENSIVE = {
    "vm_entries": r"vmrun|vmlaunch|vmresume",
    "vmload_vmsave": r"vmload|vmsave",
    "wrmsr_rdmsr": r"wrmsr|rdmsr",
    "control_register_writes": r"mov +cr\d+,|clts|lmsw|xsetbv",
    "xsave_xrstor": r"xsave|xrstor|fxsave|fxrstor",
    "tlb_flushes": r"invlpg|invpcid|invept|invvpid|mov +cr3,",
    "locked": r"lock |xchg .*PTR",
    "ipis": r"$^",
    "system_calls": r"syscall|sysenter|int +0x80",
}
EXPENSIVE_RE = {kind: re.compile(pattern) for kind, pattern in EXPENSIVE.items()}

# What no mnemonic tells: a store to the local APIC's ICR, and a control block that asks for a new ASID or VPID, or a flush.
EXPENSIVE_FUNCTIONS = {
    "lapic_ipi": "ipis",
    "svm_asid_assign": "tlb_flushes",
    "vmx_vpid_assign": "tlb_flushes",
}


class TraceError(Exception):
    """The trace does not show what it should; the text says what."""


class Code:
    """The instructions and functions of some ELF files that do not overlap."""

    def __init__(self, *paths):
        self.instructions, self._starts, self._names = {}, [], []
        self._named = collections.defaultdict(set)
        functions = {}
        for path in paths:
            for line in run("nm", "-n", "--defined-only", path).splitlines():
                address, kind, name = line.split()[:3]
                if kind in "tT" and not name.startswith(".."):
                    functions[int(address, 16)] = name
                    self._named[name].add(int(address, 16))
            for line in run("objdump", "-d", "--no-show-raw-insn", "-Mintel", path).splitlines():
                match = LINE.match(line)
                if match:
                    self.instructions[int(match[1], 16)] = match[2].strip()
        for address in sorted(functions):
            self._starts.append(address)
            self._names.append(functions[address])
        self._order = sorted(self.instructions)

    def function(self, address):
        """Name of the function that `address` lies in."""
        at = bisect.bisect(self._starts, address) - 1
        return self._names[at] if at >= 0 else "?"

    def address(self, name):
        """Where the function `name` begins. Raises TraceError if there is none, or if several have that name."""
        found = self._named[name]
        if len(found) != 1:
            raise TraceError(f"{len(found)} functions are called {name}")
        return min(found)

    def body(self, name):
        """The (address, text) of all instructions of the function `name`."""
        start = self.address(name)
        following = bisect.bisect(self._starts, start)
        end = self._starts[following] if following < len(self._starts) else 1 << 64
        first, last = bisect.bisect_left(self._order, start), bisect.bisect_left(self._order, end)
        return [(address, self.instructions[address]) for address in self._order[first:last]]


class Path:
    """A stretch of executed instructions, given by their addresses. Those of a guest count but have no name."""

    def __init__(self, code, addresses):
        self.code, self.addresses = code, addresses
        self.length = len(addresses)

    def host(self):
        """The addresses without the guest's: a guest's stand between VMRUN and the VMSAVE after it, or between VMRESUME
        and where an exit leads to."""
        text, in_guest, exited = self.code.instructions, True, self.code.address("vmx_exited")
        for address in self.addresses:
            if text.get(address) == "vmsave" or address == exited:
                in_guest = False
            if not in_guest:
                yield address
            if text.get(address) in ("vmrun", "vmlaunch", "vmresume"):
                in_guest = True

    def expensive(self):
        """How many expensive operations of each kind."""
        counts = dict.fromkeys(EXPENSIVE, 0)
        entries = {self.code.address(name): kind for name, kind in EXPENSIVE_FUNCTIONS.items()}
        for address in self.host():
            text = self.code.instructions.get(address)
            if text is None:
                raise TraceError(f"nothing is known to stand at {address:#x}")
            for kind, pattern in EXPENSIVE_RE.items():
                counts[kind] += bool(pattern.match(text))
            if address in entries:
                counts[entries[address]] += 1
        return counts

    def functions(self):
        """[(instructions, function)], most first."""
        counter = collections.Counter(self.code.function(address) for address in self.host())
        counter["(guest)"] = self.length - sum(counter.values())
        return [(count, name) for name, count in counter.most_common()]


def run(*command):
    """Standard output of a command that has to succeed."""
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def record(machine, path, bytes_wanted=12_000_000, seconds=20):
    """Addresses of the instructions that `machine` executes from now on, about `bytes_wanted` / 100 of them.

    `path` is a file for QEMU's log; it is removed afterwards."""
    machine.monitor(f"logfile {path}")
    if machine.monitor("singlestep on"):  # its name until QEMU 8.1
        machine.monitor("one-insn-per-tb on")
    machine.monitor("log exec,nochain")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and (not os.path.exists(path) or os.path.getsize(path) < bytes_wanted):
        time.sleep(0.05)
    machine.monitor("stop")
    machine.monitor("log none")
    addresses = []
    with open(path, encoding="ascii", errors="replace") as file:
        for line in file:
            match = EXECUTED.match(line)
            if match:
                addresses.append(int(match[1], 16))
            elif line.startswith("Stopped execution") and addresses:
                addresses.pop()  # it was looked up, not executed
    os.unlink(path)
    return addresses[:-1]


def stepped(lines):
    """Addresses of the instructions in what Bochs' debugger prints after `trace on`."""
    return [int(match[1], 16) for match in map(STEPPED.match, lines) if match]


def without_repeats(code, addresses):
    """QEMU begins an access to a device's memory twice, the second time with a translation that may do I/O. Only a REP
    prefix really executes one instruction many times in a row."""
    kept = []
    for address in addresses:
        text = code.instructions.get(address)
        if not (kept and kept[-1] == address and text and not text.startswith("rep")):
            kept.append(address)
    return kept


def usual(code, addresses, first, last):
    """The usual Path from an execution of the address `first` to the next one of `last`, which is not part of it.

    An interrupt now and then makes one longer: the usual length is that of more than half of them."""
    found, begin = [], None
    for at, address in enumerate(addresses):
        if address == last and begin is not None:
            found.append(without_repeats(code, addresses[begin:at]))
            begin = None
        if address == first:
            begin = at
    lengths = collections.Counter(len(path) for path in found)
    if not found or lengths.most_common(1)[0][1] * 2 <= len(found):
        raise TraceError(f"no usual way from {first:#x} to {last:#x} among {len(addresses)} instructions: {lengths}")
    length = lengths.most_common(1)[0][0]
    return Path(code, next(path for path in found if len(path) == length))
