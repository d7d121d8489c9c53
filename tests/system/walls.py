# SPDX-License-Identifier: Apache-2.0
"""walls: rule 2 of the architecture, read off a stopped machine from outside.

    snapshot = stop(machine, kernel_elf, init_elf)
    for fault in faults(snapshot): print(fault)

What the hardware obeys (CR3 of every CPU, the page tables, each VMCB's nested root) is read with the bits of the
manuals. What it should obey is read from the kernel's objects, and from init's own list of what it made for whom. The
two have to agree in every page:

  frames     no frame belongs to two memory objects, is free at the same time, or is the kernel's
  kernel     the kernel half maps the kernel image (W^X), the pool and the listed device registers; nothing else
  spaces     a domain's user half and a VM's nested table map exactly what their lists of mappings say
  sharing    each memory object stands in exactly the spaces that init made it for
  authority  for each mapping somebody holds the capabilities that it takes; only init could make it another one

Structures are found by the debug information of the very kernel and init that run (layout.py).
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
              "struct svm_vcpu", "struct vmcb", "struct region"]
VARIABLES = ["boot_copy", "pool", "frames", "kernel_map", "cpus", "cpu_count", "info_page", "pt_format_memory", "idt"]
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
    """A stopped machine: physical memory, fetched in pieces when it is first looked at and kept, and each CPU's CR3.

    fetch(address, size) → bytes; log: what the machine has said; kernel_elf, init_elf: paths of what runs in it.
    """

    def __init__(self, fetch, log, registers, kernel_elf, init_elf):
        self._fetch, self._chunks = fetch, {}
        self.kernel_base = int(re.search(r"Cloison kernel at ([0-9a-f]+)", log)[1], 16)
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


# -------------------------------------------------------------------------------------------------- kernel's objects

Capability = collections.namedtuple("Capability", "slot target rights")
# A domain or a VM: what it should map by its list of mappings, and what its tables do map.
Space = collections.namedtuple("Space", "name owner wanted found")
# A stretch of frames that belongs to a memory object.
Stretch = collections.namedtuple("Stretch", "frame end memory")


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
        """The entries of a page table. All tables are in the pool: one that is elsewhere is somebody else's to write."""
        if not self.pool_base <= place < self.pool_end:
            raise Unreadable(f"a page table stands at {place:x}, outside of the kernel's pool")
        return self.snapshot.table(place)

    def variable(self, name):
        """A variable of the kernel."""
        return self.program.variable(name, self.read)

    def kind(self, kind):
        """All objects of a kind ("memory", "domain", …) that are not destroyed."""
        number = self.constants["OBJECT_" + kind.upper()]
        return [entry for entry in self.objects.values() if entry.object.type == number and entry.object.dead != 2]

    def frames(self, memory, offset=0, length=None):
        """The frames behind [offset, offset + length) of a memory object as (offset, size, frame), as far as it has any."""
        length = memory.size_bytes - offset if length is None else length
        if memory.parent:
            for start, size, frame in self.frames(memory.parent, memory.parent_offset + offset, length):
                yield start - memory.parent_offset, size, frame
        elif not memory.map.root:  # a fixed range
            yield offset, length, memory.base.value + offset
        else:
            for start, size, frame in self._map(memory):
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
        while account.parent:
            account = account.parent
        self.root_account = account
        waiting = [account.address_]
        while waiting:
            address = waiting.pop()
            if address in self.objects:
                continue
            account = self.program.at("struct account", address, self.read)  # or anything else: all begin alike
            kind = self._kinds.get(account.object.type)
            if kind is None:
                continue  # nothing that could hold memory
            entry = self.objects[address] = self.program.at(kind, address, self.read)
            waiting += [found.address_ for found in self._reached_from(entry, kind)]

    def _reached_from(self, entry, kind):
        if kind == "struct account":
            link = entry.objects
            while link:
                yield link
                link = link.next
        if kind in ("struct domain", "struct vm"):
            yield from (mapping.memory for mapping in self.mappings(entry) if mapping.memory)
        if kind == "struct domain":
            self.capabilities[entry] = list(self._table(entry))
            yield from (capability.target for capability in self.capabilities[entry])
        if kind == "struct memory":
            yield from filter(None, (entry.parent, entry.slices, entry.next_slice))
        if kind == "struct vcpu":
            yield entry.vm

    def _table(self, domain):
        words = struct.unpack(f"<{domain.slot_count}Q", self.read(domain.slots, 8 * domain.slot_count))
        for slot, word in enumerate(words):
            if word:  # kernel addresses have their top 16 bits set: the rights take that place
                address = word & 0xFFFFFFFFFFFF | 0xFFFF << 48
                yield Capability(slot, self.program.at("struct account", address, self.read), word >> 48)

    def mappings(self, owner):
        """A space's list of mappings."""
        mapping = owner.space.mappings
        while mapping:
            yield mapping
            mapping = mapping.next


# ------------------------------------------------------------------------------------------------------- the verdict


def faults(snapshot):
    """What is wrong, one line each; [] when every wall stands."""
    try:
        return Walls(snapshot).faults()
    except Unreadable as error:
        return [str(error)]


class Walls:
    """Everything that is known of a snapshot, and whether the walls stand."""

    def __init__(self, snapshot):
        self.snapshot, self.kernel = snapshot, Kernel(snapshot)
        self.constants = self.kernel.constants
        self.domains, self.vms = self.kernel.kind("domain"), self.kernel.kind("vm")
        self.memories = self.kernel.kind("memory")
        self.stretches = sorted((Stretch(frame, frame + size, memory) for memory in self.memories if not memory.parent
                                 for _, size, frame in self.kernel.frames(memory)), key=lambda stretch: stretch[:2])
        self._starts = [stretch.frame for stretch in self.stretches]
        self.spaces = [self._space(f"domain {domain.name}", domain, ROOT_HALF) for domain in self.domains]
        self.spaces += [self._space(f"VM {vm.name}", vm, 512) for vm in self.vms]
        self.init = next(domain for domain in self.domains
                         if domain.name == "init" and domain.object.account == self.kernel.root_account)
        self.names, self.allowed, self.whole = {}, {}, set()
        self._ask_init()
        self._found = []

    def faults(self):
        """What is wrong, one line each; [] when every wall stands."""
        self._found = []
        self._check_frames()
        self._check_processors()
        self._check_kernel_half()
        self._check_spaces()
        self._check_sharing()
        self._check_authority()
        return self._found

    def matrix(self):
        """Each memory object, where it is mapped, where it may be, who has a capability to it: for people."""
        lines = []
        for memory in sorted(self.memories, key=lambda memory: memory.object.identity):
            holders = [f"{domain.name}:{cap.slot}" for domain, table in self.kernel.capabilities.items() for cap in table
                       if cap.target == memory]
            lines.append(f"{self.describe(memory)}: {memory.size_bytes >> 10} KiB, in {self._list(self.mapped(memory))}; "
                         f"allowed {self._list(self.allowed[memory])}; capabilities {' '.join(holders) or 'none'}")
        return "\n".join(lines)

    def describe(self, memory):
        """A name for a memory object."""
        return f"{self.names.get(memory, 'memory')} (object {memory.object.identity})"

    def owners(self, frame, end):
        """Stretches of memory objects within [frame, end)."""
        index = max(0, bisect.bisect_right(self._starts, frame) - 1)
        while index < len(self.stretches) and self.stretches[index].frame < end:
            if self.stretches[index].end > frame:
                yield self.stretches[index]
            index += 1

    def mapped(self, memory):
        """Names of the spaces whose tables map a frame of the memory object; of a slice, those that map it as such."""
        if memory.parent:
            return {space.name for space in self.spaces for mapping in self.kernel.mappings(space.owner)
                    if mapping.memory == memory}
        frames = [(frame, frame + size) for _, size, frame in self.kernel.frames(memory)]
        return {space.name for space in self.spaces for run in space.found for low, high in frames
                if low < run.frame + run.end - run.start and run.frame < high}

    def owner_text(self, frame):
        """Whose a frame is, and who may map it."""
        for stretch in self.owners(frame, frame + PAGE):
            return self.owner_text_of(stretch.memory)
        if self.kernel.pool_base <= frame < self.kernel.pool_end:
            return "a page of the kernel's pool"
        return "a frame of no memory object"

    def owner_text_of(self, memory):
        """A memory object and the spaces that it belongs into."""
        return f"{self.describe(memory)}, which belongs into {self._list(self.allowed[memory])}"

    @staticmethod
    def _list(names):
        return ", ".join(sorted(names)) or "no space"

    def _fault(self, text):
        self._found.append(text)

    # ------------------------------------------------------------------------------------------------- what should be

    def _space(self, name, owner, end):
        root = self.kernel.physical(owner.space.pt.root)
        found = hardware_runs(self.kernel.table, root, 0, end)
        return Space(name, owner, join(self._wanted(owner, found)), found)

    def _wanted(self, owner, found):
        """What a space's list of mappings says. One that is being made or removed counts as far as it has come."""
        pages = self._kernel_pages(owner, found)
        types = {self.constants["PT_WRITE_BACK"]: "write-back", self.constants["PT_UNCACHEABLE"]: "uncacheable",
                 self.constants["PT_WRITE_COMBINING"]: "write-combining"}
        for mapping in self.kernel.mappings(owner):
            granted = ("r" + "w" * bool(mapping.rights & self.constants["PT_WRITE"]) +
                       "x" * bool(mapping.rights & self.constants["PT_EXECUTE"]) + "u")
            start, end = mapping.removed, mapping.done if mapping.flush == 0 else 0
            if start >= end:
                continue
            if mapping.memory:
                for offset, size, frame in self.kernel.frames(mapping.memory, mapping.offset + start, end - start):
                    address = mapping.address + offset - mapping.offset
                    yield Run(address, address + size, frame, granted, types[mapping.memory.type])
            elif mapping.address in pages:
                page, granted = pages[mapping.address]
                yield Run(mapping.address, mapping.address + PAGE, page, granted, "write-back")

    def _kernel_pages(self, owner, found):
        """Pages of the pool that a domain may see: address → (frame, rights). Its threads' and its vCPUs' pages are
        its own; the info page and the trace rings are anyone's to read, and only the table knows which of them it is
        that stands where the list has nothing but "a page of the kernel's"."""
        physical, public = self.kernel.physical, [self.kernel.variable("info_page").address_]
        public = {physical(page) for page in public + [cpu.trace for cpu in self.kernel.cpus]}
        pages = {address: (run.frame + address - run.start, "ru")
                 for address in [mapping.address for mapping in self.kernel.mappings(owner) if not mapping.memory]
                 for run in found
                 if run.start <= address < run.end and run.frame + address - run.start in public}
        for thread in self.kernel.kind("thread"):
            if thread.domain == owner and thread.page_address:
                pages[thread.page_address] = physical(thread.page.address_), "rwu"
        for vcpu in self.kernel.kind("vcpu"):
            if vcpu.page_domain == owner and vcpu.page_address:
                pages[vcpu.page_address] = physical(vcpu.page.address_), "rwu"
        return pages

    def _ask_init(self):
        """Names of memory objects and the spaces that each belongs into, from init's own variables."""
        space = next(space for space in self.spaces if space.owner == self.init)

        def read(address, size):
            for run in space.found:
                if run.start <= address and address + size <= run.end:
                    return self.snapshot.read(run.frame + address - run.start, size)
            raise Unreadable(f"init has nothing at {address:x}")

        slots = {capability.slot: capability.target for capability in self.kernel.capabilities[self.init]}
        variable = {name: self.snapshot.init.variable(name, read) for name in ("config", "vms", "console", "network")}
        homes = {domain.object.account: domain for domain in self.domains}  # who pays is who uses

        def belongs(slot, name, *spaces):
            memory = self.kernel.objects.get(slots[slot].address_) if slot in slots else None
            if memory is not None:
                self.names[memory], self.allowed[memory] = name, {f"domain {d}" if d[:3] != "VM " else d for d in spaces}
                self.whole.add(memory)

        for vm in variable["vms"][:variable["config"].vm_count]:
            name, vmm = vm.config.name, vm.vmm.name
            if not vm.held:
                continue
            homes[slots[vm.account]] = self.kernel.objects[slots[vm.vmm.domain].address_]
            belongs(vm.ram, f"{name}'s RAM", f"VM {name}", vmm)
            belongs(vm.capsule, f"{name}'s capsule", vmm)
            belongs(vm.control_cable.memory, f"{name}'s control channel", vmm, "init")
            belongs(vm.console_cable.memory, f"{name}'s console channel", vmm, "console")
            for cable in vm.nic_cable[:vm.config.nic_count]:
                belongs(cable.memory, f"{name}'s network channel", vmm, "switch")
            for slot in vm.vmm.owned[:vm.vmm.owned_count]:
                if slot in slots and self.kernel.objects[slots[slot].address_] in self.memories \
                        and self.kernel.objects[slots[slot].address_].parent:
                    belongs(slot, f"a file of {name}'s", vmm)
        for service, name in ((variable["console"], "console"), (variable["network"], "switch")):
            belongs(service.cable.memory, f"the {name}'s control channel", name, "init")
        for memory in self.memories:
            if memory not in self.allowed:
                home = homes.get(memory.object.account)
                self.names[memory] = f"{home.name}'s own memory" if home else "memory"
                self.allowed[memory] = {f"domain {home.name}"} if home else set()
        self._boot_memory(slots)

    def _boot_memory(self, slots):
        """The system image is every domain's to read; the framebuffer is in nobody's space yet."""
        self.image = self.kernel.objects[slots[self.constants["INIT_SLOT_IMAGE"]].address_]
        self.names[self.image] = "the system image"
        self.allowed[self.image] = {space.name for space in self.spaces if space.name.startswith("domain ")}
        self.whole.discard(self.image)
        framebuffer = slots.get(self.constants["INIT_SLOT_FRAMEBUFFER"])
        if framebuffer:
            self.names[self.kernel.objects[framebuffer.address_]] = "the framebuffer"

    # ------------------------------------------------------------------------------------------------------ checks

    def _check_frames(self):
        """Every frame is one memory object's, the allocator's or the kernel's; none is forgotten."""
        kernel, allocator = self.kernel, self.kernel.variable("frames")
        for before, after in zip(self.stretches, self.stretches[1:]):
            if after.frame < before.end:
                self._fault(f"frame {after.frame:x} belongs to {self.describe(before.memory)} and "
                            f"{self.describe(after.memory)}")
        free = self.free_frames()
        ours = {"the kernel's pool": (kernel.pool_base, kernel.pool_end),
                "the kernel image": (self.snapshot.kernel_base, kernel.image_end)}
        given = [(entry.base, entry.base + entry.size_bytes) for entry in kernel.boot.memory[:kernel.boot.memory_count]
                 if entry.type in (self.constants["BOOT_MEMORY_USABLE"], self.constants["BOOT_MEMORY_LOADER"])]
        taken = 0
        for stretch in self.stretches:
            what = f"frame {stretch.frame:x} of {self.describe(stretch.memory)}"
            if free >> stretch.frame // PAGE & (1 << (stretch.end - stretch.frame) // PAGE) - 1:
                self._fault(f"{what}: it or one that follows is free in the allocator")
            for name, (start, end) in ours.items():
                if stretch.frame < end and start < stretch.end:
                    self._fault(f"{what} lies in {name}")
            if stretch.memory.map.root:
                taken += (stretch.end - stretch.frame) // PAGE
                if not any(start <= stretch.frame and stretch.end <= end for start, end in given):
                    self._fault(f"{what} is no memory that the firmware gave away")
        if bin(free).count("1") != allocator.free:
            self._fault(f"the allocator counts {allocator.free} free frames and has {bin(free).count('1')}")
        if allocator.total - allocator.free != taken:
            self._fault(f"{allocator.total - allocator.free} frames are taken, memory objects have {taken}: "
                        "some are lost, or some object was not found")

    def free_frames(self):
        """Bit n: frame n is free. A region's bits fill one page of the pool (kernel/frames.c)."""
        allocator = self.kernel.variable("frames")
        free, step = 0, self.snapshot.kernel.named["struct region"]["size"]
        for index in range(allocator.region_count):
            region = self.snapshot.kernel.at("struct region", allocator.regions.address_ + index * step, self.kernel.read)
            if region.free:
                free |= int.from_bytes(self.kernel.read(region.free, PAGE), "little") << index * PAGE * 8
        return free

    def _roots(self):
        """Every root table that a CPU could load, and who it belongs to."""
        roots = {self.kernel.physical(self.kernel.variable("kernel_map").root): "the kernel's own table"}
        roots.update((self.kernel.physical(domain.space.pt.root), f"domain {domain.name}") for domain in self.domains)
        return roots

    def _check_processors(self):
        """CPUs and VMCBs use the tables that are checked here."""
        roots, own = self._roots(), self.kernel.physical(self.kernel.variable("kernel_map").root)
        for number, cr3 in enumerate(self.snapshot.cr3):
            if cr3 & ADDRESS not in roots:
                self._fault(f"CPU {number} runs on the table at {cr3 & ADDRESS:x}, which is no domain's")
        if len(self.snapshot.cr3) != len(self.kernel.cpus):
            self._fault(f"the machine has {len(self.snapshot.cr3)} CPUs, the kernel knows {len(self.kernel.cpus)}")
        for run in hardware_runs(self.kernel.table, own, 0, ROOT_HALF):
            self._fault(f"the kernel's own table maps {run.start:x} in the user half")
        for vcpu in self.kernel.kind("vcpu"):
            svm = self.snapshot.kernel.at("struct svm_vcpu", vcpu.virt, self.kernel.read)
            nested = svm.vmcb.control.nested_cr3 & ADDRESS
            if nested != self.kernel.physical(vcpu.vm.space.pt.root) or svm.vmcb_pa != self.kernel.physical(svm.vmcb.address_):
                self._fault(f"vCPU {vcpu.index} of {vcpu.vm.name} runs on the nested table at {nested:x}, "
                            "which is not its VM's")

    def _check_kernel_half(self):
        """The kernel half of every root table: the same, and nothing but image, pool and device registers."""
        halves = collections.defaultdict(list)
        roots = self._roots()
        for root in roots:  # those that CPUs have loaded are among them: _check_processors
            halves[self.kernel.table(root)[ROOT_HALF:]].append(root)
        if len(halves) != 1:
            self._fault(f"there are {len(halves)} kernel halves: every space should have the same one")
        registers = {ioapic.base for ioapic in self.kernel.boot.ioapics[:self.kernel.boot.ioapic_count]}
        registers.add(self.kernel.boot.lapic_base)
        for same in halves.values():
            where = "the kernel half" if len(halves) == 1 else \
                f"the kernel half of {self._list(roots[root] for root in same)}"
            for address, size, frame, way in walk(self.kernel.table, same[0], ROOT_HALF, 512):
                self._check_kernel_leaf(where, address, size, frame, way, registers)

    def _check_kernel_leaf(self, where, address, size, frame, way, registers):
        kernel, found, kind = self.kernel, rights(way), TYPES[way[-1] & (PWT | PCD)]
        symbols, wanted = self.kernel.symbols, None
        if any(entry & US for entry in way):
            self._fault(f"{where} lets ring 3 in at {address:x}")
        if symbols["kernel_start"] <= address:
            wanted = ("rxg" if address < symbols["kernel_text_end"] else
                      "rg" if address < symbols["kernel_rodata_end"] else "rwg")
            if frame != self.snapshot.kernel_base + address - symbols["kernel_start"] or frame + size > kernel.image_end:
                wanted = None
        elif kernel.pool_base <= frame and frame + size <= kernel.pool_end:
            wanted = "rwg"
        elif frame in registers and size == PAGE:
            wanted = "rwg"
            if kind != "uncacheable":
                self._fault(f"{where} maps device registers {frame:x} at {address:x} as {kind}")
        if wanted is None:
            for stretch in list(self.owners(frame, frame + size))[:1]:
                frame = max(frame, stretch.frame)
            self._fault(f"{where} maps frame {frame:x} at {address:x} ({found}): {self.owner_text(frame)}")
        elif found != wanted:
            self._fault(f"{where} maps {frame:x} at {address:x} with rights {found} in place of {wanted}")

    def _check_spaces(self):
        """Tables say what the lists of mappings say."""
        for space in self.spaces:
            for start, end, wanted, found in differences(space.wanted, space.found):
                if found is None:
                    self._fault(f"{space.name} does not map {start:x} to {end:x}, its list of mappings says it does")
                elif wanted is None:
                    self._fault(f"{space.name} maps frame {found.frame:x} at {start:x} to {end:x} ({found.rights}), "
                                f"where it has no mapping: {self.owner_text(found.frame)}")
                else:
                    self._fault(f"{space.name} maps {start:x} to frame {found.frame:x} ({found.rights}, {found.type}), "
                                f"its mapping says {wanted.frame:x} ({wanted.rights}, {wanted.type})")
            for run in space.found:
                if space.owner in self.domains and "w" in run.rights and "x" in run.rights:
                    self._fault(f"{space.name} has memory at {run.start:x} that is writable and executable")

    def _check_sharing(self):
        """Each frame is in the spaces that it belongs into; what init made for somebody is there as a whole."""
        mapped = collections.Counter()  # (memory, space) → bytes
        for space in self.spaces:
            for run in space.found:
                for stretch in self.owners(run.frame, run.frame + run.end - run.start):
                    first = max(run.frame, stretch.frame)
                    mapped[stretch.memory, space.name] += min(run.frame + run.end - run.start, stretch.end) - first
                    if space.name not in self.allowed[stretch.memory]:
                        self._fault(f"{space.name} maps frame {first:x} at {run.start + first - run.frame:x}: "
                                    f"{self.owner_text(first)}")
                    if stretch.memory == self.image and "w" in run.rights:
                        self._fault(f"{space.name} can write to the system image at {run.start:x}")
        for memory in self.whole:
            size = sum(size for _, size, _ in self.kernel.frames(memory))
            for name in self.allowed[memory]:
                if not memory.parent and mapped[memory, name] != size:
                    self._fault(f"{name} maps {mapped[memory, name]} of the {size} bytes of {self.describe(memory)}")
            if memory.parent and self.mapped(memory) != self.allowed[memory]:
                self._fault(f"{self._list(self.mapped(memory))} map {self.owner_text_of(memory)}")

    def _check_authority(self):
        """For each mapping somebody has the capabilities that it takes. Nobody but init could move a wall."""
        configure, may_map = self.constants["RIGHT_CONFIGURE"], self.constants["RIGHT_MAP"]
        held = {domain: {} for domain in self.domains}
        for domain in self.domains:
            for capability in self.kernel.capabilities[domain]:
                held[domain][capability.target] = held[domain].get(capability.target, 0) | capability.rights
        for domain in self.domains:
            for target, granted in held[domain].items() if domain != self.init else ():
                entry = self.kernel.objects.get(target.address_)
                moves = (may_map | configure) if entry in self.domains else may_map if entry in self.vms else 0
                if entry != domain and granted & moves:
                    self._fault(f"domain {domain.name} can change the space of {entry.name} (rights {granted:x})")
                if entry in self.allowed and self.allowed[entry] != {f"domain {domain.name}"}:
                    self._fault(f"domain {domain.name} holds a capability to {self.owner_text_of(entry)}")
        for space in self.spaces:
            for mapping in self.kernel.mappings(space.owner):
                if mapping.memory and not self._is_authorised(space, mapping, held):
                    self._fault(f"{space.name} maps {self.describe(mapping.memory)} at {mapping.address:x}, "
                                "and nobody has the capabilities to do that")

    def _is_authorised(self, space, mapping, held):
        needed = self.constants["RIGHT_READ"]
        needed |= self.constants["RIGHT_WRITE"] if mapping.rights & self.constants["PT_WRITE"] else 0
        if mapping.rights & self.constants["PT_EXECUTE"] and space.owner in self.domains:
            needed |= self.constants["RIGHT_EXECUTE"]
        holders = [domain for domain in self.domains if held[domain].get(mapping.memory, 0) & needed == needed]
        if any(held[domain].get(space.owner, 0) & self.constants["RIGHT_MAP"] for domain in holders):
            return True
        # init's own segments: the kernel made and mapped them at boot, nobody has a capability to them
        return (space.owner == self.init and mapping.memory.object.account == self.kernel.root_account and
                not any(mapping.memory in table for table in held.values()))
