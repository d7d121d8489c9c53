# SPDX-License-Identifier: Apache-2.0
"""test_refused: what the auditors name, the processors refuse.

A kernel of its own (tests/system/refused) enters a guest that runs 64-bit code with each rule of VMRUN, or of VM entry,
broken in turn. The auditor has to name that rule and no other, and the processor has to refuse the entry, but for the
rules that an emulator does not check. The guest goes on afterwards as if nothing had been.
"""

import functools
import os
import re
import tempfile

from cloison import BUILD, disk_image
from machines import on_each

KERNEL = os.path.join(BUILD, "tests", "system", "refused", "cloison.elf")
GUEST = os.path.join(BUILD, "guests", "micro", "hello.elf")
CONFIGURATION = """
[host]
headless = true
[[vm]]
name = "{name}"
memory = "32M"
kernel = "{guest}"
cmdline = "argument=4711"
console = "serial"
debug_exit = 0
"""

# Rules that the emulator does not check: it enters the guest.
QEMU = {"G_PAT has an unsupported type or a reserved bit", "ASID is not below the processor's number of ASIDs",
        "EVENTINJ is #BR in 64-bit mode", "an MBZ bit of nCR3 is set"}
NOT_CHECKED = {
    "qemu-epyc": QEMU,
    "qemu-max": QEMU,
    "bochs-skylake": {"DEBUGCTL has a reserved bit", "CS: cannot be unusable", "RIP is not canonical",
                      "the event's instruction length is not 1 to 15",
                      "in an interrupt shadow or halted, the pending single step is not as RFLAGS.TF and BTF have it",
                      "RFLAGS has a reserved bit"},  # which the vCPU page does not let through
    "bochs-ryzen": {"an MBZ bit of CR3 is set", "ASID is not below the processor's number of ASIDs"},
}
# Numbers of cases that end the emulator: Bochs checks neither, and panics of a mode that is none, and of a triple fault.
DEADLY = {"bochs-ryzen": {9: "EFER.LME and CR0.PG are both set and CR0.PE is zero", 20: "EVENTINJ is #BR in 64-bit mode"}}
RULES = {"AMD-V": 22, "VT-x": 93}


@functools.lru_cache(maxsize=None)
def boot(kind):
    """What the machine said, until the guest had ended."""
    name = "-".join(["but", *map(str, DEADLY.get(kind.name, []))])
    with tempfile.TemporaryDirectory() as folder:
        image = disk_image(folder, CONFIGURATION.format(name=name, guest=GUEST), kernel=KERNEL)
        with kind.boot(smp=1, memory=512, image=image, fatal={r"cloison: panic[^\r\n]*": "the kernel panicked"}) as machine:
            machine.expect(r"^init: but\S*: .*$", 60)
            return machine.log


def shown(kind):
    """A row for each case that was shown: the rule, what the auditor named, what the processor did."""
    return re.findall(r"^cloison: refused: (.*) \| (\d+: .*) \| (\w+)$", boot(kind), re.M)


@on_each
def test_the_auditor_names_the_rule_that_is_broken_and_no_other(kind):
    rows = shown(kind)
    assert len(rows) + len(DEADLY.get(kind.name, [])) == RULES[kind.vendor]
    assert [(rule, named) for rule, named, _ in rows if named != f"1: {rule}"] == []


@on_each
def test_the_processor_refuses_what_the_auditor_names(kind):
    entered = {rule for rule, _, outcome in shown(kind) if outcome == "entered"}
    assert entered == NOT_CHECKED[kind.name]


@on_each
def test_the_guest_goes_on_as_if_nothing_had_been(kind):
    assert re.search(r"^but\S*: micro: hello PASS", boot(kind), re.M)
