"""Which nodes the nets of a placed netlist join, and how strongly: the data behind the flylines of the report page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from netlists.netlist import Floats, Ints, Kind
from netlists.placement import Placement


@dataclass(frozen=True, eq=False)
class Connectivity:
    """The number and weight of the nets at each of V nodes, and K connections from macros to other nodes.

    A net of weight w that joins k nodes adds w / (k - 1) to the connection between each two of them, so that the
    connections of a node add up to the weight of its nets.  Standard cells are grouped by grid cell: partner V + r
    stands for all cells in the r-th grid cell, counted row by row from the bottom.
    """

    nets: Ints  # [V] number of nets at each node, without nets that lie within the node
    weight: Floats  # [V] sum of the weights of those nets
    macro: Ints  # [K] index of a hard or soft macro, in rising order
    partner: Ints  # [K] index of the node or grid cell that it connects to; each macro's strongest connection first
    strength: Floats  # [K] sum of w / (k - 1)


def connectivity(placement: Placement) -> Connectivity:
    """Sum up the nets of a placed netlist."""
    n = placement.netlist
    key = np.unique(n.connection_net * n.num_nodes + n.connection_node)  # each node once per net
    net, node = key // n.num_nodes, key % n.num_nodes
    degree = np.bincount(net, minlength=n.num_nets)
    joining = degree[net] > 1
    net, node = net[joining], node[joining]
    weight = n.net_weight[net]
    nets = np.bincount(node, minlength=n.num_nodes)
    total = np.bincount(node, weight, minlength=n.num_nodes).astype(np.float64)

    macros = np.concatenate([n.hard, n.soft])
    groups = n.num_nodes + n.grid[0] * n.grid[1]
    at_macro = np.isin(n.kind[node], (Kind.HARD, Kind.SOFT))
    per_pair = weight[at_macro] / (degree[net[at_macro]] - 1)
    left = sp.csr_array((per_pair, (node[at_macro], net[at_macro])), shape=(n.num_nodes, n.num_nets))[macros]
    right = sp.csr_array((np.ones(len(net)), (net, _group(placement)[node])), shape=(n.num_nets, groups))
    product = (left @ right).tocoo()
    macro, partner, strength = macros[product.coords[0]], product.coords[1].astype(np.int64), product.data
    others = (macro != partner) & (strength > 0)
    macro, partner, strength = macro[others], partner[others], strength[others]
    order = np.lexsort((partner, -strength, macro))
    return Connectivity(nets, total, macro[order], partner[order], strength[order])


def _group(placement: Placement) -> Ints:
    """[V] index of the node itself or, for a standard cell, V + the index of the grid cell in which it lies."""
    n = placement.netlist
    group = np.arange(n.num_nodes)
    rows, columns = n.grid
    column, row = np.floor(placement.position_um[n.cells] / np.array(n.cell_um)).astype(np.int64).T
    group[n.cells] = n.num_nodes + np.clip(row, 0, rows - 1) * columns + np.clip(column, 0, columns - 1)
    return group
