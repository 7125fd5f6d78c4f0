"""The module hierarchy of a design as a tree, read from the names of its instances.

`/` separates levels, and so does `.`, as in the names of generate blocks (`bank[0].ram/mem`); a backslash before a
separator makes it a part of the name, as in DEF.  In a netlist in which no name has either, an index separates levels:
`bank_3_ram_1` lies in `bank_3_ram` in `bank_3` in `bank`.  Beside real separators an index says nothing, as tools
number cells with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import networkx as nx
import numpy as np

from netlists.netlist import Kind, Netlist

ROOT = ""
"""The name of the root of the tree, the whole design."""

SEPARATOR = re.compile(r"(?<!\\)[/.]+")
INDEX = re.compile(r"_\d+(?=_|$)")

LEAST_INSTANCES = 2
"""Modules by index that hold fewer instances are left out: a number at the end of a name is then only a number."""

COUNTS = {Kind.HARD: "hard", Kind.SOFT: "soft", Kind.CELL: "cells"}
"""The attribute that counts each kind of node."""


def build_hierarchy(netlist: Netlist) -> nx.DiGraph:
    """The modules of a netlist as a networkx tree whose edges lead from a module to those inside it.

    Nodes are the names of modules in full, the root is `ROOT`.  Attributes, all with what lies in inner modules:
    `hard`, `soft` and `cells` (numbers of instances), `macro_area_um2` (of hard macros) and `area_um2` (of all three);
    also `label` (the name inside the parent) and `depth` (0 at the root).  Ports belong to no module.
    """
    instances = np.flatnonzero(netlist.kind != Kind.PORT)
    names = [netlist.node_names[v] for v in instances]
    by_index = not any(SEPARATOR.search(name) for name in names)
    split = _index_prefixes if by_index else _separator_prefixes
    tree = nx.DiGraph(name=netlist.name)
    _add_module(tree, ROOT, None)
    kinds = netlist.kind[instances].tolist()
    areas = netlist.size_um[instances].prod(axis=1).tolist()
    for name, kind, area in zip(names, kinds, areas, strict=True):
        module = tree.nodes[_enter(tree, name, split)]
        module[COUNTS[Kind(kind)]] += 1
        module["area_um2"] += area
        module["macro_area_um2"] += area if kind == Kind.HARD else 0.0
    _add_up(tree)
    if by_index:
        tree.remove_nodes_from([m for m, a in tree.nodes.items() if m != ROOT and _instances(a) < LEAST_INSTANCES])
    return tree


def hierarchy_rows(tree: nx.DiGraph, depth: int, most: int | None = None) -> Iterator[str]:
    """Names of modules down to a depth in the order of an outline, the larger area first, `most` in each module."""

    def walk(module: str) -> Iterator[str]:
        yield module
        if tree.nodes[module]["depth"] < depth:
            inner = sorted(tree.successors(module), key=lambda name: (-tree.nodes[name]["area_um2"], name))
            for name in inner[:most]:
                yield from walk(name)

    return walk(ROOT)


def _separator_prefixes(name: str) -> list[str]:
    """The modules around an instance, the outermost first."""
    return [name[: match.start()] for match in SEPARATOR.finditer(name) if match.start()]


def _index_prefixes(name: str) -> list[str]:
    """The same from indices: the array before each index, and its element unless the name ends there."""
    ends = [end for match in INDEX.finditer(name) for end in (match.start(), match.end())]
    return [name[:end] for end in ends if 0 < end < len(name)]


def _enter(tree: nx.DiGraph, name: str, split: Callable[[str], Sequence[str]]) -> str:
    """The module of an instance; those on the way to it that are new join the tree."""
    parent = ROOT
    for module in split(name):
        if module not in tree:
            _add_module(tree, module, parent)
        parent = module
    return parent


def _add_module(tree: nx.DiGraph, module: str, parent: str | None) -> None:
    label = module[len(parent or "") :].lstrip("/._")
    depth = 0 if parent is None else tree.nodes[parent]["depth"] + 1
    tree.add_node(module, label=label, depth=depth, hard=0, soft=0, cells=0, macro_area_um2=0.0, area_um2=0.0)
    if parent is not None:
        tree.add_edge(parent, module)


def _add_up(tree: nx.DiGraph) -> None:
    """Add what each module holds to those around it."""
    for module in nx.dfs_postorder_nodes(tree, ROOT):
        for parent in tree.predecessors(module):
            for key in (*COUNTS.values(), "macro_area_um2", "area_um2"):
                tree.nodes[parent][key] += tree.nodes[module][key]


def _instances(attributes: dict[str, int]) -> int:
    return sum(attributes[key] for key in COUNTS.values())
