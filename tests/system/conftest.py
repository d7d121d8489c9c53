# SPDX-License-Identifier: Apache-2.0
"""conftest: which machine a test runs on, for the matrix (tools/matrix); and what runs side by side.

Tests of one file on one machine share a boot, so they stay together and in order; tools/test runs two such groups at
a time (pytest-xdist), the longest first.
"""

import os

import pytest

from machines import KINDS, Kind

# Files whose groups begin first, because they take minutes in Bochs.
LONGEST = ["test_linux", "test_supervisor", "test_shares", "test_micro_guests", "test_boot"]


def kind_of(item):
    """The kind of machine that a test runs on."""
    parameters = getattr(item, "callspec", None)
    found = [value for value in parameters.params.values() if isinstance(value, Kind)] if parameters else []
    return found[0] if found else KINDS[0]


def place(item):
    """A test's place in the order of groups: Bochs before QEMU, the longest file first."""
    name = os.path.splitext(item.path.name)[0]
    kind = kind_of(item)
    return -kind.slowness, LONGEST.index(name) if name in LONGEST else len(LONGEST), name, kind.name


def pytest_configure(config):
    """The mark of tests that one kind of machine cannot run."""
    config.addinivalue_line("markers", "not_on(machine, why): there is no such test on this kind of machine")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Take out what is not for its machine, and group the tests by file and machine."""
    items[:] = [item for item in items
                if all(kind_of(item).name != mark.args[0] for mark in item.iter_markers("not_on"))]
    items.sort(key=place)
    for item in items:
        kind = kind_of(item).name
        item.user_properties.append(("machine", kind))
        item.add_marker(pytest.mark.xdist_group(f"{item.path.stem}-{kind}"))
