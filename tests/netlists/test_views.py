"""Views of a netlist: computed once, stored with it, freed with it, and listed in one place."""

from __future__ import annotations

import gc
import pickle
import re
import weakref

import numpy as np

import netlists.netlist
from netlists import load
from netlists.netlist import Floats, Netlist, cached_view
from netlists.rows.derived import cell_rows
from tests import ROOT
from tests.designs import design

calls: list[tuple[str, float]] = []


@cached_view
def scaled(netlist: Netlist, factor: float = 1.0) -> Floats:
    calls.append((netlist.name, factor))
    return netlist.size_um * factor


@cached_view
def nothing(netlist: Netlist) -> None:
    calls.append((netlist.name, 0.0))


def test_computed_once_for_each_netlist_and_argument() -> None:
    calls.clear()
    first, second = design([(0, 0, 20, 20)]), design([(0, 0, 20, 20)])
    assert scaled(first, 2.0) is scaled(first, 2.0)
    assert scaled(first, 2.0) is not scaled(second, 2.0)
    assert scaled(first, 3.0)[0, 0] == 60
    assert calls == [(first.name, 2.0), (second.name, 2.0), (first.name, 3.0)]
    assert nothing(first) is nothing(first) is None
    assert len(calls) == 4


def test_changed_netlists_have_views_of_their_own() -> None:
    netlist = design([(0, 0, 20, 20)])
    assert scaled(netlist)[0, 0] == 20
    assert scaled(netlist.with_(size_um=netlist.size_um / 2))[0, 0] == 10


def test_freed_with_the_netlist() -> None:
    netlist = design([(0, 0, 20, 20)])
    view = weakref.ref(scaled(netlist))
    assert view() is not None
    del netlist
    gc.collect()
    assert view() is None


def test_a_pickled_netlist_has_no_views() -> None:
    netlist = load("jetty")
    size = len(pickle.dumps(netlist))
    assert netlist.movable_hard.size
    assert netlist.index(netlist.node_names[0]) == 0
    assert cell_rows(netlist) is None
    scaled(netlist)
    assert len(pickle.dumps(netlist)) == size
    again = pickle.loads(pickle.dumps(netlist))
    assert again.same_as(netlist)
    assert again.notes == netlist.notes
    np.testing.assert_array_equal(scaled(again), scaled(netlist))


def test_the_table_lists_every_view() -> None:
    table = netlists.netlist.__doc__ or ""
    for package in ("netlists", "placer", "dse", "plots"):
        for file in sorted((ROOT / package).rglob("*.py")):
            module = file.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
            for name in re.findall(r"@cached_view\ndef (\w+)", file.read_text(encoding="utf-8")):
                assert f"    {module}.{name} " in table, f"{module}.{name} is not listed in netlists.netlist"


def test_a_pickled_netlist_is_frozen() -> None:
    again = pickle.loads(pickle.dumps(load("jetty")))
    assert again.same_as(load("jetty"))
    assert not any(value.flags.writeable for value in vars(again).values() if isinstance(value, np.ndarray))
