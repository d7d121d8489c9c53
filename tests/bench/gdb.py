# SPDX-License-Identifier: Apache-2.0
"""gdb: the little of gdb's remote protocol that stops a machine at an address and reads its registers."""

import select
import socket
import time


class Stub:
    """The gdb stub of a Machine that was started with gdb="wait".

    `meanwhile()` is called again and again while the machine runs: somebody has to read its serial port, or its UART
    fills up and the machine waits for that."""

    REGISTERS = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                 "r15", "rip")

    def __init__(self, path, meanwhile):
        self._meanwhile = meanwhile
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._buffer = b""

    def close(self):
        """The machine stays as it is."""
        self._socket.close()

    def command(self, text, timeout=10):
        """Send one packet and return the answer to it. Raises TimeoutError."""
        data = text.encode()
        self._socket.sendall(b"$%s#%02x" % (data, sum(data) & 255))
        deadline = time.monotonic() + timeout
        while True:
            start = self._buffer.find(b"$")
            end = self._buffer.find(b"#", start + 1)
            if start >= 0 and 0 <= end <= len(self._buffer) - 3:
                answer = self._buffer[start + 1:end].decode()
                self._buffer = self._buffer[end + 3:]
                self._socket.sendall(b"+")
                return answer
            if time.monotonic() > deadline:
                raise TimeoutError(f"gdb's stub did not answer {text!r} within {timeout:g} s")
            self._meanwhile()
            if not select.select([self._socket], [], [], 0.002)[0]:
                continue
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("the machine ended")
            self._buffer += data

    def run_to(self, address, timeout):
        """Let the machine run until it is about to execute the instruction at `address`."""
        if self.command(f"Z0,{address:x},1") != "OK":
            raise ConnectionError(f"no breakpoint can be set at {address:#x}")
        self.command("c", timeout)
        self.command(f"z0,{address:x},1")
        if self.registers()["rip"] != address:
            raise ConnectionError(f"the machine stopped at {self.registers()['rip']:#x} instead of {address:#x}")

    def step_over(self):
        """Execute one instruction."""
        self.command("s")

    def registers(self):
        """The general registers and RIP, by name."""
        text = self.command("g")
        return {name: int.from_bytes(bytes.fromhex(text[at * 16:at * 16 + 16]), "little")
                for at, name in enumerate(self.REGISTERS)}
