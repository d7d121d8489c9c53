# SPDX-License-Identifier: Apache-2.0
"""test_linux: two unmodified Linux guests, and the console's commands on them.

One boot on each machine serves all tests: they run in the order in which they stand here, and each leaves both
guests running. alpha counts in the background from the first test on: whatever happens to beta must not
show there. In Bochs there are fewer rounds and bytes, of everything.
"""

import os
import re
import time

import pytest

from cloison import BUILD, QUICKLY, disk_image
from machines import KINDS

LINUX = os.path.join(BUILD, "guests", "linux")
MICRO = os.path.join(BUILD, "guests", "micro")
DISK_BYTES = 1 << 20

# A counter in /tmp/count that goes on in the background, about five times a second.
COUNT = "(i=0; while :; do i=$((i+1)); echo $i >/tmp/new; mv /tmp/new /tmp/count; usleep 200000; done &)"

COMMANDS = ["help", "list", "info", "console", "log", "stats", "audit", "net", "caps", "start", "shutdown", "reset",
            "destroy", "suspend", "resume", "kill-vmm", "clear", "headless", "poweroff", "reboot"]

# The rules that 'audit' goes by.
RULES = {"AMD-V": "APM Vol. 2 15.5.1", "VT-x": "SDM Vol. 3C 27.2, 27.3"}

# What a Linux guest of KVM on such a CPU says as well, at the level of a warning or above.
ORDINARY = [
    r"Speculative Return Stack Overflow: (IBPB-extending microcode not applied|WARNING: See https)",
    r"RETBleed: WARNING: Spectre v2 mitigation leaves CPU vulnerable",  # a Skylake without IBRS, as Bochs' is
    r"\[Firmware Bug\]: TSC doesn't count with P0 frequency!",  # KVM shows guests a zero there, too
    r"Warning: unable to open an initial console",  # hvc0 comes with a module
    r"clocksource: Long readout interval, skipping watchdog check",  # the emulator did not run for half a second
    r"hrtimer: interrupt took \d{1,9} ns$",  # nor here, in the middle of a timer interrupt, for less than a second
]
# What it would not say at any level.
SUSPICIOUS = r"unstable|lockup|stall|Call Trace|clocksource: (timekeeping watchdog|Watchdog)|" \
             r"spurious|nobody cared|unchecked MSR|fail to add MMCONFIG|doesn't work|not working"

CONFIGURATION = f"""
[[network]]
name = "lan"
subnet = "10.0.0.0/24"

[[vm]]
name = "alpha"
memory = "256M"
kernel = "{LINUX}/vmlinuz"
initrd = "{LINUX}/initramfs.cpio.gz"
cmdline = "console=ttyS0 {QUICKLY}"
console = "serial"
on_crash = "restart"
nics = [{{ network = "lan", ip = "10.0.0.1" }}]

[[vm]]
name = "beta"
memory = "192M"
kernel = "{LINUX}/vmlinuz"
initrd = "{LINUX}/initramfs.cpio.gz"
cmdline = "console=hvc0 {QUICKLY}"
console = "virtio"
nics = [{{ network = "lan", ip = "10.0.0.2" }}]
disks = [{{ image = "disk.raw" }}]

[[vm]]
name = "short"
memory = "32M"
kernel = "{MICRO}/hello.elf"
cmdline = "argument=4711"
console = "serial"
debug_exit = 0
autostart = false

[[vm]]
name = "stubborn"
memory = "32M"
kernel = "{MICRO}/STUBBORN.elf"
cmdline = "how=never"
console = "serial"
autostart = false
"""


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name, name="kind")
def make_kind(request):
    """The kind of machine."""
    return request.param


@pytest.fixture(scope="module")
def machine(kind, tmp_path_factory):
    """Both guests at their shells; alpha counts, about five times a second."""
    folder = tmp_path_factory.mktemp("linux")
    (folder / "disk.raw").write_bytes(b"Cloison's disk\n".ljust(DISK_BYTES, b"\xa5"))
    # one that burns CPU time or, where that cannot be stopped (docs/limits.md), one that does nothing at all
    stubborn = "spin" if kind.emulator == "qemu" else "end"
    with kind.boot(image=disk_image(folder, CONFIGURATION.replace("STUBBORN", stubborn))) as booted:
        booted.boot()
        with booted.console("alpha") as shell:
            shell.run(COUNT)
        with booted.console("beta"):
            pass
        yield booted


@pytest.fixture
def alpha_undisturbed(machine):
    """Whatever the test does, alpha goes on: same uptime's line, counter moving."""
    before = counted(machine)
    yield
    after = counted(machine)
    assert after["up"] > before["up"], "alpha was started again"
    assert after["count"] > before["count"], "alpha's background counter stands still"


def counted(machine):
    """alpha's uptime and counter."""
    with machine.console("alpha") as shell:
        up, count = shell.run("cut -d' ' -f1 /proc/uptime; cat /tmp/count").split()
    return {"up": float(up), "count": int(count)}


def in_guest(machine, name, command, timeout=30):
    """What `command` wrote in the guest."""
    with machine.console(name) as shell:
        return shell.run(command, timeout)


def start_again(machine, name):
    """Start a guest that is off, up to its shell."""
    assert f"{name} is starting" in machine.command(f"start {name}")
    await_shell(machine, name)


def await_shell(machine, name):
    """Wait until a guest that boots is at its shell. What it said before it was started again does not count."""
    with machine.console(name) as shell:
        for _ in range(60):
            if shell.answers(1):
                shell.run("true")
                return
    raise machine.error(f"{name} does not reach its shell")


# ------------------------------------------------------------------------------------------- what the console shows


def test_both_guests_boot_debians_kernel_to_a_shell(machine):
    for name in ("alpha", "beta"):
        assert re.fullmatch(rf"Linux {name} 6\.\d.*-cloud-amd64 .*Debian.* x86_64 GNU/Linux",
                            in_guest(machine, name, "uname -a"))


def test_list_shows_every_vm_with_its_state(machine):
    text = machine.command("list")
    assert re.search(r"^NAME +STATE +MEMORY +CPUS +CPU TIME +UP$", text, re.M)
    assert re.search(r"^alpha +running +256 MiB +1 ", text, re.M)
    assert re.search(r"^beta +running +192 MiB +1 ", text, re.M)
    assert re.search(r"^short +off +32 MiB +1 +0\.00 s +0 s", text, re.M)


def test_list_counts_time_up_as_the_guest_does(machine):
    row, inside = machine.listed("alpha"), float(in_guest(machine, "alpha", "cut -d' ' -f1 /proc/uptime"))
    assert abs(row["up"] - inside) < 8, f"list says {row['up']} s, the guest {inside} s"
    assert 0 < row["cpu_time"] <= row["up"] + 1


def test_info_says_what_a_vm_is_made_of(machine):
    text = machine.command("info beta")
    for line in (r"beta +running", r"kernel +vm/\S+", r"initrd +vm/\S+", r"console +virtio", r"local APIC +auto: software", r"disk +vm/beta/\S+",
                 r"network card lan, 02:\S+, 10\.0\.0\.2", r"policy +power off: destroy, reboot: restart, crash: preserve"):
        assert re.search("^" + line, text, re.M), f"{line!r} in\n{text}"
    assert 0 < int(re.search(r"^outside RAM +(\d+) KiB", text, re.M)[1]) <= 2048


def test_info_without_a_name_is_about_the_machine(machine, kind):
    text = machine.command("info")
    assert re.search(r"^cloison: up \d+ s, 2 CPUs, 4 VMs$", text, re.M)
    assert re.search(r"^CPU +(AMD EPYC|QEMU TCG CPU|AMD Ryzen|Intel\(R\) Core)", text, re.M)
    assert f"virtualisation: {kind.vendor} with nested paging" in machine.log
    mixed_up = kind.emulator == "qemu"
    assert bool(re.search(r"^CPUs for VMs +1 of 2; the log of the boot says why$", text, re.M)) == mixed_up
    for fault in ("CPU 0: mixed up by this emulator", "host's interrupts: may be lost by this emulator at an entry"):
        assert (f"AMD-V: {fault}" in machine.log) == mixed_up
    memory, pool = machine.free_memory()
    # 1 GiB less the guests, the system image and what firmware and kernel hold
    assert 300 * 1024 < memory < (1024 - 256 - 192) * 1024
    assert 0 < pool < 64 * 1024


def test_help_lists_every_command_with_a_sentence(machine):
    text = machine.command("help")
    for command in COMMANDS:
        assert re.search(rf"^  {command}( [\[A-Z]\S*)? +\S+", text, re.M), f"'help' does not explain {command}"


def test_stats_count_exits_and_cpu_time(machine):
    first = exits(machine)
    in_guest(machine, "alpha", "cat /proc/interrupts >/dev/null; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done")
    second = exits(machine)
    assert second["kernel"] > first["kernel"] > 0
    assert second["cpu"] > first["cpu"] > 0
    assert 0 < second["guest"] - first["guest"] <= second["cpu"] - first["cpu"]


def exits(machine):
    """alpha's numbers out of `stats alpha`."""
    text = machine.command("stats alpha")
    times = re.search(r"^alpha: CPU time ([\d.]+) s, in the guest ([\d.]+) s$", text, re.M)
    counts = re.search(r"^  exits: (\d+) served by the kernel, (\d+) by the VMM$", text, re.M)
    return {"cpu": float(times[1]), "guest": float(times[2]), "kernel": int(counts[1]), "vmm": int(counts[2])}


@pytest.mark.usefixtures("alpha_undisturbed")
def test_audit_finds_no_broken_rule_in_a_guest_that_runs_or_is_suspended(machine, kind):
    sound = f"alpha: vCPU 0: no rule of VM entry is broken ({kind.vendor}: {RULES[kind.vendor]})"
    for _ in range(5):
        assert machine.command("audit alpha").strip() == sound
    assert machine.command("suspend alpha").strip() == "alpha is suspended"
    assert machine.command("audit alpha").strip() == sound
    assert machine.listed("alpha")["state"] == "paused"
    assert machine.command("resume alpha").strip() == "alpha is running again"
    assert machine.command("audit alpha").strip() == sound
    lines = machine.command("log 30").splitlines()
    assert len([line for line in lines if line.endswith("VM alpha: vCPU 0 is audited as it would be entered now")]) == 7


def test_audit_says_why_there_is_nothing_to_look_at(machine):
    assert machine.command("audit short").strip() == "short does not run"
    assert machine.command("audit alpah").strip() == "there is no VM 'alpah': did you mean 'alpha'?"
    assert machine.command("audit").strip() == "which VM? usage: audit NAME"


def ports(machine):
    """`net`'s rows: by VM, frames in and out."""
    rows = re.findall(r"^\d+ +(\S+) +lan +\S+ +(\d+) +\d+ +(\d+) +\d+", machine.command("net"), re.M)
    return {name: (int(into), int(out)) for name, into, out in rows}


def test_net_counts_every_frame_between_the_guests(machine):
    in_guest(machine, "alpha", "ping -c 1 beta")  # ARP has been done
    before = ports(machine)
    in_guest(machine, "alpha", "ping -c 10 -i 0.1 beta")
    after = ports(machine)
    for name in ("alpha", "beta"):
        for direction in (0, 1):
            assert 10 <= after[name][direction] - before[name][direction] < 20


def test_log_shows_the_latest_lines(machine):
    whole = machine.command("log 200")
    assert len(re.findall(r"^init: (alpha|beta) runs$", whole, re.M)) == 2
    latest = machine.command("log 3").splitlines()
    assert len(latest) == 3 and latest == whole.splitlines()[-3:]


def test_caps_show_that_no_vmm_holds_what_is_the_others(machine):
    held = {}
    for name in ("alpha", "beta"):
        rows = re.findall(rf"^vmm-{name} +\d+ +(\S+) +([0-9a-f]+) ", machine.command(f"caps {name}"), re.M)
        held[name] = {(kind, identity) for kind, identity in rows if kind != "notification"}
        assert {"vm", "account", "domain"} <= {kind for kind, _ in rows}
    assert not held["alpha"] & held["beta"]


@pytest.mark.parametrize("typed, answer", [
    ("lst", "unknown command 'lst': did you mean 'list'?"),
    ("info alpah", "there is no VM 'alpah': did you mean 'alpha'?"),
    ("xyzzy", "unknown command 'xyzzy': 'help' lists what there is"),
    ("start", "which VM? usage: start NAME"),
    ("list all", "'list' takes nothing behind it"),
    ("log many", "'many' is no number; usage: log [LINES]"),
])
def test_a_wrong_line_gets_a_sentence_that_helps(machine, typed, answer):
    assert machine.command(typed).strip() == answer


def test_tab_completes_commands_and_names(machine):
    machine.send("inf\tbet\t\r")
    machine.expect(r"info beta *\nNAME", 10)
    machine.expect("^cloison> ", 10)


def test_arrows_recall_earlier_lines(machine):
    machine.command("info alpha")
    machine.command("net")
    machine.send("\x1b[A\x1b[A\r")
    machine.expect(r"^NAME .*\nalpha +running", 10)
    machine.expect("^cloison> ", 10)
    machine.send("\x1b[A\x1b[A\x1b[B\r")
    machine.expect(r"^NAME .*\nalpha +running", 10)
    machine.expect("^cloison> ", 10)


# ------------------------------------------------------------------------------------------ what a guest has


def test_guests_ping_each_other_by_name(machine):
    assert "10 packets received" in in_guest(machine, "alpha", "/tests/ping beta")
    assert "10 packets received" in in_guest(machine, "beta", "/tests/ping alpha 1400")


@pytest.mark.parametrize("sender, receiver", [("alpha", "beta"), ("beta", "alpha")])
def test_megabytes_over_tcp_arrive_as_they_were_sent(machine, kind, sender, receiver):
    mib = 16 if kind.emulator == "qemu" else 2
    in_guest(machine, receiver, "(/tests/tcp-receive >/tmp/result 2>&1 &)")
    sent = in_guest(machine, sender, f"/tests/tcp-send {receiver} {mib}", timeout=120)
    match = re.search(rf"sent {mib << 20} bytes, sha256 ([0-9a-f]{{64}})", sent)
    assert match, sent
    for _ in range(40):
        received = in_guest(machine, receiver, "cat /tmp/result")
        if "received" in received:
            break
        machine.pass_time(0.5)
    assert f"received {mib << 20} bytes, sha256 {match[1]}" in received
    for name in (sender, receiver):
        in_guest(machine, name, "rm -f /tmp/sent /tmp/received")


def test_the_clock_is_kvmclock_and_the_tsc_has_the_hosts_frequency(machine):
    """Where the processor has an invariant TSC, Linux prefers that to kvmclock, as on any KVM."""
    host = int(re.search(r"TSC (\d+) MHz", machine.log)[1])
    for name in ("alpha", "beta"):
        folder = "/sys/devices/system/clocksource/clocksource0"
        chosen, *offered = in_guest(machine, name, f"cat {folder}/current_clocksource {folder}/available_clocksource").split()
        invariant = "nonstop_tsc" in in_guest(machine, name, "grep -m 1 flags /proc/cpuinfo").split()
        assert chosen == ("tsc" if invariant else "kvm-clock")
        assert "kvm-clock" in offered
        detected = in_guest(machine, name, "dmesg | grep 'tsc: Detected'")
        assert abs(float(re.search(r"([\d.]+) MHz", detected)[1]) - host) <= host * 0.002 + 1


def test_a_guests_clock_runs_as_fast_as_the_host(machine, kind):
    """As fast as the world's, on QEMU; in Bochs as that of the machine, which goes by the instructions executed."""
    real = kind.emulator == "qemu"
    now = time.monotonic if real else machine.host_uptime
    begin, first = now(), counted(machine)["up"]
    machine.live(8)
    end, second = now(), counted(machine)["up"]
    assert abs((second - first) - (end - begin)) < (1 if real else 2)


def test_dmesg_has_no_warning_that_a_kvm_guest_would_not_show(machine):
    for name in ("alpha", "beta"):
        # the guest picks the lines: all of them take half a minute through the serial port of a machine in Bochs
        count, *lines = in_guest(machine, name, "dmesg -r >/tmp/dmesg; wc -l </tmp/dmesg; "
                                                f'grep -E "^<[0-4]>|{SUSPICIOUS}" /tmp/dmesg || true').splitlines()
        assert int(count) > 100
        odd = [line for line in lines if re.search(SUSPICIOUS, line) or not any(re.search(o, line) for o in ORDINARY)]
        assert not odd, f"{name}: " + "\n".join(odd)


def test_virtio_devices_of_every_kind_work(machine):
    text = in_guest(machine, "beta", "/tests/devices net console block rng")
    for device in ("net", "console", "block", "rng"):
        assert f"device {device} works" in text
    assert "device rng works" in in_guest(machine, "alpha", "/tests/devices net rng")


def test_a_disk_holds_what_its_image_held_and_takes_no_write(machine):
    assert in_guest(machine, "beta", "head -n 1 /dev/vda") == "Cloison's disk"
    assert in_guest(machine, "beta", "wc -c </dev/vda") == str(DISK_BYTES)
    assert in_guest(machine, "beta", "cat /sys/block/vda/ro") == "1"
    assert "xxxx" not in in_guest(machine, "beta", "dd if=/dev/zero of=/dev/vda bs=512 count=1 2>&1; head -c 4 /dev/vda")
    assert in_guest(machine, "beta", "dd if=/dev/vda bs=64k 2>/dev/null | tail -c 4 | od -An -tx1") == "a5 a5 a5 a5"


def test_random_numbers_from_the_host_differ(machine):
    samples = {in_guest(machine, name, "dd if=/dev/hwrng bs=16 count=1 2>/dev/null | od -An -tx1")
               for name in ("alpha", "beta", "alpha", "beta")}
    assert len(samples) >= 3 and all(len(sample.split()) == 16 for sample in samples)


@pytest.mark.parametrize("name", ["alpha", "beta"])
def test_typed_text_arrives_whole_and_comes_back_whole_while_all_guests_burn_cpu_time(machine, kind, name):
    # more than all buffers on the way hold together: the serial port's, the console's, the ring, the guest's queue
    lines = [f"{number:04d} the quick brown fox jumps over the lazy dog {number:04d}"
             for number in range(250 if kind.emulator == "qemu" else 120)]
    for guest in ("alpha", "beta"):
        in_guest(machine, guest, "(while :; do :; done & echo $! >/tmp/burning)")
    with machine.console(name) as shell:
        shell.start("cat >/tmp/typed; echo /ty''ped/")
        machine.expect(r"echo /ty''ped/\n", 20)
        machine.send("\r".join(lines) + "\r\x04")
        machine.expect("/typed/", 300)
        assert shell.run("cat /tmp/typed", 120).splitlines() == lines
    for guest in ("alpha", "beta"):
        in_guest(machine, guest, "kill $(cat /tmp/burning)")


# ------------------------------------------------------------------------------------------- lives and deaths


@pytest.mark.usefixtures("alpha_undisturbed")
def test_a_suspended_guest_stands_still_and_goes_on_sanely(machine):
    in_guest(machine, "beta", COUNT)
    before = in_guest(machine, "beta", "cat /tmp/count; date +%s").split()
    assert machine.command("suspend beta").strip() == "beta is suspended"
    cpu = machine.listed("beta")
    assert cpu["state"] == "paused"
    machine.live(6)
    assert machine.listed("beta")["cpu_time"] - cpu["cpu_time"] < 0.3, "a paused guest used CPU time"
    assert machine.command("resume beta").strip() == "beta is running again"
    after = in_guest(machine, "beta", "cat /tmp/count; date +%s").split()
    machine.live(2)
    later = in_guest(machine, "beta", "cat /tmp/count").split()
    assert int(after[0]) - int(before[0]) < 25, "the counter went on while the guest was paused"
    assert 6 <= int(after[1]) - int(before[1]) < 60, "the wall clock did not go on"
    assert int(later[0]) > int(after[0]), "the guest does not go on"
    assert not re.search(r"stall|lockup|unstable", in_guest(machine, "beta", "dmesg"))


def test_a_command_that_does_not_fit_the_state_is_refused(machine):
    assert machine.command("resume alpha").strip() == "alpha is not suspended"
    assert machine.command("start alpha").strip() == "alpha is not off"
    assert re.match(r"short (is|does)", machine.command("shutdown short"))


@pytest.mark.usefixtures("alpha_undisturbed")
def test_poweroff_in_one_guest_leaves_the_other_untouched(machine):
    with machine.console("beta") as shell:
        shell.start("poweroff")
        machine.expect(r"beta has stopped", 40)
    row = machine.await_state("beta", "off", 10)
    assert row["last"] == "the guest switched itself off"
    start_again(machine, "beta")


@pytest.mark.usefixtures("alpha_undisturbed")
def test_reboot_in_one_guest_leaves_the_other_untouched(machine):
    up = machine.listed("beta")["up"]
    with machine.console("beta") as shell:
        shell.start("reboot")
        machine.expect("beta: the guest reset itself", 40)
    await_shell(machine, "beta")
    assert machine.listed("beta")["state"] == "running"
    assert float(in_guest(machine, "beta", "cut -d' ' -f1 /proc/uptime")) < up + 30
    assert re.search(r"^resets +1$", machine.command("info beta"), re.M)
    assert "10 packets received" in in_guest(machine, "beta", "/tests/ping alpha")


@pytest.mark.usefixtures("alpha_undisturbed")
def test_shutdown_presses_the_power_button(machine):
    assert machine.command("shutdown beta").strip() == "beta: power button pressed"
    machine.await_state("beta", "off", 40)
    assert "power button pressed" in machine.log
    start_again(machine, "beta")


@pytest.mark.usefixtures("alpha_undisturbed")
def test_a_guest_that_crashed_is_preserved_where_the_configuration_says_so(machine):
    with machine.console("beta") as shell:
        shell.start("echo c >/proc/sysrq-trigger")
        machine.expect("beta: the guest says that it has crashed", 30)
    row = machine.await_state("beta", "crashed", 5)
    assert "crashed" in row["last"]
    first = row["cpu_time"]
    machine.live(3)
    assert machine.listed("beta")["cpu_time"] - first < 0.3, "a crashed guest that is preserved still runs"
    machine.command("destroy beta")
    start_again(machine, "beta")


@pytest.mark.usefixtures("alpha_undisturbed")
def test_killing_one_vmm_leaves_the_other_guest_running_and_frees_everything(machine):
    machine.command("destroy beta")
    nothing = machine.free_memory()
    start_again(machine, "beta")
    running = machine.free_memory()
    assert nothing[0] - running[0] >= 192 * 1024
    assert "beta: its VMM ended: it was killed" in machine.command("kill-vmm beta") + machine.command("log 20")
    assert machine.listed("beta")["state"] == "crashed"
    assert machine.free_memory() == nothing, "memory of the dead VM is missing"
    assert "beta" not in ports(machine)
    start_again(machine, "beta")
    assert "10 packets received" in in_guest(machine, "beta", "/tests/ping alpha")


def test_rounds_of_linux_lose_no_page(machine, kind):
    machine.command("destroy beta")
    before = machine.free_memory()
    for _ in range(3):
        if kind.emulator == "qemu":
            start_again(machine, "beta")
        else:  # a boot takes half a minute: not to the shell, but its memory is all there and its devices have begun
            machine.command("start beta")
            machine.live(2)
        machine.command("destroy beta")
    assert machine.free_memory() == before
    start_again(machine, "beta")


def test_a_guest_that_does_not_react_to_its_power_button_is_stopping(machine):
    machine.command("start stubborn")
    machine.await_state("stubborn", "running", 10)
    machine.command("shutdown stubborn")
    assert machine.listed("stubborn")["state"] == "stopping"


def test_many_rounds_of_a_micro_guest_lose_no_page(machine, kind):
    machine.command("start short")  # what the console keeps of a VM's output stays
    machine.await_state("short", "off", 20)
    before = machine.free_memory()
    for _ in range(kind.rounds(100)):
        machine.command("start short")
        machine.await_state("short", "off", 20)
    assert machine.listed("short")["last"] == "the guest ended with debug-exit value 0, as expected"
    assert machine.free_memory() == before


def test_shutdown_says_when_a_guest_has_not_reacted_and_what_to_do(machine):
    text = r"stubborn has not reacted to its power button for 30 s: 'destroy stubborn' pulls the plug"
    deadline = time.monotonic() + 40 * machine.patience  # it was pressed before the rounds
    while not re.search(text, machine.log):
        assert time.monotonic() < deadline, "nothing was said"
        machine.pass_time(0.5)
    assert machine.listed("stubborn")["state"] == "running"
    assert machine.command("destroy stubborn").strip() == "stubborn is off"
    assert machine.listed("stubborn")["state"] == "off"


def test_a_guest_that_crashed_is_started_again_where_the_configuration_says_so(machine):
    with machine.console("alpha") as shell:
        shell.start("echo c >/proc/sysrq-trigger")
        machine.expect("alpha: the guest says that it has crashed", 30)
    await_shell(machine, "alpha")
    assert machine.listed("alpha")["state"] == "running"
    assert "10 packets received" in in_guest(machine, "alpha", "/tests/ping beta")


def test_poweroff_stops_the_guests_and_ends_the_emulator(machine, kind):
    machine.command("poweroff")
    assert machine.wait(60) == "shutdown"
    assert machine.exit_status == (0 if kind.emulator == "qemu" else 1)  # Bochs' is 1 in any case
    assert re.search(r"^cloison: stopped$", machine.log, re.M)
    assert "did not stop in time" not in machine.log
