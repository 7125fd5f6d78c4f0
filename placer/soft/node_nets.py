"""`NodeNets`: the nets of a netlist merged at node level, few enough to be evaluated at every step of an episode.

Nets over the same set of nodes (the bits of a bus) are merged: their weights are added and the pins of each node are
replaced by their mean.  Macros keep the orientation of the netlist, so pins are turned once, here.  Estimates and
features are computed from these nets, reported costs never.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from netlists.netlist import Floats, Ints, Netlist, cached_view

LEAST_WEIGHT = 1e-12
"""Weight of a net at least, where pins are averaged: weights may be 0."""

MOST_NODES = 64
"""Nodes of a net at most that count in `adjacency`; larger nets say little about which nodes belong together."""


class NodeNets(NamedTuple):
    """K merged nets as flat arrays: E entries, one per net and node."""

    start: Ints  # [K+1] net k has the entries start[k]:start[k+1]
    node: Ints  # [E]
    offset_um: Floats  # [E, 2] mean offset of the merged pins, turned by the orientation of their node
    weight: Floats  # [K]
    node_start: Ints  # [V+1] node v is in the nets node_net[node_start[v]:node_start[v+1]]
    node_net: Ints  # [E]


@cached_view
def node_nets(netlist: Netlist) -> NodeNets:
    """Merge the nets of a netlist; nets within one node are dropped."""
    net, node = netlist.connection_net, netlist.connection_node
    key, entry = np.unique(net * netlist.num_nodes + node, return_inverse=True)
    pins = np.bincount(entry)
    turned_um = netlist.turned_offsets_um(netlist.orientation)
    offset_um = np.column_stack([np.bincount(entry, turned_um[:, d]) for d in (0, 1)]) / pins[:, None]
    net, node = key // netlist.num_nodes, key % netlist.num_nodes
    start = np.searchsorted(net, np.arange(netlist.num_nets + 1))
    degree = np.diff(start)

    # Entries of a net are sorted by node, so that equal node sets have equal rows.
    groups: dict[bytes, list[int]] = {}
    for n in np.flatnonzero(degree > 1):
        groups.setdefault(node[start[n] : start[n + 1]].tobytes(), []).append(int(n))
    merged_start = np.zeros(len(groups) + 1, dtype=np.int64)
    entries, offsets, weights = [], [], np.empty(len(groups))
    for k, (nodes, members) in enumerate(groups.items()):
        entries.append(np.frombuffer(nodes, dtype=np.int64))
        w = np.maximum(netlist.net_weight[members], LEAST_WEIGHT)
        stack = np.stack([offset_um[start[n] : start[n + 1]] for n in members])
        offsets.append(np.average(stack, axis=0, weights=w))
        weights[k] = netlist.net_weight[members].sum()
        merged_start[k + 1] = merged_start[k] + len(entries[-1])
    all_nodes = np.concatenate(entries) if entries else np.empty(0, dtype=np.int64)
    all_offsets_um = np.concatenate(offsets) if offsets else np.empty((0, 2))
    of_net = np.repeat(np.arange(len(groups)), np.diff(merged_start))
    by_node = np.argsort(all_nodes, kind="stable")
    node_start = np.searchsorted(all_nodes[by_node], np.arange(netlist.num_nodes + 1))
    return NodeNets(merged_start, all_nodes, all_offsets_um, weights, node_start, of_net[by_node])


def adjacency(nets: NodeNets, num_nodes: int) -> sp.csr_array:
    """[V, V] symmetric connection weights by the clique model: a net of k nodes gives weight / (k - 1) to each pair.

    Nets of more than MOST_NODES nodes are left out.
    """
    heads, tails, values = [], [], []
    degree = np.diff(nets.start)
    for k in range(2, MOST_NODES + 1):
        of_degree = np.flatnonzero(degree == k)
        if of_degree.size == 0:
            continue
        nodes = nets.node[nets.start[of_degree][:, None] + np.arange(k)]
        i, j = np.nonzero(~np.eye(k, dtype=bool))
        heads.append(nodes[:, i].ravel())
        tails.append(nodes[:, j].ravel())
        values.append(np.repeat(nets.weight[of_degree] / (k - 1), i.size))
    if not heads:
        return sp.csr_array((num_nodes, num_nodes))
    edges = (np.concatenate(values), (np.concatenate(heads), np.concatenate(tails)))
    return sp.csr_array(sp.coo_array(edges, shape=(num_nodes, num_nodes)))
