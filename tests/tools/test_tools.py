# SPDX-License-Identifier: Apache-2.0
"""test_tools: counting of lines, adding up of test results, the matrix of machines, cleaning of console output."""

import importlib.machinery
import importlib.util
import os
import stat

import emulator

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def load(name):
    """A tool (a script without a suffix) as a module."""
    path = os.path.join(ROOT, "tools", name)
    loader = importlib.machinery.SourceFileLoader("tool_" + name.replace("-", "_"), path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def test_comments_and_blanks_are_not_lines_of_code(tmp_path):
    (tmp_path / "a.c").write_text('/* one\n * two */\n\nint a; /* x */\nchar *b = "/* no comment */"; // y\n/* z */ int c;\n')
    (tmp_path / "b.asm").write_text("; comment\n    ret ; yes\n\n")
    (tmp_path / "c.py").write_text("# no\nx = 1  # yes\n")
    loc = load("loc")
    assert [loc.code_lines(str(tmp_path / name)) for name in ("a.c", "b.asm", "c.py")] == [3, 1, 1]


def test_auditors_and_tables_are_counted_apart_and_the_fake_not_at_all():
    kind = load("loc").kind_of
    assert kind("kernel/sched.c") == "kernel"
    assert kind("svm/audit.c") == kind("vmx/exit_table.h") == "tables"
    assert kind("kernel/fake/fake.c") == kind("vmm/pci.c") == ""


def program(path, text, status):
    """A stand-in for a cmocka program."""
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {status}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_program_that_dies_or_runs_nothing_counts_as_a_failure(tmp_path):
    run = load("test").run_unit
    good = "[ RUN      ] a\n[       OK ] a\n[ RUN      ] b\n"
    assert run(program(tmp_path / "ok", good + "[       OK ] b", 0))[1:3] == (2, 0)
    assert run(program(tmp_path / "died", good + "AddressSanitizer: no", 1))[1:3] == (1, 1)
    assert run(program(tmp_path / "none", "nothing", 0))[1:3] == (0, 1)


def test_failed_and_skipped_tests_are_counted_once(tmp_path):
    text = ("[       OK ] a\n[  ERROR   ] --- 1 != 2\n[  FAILED  ] b\n[  SKIPPED ] c\n[  PASSED  ] 1 test(s).\n"
            "[  FAILED  ] tests: 1 test(s), listed below:\n[  FAILED  ] b\n")
    assert load("test").run_unit(program(tmp_path / "t", text, 1))[1:3] == (1, 2)


def test_the_matrix_says_what_passed_and_failed_on_each_machine(tmp_path):
    case = '<testcase classname="tests.system.test_boot" name="{}"><properties><property name="machine" value="{}"/></properties>{}</testcase>'
    first, second = tmp_path / "first.xml", tmp_path / "second.xml"
    first.write_text("<testsuites><testsuite>" + case.format("a", "qemu-epyc", "") + case.format("b", "qemu-epyc", "<failure/>") +
                     case.format("c", "qemu-epyc", "<error/>") +
                     "</testsuite></testsuites>")
    second.write_text("<testsuites>" + case.format("b@group", "qemu-epyc", "") + case.format("d", "qemu-epyc", "<skipped/>") +
                      case.format("a", "bochs-ryzen", "") + "</testsuites>")
    matrix = load("matrix")
    counts = matrix.results([first, second])
    assert counts == {("test_boot", "qemu-epyc"): [2, 2], ("test_boot", "bochs-ryzen"): [1, 0]}
    row = next(line for line in matrix.table(counts).splitlines() if "`test_boot`" in line)
    assert row.split(" | ")[1:] == ["**2 of 4 failed**", "–", "–", "1 passed |"]


def test_rules_come_from_the_comments_of_a_test(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test_x.c").write_text("/* SOURCES: kernel/a.c\n *   kernel/b.c */\n/* LIBS: zydis */\n")
    assert load("unit-rules").rule("build/host", "test_x.c") == (
        "build/test_x: build/host/test_x.o build/host/kernel/a.o build/host/kernel/b.o "
        "build/third-party/lib/host/libzydis.a\n")


def test_control_sequences_are_no_output():
    assert emulator.ANSI.sub("", "\x1b[2J\x1b[01;01H\x1b[=3hplain\x1b[0m\x1b[?25l") == "plain"
