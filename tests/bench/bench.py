#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""bench: instructions and expensive operations of the paths that matter (`make bench`).

Boots Cloison with one CPU in QEMU with -icount shift=0 (AMD-V) and in Bochs (VT-x), where a TSC tick is an instruction
and every number repeats to the digit. Three images: the micro-guest bench_exits under the real VMM; tests/bench/doorbell
in init's place; in QEMU the demo's two Linux guests, too, as far as the second one's first instruction. What the guests
measure is compared with the instructions that the emulator logs one by one (trace.py); they have to agree, and the
expensive ones are counted there.

Prints a table, writes build/bench.json, and ends with 1 when a bar is broken. `--profile NAME` prints instead where the
instructions of a row go. docs/howto/bench.md tells how to read the table.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, "build")
sys.path[:0] = [os.path.join(ROOT, "tools"), os.path.dirname(os.path.abspath(__file__))]
import emulator  # pylint: disable=wrong-import-position
import gdb  # pylint: disable=wrong-import-position
import trace as traces  # pylint: disable=wrong-import-position

BOOT_SECONDS = 120
LOOK = ("trace on", "s 60000")  # for Bochs' debugger
LINUX_CONFIG = os.path.join(ROOT, "guests", "demo.toml")

# Instructions allowed, by machine; for the fast exits expensive operations, too.
BARS = {
    "qemu-svm": {"cpuid": 300, "hypercall": 250, "doorbell": 400, "doorbell_wake": 1200, "port_io_vmm": 1000,
                 "mmio_vmm": 1500, "handover_to_guest": 60_000_000},
    "bochs-vmx": {"cpuid": 350, "hypercall": 300, "doorbell": 450, "port_io_vmm": 1100},
}
FAST_BAR = {"vm_entries": 1, "vmload_vmsave": 4, "wrmsr_rdmsr": 0, "xsave_xrstor": 0, "control_register_writes": 0}
FAST = ("cpuid", "hypercall", "doorbell")

# The same emulator as qemu-svm, Linux 6.1 KVM with kvmtool, and Xen 4.17 with a PVH or HVM guest.
PEERS = {"cpuid": (3193, 6145), "hypercall": (3437, 6176), "doorbell": (1691, None), "port_io_vmm": (3908, 1171),
         "mmio_vmm": (5760, 17681), "rdmsr": (3130, 6422)}
PEERS_NOTE = ("KVM and Xen decode the instruction to find its length where the CPU does not save the next RIP, as "
              "here; Cloison does not for CPUID and VMMCALL.")

# Rows that the micro-guest measures: name in the table → name there, and the function of measure.asm that does it.
HYPERCALLS = {"qemu-svm": "measure_vmmcall", "bochs-vmx": "measure_vmcall"}
EXITS = {"cpuid": ("cpuid", "measure_cpuid"), "hypercall": ("hypercall", None),
         "port_io_vmm": ("port_io_vmm", "measure_in"), "mmio_vmm": ("mmio_vmm", "measure_mmio_read"),
         "port_absent": ("port_absent", None), "rdmsr": ("rdmsr_apic_base", "measure_rdmsr"),
         "self_ipi": ("self_ipi_x2apic", "measure_ipi")}
EMPTY_MEASUREMENT = 3  # instructions between the two RDTSCs of measure_nothing

# The loops of tests/bench/doorbell: addresses of their OUTs, and their length.
OUT_NOBODY, OUT_WAKE, OUT_BYTES = 0x1106, 0x1206, 2

EXITS_CONFIG = """\
[host]
hostname = "bench"
headless = true
[[vm]]
name = "exits"
memory = "64M"
kernel = "{kernel}"
cmdline = "cycle"
console = "serial"
local_apic = "{apic}"
"""


class BenchError(Exception):
    """A number cannot be had, or two ways to it disagree."""


class Workshop:
    """Copies of what was built, so that a build that goes on meanwhile changes nothing, and images made of them."""

    def __init__(self, directory):
        self.directory = directory
        with open(os.path.join(BUILD, "members.list"), encoding="utf-8") as file:
            self.members = dict(word.split("=") for word in file.read().split())
        for name, path in self.members.items():
            self.members[name] = self._copy(path)
        self.loader = self._copy("build/boot/BOOTX64.EFI")
        self.doorbell = self._copy("build/tests/bench/doorbell/init.elf", "doorbell.elf")
        self.guest = self._copy("build/guests/micro/bench_exits.elf")
        self.guest_code = self._copy("build/guests/micro/bench_exits.elf64")
        self.kernel = self.members["kernel.elf"]

    def path(self, name):
        """A file of the workshop."""
        return os.path.join(self.directory, name)

    def _copy(self, path, name=None):
        to = self.path(name or os.path.basename(path))
        shutil.copy(os.path.join(ROOT, path), to)
        return to

    def image(self, name, members, config=None):
        """A disk image with these members and this configuration."""
        system, disk = self.path(name + ".system"), self.path(name + ".img")
        words = [f"{member}={path}" for member, path in members.items()]
        tool = os.path.join(ROOT, "tools", "image")
        traces.run(tool, "system", "-o", system, *(["--config", config] if config else []), *words)
        traces.run(tool, "disk", "-o", disk, "--loader", self.loader, "--system", system)
        os.unlink(system)
        return disk


def boot(image, **options):
    """The machine of all numbers for AMD-V."""
    return emulator.Machine(smp=1, memory=1024, image=image, icount=True, **options)


def collect(kind, image, workshop):
    """What the guest says until it begins to turn in circles, {name: number}, and a record of it turning."""
    if kind == "bochs-vmx":
        emulator.BOCHS_HZ = 100000000  # a timer's tick is an interrupt in what is counted
        machine = emulator.Machine("bochs", "corei7_skylake_x", smp=1, memory=1024, image=image, script=LOOK)
    else:
        machine = boot(image)
    with machine:
        machine.expect(r"bench: cycling", BOOT_SECONDS)
        numbers = {name: int(number) for name, number in re.findall(r"bench: (\w+) (\d+)", machine.log)}
        if kind != "bochs-vmx":
            return numbers, traces.record(machine, workshop.path("executed.log"))
        machine.wait(BOOT_SECONDS)
        return numbers, traces.stepped(machine.debugger_output())


def agree(name, measured, path, less=0, interrupts=0):
    """`measured` TSC ticks and the instructions of `path` but `less` are the same. The emulator does not count as
    executed an instruction of the guest that it intercepts: one for each VM entry after it. In an average there may be
    `interrupts` ticks of interrupts, too, which are no instruction where no VM entry delivers them."""
    entries, traced = path.expensive()["vm_entries"], path.length - less
    if not -interrupts <= traced - measured <= entries:
        raise BenchError(f"{name}: the guest measured {measured}, the trace has {traced} instructions and {entries} "
                         "VM entries")


def measured_stretch(guest, function):
    """Addresses of the first instruction that measure.asm times and of the fence after the last."""
    body = guest.body(function)
    fences = [at for at, (_, text) in enumerate(body) if text == "lfence"]
    first = next(at for at, (_, text) in enumerate(body) if re.match(r"mov +r8,rax", text)) + 1
    return body[first][0], body[next(at for at in fences if at > first)][0]


def measure_exits(kind, workshop, apic):
    """The rows of EXITS with `local_apic` = `apic` on a machine of this kind: {name: (instructions, Path or None)}."""
    config = workshop.path("exits.toml")
    with open(config, "w", encoding="utf-8") as file:
        file.write(EXITS_CONFIG.format(kernel=workshop.guest, apic=apic))
    numbers, executed = collect(kind, workshop.image("exits", workshop.members, config), workshop)
    host, guest = traces.Code(workshop.kernel, workshop.members["vmm.elf"]), traces.Code(workshop.guest_code)
    rows = {}
    for name, (reported, function) in EXITS.items():
        if reported not in numbers:
            raise BenchError(f"{name}: the micro-guest did not report {reported}")
        path, function = None, HYPERCALLS[kind] if name == "hypercall" else function
        if function:
            path = traces.usual(host, executed, *measured_stretch(guest, function))
            agree(name, numbers[reported], path, EMPTY_MEASUREMENT, interrupts=name == "self_ipi")
        rows[name] = numbers[reported], path
    return rows


def run_exits(kind, workshop):
    """The rows of EXITS; with VT-x as where no fault of the processor is known, and what software takes besides."""
    if kind != "bochs-vmx":
        return measure_exits(kind, workshop, "software")
    rows = measure_exits(kind, workshop, "hardware")
    return rows | {"self_ipi_software": measure_exits(kind, workshop, "software")["self_ipi"]}


def run_doorbells(kind, workshop):
    """The rows doorbell and doorbell_wake."""
    members = {"kernel.elf": workshop.kernel, "init.elf": workshop.doorbell}
    numbers, executed = collect(kind, workshop.image("doorbell", members), workshop)
    code = traces.Code(workshop.kernel, workshop.doorbell)
    nobody = traces.usual(code, executed, OUT_NOBODY, OUT_NOBODY + OUT_BYTES)
    turn = traces.usual(code, executed, OUT_WAKE, OUT_WAKE + OUT_BYTES)
    agree("doorbell", numbers["doorbell"], nobody)
    agree("doorbell_wake", numbers["doorbell_wake_turn"], turn, interrupts=turn.length // 200)
    waiter = code.body("wait_for_doorbell")
    behind = {waiter[at + 1][0] for at, (_, text) in enumerate(waiter) if text == "syscall"}
    after = next((address for address in executed if address in behind), 0)  # the compiler has rolled the loop out
    wake = traces.usual(code, executed, OUT_WAKE, after)
    return {"doorbell": (numbers["doorbell"], nobody), "doorbell_wake": (wake.length - 1, wake)}


def run_handover(workshop):
    """Instructions from the kernel's first one to the first and to the second VM's first one, and how many 8-byte words
    were scrubbed until the latter."""
    code = traces.Code(workshop.kernel)
    vmrun = next(address for address, text in code.body("svm_enter") if text == "vmrun")
    window, log = code.address("window_zero"), workshop.path("scrubbed.log")
    extra = ["-dfilter", f"{window:#x}+1"]
    with boot(workshop.image("linux", workshop.members, LINUX_CONFIG), gdb="wait", extra=extra) as machine:
        stub = gdb.Stub(machine.gdb_socket, lambda: machine.pump(0))
        try:
            stub.run_to(code.address("kernel_main"), BOOT_SECONDS)
            begin = machine.qmp("query-replay")["icount"]
            machine.monitor(f"logfile {log}")
            machine.monitor("log exec,nochain")
            stub.run_to(vmrun, BOOT_SECONDS)
            first, first_vmcb = machine.qmp("query-replay")["icount"], stub.registers()["rax"]
            stub.run_to(code.address("svm_vcpu_create"), BOOT_SECONDS)
            while True:
                stub.run_to(vmrun, BOOT_SECONDS)
                if stub.registers()["rax"] != first_vmcb:
                    break
                stub.step_over()
            end = machine.qmp("query-replay")["icount"]
            machine.monitor("log none")
        finally:
            stub.close()
    with open(log, encoding="ascii", errors="replace") as file:
        frames = sum(1 for line in file if traces.EXECUTED.match(line))
    return first - begin, end - begin, frames * 4096 // 8


def broken_bars(rows):
    """What is over its bar, as sentences."""
    for row in rows:
        if row["bar"] is not None and row["instructions"] > row["bar"]:
            yield (f"{row['name']} takes {row['instructions']:,} instructions on {row['machine']}, "
                   f"{row['bar']:,} are allowed")
        if row["name"] in FAST:
            for kind, allowed in FAST_BAR.items():
                if row["expensive"][kind] > allowed:
                    yield f"{row['name']} has {row['expensive'][kind]} {kind} on {row['machine']}, {allowed} are allowed"


def rows_of(kind, paths):
    """What build/bench.json has of a machine, rows with a bar first."""
    bars = BARS[kind]
    for name in [*bars, *(name for name in paths if name not in bars)]:
        instructions, path = paths[name]
        kvm, xen = PEERS.get(name, (None, None)) if kind == "qemu-svm" else (None, None)
        yield {"name": name, "machine": kind, "instructions": instructions,
               "expensive": path.expensive() if path else {}, "bar": bars.get(name), "kvm": kvm, "xen": xen}


def print_table(kind, rows):
    """For people."""
    kinds = list(traces.EXPENSIVE)
    heads = ["entry", "vmld/sv", "msr", "cr", "xsave", "tlb", "lock", "ipi", "syscall"]
    print(f"{kind:<18} {'Cloison':>10} {'bar':>10} {'KVM':>6} {'Xen':>6}  " + " ".join(f"{head:>7}" for head in heads))
    for row in rows:
        peers = [f"{row[peer]:,}" if row[peer] else "-" for peer in ("kvm", "xen")]
        bar = f"{row['bar']:,}" if row["bar"] else "-"
        counts = " ".join(f"{row['expensive'].get(kind, '-'):>7}" for kind in kinds)
        print(f"{row['name']:<18} {row['instructions']:>10,} {bar:>10} {peers[0]:>6} {peers[1]:>6}  {counts}")
    print()


def profile(arguments, workshop):
    """Where the instructions of one row go."""
    run = run_doorbells if arguments.profile.startswith("doorbell") else run_exits
    instructions, path = run(arguments.machine, workshop)[arguments.profile]
    print(f"{arguments.profile}: {instructions} instructions on {arguments.machine}")
    for count, name in path.functions():
        print(f"{count:>6}  {name}")
    if arguments.listing:
        for address in path.addresses:
            text = path.code.instructions.get(address, "(guest)")
            print(f"{address:x} {path.code.function(address)}: {text}")


def measure(workshop):
    """All rows, printed."""
    tables = {}
    for kind in BARS:
        paths = {**run_exits(kind, workshop), **run_doorbells(kind, workshop)}
        if kind == "qemu-svm":
            first, handover, scrubbed = run_handover(workshop)
            paths["handover_to_guest"] = handover - scrubbed, None
        tables[kind] = list(rows_of(kind, paths))
        print_table(kind, tables[kind])
    next(row for row in tables["qemu-svm"] if row["name"] == "handover_to_guest").update(
        instructions_with_scrubbing=handover, first_vm_with_scrubbing=first, scrubbed_quadwords=scrubbed)
    print(f"handover_to_guest: {handover:,} instructions from hand-over to the second VM's first, of which "
          f"{scrubbed:,} scrub 8 bytes each; the first VM's came after {first:,}.")
    print(PEERS_NOTE)
    return [row for rows in tables.values() for row in rows]


def main():
    """Measure, tell, judge."""
    parser = argparse.ArgumentParser(prog="bench", description="Instructions and expensive operations of fast paths.")
    parser.add_argument("--profile", metavar="NAME", help="print where the instructions of this row go, nothing else")
    parser.add_argument("--machine", choices=list(BARS), default="qemu-svm", help="with --profile: where (qemu-svm)")
    parser.add_argument("--listing", action="store_true", help="with --profile: print every instruction")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cloison-bench-") as directory:
        workshop = Workshop(directory)
        if arguments.profile:
            profile(arguments, workshop)
            return 0
        rows = measure(workshop)
    with open(os.path.join(BUILD, "bench.json"), "w", encoding="utf-8") as file:
        json.dump(rows, file, indent=2)
        file.write("\n")
    broken = list(broken_bars(rows))
    for sentence in broken:
        print(f"bench: BROKEN {sentence}")
    return 1 if broken else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (BenchError, traces.TraceError, emulator.MachineError, OSError, subprocess.CalledProcessError) as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(2)
