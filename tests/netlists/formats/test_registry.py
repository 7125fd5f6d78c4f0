"""The table of formats: every list of formats is made from it, and its entries agree with their readers."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from netlists.formats.registry import (
    BOOKSHELF,
    CIRCUIT_TRAINING,
    FORMATS,
    Format,
    native_format,
    netlist_endings,
    netlist_format,
    placement_endings,
    placement_format,
)
from netlists.netlist import Netlist
from tests import ROOT
from tests.netlists.chips import write_bookshelf, write_pb


def keywords(entry: Format, function: str) -> set[str]:
    """The optional arguments of a function of an entry."""
    parameters = inspect.signature(getattr(entry, function)).parameters.values()
    return {p.name for p in parameters if p.default is not inspect.Parameter.empty}


@pytest.mark.parametrize("entry", FORMATS, ids=lambda entry: entry.name)
def test_options_are_those_of_the_functions(entry: Format) -> None:
    assert keywords(entry, "read") == entry.read_options
    assert keywords(entry, "read_placement") == entry.read_placement_options


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("netlist.pb.txt", CIRCUIT_TRAINING), ("A.PB.TXT.GZ", CIRCUIT_TRAINING), ("a.aux", BOOKSHELF),
        ("a.aux.gz", BOOKSHELF), ("a.pb", None), ("a.txt", None), ("aux", None),
    ],
)  # fmt: skip
def test_netlist_format(name: str, entry: Format | None) -> None:
    assert netlist_format(Path(name)) is entry


@pytest.mark.parametrize(("name", "entry"), [("a.plc", CIRCUIT_TRAINING), ("A.PL", BOOKSHELF), ("a.pl.gz", BOOKSHELF)])
def test_placement_format(name: str, entry: Format) -> None:
    assert placement_format(Path(name)) is entry


def test_native_format_is_that_of_the_file(tmp_path: Path) -> None:
    def read(file: Path) -> Netlist:
        entry = netlist_format(file)
        assert entry
        return entry.read(file)

    assert native_format(read(write_pb(tmp_path))) is CIRCUIT_TRAINING
    assert native_format(read(write_bookshelf(tmp_path))) is BOOKSHELF


def test_endings() -> None:
    assert netlist_endings() == ".pb.txt[.gz], .aux[.gz] or .def[.gz]"
    assert placement_endings() == ".plc[.gz], .pl[.gz] or .def[.gz]"


def test_readme_lists_every_format() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [entry.name for entry in FORMATS if entry.name not in readme or entry.placement_suffix not in readme]
    assert not missing, f"README.md does not list {', '.join(missing)}"
