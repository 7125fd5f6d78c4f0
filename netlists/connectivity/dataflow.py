"""The dataflow between hard macros: which macro drives which, through how many cells, over how many bits.

Macro placers that follow the hierarchy of a design pull macros together by such a graph, as the netlist alone rarely
joins two macros directly.  The weight of a connection falls with the number of steps on its way: Vidal-Obiols,
Cortadella, Petit, Galceran-Oms and Martorell, "RTL-aware dataflow-driven macro placement", DATE 2019; Kahng, Varadarajan
and Wang, "Hier-RTLMP", IEEE TCAD 43(3), 2024.  These papers count registers; a netlist without a cell library does not
say which cells are registers, so that every cell or soft macro counts as one hop here.
"""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx
import numpy as np
import scipy.sparse as sp

from netlists.cluster import MAX_SINKS
from netlists.errors import SettingsError
from netlists.netlist import Floats, Ints, Kind, Netlist

MAX_HOPS = 4
"""Longer ways are not followed by default: number of cells and soft macros between two hard macros."""

DECAY = 0.5
"""Factor of the weight of a connection for each hop."""

MACROS_PER_PASS = 64
"""Number of macros whose ways are followed at the same time; bounds the memory, [V, 64] numbers."""


@dataclass(frozen=True, eq=False)
class Dataflow:
    """K directed connections between hard macros, ordered by source, then target; H is the largest number of hops.

    A net whose driver is reached from the source through h cells or soft macros at the least, and which ends at the
    target, carries as many bits at h hops as its weight says.  Every net into the target counts once per source.
    """

    netlist: Netlist
    source: Ints  # [K] node index of the driving macro
    target: Ints  # [K] node index of the driven macro
    bits: Floats  # [K, H+1] bits that arrive after 0, 1, ..., H hops

    @property
    def hops(self) -> Ints:
        """[K] number of hops on the shortest way."""
        return np.argmax(self.bits > 0, axis=1).astype(np.int64)

    @property
    def total_bits(self) -> Floats:
        """[K] bits over all ways."""
        return np.asarray(self.bits.sum(axis=1))

    @property
    def weight(self) -> Floats:
        """[K] bits, halved for every hop."""
        return np.asarray(self.bits @ DECAY ** np.arange(self.bits.shape[1]))

    def heaviest(self, count: int) -> Ints:
        """Indices of at most `count` connections of the largest weight, the heaviest first; ties in order."""
        return np.argsort(-self.weight, kind="stable")[:count]

    def graph(self, most: int | None = None) -> nx.DiGraph:
        """The macros and their `most` heaviest connections, all by default, as a networkx graph.

        Nodes are node indices with the attributes `name` and `area_um2`; edges have `bits`, `hops` and `weight`.
        """
        n = self.netlist
        graph = nx.DiGraph(name=n.name)
        area_um2 = n.size_um[n.hard].prod(axis=1)
        for node, area in zip(n.hard.tolist(), area_um2.tolist(), strict=True):
            graph.add_node(node, name=n.node_names[node], area_um2=area)
        edges = self.heaviest(len(self.source) if most is None else most)
        columns = (self.source, self.target, self.total_bits, self.hops, self.weight)
        for source, target, bits, hops, weight in zip(*(column[edges].tolist() for column in columns), strict=True):
            graph.add_edge(source, target, bits=bits, hops=hops, weight=weight)
        return graph


def trace_dataflow(netlist: Netlist, max_hops: int = MAX_HOPS) -> Dataflow:
    """Follow the nets from every hard macro, driver to sinks, through at most `max_hops` cells and soft macros.

    Ways end at hard macros and ports.  Nets of more than `MAX_SINKS` sinks (clocks, resets) are not followed.  A macro
    that feeds itself makes no connection.  Takes time in proportion to macros × pins × hops.  Raises `SettingsError`
    for a negative number of hops.
    """
    if max_hops < 0:
        raise SettingsError(f"max_hops is {max_hops}; expected 0 or more")
    nets = _followed_nets(netlist)
    driver = netlist.connection_node[netlist.net_start[nets]]
    inner = np.isin(netlist.kind, (Kind.SOFT, Kind.CELL))
    to_inner = _sinks(netlist, nets, inner)  # [V, nets] 1 if the net ends at a cell or soft macro
    to_hard = _sinks(netlist, nets, netlist.kind == Kind.HARD)[netlist.hard]  # [M, nets]
    to_hard = to_hard @ sp.diags_array(netlist.net_weight[nets], dtype=np.float64)
    passes = []
    for first in range(0, len(netlist.hard), MACROS_PER_PASS):
        macros = netlist.hard[first : first + MACROS_PER_PASS]
        reached = np.zeros((netlist.num_nodes, len(macros)), dtype=np.float32)
        reached[macros, np.arange(len(macros))] = 1
        bits = _follow(reached, driver, to_inner, to_hard, max_hops)
        bits[:, first + np.arange(len(macros)), np.arange(len(macros))] = 0  # a macro that feeds itself
        passes.append(bits.transpose(2, 1, 0))
    every = np.concatenate(passes) if passes else np.zeros((0, 0, max_hops + 1))
    source, target = np.nonzero(every.any(axis=2))
    return Dataflow(netlist, netlist.hard[source], netlist.hard[target], every[source, target])


def _follow(
    reached: np.ndarray, driver: Ints, to_inner: sp.csr_array, to_hard: sp.csr_array, max_hops: int
) -> Floats:
    """[H+1, M, S] bits at each hard macro, from the S sources that `reached` [V, S] starts at."""
    bits = np.zeros((max_hops + 1, to_hard.shape[0], reached.shape[1]))
    seen = reached > 0
    for hops in range(max_hops + 1):
        driven = reached[driver]  # [nets, S]
        bits[hops] = to_hard @ driven
        if hops < max_hops:
            ahead = (to_inner @ driven > 0) & ~seen
            seen |= ahead
            reached = ahead.astype(np.float32)
    return bits


def _followed_nets(netlist: Netlist) -> Ints:
    """The nets with a driver and 1 to `MAX_SINKS` sinks."""
    pins = np.diff(netlist.net_start)
    return np.flatnonzero((pins >= 2) & (pins <= MAX_SINKS + 1))


def _sinks(netlist: Netlist, nets: Ints, wanted: np.ndarray) -> sp.csr_array:
    """[V, nets] 1 where a net ends at a wanted node [V], however many pins it has there."""
    column = np.full(netlist.num_nets, -1)
    column[nets] = np.arange(len(nets))
    is_sink = np.ones(len(netlist.net_pin), dtype=bool)
    is_sink[netlist.net_start[nets]] = False
    ends = np.flatnonzero(is_sink & (column[netlist.connection_net] >= 0) & wanted[netlist.connection_node])
    pairs = np.unique(np.column_stack([netlist.connection_node[ends], column[netlist.connection_net[ends]]]), axis=0)
    ones = np.ones(len(pairs), dtype=np.float32)
    return sp.csr_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(netlist.num_nodes, len(nets)))
