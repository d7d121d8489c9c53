# SPDX-License-Identifier: Apache-2.0
"""test_walls: rule 2 on the running system, read from outside (walls.py).

One boot of the demo, both guests at their shell, gives the snapshot of the first tests. Most of them pull one brick out
of a copy of it, and the checker has to name the hole: a checker that finds nothing anywhere would pass the first test
as well. The last one boots a kernel that has such a hole by its own code (breach/).
"""

import os
import re
import struct

import pytest

import emulator
from cloison import BUILD, Cloison, disk_image, image_tool
from snapshot import ADDRESS, CHUNK, NX, P, PAGE, PS, ROOT_HALF, RW, US, stop, walk
from walls import Walls, faults

DEMO = os.path.join(emulator.ROOT, "guests", "demo.toml")
ONLY = "QEMU: physical memory and CR3 are read through its monitor"
KERNEL = os.path.join(BUILD, "kernel", "cloison.elf")
BREACHED_KERNEL = os.path.join(BUILD, "tests", "system", "breach", "cloison.elf")
INIT = os.path.join(BUILD, "services", "init.elf")
ALPHA = "alpha's RAM"
BREACH_ADDRESS = 0x7E0000000000  # breach/breach.c
RAM = r"alpha's RAM \(object \d+\), which belongs into VM alpha, domain vmm-alpha"


def demo_image(folder, kernel=KERNEL):
    """A disk image with the demo's two Linux guests and this kernel."""
    with open(os.path.join(BUILD, "members.list"), encoding="utf-8") as file:
        members = dict(word.split("=") for word in file.read().split())
    members["kernel.elf"] = kernel
    system, disk = os.path.join(folder, "system.img"), os.path.join(folder, "disk.img")
    image_tool("system", "-o", system, "--config", DEMO,
               *(f"{name}={os.path.join(emulator.ROOT, path)}" for name, path in members.items()))
    image_tool("disk", "-o", disk, "--loader", os.path.join(BUILD, "boot", "BOOTX64.EFI"), "--system", system)
    return disk


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    """The demo with both guests at their shell, stopped; everything that the checker looks at is in the snapshot."""
    with Cloison(smp=2, memory=1024, image=demo_image(tmp_path_factory.mktemp("walls"))) as machine:
        machine.boot()
        for name in ("alpha", "beta"):
            with machine.console(name):
                pass
        stopped = stop(machine, KERNEL, INIT)
        faults(stopped)
    return stopped


def test_every_frame_is_where_inits_capabilities_allow_it_and_nowhere_else(snapshot):
    """The verdict, and that it was passed on everything there is."""
    walls = Walls(snapshot)
    found = walls.faults()
    assert not found, "\n".join(found) + "\n\n" + walls.matrix()
    assert {space.name for space in walls.spaces} == {
        "domain init", "domain console", "domain switch", "domain vmm-alpha", "domain vmm-beta", "VM alpha", "VM beta"}
    assert len(snapshot.cr3) == 2
    names = [walls.names[memory] for memory in walls.whole]
    for vm in ("alpha", "beta"):
        for what in ("RAM", "capsule", "control channel", "console channel", "network channel"):
            assert names.count(f"{vm}'s {what}") == 1
        ram, = (memory for memory in walls.memories if walls.names[memory] == f"{vm}'s RAM")
        assert sum(size for _, size, _ in walls.kernel.frames(ram)) == ram.size_bytes == 256 << 20
    assert {"the console's control channel", "the switch's control channel"} <= set(names)


def test_every_cpu_runs_with_its_caches_on(snapshot):
    """CPUs that a SIPI starts come up with CR0.CD and CR0.NW set (SDM Vol. 3A table 10-1)."""
    assert len(snapshot.cr0) == 2
    assert [f"{cr0:x}" for cr0 in snapshot.cr0 if cr0 & 0xE0000000 != 0x80000000] == []


def test_a_gib_of_a_guest_is_one_page_where_the_cpu_has_such(tmp_path):
    guest = os.path.join(BUILD, "guests", "linux")
    image = disk_image(tmp_path, f"""[[vm]]
name = "big"
memory = "1200M"
kernel = "{guest}/vmlinuz"
initrd = "{guest}/initramfs.cpio.gz"
cmdline = "console=hvc0 quiet"
""")
    with Cloison(smp=1, memory=4096, image=image) as machine:
        machine.boot()
        with machine.console("big"):
            pass
        walls = Walls(stop(machine, KERNEL, INIT))
        found = walls.faults()
    assert not found, "\n".join(found) + "\n\n" + walls.matrix()
    vm, = walls.vms
    sizes = [size for _, size, _, _ in walk(walls.kernel.table, walls.kernel.physical(vm.space.pt.root))]
    assert sizes.count(1 << 30) == 1
    assert sum(sizes) >= 1200 << 20


# ------------------------------------------------------------------------------------------------------ one brick each


class Mason:
    """Changes a snapshot, one word here and there, and puts everything back."""

    def __init__(self, snapshot):
        self.snapshot, self.walls = snapshot, Walls(snapshot)
        self.kernel, self._undo, self._cr3 = self.walls.kernel, [], list(snapshot.cr3)
        self.own_root = self.kernel.physical(self.kernel.variable("kernel_map").root)

    def repair(self):
        """Undo everything, the last change first."""
        for place, value in reversed(self._undo):
            self.snapshot.poke(place, value)
        self.snapshot.cr3[:] = self._cr3

    def write(self, place, value):
        """Eight bytes of physical memory."""
        self._undo.append((place, self.snapshot.poke(place, value)))

    def word(self, place):
        """Eight bytes of physical memory."""
        return struct.unpack("<Q", self.snapshot.read(place, 8))[0]

    def space(self, name):
        """A space of the verdict, by its name."""
        return next(space for space in self.walls.spaces if space.name == name)

    def root(self, name):
        """Physical address of a space's root table."""
        return self.kernel.physical(self.space(name).owner.space.pt.root)

    def memory(self, name):
        """A memory object, by the name that it has in the verdict."""
        return next(memory for memory, known in self.walls.names.items() if known == name)

    def frame(self, name):
        """The first frame of a memory object."""
        return next(self.kernel.frames(self.memory(name)))[2]

    def entry(self, root, address):
        """Where the entry is that maps `address`, or that would."""
        place = root
        for shift in (39, 30, 21, 12):
            at = place + 8 * (address >> shift & 511)
            if shift == 12 or not self.word(at) & P or (shift < 39 and self.word(at) & PS):
                return at
            place = self.word(at) & ADDRESS

    def change(self, name, address, give=0, take=0):
        """Set and clear bits of the entry that maps `address` in a space."""
        place = self.entry(self.root(name), address)
        assert self.word(place) & P
        self.write(place, self.word(place) & ~take | give)

    def start(self, space, memory):
        """Where a space maps the first byte of a memory object."""
        first = self.frame(memory)
        return next(run.start + first - run.frame for run in self.space(space).found
                    if run.frame <= first < run.frame + run.end - run.start)

    def allocator_bit(self, frame):
        """The word and the bit that say whether a frame is free: in the block of 2 MiB, in its region (kernel/frames.c)."""
        size = self.kernel.program.named["struct block"]["size"]
        region, block = divmod(frame // PAGE // 512, PAGE // size)
        page = self.word(self.kernel.physical(self.kernel.variable("frames").regions + 8 * region))
        bits = page + block * size + self.kernel.program.structs["block"]["free"][0]
        return self.kernel.physical(bits) + frame // PAGE % 512 // 64 * 8, 1 << frame // PAGE % 64

    def free_frame(self):
        """The last free frame."""
        return (self.walls.free_frames().bit_length() - 1) * PAGE

    def hole(self, root, first, end):
        """Where there is an empty entry for 4 KiB, beside one that is used."""
        for address, size, _, _ in walk(self.kernel.table, root, first, end):
            beside = address + PAGE
            if size == PAGE and beside >> 21 == address >> 21 and not self.word(self.entry(root, beside)) & P:
                return self.entry(root, beside)
        raise AssertionError("every table is full")


BRICKS = []


def brick(pull):
    """A change that has to be found: pull(mason) makes it and returns the expression that one of the faults matches."""
    BRICKS.append(pytest.param(pull, id=pull.__name__))
    return pull


@brick
def guest_frame_in_the_kernel_half(mason):
    mason.write(mason.hole(mason.own_root, ROOT_HALF, 512), mason.frame(ALPHA) | P | RW | NX)
    return rf"^the kernel half maps frame {mason.frame(ALPHA):x} at ffff\w+ \(rw\): {RAM}$"


@brick
def window_left_open(mason):
    place = mason.kernel.physical(mason.kernel.variable("windows") + 16 * mason.kernel.cpus[1].index)
    mason.write(place, mason.frame(ALPHA) | P | RW | NX)
    return rf"^the kernel half maps frame {mason.frame(ALPHA):x} at ffffc2\w+ \(rw\): {RAM}$"


@brick
def free_frame_in_the_kernel_half(mason):
    frame = mason.free_frame()
    mason.write(mason.hole(mason.own_root, ROOT_HALF, 512), frame | P | RW | NX)
    return rf"^the kernel half maps frame {frame:x} at \w+ \(rw\): a frame of no memory object$"


@brick
def one_kernel_half_unlike_the_others(mason):
    mason.write(mason.root("domain switch") + 8 * 511, 0)
    return "^there are 2 kernel halves"


@brick
def ring_3_let_into_the_kernel_half(mason):
    place = mason.entry(mason.own_root, mason.kernel.pool_virtual)
    mason.write(place, mason.word(place) | US)
    return rf"^the kernel half lets ring 3 in at {mason.kernel.pool_virtual:x}$"


@brick
def kernel_text_writable(mason):
    place = mason.entry(mason.own_root, mason.kernel.symbols["kernel_start"])
    mason.write(place, mason.word(place) | RW)
    return r"^the kernel half maps \w+ at ffffffff80000000 with rights rwxg in place of rxg$"


@brick
def pool_executable(mason):
    place = mason.entry(mason.own_root, mason.kernel.pool_virtual)
    mason.write(place, mason.word(place) & ~NX)
    return r"^the kernel half maps \w+ at \w+ with rights rwxg in place of rwg$"


@brick
def guest_frame_in_init(mason):
    mason.write(mason.hole(mason.root("domain init"), 0, ROOT_HALF), mason.frame(ALPHA) | P | RW | US | NX)
    return rf"^domain init maps frame {mason.frame(ALPHA):x} at \w+ to \w+ \(rwu\), where it has no mapping: {RAM}$"


@brick
def guest_frame_in_another_vmm(mason):
    mason.write(mason.hole(mason.root("domain vmm-beta"), 0, ROOT_HALF), mason.frame(ALPHA) | P | US | NX)
    return rf"^domain vmm-beta maps frame {mason.frame(ALPHA):x} at \w+: {RAM}$"


@brick
def guest_frame_in_another_guest(mason):
    mason.write(mason.entry(mason.root("VM beta"), 0), mason.word(mason.entry(mason.root("VM alpha"), 0)))
    return rf"^VM beta maps frame {mason.frame(ALPHA):x} at 0: {RAM}$"


@brick
def pool_page_in_a_guest(mason):
    mason.write(mason.entry(mason.root("VM beta"), 0), mason.kernel.pool_base | P | RW | US | PS)
    return r"^VM beta maps 0 to frame \w+ \(rwxu, write-back\), its mapping says \w+ "


@brick
def frame_missing_in_its_vmm(mason):
    start = mason.start("domain vmm-alpha", ALPHA)
    mason.change("domain vmm-alpha", start, take=P)
    return rf"^domain vmm-alpha maps {(256 << 20) - CHUNK} of the {256 << 20} bytes of alpha's RAM"


@brick
def system_image_writable(mason):
    start = mason.start("domain init", "the system image")
    mason.change("domain init", start, give=RW)
    return rf"^domain init can write to the system image at {start:x}$"


@brick
def channel_executable(mason):
    start = mason.start("domain switch", "beta's network channel")
    mason.change("domain switch", start, take=NX)
    return rf"^domain switch has memory at {start:x} that is writable and executable$"


@brick
def channel_in_a_third_domain(mason):
    frame = mason.frame("beta's network channel")
    mason.write(mason.hole(mason.root("domain vmm-alpha"), 0, ROOT_HALF), frame | P | RW | US | NX)
    return rf"^domain vmm-alpha maps frame {frame:x} at \w+: beta's network channel"


@brick
def page_table_in_guest_memory(mason):
    place = mason.root("VM beta")
    mason.write(place, mason.frame(ALPHA) | P | RW | US)
    return rf"^a page table stands at {mason.frame(ALPHA):x}, outside of the kernel's pool$"


@brick
def cpu_on_a_table_of_nobody(mason):
    mason.snapshot.cr3[1] = mason.frame(ALPHA)
    return rf"^CPU 1 runs on the table at {mason.frame(ALPHA):x}, which is no domain's$"


@brick
def vcpu_on_another_guests_table(mason):
    vcpu = next(vcpu for vcpu in mason.kernel.kind("vcpu") if vcpu.vm.name == "alpha")
    vmcb = mason.kernel.at("struct svm_vcpu", vcpu.virt).vmcb.address_
    mason.write(mason.kernel.physical(vmcb) + 0xB0, mason.root("VM beta"))  # nCR3: APM Vol. 2 table B-1
    return "^vCPU 0 of alpha runs on the nested table at "


@brick
def used_frame_free_in_the_allocator(mason):
    place, bit = mason.allocator_bit(mason.frame(ALPHA))
    mason.write(place, mason.word(place) | bit)
    return rf"^frame {mason.frame(ALPHA):x} of alpha's RAM \(object \d+\): it or one that follows is free"


@brick
def frame_lost(mason):
    place, bit = mason.allocator_bit(mason.free_frame())
    mason.write(place, mason.word(place) & ~bit)
    return r"^the allocator counts \d+ free frames and has \d+$"


@brick
def frame_in_two_memory_objects(mason):
    maps = [mason.kernel.physical(mason.memory(f"{vm}'s RAM").map.root) for vm in ("alpha", "beta")]
    mason.write(maps[1], mason.word(maps[0]))
    return r"^frame \w+ belongs to (alpha|beta)'s RAM \(object \d+\) and (alpha|beta)'s RAM"


@brick
def capability_given_to_the_wrong_program(mason):
    init, vmm = (mason.space(name).owner for name in ("domain init", "domain vmm-beta"))
    slot = next(cap.slot for cap in mason.kernel.capabilities[init] if cap.target == mason.memory(ALPHA))
    mason.write(mason.kernel.physical(vmm.slots) + 8 * 200, mason.word(mason.kernel.physical(init.slots) + 8 * slot))
    return rf"^domain vmm-beta holds a capability to {RAM}$"


@brick
def mapping_that_nobody_could_have_made(mason):
    init = mason.space("domain init").owner
    slot = next(cap.slot for cap in mason.kernel.capabilities[init] if cap.target == mason.memory(ALPHA))
    mason.write(mason.kernel.physical(init.slots) + 8 * slot, 0)
    return r"^VM alpha maps .*, and nobody has the capabilities to do that$"


@pytest.mark.parametrize("pull", BRICKS)
def test_a_missing_brick_is_found(snapshot, pull):
    """Each hole is found, and named by its own sentence."""
    mason = Mason(snapshot)
    try:
        wanted, found = pull(mason), faults(snapshot)
    finally:
        mason.repair()
    assert any(re.search(wanted, fault) for fault in found), f"{wanted}\n" + "\n".join(found)


def test_mended_walls_stand_again(snapshot):
    """What the tests before changed was put back: each of them found its own hole."""
    assert not faults(snapshot)


# ------------------------------------------------------------------------------------------------ a kernel with a hole


def test_a_kernel_that_maps_a_guest_frame_on_purpose_is_found(tmp_path):
    """The same checker on a build that enters one guest frame in the kernel half and in init."""
    with Cloison(smp=2, memory=1024, image=demo_image(tmp_path, BREACHED_KERNEL)) as machine:
        machine.boot()
        for name in ("alpha", "beta"):
            machine.await_state(name, "running", 30)
            machine.command(f"suspend {name}")  # a guest that still boots leaves its CPU no moment to be stopped in
        walls = Walls(stop(machine, BREACHED_KERNEL, INIT))
        found = walls.faults()
        frame = next(space.found[0].frame for space in walls.spaces if space.name == "VM alpha")
    text = "\n".join(found)
    assert re.search(rf"^the kernel half maps frame {frame:x} at ffffc0\w+ \(rwg\): {RAM}$", text, re.M), text
    assert re.search(rf"^domain init maps frame {frame:x} at {BREACH_ADDRESS:x}: {RAM}$", text, re.M), text
    assert all(f"maps frame {frame:x} " in fault for fault in found), text
