# SPDX-License-Identifier: Apache-2.0
"""layout: a program's structures, constants and variables as its debug information has them, to read them from outside.

    kernel = Program("build/kernel/cloison.elf", ["struct domain"], ["cpus"], ["OBJECT_MEMORY"])
    cpus = kernel.variable("cpus", read)     # read(address, size) → bytes of the program's memory
    print(cpus[0].current.domain.name)       # pointers are followed, arrays are lists, char arrays are text

gdb does the reading of the debug information: nothing here knows an offset.
"""

import json
import subprocess

# Runs inside gdb, with `structures`, `variables` and `constants` set; prints one JSON object.
SCRIPT = r"""
import json
structs = {}

def describe(kind):
    kind = kind.strip_typedefs()
    if kind.code == gdb.TYPE_CODE_STRUCT or kind.code == gdb.TYPE_CODE_UNION:
        return {"struct": enter(kind), "size": kind.sizeof}
    if kind.code == gdb.TYPE_CODE_ARRAY:
        low, high = kind.range()
        element = kind.target().strip_typedefs()
        text = element.code == gdb.TYPE_CODE_INT and element.name == "char"
        return {"array": describe(kind.target()), "count": high - low + 1, "text": text, "size": kind.sizeof}
    if kind.code == gdb.TYPE_CODE_PTR:
        target = kind.target().strip_typedefs()
        followed = target.code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION, gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_INT,
                                   gdb.TYPE_CODE_ARRAY)
        return {"pointer": describe(target) if followed else None, "size": 8}
    return {"size": kind.sizeof}

def enter(kind):
    name = kind.tag or str(kind)
    if not kind.fields() and kind.tag:  # declared here, defined in another file
        try:
            kind = gdb.lookup_type("struct " + kind.tag)
        except gdb.error:
            pass
    if name not in structs:
        structs[name] = {}
        for field in kind.fields():
            if field.name and not field.bitsize:
                structs[name][field.name] = [field.bitpos // 8, describe(field.type)]
    return name

result = {"structs": structs, "named": {}, "variables": {}, "constants": {}}
for name in structures:
    result["named"][name] = describe(gdb.lookup_type(name))
for name in variables:
    value = gdb.parse_and_eval(name)
    result["variables"][name] = [int(value.address), describe(value.type) if value.type.sizeof else {"size": 0}]
for name in constants:
    result["constants"][name] = int(gdb.parse_and_eval("(long)" + name))
print(json.dumps(result))
"""


class Program:
    """What is known of one ELF file. `symbols` are variables of which only the address matters (linker symbols)."""

    def __init__(self, path, structures=(), variables=(), constants=(), symbols=()):
        lists = f"structures, variables, constants = {list(structures)!r}, {list(variables)!r}, {list(constants)!r}\n"
        known = [word for name in symbols for word in ("-ex", f"print/x (unsigned long)&{name}")]
        describe = ["-ex", "python exec(" + repr(lists + SCRIPT) + ")"]
        done = subprocess.run(["gdb", "-batch", "-nx", *known, *describe, path], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        lines = done.stdout.splitlines()
        if len(lines) != len(symbols) + 1:
            raise ValueError(f"{path}: gdb cannot tell its layout: {done.stderr.strip()}")
        facts = json.loads(lines[-1])
        self.structs, self.variables, self.constants = facts["structs"], facts["variables"], facts["constants"]
        self.named = facts["named"]
        self.symbols = {name: int(line.split()[-1], 16) for name, line in zip(symbols, lines)}

    def variable(self, name, read):
        """The value of a variable, as value() has it."""
        address, kind = self.variables[name]
        return self.value(kind, address, read)

    def at(self, name, address, read):
        """The structure of type `name` ("struct domain") at `address`."""
        return self.value(self.named[name], address, read)

    def value(self, kind, address, read):
        """What stands at `address`: a number, text, a list, a Structure; for a pointer what it points at, or None."""
        if "struct" in kind:
            return Structure(self, kind, address, read)
        if "array" in kind:
            if kind["text"]:
                return read(address, kind["size"]).split(b"\0")[0].decode("utf-8", "replace")
            step = kind["array"]["size"]
            return [self.value(kind["array"], address + i * step, read) for i in range(kind["count"])]
        number = int.from_bytes(read(address, kind["size"]), "little")
        target = kind.get("pointer")
        if target is None or "struct" not in target:
            return number
        return Structure(self, target, number, read) if number else None


class Structure:
    """One structure in the memory of a program: its fields are attributes. Two are equal if they are the same one."""

    def __init__(self, program, kind, address, read):
        self._program, self._kind, self._address, self._read = program, kind, address, read

    @property
    def address_(self):
        """Where it stands."""
        return self._address

    def __getattr__(self, name):
        try:
            offset, kind = self._program.structs[self._kind["struct"]][name]
        except KeyError:
            raise AttributeError(f"struct {self._kind['struct']} has no field {name}") from None
        return self._program.value(kind, self._address + offset, self._read)

    def __eq__(self, other):
        return isinstance(other, Structure) and self._address == other._address

    def __hash__(self):
        return hash(self._address)

    def __repr__(self):
        return f"struct {self._kind['struct']} at {self._address:x}"
