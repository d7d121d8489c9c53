# SPDX-License-Identifier: Apache-2.0
"""kernel_objects: the kernel's objects in a snapshot, by its own structures, from a CPU's current domain on."""

import collections
import struct

from snapshot import Unreadable

Capability = collections.namedtuple("Capability", "slot target rights")


class Kernel:
    """The kernel's objects, by its own structures: all that hang on an account or stand in a capability table."""

    def __init__(self, snapshot):
        self.snapshot, self.program, self.constants = snapshot, snapshot.kernel, snapshot.kernel.constants
        self.symbols = snapshot.kernel.symbols
        self.pool = None  # to read it takes only the image
        self.pool = self.variable("pool")
        self.pool_base, self.pool_virtual = self.pool.physical_base, self.pool.virtual_base
        self.pool_end = self.pool_base + self.pool.size_bytes
        self.image_end = snapshot.kernel_base + self.symbols["kernel_end"] - self.symbols["kernel_start"]
        self.boot = self.variable("boot_copy")
        self.cpus = self.variable("cpus")[:self.variable("cpu_count")]
        self.objects = {}  # address → structure of its own type
        self._kinds = {self.constants["OBJECT_" + kind.upper()]: f"struct {kind}"
                       for kind in ("account", "domain", "thread", "memory", "vm", "vcpu")}
        self.capabilities = {}  # domain → its table
        self._collect()

    def physical(self, address):
        """Where a kernel address is: not by the tables that are being checked, but as they were meant."""
        if self.symbols["kernel_start"] <= address < self.symbols["kernel_end"]:
            return self.snapshot.kernel_base + address - self.symbols["kernel_start"]
        if self.pool and 0 <= address - self.pool_virtual < self.pool_end - self.pool_base:
            return self.pool_base + address - self.pool_virtual
        raise Unreadable(f"a kernel pointer leads to {address:x}, which is neither image nor pool")

    def read(self, address, size):
        """Kernel memory by its address in the kernel half."""
        return self.snapshot.read(self.physical(address), size)

    def table(self, place):
        """The entries of a page table. All are in the pool: one that is elsewhere is somebody else's to write."""
        if not self.pool_base <= place < self.pool_end:
            raise Unreadable(f"a page table stands at {place:x}, outside of the kernel's pool")
        return self.snapshot.table(place)

    def variable(self, name):
        """A variable of the kernel."""
        return self.program.variable(name, self.read)

    def at(self, name, address):
        """The structure of type `name` at a kernel address."""
        return self.program.at(name, address, self.read)

    def listed(self, name, member, link):
        """The structures that are on a list by their member of that name (kernel/list.h)."""
        while link:
            yield self.at(f"struct {name}", link.address_ - self.program.structs[name][member][0])
            link = link.next

    def kind(self, kind):
        """All objects of a kind ("memory", "domain", …) that are not destroyed."""
        number = self.constants["OBJECT_" + kind.upper()]
        return [entry for entry in self.objects.values() if entry.object.type == number and entry.object.dead != 2]

    def frames(self, memory, offset=0, length=None):
        """The frames behind [offset, offset + length) of a memory object, if any: (offset, size, frame)."""
        length = memory.size_bytes - offset if length is None else length
        if memory.parent:
            for start, size, frame in self.frames(memory.parent, memory.parent_offset + offset, length):
                yield start - memory.parent_offset, size, frame
        elif not memory.map.root:  # a fixed range
            yield offset, length, memory.base.value + offset
        else:
            fresh = [(memory.fresh_offset, 1 << memory.fresh.page_shift, memory.fresh.frame.value)]
            for start, size, frame in self._map(memory) + (fresh if memory.fresh.page_shift else []):
                low, high = max(start, offset), min(start + size, offset + length)
                if low < high:
                    yield low, high - low, frame + low - start

    def _map(self, memory):
        """Leaves of a memory object's own map, whose format is the kernel's own affair."""
        form = self.variable("pt_format_memory")
        present, large, frame = form.present, form.large, form.address

        def below(place, shift, base):
            for index, entry in enumerate(self.table(place)):
                if entry & present and shift > 12 and not entry & large:
                    yield from below(entry & frame, shift - 9, base | index << shift)
                elif entry & present:
                    yield base | index << shift, 1 << shift, entry & frame

        return list(below(self.physical(memory.map.root), 39, 0))

    def _collect(self):
        domains = [cpu.domain or cpu.current and cpu.current.domain for cpu in self.cpus]
        account = next(domain for domain in domains if domain).object.account
        while account.object.account:
            account = account.object.account
        self.root_account = account
        waiting = [account.address_]
        while waiting:
            address = waiting.pop()
            if address in self.objects:
                continue
            account = self.at("struct account", address)  # or anything else: all begin alike
            kind = self._kinds.get(account.object.type)
            if kind is None:
                continue  # nothing that could hold memory
            entry = self.objects[address] = self.at(kind, address)
            waiting += [found.address_ for found in self._reached_from(entry, kind)]

    def _reached_from(self, entry, kind):
        if kind == "struct account":
            yield from self.listed("object", "link", entry.objects)
        if kind in ("struct domain", "struct vm"):
            yield from (mapping.memory for mapping in self.mappings(entry) if mapping.memory)
        if kind == "struct domain":
            self.capabilities[entry] = list(self._table(entry))
            yield from (capability.target for capability in self.capabilities[entry])
        if kind == "struct memory":
            yield from self.listed("memory", "of_parent", entry.slices)
            if entry.parent:
                yield entry.parent
        if kind == "struct vcpu":
            yield entry.vm

    def _table(self, domain):
        words = struct.unpack(f"<{domain.slot_count}Q", self.read(domain.slots, 8 * domain.slot_count))
        for slot, word in enumerate(words):
            if word:  # kernel addresses have their top 16 bits set: the rights take that place
                address = word & 0xFFFFFFFFFFFF | 0xFFFF << 48
                yield Capability(slot, self.at("struct account", address), word >> 48)

    def mappings(self, owner):
        """A space's list of mappings."""
        return self.listed("mapping", "of_space", owner.space.mappings)
