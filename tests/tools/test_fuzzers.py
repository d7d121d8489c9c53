# SPDX-License-Identifier: Apache-2.0
"""test_fuzzers: each fuzzer takes its first thousands of inputs, the same ones each time. `make fuzz` looks further."""

import glob
import os
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
INPUTS = 20000
SECONDS = 300
FUZZERS = sorted(os.path.basename(source)[:-2] for source in glob.glob(os.path.join(ROOT, "tests", "fuzz", "fuzz_*.c")))


@pytest.mark.parametrize("fuzzer", FUZZERS)
def test_no_input_breaks(fuzzer, tmp_path):
    # The libraries were built by another compiler: their variables would be seen twice.
    environment = {**os.environ, "ASAN_OPTIONS": "detect_odr_violation=0"}
    done = subprocess.run([os.path.join(ROOT, "build", "tests", "fuzz", fuzzer), f"-runs={INPUTS}", "-seed=1",
                           "-max_len=4096", f"-artifact_prefix={tmp_path}/"],
                          env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout.decode("utf-8", "replace")[-3000:]
