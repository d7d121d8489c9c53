# SPDX-License-Identifier: Apache-2.0
"""What a person reads when the machine cannot go on."""

import re

from emulator import Machine

IMAGE = "build/tests/system/crash/disk.img"


def test_a_failing_init_ends_in_a_panic_that_names_domain_address_and_functions():
    with Machine(smp=2, memory=512, image=IMAGE, fatal={}) as machine:
        machine.expect(r"cloison: halted", 60)
        text = machine.log
    assert re.search(r"domain init stopped: #PF page fault at [0-9a-f]+, address 8", text)
    assert re.search(r"cloison: panic: init has failed", text)
    assert re.search(r"cloison: +[0-9a-f]{16} interrupt_from_user\+0x", text), text
