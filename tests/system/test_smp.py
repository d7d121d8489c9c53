# SPDX-License-Identifier: Apache-2.0
"""test_smp: unmodified Linux guests with several vCPUs, on a machine with four CPUs.

One boot on each machine serves all tests, in the order in which they stand here: "pair" has two vCPUs, "quad" four.
"""

import os
import re

import pytest

from cloison import BUILD, QUICKLY, disk_image
from machines import KINDS
from test_linux import ORDINARY, RULES, SUSPICIOUS, await_shell, in_guest, start_again

LINUX = os.path.join(BUILD, "guests", "linux")
CPUS = {"pair": 2, "quad": 4}

# Linux says so, without looking, where several CPUs that are not Intel's have no invariant TSC in CPUID: so under KVM, too.
NO_INVARIANT_TSC = r"tsc: Marking TSC unstable due to TSCs unsynchronized$"

CONFIGURATION = "".join(f"""
[[vm]]
name = "{name}"
memory = "192M"
vcpus = {count}
kernel = "{LINUX}/vmlinuz"
initrd = "{LINUX}/initramfs.cpio.gz"
cmdline = "console=ttyS0 {QUICKLY}"
console = "serial"
""" for name, count in CPUS.items())


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name, name="kind")
def make_kind(request):
    """The kind of machine."""
    return request.param


@pytest.fixture(scope="module")
def machine(kind, tmp_path_factory):
    """Both guests at their shells."""
    with kind.boot(smp=4, image=disk_image(tmp_path_factory.mktemp("smp"), CONFIGURATION)) as booted:
        booted.boot()
        for name in CPUS:
            with booted.console(name):
                pass
        yield booted


def ticks(machine, name):
    """What each CPU of the guest has run of user's programs, in ticks of the guest's clock."""
    text = in_guest(machine, name, "grep '^cpu[0-9]' /proc/stat")
    return [int(line.split()[1]) for line in text.splitlines()]


@pytest.mark.parametrize("name", CPUS)
def test_the_guest_has_the_cpus_that_the_configuration_gives_it(machine, name):
    assert in_guest(machine, name, "nproc") == str(CPUS[name])
    identities = in_guest(machine, name, "grep '^initial apicid' /proc/cpuinfo")
    assert [int(line.split()[-1]) for line in identities.splitlines()] == list(range(CPUS[name]))
    assert machine.listed(name)["cpus"] == CPUS[name]


@pytest.mark.parametrize("name", CPUS)
def test_dmesg_has_no_warning_that_a_kvm_guest_would_not_show(machine, kind, name):
    lines = in_guest(machine, name, f'dmesg -r >/tmp/dmesg; grep -E "^<[0-4]>|{SUSPICIOUS}" /tmp/dmesg || true')
    expected = NO_INVARIANT_TSC if kind.emulator == "qemu" else "$^"
    odd = [line for line in lines.splitlines() if not re.search(expected, line) and
           (re.search(SUSPICIOUS, line) or not any(re.search(ordinary, line) for ordinary in ORDINARY))]
    assert not odd, "\n".join(odd)


@pytest.mark.parametrize("name", CPUS)
def test_every_cpu_runs_programs(machine, name):
    before = ticks(machine, name)
    burn = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"
    for cpu in range(CPUS[name]):
        in_guest(machine, name, f"taskset {1 << cpu:x} sh -c '{burn}'", 60)
    after = ticks(machine, name)
    assert len(after) == CPUS[name]
    assert all(later > earlier for earlier, later in zip(before, after)), f"{before}, then {after}"


@pytest.mark.parametrize("name", CPUS)
def test_a_cpu_can_be_taken_out_and_put_back_by_the_guest(machine, name):
    last = CPUS[name] - 1
    for _ in range(2):
        in_guest(machine, name, f"echo 0 >/sys/devices/system/cpu/cpu{last}/online")
        assert in_guest(machine, name, "nproc") == str(last)
        in_guest(machine, name, f"echo 1 >/sys/devices/system/cpu/cpu{last}/online")
        assert in_guest(machine, name, "nproc") == str(CPUS[name])
    in_guest(machine, name, f"taskset {1 << last:x} true")


def test_audit_looks_at_every_vcpu(machine, kind):
    found = machine.command("audit quad").strip().splitlines()
    assert found == [f"quad: vCPU {number}: no rule of VM entry is broken ({kind.vendor}: {RULES[kind.vendor]})"
                     for number in range(4)]


def test_a_suspended_guest_stands_still_on_all_its_cpus(machine):
    in_guest(machine, "quad", "for i in 1 2 3 4; do (while :; do :; done & echo $! >>/tmp/burning); done")
    assert machine.command("suspend quad").strip() == "quad is suspended"
    machine.live(1)
    before = machine.listed("quad")
    assert before["state"] == "paused"
    machine.live(4)
    assert machine.listed("quad")["cpu_time"] - before["cpu_time"] < 0.3
    assert machine.command("resume quad").strip() == "quad is running again"
    in_guest(machine, "quad", "kill $(cat /tmp/burning)", 60)


def test_a_guest_that_resets_itself_has_all_its_cpus_again(machine):
    with machine.console("quad") as shell:
        shell.start("reboot")
        machine.expect("quad: the guest reset itself", 60)
    await_shell(machine, "quad")
    assert in_guest(machine, "quad", "nproc") == "4"


def test_the_power_button_ends_a_guest_with_several_cpus(machine):
    assert machine.command("shutdown pair").strip() == "pair: power button pressed"
    machine.await_state("pair", "off", 60)
    before = machine.free_memory()
    start_again(machine, "pair")
    machine.command("destroy pair")
    assert machine.free_memory() == before
