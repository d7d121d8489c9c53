# SPDX-License-Identifier: Apache-2.0
"""emulator: one emulated machine that boots a disk image: QEMU (AMD-V) or Bochs (VT-x, AMD-V).

Used by tools/run for people and by tests/system for tests:

    with Machine(smp=4, memory=1024) as machine:
        machine.expect("cloison> ", timeout=60)
        machine.send("list\\n")
        machine.expect(r"alpha +running", timeout=10)
        machine.send("poweroff\\n")
        assert machine.wait(timeout=30) == "shutdown"

The serial port is a socket that this module listens on. Everything received is kept, in `log`, from the start;
expect() looks at what came after the end of the last match. A machine that dies, panics or falls into the firmware's
shell ends an expect() at once, with the reason in the exception. The emulator never outlives the Machine.
"""

import atexit
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DEFAULT_IMAGE = os.path.join(ROOT, "build", "cloison.img")

OVMF_CODE = "/usr/share/OVMF/OVMF_CODE.fd"
OVMF_VARS = "/usr/share/OVMF/OVMF_VARS.fd"
OVMF_BOCHS = "/usr/share/ovmf/OVMF.fd"  # the 2 MiB build: Bochs 2.7 rejects larger ones
BOCHS_VGABIOS = "/usr/share/bochs/VGABIOS-lgpl-latest"

# Instructions that make up a second of the machine's time. Whoever waits in there waits for fewer of them when there are
# fewer, but Linux guests live through more of their time-outs while they start.
BOCHS_HZ = 50000000

DEFAULT_CPU = {"qemu": "EPYC,+svm,+npt", "bochs": "corei7_skylake_x"}

# Lines after which nothing good can follow, and what they mean.
FATAL = {
    r"cloison: panic[^\r\n]*": "the kernel panicked",
    r"Cloison cannot start\.[^\r\n]*": "the loader refused",
    r"cloison: failed[^\r\n]*": "the run did not end as it should",
    r"UEFI Interactive Shell": "the firmware found nothing to boot and is in its shell",
    r"X64 Exception Type[^\r\n]*": "the loader or the firmware took an exception",
}

ANSI = re.compile(r"\x1b(?:\[[0-9;?=]*[A-Za-z]|[()][A-Z0-9]|[=>])")


class MachineError(Exception):
    """The machine did not do what was asked; the text says what happened, with the end of its output."""


class Machine:
    """One emulated machine, off until start() (or the `with` statement) is called.

    emulator   "qemu" or "bochs"
    cpu        CPU model in the emulator's own words (default: DEFAULT_CPU)
    smp        number of CPUs
    memory     MiB of RAM
    image      disk image to boot; it is never written to
    icount     QEMU only: virtual time is the number of instructions executed; exact only with smp=1
    trace_file the emulator's own log of interrupts, exceptions and resets goes there
    serial_log everything from the serial port goes there too
    gdb        QEMU only: a gdb stub on the socket `gdb_socket`; "wait" stops the machine before its first instruction
    extra      more words for QEMU's command line
    script     Bochs only: commands of its debugger for when software executes XCHG BX,BX; the machine ends after them,
               and what they print is in debugger_output()
    patience   factor on every time-out that expect() and wait() are given: how many times as long this emulator may take
    fatal      regular expressions of output that ends an expect() at once → what they mean; {} for none
    """

    def __init__(self, emulator="qemu", cpu=None, smp=1, memory=1024, image=DEFAULT_IMAGE, *, icount=False,
                 trace_file=None, serial_log=None, gdb=None, extra=(), script=(), patience=1, fatal=None):
        if emulator not in DEFAULT_CPU:
            raise MachineError(f"unknown emulator '{emulator}': it is qemu or bochs")
        if emulator == "bochs" and not 64 <= memory <= 3072:
            raise MachineError("Bochs takes 64 to 3072 MiB of memory")
        if emulator == "bochs" and (icount or gdb or extra):
            raise MachineError("icount, gdb and extra arguments are QEMU's")
        if emulator != "bochs" and script:
            raise MachineError("a debugger's script is Bochs'")
        if not os.path.isfile(image):
            raise MachineError(f"{image}: there is no such image; 'make image' makes it")
        self.emulator, self.cpu, self.smp, self.memory = emulator, cpu or DEFAULT_CPU[emulator], smp, memory
        self.image, self.icount, self.trace_file = os.path.abspath(image), icount, trace_file
        self.gdb, self.extra, self.script = gdb, list(extra), list(script)
        self.patience = patience
        self.fatal = [(re.compile(pattern), why) for pattern, why in (FATAL if fatal is None else fatal).items()]
        self.log = ""  # everything that the serial port said, without terminal control sequences
        self.position = 0  # where the next expect() begins to look
        self.process = None
        self.ended_by = None  # "shutdown", "reset", "died: …" or "killed", once the machine is off
        self._searched = 0
        self._expected = []  # spans of the log that expect() matched: nothing in them is fatal
        self._raw_tail = ""
        self._serial = self._qmp = self._tpm = None
        self._qmp_buffer = b""
        self._events = []
        self._serial_log = open(serial_log, "w", encoding="utf-8") if serial_log else None
        self._directory = tempfile.mkdtemp(prefix="cloison-")
        atexit.register(self.close)

    # ------------------------------------------------------------------------------------------- start and end

    def start(self):
        """Switch the machine on."""
        listener = socket.socket(socket.AF_INET if self.emulator == "bochs" else socket.AF_UNIX)
        try:
            if self.emulator == "bochs":
                listener.bind(("127.0.0.1", 0))
                command = self._bochs_command(listener.getsockname()[1])
            else:
                listener.bind(self._path("serial"))
                command = self._qemu_command()
            listener.listen(1)
            with open(self._path("emulator.out"), "wb") as output:
                self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                                cwd=self._directory, start_new_session=True, preexec_fn=die_with_parent)
            self._serial = self._accept(listener)
            self._serial.setblocking(False)
            if self.emulator == "qemu":
                self._connect_qmp()
        finally:
            listener.close()
        return self

    def close(self):
        """Switch the machine off, whatever it is doing, and remove its temporary files."""
        for process in (self.process, self._tpm):
            if process and process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(3)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        if self.process and not self.ended_by:
            self.ended_by = "killed"
        for stream in (self._serial, self._qmp, self._serial_log):
            if stream:
                stream.close()
        self._serial = self._qmp = self._serial_log = None
        shutil.rmtree(self._directory, ignore_errors=True)
        atexit.unregister(self.close)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_):
        self.close()

    # ------------------------------------------------------------------------------------------- serial port

    def expect(self, pattern, timeout):
        """Wait until `pattern` (a regular expression, multi-line) appears after the last match; return the match.

        Raises MachineError with the reason and the last lines of output after `timeout` seconds, when the machine
        ends, or when its output matches one of `fatal`.
        """
        wanted = re.compile(pattern, re.MULTILINE)
        timeout *= self.patience
        deadline = time.monotonic() + timeout
        while True:
            match = wanted.search(self.log, self.position)
            if match:
                self.position = match.end()
                self._expected.append(match.span())
                return match
            self.check_fatal()
            if self.ended_by and not self._serial:
                raise self.error(f"the machine ended ({self.ended_by}) before it said {pattern!r}")
            if time.monotonic() >= deadline:
                raise self.error(f"{pattern!r} did not appear within {timeout:g} s")
            self.pump(min(0.25, max(0.0, deadline - time.monotonic())))

    def send(self, text):
        """Type `text` (a string or bytes) on the serial port."""
        data = text.encode() if isinstance(text, str) else text
        while data:
            if not self._serial:
                raise self.error("nothing can be typed: the machine is off")
            _, writable, _ = select.select([], [self._serial], [], 5)
            if not writable:
                raise self.error("the serial port takes no input")
            data = data[self._serial.send(data):]

    @property
    def serial_open(self):
        """Whether the machine still holds its end of the serial port."""
        return self._serial is not None

    def pump(self, timeout):
        """Collect what the serial port says within `timeout` seconds and return it (raw, perhaps empty)."""
        if not self._serial:
            self._notice_end()
            time.sleep(min(timeout, 0.05))
            return ""
        readable, _, _ = select.select([self._serial], [], [], timeout)
        if not readable:
            self._notice_end()
            return ""
        try:
            data = self._serial.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._serial.close()
            self._serial = None
            self._notice_end(5)
            return ""
        text = data.decode("utf-8", "replace")
        # A control sequence may be cut in two by the socket: its beginning waits for the rest.
        whole, escape, rest = (self._raw_tail + text).rpartition("\x1b")
        if escape and not ANSI.match(escape + rest) and len(rest) < 16:
            self._raw_tail, clean = escape + rest, whole
        else:
            self._raw_tail, clean = "", whole + escape + rest
        clean = ANSI.sub("", clean).replace("\r", "").replace("\0", "")
        self.log += clean
        if self._serial_log:
            self._serial_log.write(clean)
            self._serial_log.flush()
        return text

    def check_fatal(self):
        """Raise MachineError if the output holds something fatal that no expect() asked for."""
        if self._find_fatal():
            quiet = time.monotonic() + 1  # the rest of the line, and the lines after it, say more
            while self._serial and time.monotonic() < quiet:
                self.pump(0.1)
            match, why = self._find_fatal()
            raise self.error(f"{why}: {match.group().strip()}")

    def _find_fatal(self):
        """The first fatal match and its meaning, or None. What was looked at before is not looked at again, but for
        as much as a line may be long."""
        for pattern, why in self.fatal:
            for match in pattern.finditer(self.log, max(0, self._searched - 4096)):
                if not any(match.start() < end and start < match.end() for start, end in self._expected):
                    return match, why
        self._searched = len(self.log)
        return None

    def error(self, reason):
        """A MachineError that says `reason` and shows the end of the output, and the emulator's own complaint."""
        tail = "\n".join("    | " + line for line in self.log.splitlines()[-25:])
        complaint = self.complaint()
        return MachineError(reason + (f"\n{tail}" if tail else "") + (f"\nemulator: {complaint}" if complaint else ""))

    def complaint(self):
        """What the emulator itself wrote to its standard error, or ''."""
        try:
            with open(self._path("emulator.out"), encoding="utf-8", errors="replace") as file:
                lines = file.read().strip().splitlines()
        except OSError:
            return ""
        lines = [line for line in lines if "TCG doesn't support requested feature" not in line]
        if self.emulator == "bochs":  # it is talkative: only its panics count
            lines = [line for line in lines if re.search(r"PANIC|>>|terminated|error", line) and "ALSA" not in line]
        return "\n".join(lines[-10:])

    # ------------------------------------------------------------------------------------------- the end

    def wait(self, timeout):
        """Wait until the machine is off and say how it ended: "shutdown" (it powered itself off), "reset" (it reset
        itself: a machine is never restarted) or "died: …". Raises MachineError after `timeout` seconds."""
        timeout *= self.patience
        deadline = time.monotonic() + timeout
        while self._serial or not self.ended_by:
            self.check_fatal()
            if time.monotonic() >= deadline:
                raise self.error(f"the machine was still on after {timeout:g} s")
            self.pump(min(0.25, max(0.0, deadline - time.monotonic())))
        return self.ended_by

    @property
    def exit_status(self):
        """Exit status of the emulator (None while it runs). Bochs' is always 1."""
        return self.process.poll() if self.process else None

    def _notice_end(self, patience=0.0):
        """Find out whether the emulator has ended, and how."""
        if self.ended_by or not self.process:
            return
        self._read_events()
        if self.emulator == "bochs" and self._bochs_log().count("::Reset(HARDWARE) called") > 1:
            self.ended_by = "reset"  # it does not come back from the second one, the first was when it was switched on
            self.process.kill()
        try:
            status = self.process.wait(patience) if patience else self.process.poll()
        except subprocess.TimeoutExpired:
            status = None
        if status is None or self.ended_by:
            return
        self._read_events()
        reasons = [event["data"].get("reason") for event in self._events if event.get("event") == "SHUTDOWN"]
        if self.emulator == "bochs":
            # Its exit status says nothing; its panic log does.
            panic = self._bochs_panic()
            self.ended_by = f"died: {panic}" if panic else "shutdown"
        elif "guest-reset" in reasons:
            self.ended_by = "reset"
        elif status == 0:
            self.ended_by = "shutdown"
        else:
            self.ended_by = f"died: status {status}" + (f", {self.complaint()}" if self.complaint() else "")

    # ------------------------------------------------------------------------------------------- QEMU

    def qmp(self, command, **arguments):
        """Run a QMP command and return what it returns. Raises MachineError if QEMU refuses it."""
        if not self._qmp:
            raise MachineError("there is no QMP: " + ("the machine is off" if self.emulator == "qemu" else "Bochs"))
        self._qmp.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            answer = self._read_qmp(20)
            if answer is None:
                raise self.error(f"QEMU did not answer '{command}'")
            if "error" in answer:
                raise MachineError(f"QEMU refused '{command}': {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def monitor(self, command):
        """Run a command of QEMU's human monitor and return its text ("info registers -a", "xp /8gx 0x1000", …)."""
        return self.qmp("human-monitor-command", **{"command-line": command})

    def read_physical(self, address, size):
        """`size` bytes of the machine's physical memory at `address` (QEMU)."""
        path = self._path("memory")
        self.qmp("pmemsave", val=address, size=size, filename=path)
        with open(path, "rb") as file:
            return file.read()

    @property
    def gdb_socket(self):
        """Path of the gdb stub's socket: `target remote PATH` in gdb."""
        return self._path("gdb")

    def _qemu_command(self):
        shutil.copy(OVMF_VARS, self._path("vars.fd"))
        command = [
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-machine", "q35", "-cpu", self.cpu,
            "-smp", str(self.smp), "-m", str(self.memory), "-display", "none", "-vga", "std", "-no-reboot",
            "-accel", "tcg" if self.icount else "tcg,thread=multi",
            "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={OVMF_CODE}",
            "-drive", f"if=pflash,unit=1,format=raw,file={self._path('vars.fd')}",
            "-drive", f"if=none,id=disk,format=raw,snapshot=on,file={self.image}",
            "-device", "ide-hd,drive=disk,bootindex=0",
            "-chardev", f"socket,id=serial,path={self._path('serial')}", "-serial", "chardev:serial",
            "-qmp", f"unix:{self._path('qmp')},server=on,wait=off",
        ]
        if self.icount:
            # Without a TPM, OVMF polls for one for half a minute of instructions.
            self._start_tpm()
            command += ["-icount", "shift=0",
                        "-chardev", f"socket,id=tpm,path={self._path('tpm')}",
                        "-tpmdev", "emulator,id=tpm,chardev=tpm", "-device", "tpm-tis,tpmdev=tpm"]
        if self.trace_file:
            command += ["-d", "int,cpu_reset,guest_errors", "-D", os.path.abspath(self.trace_file)]
        if self.gdb:
            command += ["-gdb", f"unix:{self.gdb_socket},server=on,wait=off"] + (["-S"] if self.gdb == "wait" else [])
        return command + self.extra

    def _start_tpm(self):
        os.mkdir(self._path("tpm-state"))
        self._tpm = subprocess.Popen(
            ["swtpm", "socket", "--tpm2", "-t", "--tpmstate", f"dir={self._path('tpm-state')}",
             "--ctrl", f"type=unixio,path={self._path('tpm')}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent)
        self._await_path(self._path("tpm"), self._tpm)

    def _connect_qmp(self):
        self._await_path(self._path("qmp"), self.process)
        deadline = time.monotonic() + 20
        while True:
            self._qmp = socket.socket(socket.AF_UNIX)
            try:
                self._qmp.connect(self._path("qmp"))
                break
            except ConnectionRefusedError:  # QEMU has named the socket and does not listen yet
                self._qmp.close()
                if time.monotonic() > deadline:
                    raise self.error("QEMU's monitor takes no connection") from None
                time.sleep(0.01)
        if self._read_qmp(20) is None:
            raise self.error("QEMU's monitor does not answer")
        self.qmp("qmp_capabilities")

    def _read_qmp(self, timeout):
        """The next answer on the QMP socket, keeping events aside; None when none comes within `timeout`."""
        deadline = time.monotonic() + timeout
        while self._qmp:
            line, newline, rest = self._qmp_buffer.partition(b"\n")
            if newline:
                self._qmp_buffer = rest
                answer = json.loads(line)
                if "event" not in answer:
                    return answer
                self._events.append(answer)
                continue
            readable, _, _ = select.select([self._qmp], [], [], max(0.0, deadline - time.monotonic()))
            try:
                data = self._qmp.recv(65536) if readable else b""
            except OSError:
                data = b""
            if not data:
                return None
            self._qmp_buffer += data
        return None

    def _read_events(self):
        self._read_qmp(0)

    # ------------------------------------------------------------------------------------------- Bochs

    def _bochs_command(self, port):
        # CHS geometry only has to multiply out to the size of the file. The sound drivers are dummies because Bochs
        # 2.7 aborts (a buffer overflow in its mixer thread) on a machine that has ALSA but no sound card.
        cylinders = os.path.getsize(self.image) // (16 * 63 * 512)
        configuration = f"""\
config_interface: textconfig
display_library: rfb, options="timeout=0"
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
memory: guest={self.memory}, host={min(self.memory, 2048)}
romimage: file={OVMF_BOCHS}, address=0xffe00000
vgaromimage: file={BOCHS_VGABIOS}
cpu: model={self.cpu}, count={self.smp}, ips={BOCHS_HZ}, reset_on_triple_fault=0
pci: enabled=1, chipset=i440fx
port_e9_hack: enabled=0
magic_break: enabled={int(bool(self.script))}
com1: enabled=1, mode=socket-client, dev=127.0.0.1:{port}
log: {self._path('bochs.log')}
panic: action=fatal
error: action={'report' if self.trace_file else 'ignore'}
info: action={'report' if self.trace_file else 'ignore'}, pc_system=report
debug: action=ignore
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, path={self.image}, mode=volatile, cylinders={cylinders}, heads=16, spt=63, journal={self._path('journal')}
"""
        if self.trace_file:
            configuration = configuration.replace(self._path("bochs.log"), os.path.abspath(self.trace_file))
        with open(self._path("bochsrc"), "w", encoding="utf-8") as file:
            file.write(configuration)
        with open(self._path("commands"), "w", encoding="utf-8") as file:
            file.write("\n".join(["c", *self.script, "q"] if self.script else ["c"]) + "\n")
        return ["bochs-bin", "-q", "-f", self._path("bochsrc"), "-rc", self._path("commands")]

    def debugger_output(self):
        """What Bochs' debugger has printed, line by line."""
        with open(self._path("emulator.out"), encoding="utf-8", errors="replace") as file:
            yield from file

    def _bochs_log(self):
        """What Bochs has written to its log, or ''."""
        try:
            with open(self.trace_file or self._path("bochs.log"), encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def _bochs_panic(self):
        """What Bochs gave up for, or '' when the machine was switched off by its software."""
        log = self._bochs_log()
        if not log:
            return "it left no log"
        panics = [line.strip() for line in log.splitlines() if ">>PANIC<<" in line or re.match(r"\d+p\[", line)]
        ordinary = ("ACPI control: soft power off", "Shutdown port: shutdown requested")
        panics = [line for line in panics if not any(word in line for word in ordinary)]
        return panics[0] if panics else ""

    # ------------------------------------------------------------------------------------------- helpers

    def _path(self, name):
        return os.path.join(self._directory, name)

    def _accept(self, listener):
        listener.settimeout(0.1)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                return listener.accept()[0]
            except socket.timeout:
                if self.process.poll() is not None:
                    raise self.error(f"{self.emulator} did not start (status {self.process.returncode})") from None
        raise self.error(f"{self.emulator} did not connect its serial port")

    def _await_path(self, path, process):
        deadline = time.monotonic() + 20
        while not os.path.exists(path):
            if process.poll() is not None or time.monotonic() > deadline:
                raise self.error(f"{process.args[0]} did not start")
            time.sleep(0.01)


def die_with_parent():
    """Run in the child: it is killed when its parent dies in a way that leaves no time for close()."""
    import ctypes  # pylint: disable=import-outside-toplevel

    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
