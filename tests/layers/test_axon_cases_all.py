"""Every case that Axon publishes is run by some test here, or listed as not ours with a reason."""

import importlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from axon_cases.runner import DATA, Case

TESTS = Path(__file__).parent.parent
HERE = ("layers", "core", "training")


def modules():
    """Import the test files that read cases."""
    for folder in HERE:
        sys.path.insert(0, str(TESTS / folder))
    for folder in HERE:
        for file in sorted((TESTS / folder).glob("test_*.py")):
            if "axon_cases" in file.read_text() and file.stem != Path(__file__).stem:
                yield importlib.import_module(file.stem)


def cases_in(value):
    """The ids of the cases that stand in the arguments of a test."""
    if isinstance(value, Case):
        yield value.id
    elif isinstance(value, Mapping):
        yield from [value["id"]] if {"id", "source", "origin"} <= set(value) else ()
    elif isinstance(value, list | tuple):
        for part in value:
            yield from cases_in(part)


def run_by(module):
    """What pytest runs: the parameters of the tests of a file."""
    for test in vars(module).values():
        for mark in getattr(test, "pytestmark", ()):
            if mark.name == "parametrize":
                yield from cases_in(list(mark.args[1]))  # what pytest.param makes is a tuple, with the values first


def listed_by(module):
    """What a file lists as not ours: a case, or a function for all of its cases, with the reason."""
    table = getattr(module, "NOT_OURS", {})
    for name, reason in table.items():
        yield from reason.items() if isinstance(reason, Mapping) else [(name, reason)]


@pytest.fixture(scope="module")
def tables():
    found = list(modules())
    run = {case for module in found for case in run_by(module)}
    listed = {name: reason for module in found for name, reason in listed_by(module)}
    return run, listed


ALL = {raw["id"]: raw for file in sorted(DATA.glob("*.json")) for raw in json.loads(file.read_text())}


def test_the_files_are_whole():
    assert len(ALL) == 764


def test_every_case_is_run_or_listed(tables):
    run, listed = tables
    functions = {name for name in listed if "." not in name}
    left = [
        case for case, raw in ALL.items()
        if case not in run and case not in listed and raw["function"].rpartition(".")[2] not in functions
    ]  # fmt: skip
    assert not left
    assert len(run) >= 690


def test_reasons_are_given_for_cases_that_exist(tables):
    _, listed = tables
    known = set(ALL) | {raw["function"].rpartition(".")[2] for raw in ALL.values()}
    assert set(listed) <= known
    assert all(len(reason.split()) > 4 for reason in listed.values())
