# SPDX-License-Identifier: Apache-2.0
"""test_boot: the demo boots to both guests' shells, they reach each other, it switches itself off; several times in a
row, with 1 and with 4 CPUs. Once on VT-x, in Bochs, which takes minutes.

Twice each by default, once on either processor; CLOISON_BOOTS says how often otherwise (`make soak`: 20).
"""

import os

import pytest

from cloison import Cloison

PROCESSORS = ["EPYC,+svm,+npt", "max,+svm"]
BOOTS = int(os.environ.get("CLOISON_BOOTS", "2"))


@pytest.mark.parametrize("cpus", [1, 4])
@pytest.mark.parametrize("turn", range(1, BOOTS + 1))
def test_the_demo_boots_pings_and_powers_off(cpus, turn):
    with Cloison(cpu=PROCESSORS[turn % 2], smp=cpus, memory=1024) as machine:
        machine.boot()
        assert f"{cpus} of {cpus} CPUs run" in machine.log
        with machine.console("beta"):
            pass
        with machine.console("alpha") as shell:
            assert "3 packets received" in shell.run("ping -c 3 -i 0.2 beta")
        for name in ("alpha", "beta"):
            assert machine.listed(name)["state"] == "running"
        machine.command("poweroff")
        assert machine.wait(60) == "shutdown"
        assert machine.exit_status == 0
        assert "did not stop in time" not in machine.log


def test_the_demo_boots_on_vt_x():
    with Cloison("bochs", "corei7_skylake_x", smp=2, memory=1024) as machine:
        machine.boot(400)
        assert "virtualisation: VT-x with nested paging" in machine.log
        with machine.console("alpha", 600) as shell:
            assert "3 packets received" in shell.run("ping -c 3 beta", 120)
        for name in ("alpha", "beta"):
            assert machine.listed(name)["state"] == "running"
        machine.command("poweroff", 120)
        assert machine.wait(300) == "shutdown"
