"""Rent's rule: a block of B nodes has T = t B^p nets that leave it; p, the Rent exponent, says how local a netlist is.

Landman and Russo, "On a pin versus block relationship for partitions of logic graphs", IEEE Trans. Computers C-20(12),
1971.  As there, blocks come from recursive bipartitioning, and p is the slope of a straight line through the mean
numbers of nodes and terminals per level, both logarithmic.  p depends on the partitioner: the better it is, the smaller
p (Hagen, Kahng, Kurdahi and Ramachandran, "On the intrinsic Rent parameter and spectra-based partitioning
methodologies", IEEE TCAD 13(1), 1994).  The partitioner is that of the clustering, mt-kahypar.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from netlists.connectivity.cluster import MAX_SINKS, PARTITIONER, partition_hypergraph
from netlists.errors import demand_seed
from netlists.netlist import Ints, Kind, Netlist

MOST_LEVELS = 8
"""Levels of bipartitioning at most: 256 blocks."""

NODES_PER_BLOCK = 5
"""The smallest mean number of nodes per block; smaller blocks say more about cells than about the netlist."""

FIT_BLOCKS = 8
"""Levels of fewer blocks are left out of the fit: few nets leave the largest blocks, as a chip has few ports (Landman
and Russo's region II)."""

IMBALANCE = 0.1
"""By which fraction a block may exceed the mean number of nodes."""


@dataclass(frozen=True, eq=False)
class Rent:
    """L levels of blocks, the largest blocks first, and the line fitted through them."""

    exponent: float  # p
    coefficient: float  # t, nets that leave a block of one node according to the fit
    blocks: Ints  # [L] number of blocks per level, 2, 4, 8, ...
    nodes: tuple[float, ...]  # [L] mean number of nodes per block
    terminals: tuple[float, ...]  # [L] mean number of nets that leave a block


def estimate_rent(netlist: Netlist, *, seed: int = 0, threads: int | None = None) -> Rent | None:
    """The Rent exponent of a netlist, or None if it is too small or no net leaves a block.

    Nodes are hard macros, soft macros and cells; ports lie outside every block.  A net leaves a block if it has pins
    inside and outside; nets of more than `MAX_SINKS` sinks are left out.  The fit needs two levels of at least
    `FIT_BLOCKS` blocks.  The result depends on the seed, not on the number of threads, which is that of the cores by
    default.  Raises `SettingsError` for a seed out of range.
    """
    demand_seed(seed)
    nodes = np.flatnonzero(netlist.kind != Kind.PORT)
    levels = min(MOST_LEVELS, int(np.log2(max(len(nodes) / NODES_PER_BLOCK, 1))))
    if 2**levels < 2 * FIT_BLOCKS:
        return None
    pairs = _net_node_pairs(netlist)
    inside = netlist.kind[pairs[:, 1]] != Kind.PORT
    outer = np.zeros(netlist.num_nets, dtype=bool)
    outer[pairs[~inside, 0]] = True
    index = np.cumsum(netlist.kind != Kind.PORT) - 1
    net, node = pairs[inside, 0], index[pairs[inside, 1]]
    block = bisect(net, node, len(nodes), levels, seed, threads or os.cpu_count() or 1)
    terminals = [count_terminals(net, block[node] >> levels - k, outer) / 2**k for k in range(1, levels + 1)]
    return fit(len(nodes), np.array(terminals))


def fit(nodes: int, terminals: np.ndarray) -> Rent | None:
    """The line of least squares through the mean terminals [L] of 2, 4, 8, ... blocks of `nodes` nodes together."""
    blocks = 2 ** np.arange(1, len(terminals) + 1)
    of_fit = (blocks >= FIT_BLOCKS) & (terminals > 0)
    if of_fit.sum() < 2:
        return None
    slope, offset = np.polyfit(np.log(nodes / blocks[of_fit]), np.log(terminals[of_fit]), 1)
    return Rent(
        float(slope), float(np.exp(offset)), blocks, tuple((nodes / blocks).tolist()), tuple(terminals.tolist())
    )


def bisect(net: Ints, node: Ints, num_nodes: int, levels: int, seed: int, threads: int) -> Ints:
    """[V] the block 0 to 2^levels - 1 of each node, by recursive bipartitioning.

    `net` and `node` [P] are the indices of the nets and of the nodes on them, without duplicates, ordered by net.
    Nodes split last differ in the last bit: `block >> k` numbers the blocks k levels earlier.
    """
    _, first = np.unique(net, return_index=True)
    nets = [part.tolist() for part in np.split(node, first[1:]) if len(part) >= 2] if len(net) else []
    settings = f"seed={seed}{PARTITIONER.replace('mode=direct', 'mode=rb', 1)}"
    return partition_hypergraph(nets, [1] * len(nets), [1] * num_nodes, 2**levels, IMBALANCE, settings, threads)


def count_terminals(net: Ints, block: Ints, outer: np.ndarray) -> int:
    """The number of pairs of a block and a net that leaves it.

    `net` and `block` [P] are the indices of the net and of the block of each pin; `outer` [N] tells whether a net has
    a pin outside all blocks, so that it leaves every block that it touches.
    """
    num_blocks = int(block.max(initial=0)) + 1
    net_of_pair = np.unique(net * num_blocks + block) // num_blocks
    blocks = np.bincount(net_of_pair, minlength=len(outer))
    return int(blocks[(blocks > 1) | outer].sum())


def _net_node_pairs(netlist: Netlist) -> Ints:
    """[P, 2] the nets of at most `MAX_SINKS` sinks with each node on them, once, ordered by net."""
    small = (np.diff(netlist.net_start) <= MAX_SINKS + 1)[netlist.connection_net]
    key = np.unique(netlist.connection_net[small] * netlist.num_nodes + netlist.connection_node[small])
    return np.column_stack([key // netlist.num_nodes, key % netlist.num_nodes])
