# SPDX-License-Identifier: Apache-2.0
"""test_crash: what a person reads when the machine cannot go on."""

import re

from emulator import Machine
from machines import on_each

IMAGE = "build/tests/system/crash/disk.img"


@on_each
def test_a_failing_init_ends_in_a_panic_that_names_domain_address_and_functions(kind):
    with kind.boot(memory=512, machine=Machine, image=IMAGE, fatal={}) as machine:
        machine.expect(r"cloison: halted", 60)
        text = machine.log
    assert re.search(r"domain init stopped: #PF page fault at [0-9a-f]+, address 8", text)
    assert re.search(r"cloison: panic: init has failed", text)
    assert re.search(r"cloison: +[0-9a-f]{16} interrupt_from_user\+0x", text), text
