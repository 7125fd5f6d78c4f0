"""The hierarchy read from names: trees known on paper, and a count of the names inside each module."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlists.connectivity import build_hierarchy, hierarchy_rows
from netlists.connectivity.hierarchy import ROOT
from tests.netlists.connectivity.graphs import build


def modules(*names: str) -> set[str]:
    """The modules that cells of these names lie in, without the root."""
    return set(build_hierarchy(build("C" * len(names), [], names=names))) - {ROOT}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("a/b/c", "a/d"), {"a", "a/b"}),
        (("bank[0].ram/mem", "top"), {"bank[0]", "bank[0].ram"}),
        (("a//b", "/c/d"), {"a", "/c"}),
        ((r"a\/b/c",), {r"a\/b"}),
        (("ram_0/mem", "cell_1", "cell_2"), {"ram_0"}),  # indices say nothing beside separators
        (("cell_1", "cell_2", "other_3"), {"cell"}),  # a single index neither
        (("bank_0_ram_0", "bank_0_ram_1", "bank_1_ram_0"), {"bank", "bank_0", "bank_0_ram"}),
        (("a1", "a2", "b_x", "c_1x", "_0"), set()),
    ],
)
def test_modules_of_names(names: tuple[str, ...], expected: set[str]) -> None:
    assert modules(*names) == expected


def test_counts_and_areas_add_up() -> None:
    size = np.array([[2.0, 5.0], [1.0, 1.0], [3.0, 1.0], [9.0, 9.0], [1.0, 2.0]])
    names = ("u/mem", "u/alu/add", "u/alu/Grp", "u/in", "v")
    tree = build_hierarchy(build("HCSPC", [], names=names, size_um=size))
    assert nx.is_arborescence(tree)
    assert set(tree.edges) == {(ROOT, "u"), ("u", "u/alu")}
    assert tree.nodes["u"] == {
        "label": "u", "depth": 1, "hard": 1, "soft": 1, "cells": 1, "macro_area_um2": 10.0, "area_um2": 14.0
    }  # fmt: skip
    assert tree.nodes["u/alu"]["label"] == "alu"
    assert tree.nodes[ROOT]["area_um2"] == 16.0


NAMES = st.lists(
    st.text(alphabet="ab/", min_size=1, max_size=8).filter(lambda name: "//" not in name and name.strip("/") == name),
    min_size=1, max_size=12, unique=True,
)  # fmt: skip


@given(NAMES)
def test_each_module_holds_the_names_that_begin_with_it(names: list[str]) -> None:
    tree = build_hierarchy(build("C" * len(names), [], names=names))
    for module in tree:
        prefix = f"{module}/" if module else ""
        assert tree.nodes[module]["cells"] == sum(name.startswith(prefix) for name in names)
        assert tree.nodes[module]["depth"] == (module.count("/") + 1 if module else 0)
    assert set(tree) - {ROOT} == {name[:k] for name in names for k in range(len(name)) if name[k] == "/"}


def test_rows_are_an_outline_by_area() -> None:
    tree = build_hierarchy(build("CCCCC", [], names=("a/x", "b/y/1", "b/y/2", "b/z/1", "c/1")))
    assert list(hierarchy_rows(tree, 2)) == [ROOT, "b", "b/y", "b/z", "a", "c"]
    assert list(hierarchy_rows(tree, 1, 2)) == [ROOT, "b", "a"]
