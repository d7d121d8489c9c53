# SPDX-License-Identifier: Apache-2.0
"""test_smp: guests with several vCPUs: unmodified Linux, and as many as a VM may have.

One boot on each machine serves all tests, in the order in which they stand here. In QEMU, "pair" has two vCPUs and
"quad" four; in Bochs, which would take minutes for that, there is "pair" alone.
"""

import os
import re

import pytest

from cloison import BUILD, QUICKLY, disk_image
from machines import KINDS
from test_linux import ORDINARY, RULES, SUSPICIOUS, await_shell, in_guest

LINUX = os.path.join(BUILD, "guests", "linux")
MICRO = os.path.join(BUILD, "guests", "micro")
MOST = 64  # vCPUs of a VM


# Linux says so, without looking, where several CPUs that are not Intel's have no invariant TSC in CPUID: so under KVM, too.
NO_INVARIANT_TSC = r"tsc: Marking TSC unstable due to TSCs unsynchronized$"

LINUX_GUEST = f"""
[[vm]]
name = "NAME"
memory = "192M"
vcpus = COUNT
kernel = "{LINUX}/vmlinuz"
initrd = "{LINUX}/initramfs.cpio.gz"
cmdline = "console=ttyS0 {QUICKLY}"
console = "serial"
"""
MICRO_GUEST = f"""
[[vm]]
name = "most"
memory = "24M"
vcpus = {MOST}
kernel = "{MICRO}/smp.elf"
cmdline = "cpus={MOST}"
console = "serial"
debug_exit = 0
autostart = false
"""


def linux_guests(kind):
    """The Linux guests on this kind of machine, and how many vCPUs each has."""
    return {"pair": 2, "quad": 4} if kind.emulator == "qemu" else {"pair": 2}


def configuration(kind):
    """The TOML text for these, and for one with as many vCPUs as there can be."""
    return MICRO_GUEST + "".join(LINUX_GUEST.replace("NAME", name).replace("COUNT", str(count))
                                 for name, count in linux_guests(kind).items())


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name, name="kind")
def make_kind(request):
    """The kind of machine."""
    return request.param


@pytest.fixture(scope="module")
def machine(kind, tmp_path_factory):
    """All Linux guests at their shells."""
    image = disk_image(tmp_path_factory.mktemp("smp"), configuration(kind))
    with kind.boot(smp=max(linux_guests(kind).values()), image=image) as booted:
        booted.boot()
        for name in linux_guests(kind):
            with booted.console(name):
                pass
        yield booted


def ticks(machine, name):
    """What each CPU of the guest has run of user's programs, in ticks of the guest's clock."""
    text = in_guest(machine, name, "grep '^cpu[0-9]' /proc/stat")
    return [int(line.split()[1]) for line in text.splitlines()]


def serial_interrupts(machine, name):
    """How many interrupts of COM1 each CPU of the guest has had."""
    text = in_guest(machine, name, "grep '^ *4:' /proc/interrupts")
    return [int(word) for word in text.split(":")[1].split() if word.isdigit()]


def test_a_guest_has_the_cpus_that_the_configuration_gives_it(machine, kind):
    for name, count in linux_guests(kind).items():
        assert in_guest(machine, name, "nproc") == str(count)
        identities = in_guest(machine, name, "grep '^initial apicid' /proc/cpuinfo")
        assert [int(line.split()[-1]) for line in identities.splitlines()] == list(range(count))
        assert machine.listed(name)["cpus"] == count


def test_dmesg_has_no_warning_that_a_kvm_guest_would_not_show(machine, kind):
    expected = NO_INVARIANT_TSC if kind.emulator == "qemu" else "$^"
    for name in linux_guests(kind):
        lines = in_guest(machine, name, f'dmesg -r >/tmp/dmesg; grep -E "^<[0-4]>|{SUSPICIOUS}" /tmp/dmesg || true')
        odd = [line for line in lines.splitlines() if not re.search(expected, line) and
               (re.search(SUSPICIOUS, line) or not any(re.search(ordinary, line) for ordinary in ORDINARY))]
        assert not odd, "\n".join(odd)


def test_every_cpu_runs_programs(machine, kind):
    burn = f"i=0; while [ $i -lt {kind.rounds(20000)} ]; do i=$((i+1)); done"
    for name, count in linux_guests(kind).items():
        before = ticks(machine, name)
        for cpu in range(count):
            in_guest(machine, name, f"taskset {1 << cpu:x} sh -c '{burn}'", 60)
        after = ticks(machine, name)
        assert len(after) == count
        assert all(later > earlier for earlier, later in zip(before, after)), f"{before}, then {after}"


def test_a_cpu_can_be_taken_out_and_put_back_by_the_guest(machine, kind):
    for name, count in linux_guests(kind).items():
        last = count - 1
        for _ in range(2):
            in_guest(machine, name, f"echo 0 >/sys/devices/system/cpu/cpu{last}/online")
            assert in_guest(machine, name, "nproc") == str(last)
            in_guest(machine, name, f"echo 1 >/sys/devices/system/cpu/cpu{last}/online")
            assert in_guest(machine, name, "nproc") == str(count)
        in_guest(machine, name, f"taskset {1 << last:x} true")


def test_a_device_interrupts_the_cpu_that_the_guest_chooses(machine, kind):
    for name, count in linux_guests(kind).items():
        for cpu in (count - 1, 0):
            in_guest(machine, name, f"echo {1 << cpu:x} >/proc/irq/4/smp_affinity")
            before = serial_interrupts(machine, name)
            in_guest(machine, name, "echo " + 50 * "0123456789")
            after = serial_interrupts(machine, name)
            others = [later - earlier for earlier, later in zip(before, after)]
            assert others.pop(cpu) > 0 and not any(others), f"CPU {cpu}: {before}, then {after}"


def test_audit_looks_at_every_vcpu(machine, kind):
    for name, count in linux_guests(kind).items():
        found = machine.command(f"audit {name}").strip().splitlines()
        assert found == [f"{name}: vCPU {number}: no rule of VM entry is broken ({kind.vendor}: {RULES[kind.vendor]})"
                         for number in range(count)]


def test_a_suspended_guest_stands_still_on_all_its_cpus(machine, kind):
    name, count = list(linux_guests(kind).items())[-1]
    in_guest(machine, name, f"for i in $(seq {count}); do (while :; do :; done & echo $! >>/tmp/burning); done")
    assert machine.command(f"suspend {name}").strip() == f"{name} is suspended"
    machine.live(1)
    before = machine.listed(name)
    assert before["state"] == "paused"
    machine.live(4)
    assert machine.listed(name)["cpu_time"] - before["cpu_time"] < 0.3
    assert machine.command(f"resume {name}").strip() == f"{name} is running again"
    in_guest(machine, name, "kill $(cat /tmp/burning)", 60)


def test_a_guest_that_resets_itself_has_all_its_cpus_again(machine, kind):
    name, count = list(linux_guests(kind).items())[-1]
    with machine.console(name) as shell:
        shell.start("reboot")
        machine.expect(f"{name}: the guest reset itself", 60)
    await_shell(machine, name)
    assert in_guest(machine, name, "nproc") == str(count)


def test_the_power_button_ends_a_guest_with_several_cpus(machine):
    assert machine.command("shutdown pair").strip() == "pair: power button pressed"
    machine.await_state("pair", "off", 60)
    before = machine.free_memory()
    machine.command("start pair")
    machine.live(2)
    machine.command("destroy pair")
    assert machine.free_memory() == before


@pytest.mark.not_on("bochs-skylake", "a minute; eight vCPUs in test_micro_guests.py do there")
@pytest.mark.not_on("bochs-ryzen", "the same")
def test_all_vcpus_that_a_vm_can_have_answer_each_other(machine):
    machine.command("start most")
    machine.await_state("most", "off", 120)
    assert machine.listed("most")["last"] == "the guest ended with debug-exit value 0, as expected"
    after = machine.free_memory()
    machine.command("start most")
    machine.command("destroy most")
    assert machine.free_memory() == after
