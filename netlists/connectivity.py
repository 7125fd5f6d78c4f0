"""Which nodes the nets of a placed netlist join, and how strongly: what a viewer draws as flylines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from netlists.netlist import Floats, Ints, Kind
from netlists.placement import Placement


@dataclass(frozen=True, eq=False)
class Connectivity:
    """Nets at each of V nodes, and the K connections of macros with other nodes.

    A net of weight w that joins k nodes adds w / (k - 1) to the connection of each two of them, so that its total at a
    node is w.  Standard cells count together by grid cell: partner V + r is the r-th grid cell, row by row from below.
    """

    nets: Ints  # [V] number of nets at each node, those within the node alone left out
    weight: Floats  # [V] sum of their weights
    macro: Ints  # [K] a hard or soft macro, rising
    partner: Ints  # [K] what it is connected with; the strongest connection of each macro first
    strength: Floats  # [K]


def connectivity(placement: Placement) -> Connectivity:
    """Sum up the nets of a placed netlist."""
    n = placement.netlist
    key = np.unique(n.connection_net * n.num_nodes + n.connection_node)  # each node once in a net
    net, node = key // n.num_nodes, key % n.num_nodes
    degree = np.bincount(net, minlength=n.num_nets)
    outside = degree[net] > 1
    net, node = net[outside], node[outside]
    weight = n.net_weight[net]
    nets = np.bincount(node, minlength=n.num_nodes)
    total = np.bincount(node, weight, minlength=n.num_nodes).astype(np.float64)

    macros = np.concatenate([n.hard, n.soft])
    groups = n.num_nodes + n.grid[0] * n.grid[1]
    at_macro = np.isin(n.kind[node], (Kind.HARD, Kind.SOFT))
    share = weight[at_macro] / (degree[net[at_macro]] - 1)
    left = sp.csr_array((share, (node[at_macro], net[at_macro])), shape=(n.num_nodes, n.num_nets))[macros]
    right = sp.csr_array((np.ones(len(net)), (net, _group(placement)[node])), shape=(n.num_nets, groups))
    found = (left @ right).tocoo()
    macro, partner, strength = macros[found.coords[0]], found.coords[1].astype(np.int64), found.data
    others = (macro != partner) & (strength > 0)
    macro, partner, strength = macro[others], partner[others], strength[others]
    order = np.lexsort((partner, -strength, macro))
    return Connectivity(nets, total, macro[order], partner[order], strength[order])


def _group(placement: Placement) -> Ints:
    """[V] the node itself, or V + the grid cell that a standard cell lies in."""
    n = placement.netlist
    group = np.arange(n.num_nodes)
    rows, columns = n.grid
    column, row = np.floor(placement.position_um[n.cells] / np.array(n.cell_um)).astype(np.int64).T
    group[n.cells] = n.num_nodes + np.clip(row, 0, rows - 1) * columns + np.clip(column, 0, columns - 1)
    return group
