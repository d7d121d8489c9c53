# SPDX-License-Identifier: Apache-2.0
"""snapshot: a machine stopped from outside: its memory, its CPUs, and what its page tables say by the manuals' bits.

Neither gdb's stub nor anything inside the machine is asked: physical memory comes through QEMU's monitor.
"""

import bisect
import collections
import re
import struct

from layout import Program

PAGE = 4096
CHUNK = 1 << 21

# SDM Vol. 3A table 4-15 to 4-20; APM Vol. 2 15.25.5: nested tables have the same bits.
P, RW, US, PWT, PCD, PS, G, NX = (1 << bit for bit in (0, 1, 2, 3, 4, 7, 8, 63))
ADDRESS = 0x000FFFFFFFFFF000
TYPES = {0: "write-back", PWT: "write-combining", PCD: "uncacheable-minus", PWT | PCD: "uncacheable"}
ROOT_HALF = 256  # root entries from here on are the kernel half

STRUCTURES = ["struct account", "struct domain", "struct thread", "struct memory", "struct vm", "struct vcpu",
              "struct svm_vcpu", "struct vmcb", "struct object", "struct mapping", "struct block", "struct huge"]
VARIABLES = ["boot_copy", "pool", "frames", "kernel_map", "cpus", "cpu_count", "info_page", "pt_format_memory", "idt",
             "windows"]
SYMBOLS = ["kernel_start", "kernel_text_end", "kernel_rodata_end", "kernel_end"]
CONSTANTS = [
    "OBJECT_ACCOUNT", "OBJECT_DOMAIN", "OBJECT_THREAD", "OBJECT_MEMORY", "OBJECT_VM", "OBJECT_VCPU",
    "RIGHT_READ", "RIGHT_WRITE", "RIGHT_EXECUTE", "RIGHT_CONFIGURE", "RIGHT_MAP", "PT_WRITE", "PT_EXECUTE",
    "PT_WRITE_BACK", "PT_UNCACHEABLE", "PT_WRITE_COMBINING", "BOOT_MEMORY_USABLE", "BOOT_MEMORY_LOADER",
    "INIT_SLOT_DOMAIN", "INIT_SLOT_ACCOUNT", "INIT_SLOT_IMAGE", "INIT_SLOT_FRAMEBUFFER",
]


class Unreadable(Exception):
    """A table or a structure leads where it must not."""


# ------------------------------------------------------------------------------------------------- the machine, stopped


class Snapshot:
    """A stopped machine: physical memory, fetched in pieces when it is first looked at and kept, and each CPU's CR0 and CR3.

    fetch(address, size) → bytes; log: what the machine has said; kernel_elf, init_elf: paths of what runs in it.
    """

    def __init__(self, fetch, log, registers, kernel_elf, init_elf):
        self._fetch, self._chunks = fetch, {}
        self.kernel_base = int(re.search(r"Cloison kernel at ([0-9a-f]+)", log)[1], 16)
        self.cr0 = [int(value, 16) for value in re.findall(r"\bCR0=([0-9a-f]+)", registers)]
        self.cr3 = [int(value, 16) for value in re.findall(r"\bCR3=([0-9a-f]+)", registers)]
        self.kernel = Program(kernel_elf, STRUCTURES, VARIABLES, CONSTANTS, SYMBOLS)
        self.init = Program(init_elf, [], ["config", "vms", "console", "network"])

    def _chunk(self, address):
        base = address - address % CHUNK
        if base not in self._chunks:
            self._chunks[base] = bytearray(self._fetch(base, CHUNK))
        return self._chunks[base], address - base

    def read(self, address, size):
        """Physical memory."""
        data = b""
        while size > 0:
            chunk, offset = self._chunk(address)
            part = bytes(chunk[offset:offset + size])
            data, address, size = data + part, address + len(part), size - len(part)
        return data

    def table(self, address):
        """The 512 entries of a table."""
        chunk, offset = self._chunk(address)
        return struct.unpack_from("<512Q", chunk, offset)

    def poke(self, address, value):
        """Change eight bytes of this copy of the memory (the machine's own stays); what was there."""
        chunk, offset = self._chunk(address)
        old, = struct.unpack_from("<Q", chunk, offset)
        struct.pack_into("<Q", chunk, offset, value)
        return old


def stop(machine, kernel_elf, init_elf, tries=200):
    """Stop a machine of QEMU's between two kernel entries: every CPU in ring 3 or idle, no window open; a Snapshot.

    A CPU that is in the kernel or inside a guest is let go on for a moment. It is in a guest when its IDT is not the
    kernel's: the guest's CR3 would be no use here.
    """
    idt = f"{Program(kernel_elf, variables=['idt']).variables['idt'][0]:016x}"
    for _ in range(tries):
        machine.qmp("stop")
        registers = machine.monitor("info registers -a")
        cpus = registers.split("CPU#")[1:]
        if all(re.search(rf"IDT= *{idt}", cpu) and re.search(r"CPL=3|HLT=1", cpu) for cpu in cpus):
            return Snapshot(machine.read_physical, machine.log, registers, kernel_elf, init_elf)
        machine.qmp("cont")
        machine.pump(0.02)
    raise machine.error("there was no moment in which no CPU was in the kernel or in a guest")


# ------------------------------------------------------------------------------------------------------ page tables

# Pages in a row: [start, end) of an address space → from `frame` on, alike in rights and memory type.
Run = collections.namedtuple("Run", "start end frame rights type")


def walk(table, root, first=0, end=512):
    """Leaves of a four-level table below root entries [first, end): (address, size, frame, entries on the way)."""
    def below(place, shift, base, path, indexes):
        entries = table(place)
        for index in indexes:
            entry = entries[index]
            if not entry & P:
                continue
            address, way = base | index << shift, path + (entry,)
            if shift == 12 or shift in (21, 30) and entry & PS:
                if address >> 47 & 1:
                    address |= 0xFFFF << 48
                yield address, 1 << shift, entry & ADDRESS & -(1 << shift), way
            else:
                yield from below(entry & ADDRESS, shift - 9, address, way, range(512))

    yield from below(root, 39, 0, (), range(first, end))


def rights(way):
    """What the hardware grants at the end of the way: a right has to be given at every level."""
    return ("r" + "w" * all(entry & RW for entry in way) + "x" * (not any(entry & NX for entry in way)) +
            "u" * all(entry & US for entry in way) + "g" * bool(way[-1] & G))


def join(pieces):
    """Runs in ascending order, those that continue each other made one."""
    joined = []
    for run in sorted(pieces):
        last = joined[-1] if joined else None
        if last and last.end == run.start and last[3:] == run[3:] and last.frame + last.end - last.start == run.frame:
            joined[-1] = last._replace(end=run.end)
        else:
            joined.append(run)
    return joined


def hardware_runs(table, root, first=0, end=512):
    """What a table maps."""
    return join(Run(address, address + size, frame, rights(way), TYPES[way[-1] & (PWT | PCD)])
                for address, size, frame, way in walk(table, root, first, end))


def differences(wanted, found):
    """Where two lists of runs differ: (start, end, wanted run or None, found run or None), both cut to that piece."""
    edges = sorted({edge for run in wanted + found for edge in run[:2]})

    def piece(runs, starts, start, end):
        index = bisect.bisect_right(starts, start) - 1
        if index < 0 or runs[index].end <= start:
            return None
        return runs[index]._replace(start=start, end=end, frame=runs[index].frame + start - runs[index].start)

    starts = [[run.start for run in runs] for runs in (wanted, found)]
    for start, end in zip(edges, edges[1:]):
        ours, theirs = piece(wanted, starts[0], start, end), piece(found, starts[1], start, end)
        if ours != theirs:
            yield start, end, ours, theirs
