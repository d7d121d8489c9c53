# SPDX-License-Identifier: Apache-2.0
"""test_docs: what the documentation says exists, and what exists is in the documentation."""

import glob
import os
import re
import subprocess

from test_tools import load

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
REFERENCE = os.path.join(ROOT, "docs", "reference")


def read(*parts):
    """A file of the repository, as text."""
    with open(os.path.join(ROOT, *parts), encoding="utf-8") as file:
        return file.read()


def enum_values(text, name):
    """The constants of `enum name` in a C header as {constant: value}."""
    body = re.search(r"enum " + name + r" \{(.*?)\};", text, re.DOTALL).group(1)
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL)
    values, following = {}, 0
    for item in filter(None, (entry.strip() for entry in body.split(","))):
        constant, _, expression = (part.strip() for part in item.partition("="))
        if expression:
            shift = re.fullmatch(r"1 << (\d+)", expression)
            if shift is None and not expression.isdigit():
                continue  # RIGHT_ALL: no constant of its own
            following = 1 << int(shift.group(1)) if shift else int(expression)
        values[constant] = following
        following += 1
    return values


def table_rows(text):
    """The cells of every row of the tables in a page of Markdown, without their headings' rules."""
    rows = ([cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
            for line in text.splitlines() if line.startswith("|"))
    return [row for row in rows if not all(re.fullmatch(r":?-+:?", cell) for cell in row)]


def numbered(text, prefix):
    """{name: number} of the rows that have a name with this prefix in one of the first two cells, a number in the other."""
    found = {}
    for row in table_rows(text):
        for number, name in ((row[0], row[1]), (row[1], row[0])) if len(row) > 1 else ():
            match = re.fullmatch(r"`(" + prefix + r"[A-Z0-9_]+)`", name)
            if match and number.isdigit():
                assert match.group(1) not in found, f"{match.group(1)} stands in two rows"
                found[match.group(1)] = int(number)
    return found


def pages():
    """Every page of documentation, relative to the root."""
    found = ["README.md", *glob.glob("docs/**/*.md", root_dir=ROOT, recursive=True)]
    return sorted(found)


def test_every_system_call_is_in_the_reference_under_its_number():
    calls = enum_values(read("abi", "syscall.h"), "syscall_number")
    del calls["SYS_COUNT"]
    text = "\n".join(read(path) for path in glob.glob(os.path.join(REFERENCE, "*.md")))
    assert numbered(text, "SYS_") == calls


def test_every_status_is_in_the_reference_under_its_number():
    statuses = enum_values(read("abi", "status.h"), "cl_status")
    del statuses["CL_STATUS_COUNT"]
    assert numbered(read("docs", "reference", "README.md"), "CL_") == statuses


def test_every_right_and_object_is_in_the_reference_under_its_number():
    header, text = read("abi", "syscall.h"), read("docs", "reference", "README.md")
    rights = {name: value.bit_length() - 1 for name, value in enum_values(header, "right").items()}
    objects = enum_values(header, "object_type")
    del objects["OBJECT_NONE"], objects["OBJECT_TYPE_COUNT"]
    assert numbered(text, "RIGHT_") == rights
    assert numbered(text, "OBJECT_") == objects


def test_every_exit_reason_is_in_the_reference():
    reasons = enum_values(read("abi", "vcpu.h"), "vcpu_exit_reason")
    text = read("docs", "reference", "guests.md")
    unused = {"VCPU_EXIT_NONE", "VCPU_EXIT_EOI", "VCPU_EXIT_REASON_COUNT"}
    assert [name for name in reasons if name not in unused and f"`{name}`" not in text] == []


def test_every_hypercall_is_documented_with_its_number():
    header, text = read("abi", "hypercall.h"), read("docs", "hypercalls.md")
    base = int(re.search(r"CL_HYPERCALL_BASE 0x([0-9a-f]+)u", header).group(1), 16)
    calls = re.findall(r"#define (CL_HYPERCALL_\w+) \(CL_HYPERCALL_BASE \+ (\d+)\)", header)
    assert calls
    for name, offset in calls:
        assert re.search(rf"\| {base + int(offset):X}h \| `{name}` \|", text), name


def test_every_make_verb_that_a_page_names_exists():
    output = subprocess.run(["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    verbs = set(re.findall(r"^  ([a-z]+) ", output.stdout, re.MULTILINE))
    assert {"run", "test"} <= verbs
    for page in pages():
        text = read(page)
        code = re.findall(r"(?:`|^    )make ([a-z]+)(?![a-z/])", text, re.MULTILINE)
        assert set(code) <= verbs, page


def test_every_key_of_the_configuration_is_described():
    keys = set(re.findall(r"\.name = \"(\w+)\"", read("services", "config", "schema.c")))
    keys |= set(re.findall(r"^    ACTION\((\w+)\)", read("services", "config", "schema.c"), re.MULTILINE))
    text = read("docs", "configuration.md")
    tables = {"host": "## [host]", "network": "## [[network]]", "vm": "## [[vm]]"}
    assert keys
    assert [key for key in sorted(keys) if f"`{key}`" not in text and tables.get(key, "\0") not in text] == []


def test_links_between_pages_lead_somewhere():
    for page in pages():
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", read(page)):
            assert os.path.exists(os.path.join(ROOT, os.path.dirname(page), target)), f"{page}: {target}"


def test_decisions_are_short_and_numbered_without_gaps():
    files = sorted(glob.glob("docs/decisions/[0-9]*.md", root_dir=ROOT))
    assert [int(os.path.basename(file)[:4]) for file in files] == list(range(1, len(files) + 1))
    for file in files:
        text = read(file)
        assert len(text.splitlines()) <= 25, file
        for heading in ("## Context", "## Decision", "## Consequences"):
            assert heading in text, f"{file}: {heading}"
        assert f"({os.path.basename(file)})" in read("docs", "decisions", "README.md"), file


def test_the_matrix_has_a_row_for_every_system_test_and_a_column_for_every_machine():
    matrix = load("matrix")
    text = read("README.md").partition(matrix.BEGIN)[2].partition(matrix.END)[0]
    table = table_rows(text)
    assert table[0] == ["", *matrix.columns().values()]
    assert [row[0] for row in table[1:]] == list(matrix.rows().values())


def test_every_command_of_the_console_is_described():
    commands = re.findall(r'^    \{ ?"([a-z-]+)", COMMAND_', read("services", "console", "command_table.c"), re.MULTILINE)
    text = read("docs", "howto", "console.md")
    assert commands
    assert [name for name in commands if not re.search(rf"^\| (?:`[^`]+`, )?`{name}[ `]", text, re.MULTILINE)] == []
