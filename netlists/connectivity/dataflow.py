"""The dataflow between hard macros: which macro drives which, through how many cells, over how many bits.

Macro placers that follow the hierarchy of a design pull macros together by such a graph, as the netlist alone rarely
joins two macros directly.  The weight of a connection grows with its bits and falls with a power of the number of steps
on its way, as in Vidal-Obiols, Cortadella, Petit, Galceran-Oms and Martorell, "RTL-aware dataflow-driven macro
placement", DATE 2019.  That paper counts registers.  A netlist without a cell library does not say which cells are
registers, so that every cell and every soft macro counts as one hop here.
"""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx
import numpy as np
import scipy.sparse as sp

from netlists.connectivity.cluster import MAX_SINKS
from netlists.errors import SettingsError
from netlists.netlist import Floats, Ints, Kind, Netlist

SOFT_HOPS = 4
"""Most hops by default in a netlist of soft macros: each stands for hundreds of cells."""

CELL_HOPS = 30
"""Most hops by default in a netlist with standard cells: between two macros lie dozens of gates."""

FADING = 2
"""Exponent k of the weight of a connection: bits that arrive after h hops count 1 / (h + 1)^k."""

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
        return np.asarray(np.argmax(self.bits > 0, axis=1), dtype=np.int64)

    @property
    def total_bits(self) -> Floats:
        """[K] bits over all ways."""
        return np.asarray(self.bits.sum(axis=1))

    @property
    def weight(self) -> Floats:
        """[K] sum of bits / (hops + 1)^`FADING`."""
        return np.asarray(self.bits @ (1.0 / (1 + np.arange(self.bits.shape[1])) ** FADING))

    @property
    def max_hops(self) -> int:
        """H, the number of hops up to which ways were followed."""
        return int(self.bits.shape[1]) - 1

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


def trace_dataflow(netlist: Netlist, max_hops: int | None = None) -> Dataflow:
    """Follow the nets from every hard macro, driver to sinks, through at most `max_hops` cells and soft macros.

    The default is `CELL_HOPS` for netlists with standard cells and `SOFT_HOPS` for others.  Ways end at hard macros and
    ports.  Nets of more than `MAX_SINKS` sinks (clocks, resets) are not followed.  A macro that feeds itself makes no
    connection.  The time grows with macros × pins × hops.  Raises `SettingsError` for a negative number of hops.
    """
    if max_hops is None:
        max_hops = CELL_HOPS if len(netlist.cells) else SOFT_HOPS
    if max_hops < 0:
        raise SettingsError(f"max_hops is {max_hops}; expected 0 or more")
    nets = _followed_nets(netlist)
    driver = netlist.connection_node[netlist.net_start[nets]]
    to_inner = _sinks(netlist, nets, np.isin(netlist.kind, (Kind.SOFT, Kind.CELL)))
    to_hard = _sinks(netlist, nets, netlist.kind == Kind.HARD)[netlist.hard]
    to_hard = to_hard @ sp.diags_array(netlist.net_weight[nets], dtype=np.float64)
    sources, targets, bits = [netlist.hard[:0]], [netlist.hard[:0]], [np.zeros((0, max_hops + 1))]
    for first in range(0, len(netlist.hard), MACROS_PER_PASS):
        macros = netlist.hard[first : first + MACROS_PER_PASS]
        arrived = _follow(netlist.num_nodes, macros, driver, to_inner, to_hard, max_hops)
        source, target = np.nonzero(arrived.any(axis=2))
        others = first + source != target
        source, target = source[others], target[others]
        sources.append(macros[source])
        targets.append(netlist.hard[target])
        bits.append(arrived[source, target])
    return Dataflow(netlist, np.concatenate(sources), np.concatenate(targets), np.concatenate(bits))


def _follow(
    num_nodes: int, sources: Ints, driver: Ints, to_inner: sp.csr_array, to_hard: sp.csr_array, max_hops: int
) -> Floats:
    """[S, M, H+1] the bits that arrive at each hard macro from S sources.

    `driver` [nets] is the node that drives each net; `to_inner` [V, nets] is 1 and `to_hard` [M, nets] the weight of a
    net where the net ends at a node.
    """
    reached = np.zeros((num_nodes, len(sources)), dtype=np.float32)
    reached[sources, np.arange(len(sources))] = 1
    bits = np.zeros((len(sources), to_hard.shape[0], max_hops + 1))
    seen = reached > 0
    for hops in range(max_hops + 1):
        driven = reached[driver]  # [nets, S]
        bits[:, :, hops] = (to_hard @ driven).T
        ahead = (to_inner @ driven > 0) & ~seen
        if not ahead.any():
            break
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
