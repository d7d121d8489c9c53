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

Structures are found by the debug information of the very kernel and init that run (layout.py, kernel_objects.py); the
memory and the tables are those of snapshot.py.
"""

import bisect
import collections
import struct

from kernel_objects import Kernel
from snapshot import ADDRESS, PAGE, PCD, PWT, ROOT_HALF, TYPES, US
from snapshot import Run, Unreadable, differences, hardware_runs, join, rights, walk

HUGE_FRAMES, HUGE_BLOCKS = (1 << 30) // PAGE, 512

# A domain or a VM: what it should map by its list of mappings, and what its tables do map.
Space = collections.namedtuple("Space", "name owner wanted found")
# A stretch of frames that belongs to a memory object.
Stretch = collections.namedtuple("Stretch", "frame end memory")


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
            holders = [f"{domain.name}:{capability.slot}" for domain, table in self.kernel.capabilities.items()
                       for capability in table if capability.target == memory]
            lines.append(f"{self.describe(memory)}: {memory.size_bytes >> 10} KiB, in "
                         f"{self._list(self.mapped(memory))}; allowed {self._list(self.allowed[memory])}; "
                         f"capabilities {' '.join(holders) or 'none'}")
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
            start, end = mapping.cursor - mapping.address, mapping.done if mapping.flush == 0 else 0
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
        public = {physical(page) for page in public + [cpu.trace.address_ for cpu in self.kernel.cpus]}
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
        homes[None] = self.init  # its own writable segments, which the loader filled in

        def belongs(slot, name, *spaces):
            memory = self.kernel.objects.get(slots[slot].address_) if slot in slots else None
            if memory is not None:
                self.names[memory] = name
                self.allowed[memory] = {one if one.startswith("VM ") else f"domain {one}" for one in spaces}
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
        """Bit n: frame n is free. A region is a page of the pool full of blocks; a GiB that is taken as one keeps its
        blocks, all of them whole, and is in no list (kernel/frames.c)."""
        allocator, size = self.kernel.variable("frames"), self.snapshot.kernel.named["struct block"]["size"]
        huge_size = self.snapshot.kernel.named["struct huge"]["size"]
        regions = self.kernel.read(allocator.regions, 8 * allocator.region_count)
        free = 0
        for region, in struct.iter_unpack("<Q", regions):
            for offset in range(0, PAGE - size + 1, size) if region else []:
                block = self.kernel.at("struct block", region + offset)
                huge = self.kernel.at("struct huge", allocator.huge.address_ + block.first // HUGE_FRAMES * huge_size)
                if huge.whole_count == HUGE_BLOCKS and huge.link.at == 0:
                    continue
                for word, bits in enumerate(block.free):
                    free |= bits << block.first + 64 * word
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
            svm = self.kernel.at("struct svm_vcpu", vcpu.virt)
            nested = svm.vmcb.control.nested_cr3 & ADDRESS
            used = (nested, svm.vmcb_pa)
            if used != (self.kernel.physical(vcpu.vm.space.pt.root), self.kernel.physical(svm.vmcb.address_)):
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
            linear = self.snapshot.kernel_base + address - symbols["kernel_start"]
            if frame != linear or frame + size > kernel.image_end:
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
        # init's own segments: the kernel mapped them at boot, nobody has a capability to them
        return (space.owner == self.init and mapping.memory.object.account is None and
                not any(mapping.memory in table for table in held.values()))
