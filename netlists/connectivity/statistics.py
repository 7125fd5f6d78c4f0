"""Counts over the graph of a netlist: connected components, pins per net, nets per node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import networkx as nx
import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from netlists.netlist import Ints, Netlist

DEGREE_BOUNDS = (0, 1, 2, 3, 4, 5, 10, 20, 50, 100, 500)
"""Largest number of pins of each group of nets in a histogram; a last group holds all nets with more."""


@dataclass(frozen=True, eq=False)
class Components:
    """The connected components of a netlist: nodes belong together if a chain of nets joins them."""

    component: Ints  # [V] index of the component of each node, 0 for the largest
    nodes: Ints  # number of nodes of each component, in falling order

    @property
    def isolated(self) -> int:
        """The number of nodes that no net joins with another node."""
        return int(np.sum(self.nodes == 1))


def build_bipartite_graph(netlist: Netlist) -> nx.Graph:
    """The netlist as a networkx graph: `("node", v)` and `("net", n)` are joined if net n has a pin on node v.

    Nodes have the attributes `name` and `kind`, nets `weight`, edges `pins`, the number of connections between the two.
    For algorithms of networkx on small and medium netlists: takes about 1 kB per pin.
    """
    graph = nx.Graph(name=netlist.name)
    for v, (name, kind) in enumerate(zip(netlist.node_names, netlist.kind.tolist(), strict=True)):
        graph.add_node(("node", v), name=name, kind=kind)
    for n, weight in enumerate(netlist.net_weight.tolist()):
        graph.add_node(("net", n), weight=weight)
    for n, v in zip(netlist.connection_net.tolist(), netlist.connection_node.tolist(), strict=True):
        if graph.has_edge(("net", n), ("node", v)):
            graph.edges[("net", n), ("node", v)]["pins"] += 1
        else:
            graph.add_edge(("net", n), ("node", v), pins=1)
    return graph


def find_components(netlist: Netlist) -> Components:
    """The connected components, nets of every size included; ties in size in the order of their first node."""
    first = netlist.connection_node[netlist.net_start[:-1][np.diff(netlist.net_start) > 0]]
    hub = np.zeros(netlist.num_nets, dtype=np.int64)
    hub[np.diff(netlist.net_start) > 0] = first
    joined = np.ones(len(netlist.net_pin), dtype=bool)
    ends = (netlist.connection_node, hub[netlist.connection_net])
    graph = sp.coo_array((joined, ends), shape=(netlist.num_nodes, netlist.num_nodes))
    count, label = connected_components(graph, directed=False)
    nodes = np.bincount(label, minlength=count)
    order = np.argsort(-nodes, kind="stable")
    rank = np.empty(count, dtype=np.int64)
    rank[order] = np.arange(count)
    return Components(rank[label], nodes[order])


def count_net_degrees(netlist: Netlist) -> dict[int, int]:
    """The number of nets by their number of pins, in rising order."""
    pins, nets = np.unique(np.diff(netlist.net_start), return_counts=True)
    return dict(zip(pins.tolist(), nets.tolist(), strict=True))


def group_net_degrees(net_degrees: Mapping[int, int]) -> dict[str, int]:
    """The same in the groups of `DEGREE_BOUNDS`, named "2", "6-10" or "501 and more"; empty groups are left out."""
    groups = {}
    for low, high in zip((-1, *DEGREE_BOUNDS), (*DEGREE_BOUNDS, None), strict=True):
        nets = sum(count for pins, count in net_degrees.items() if low < pins and (high is None or pins <= high))
        name = f"{low + 1} and more" if high is None else f"{high}" if high == low + 1 else f"{low + 1}-{high}"
        if nets:
            groups[name] = nets
    return groups


def count_node_degrees(netlist: Netlist) -> Ints:
    """[V] the number of connections of each node: a pin that serves two nets counts twice."""
    return np.bincount(netlist.connection_node, minlength=netlist.num_nodes)
