"""Components and degrees against networkx and counts by hand."""

from __future__ import annotations

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from netlists.connectivity import (
    build_bipartite_graph,
    count_net_degrees,
    count_node_degrees,
    find_components,
    group_net_degrees,
)
from tests.netlists.connectivity.graphs import build, draw_netlist, pins


def test_components_on_paper() -> None:
    """A triangle, a pair, and a node alone whose net has no other pin."""
    components = find_components(build("CCCCCC", [[1, 2], [2, 3], [3, 1], [0, 5], [4], []]))
    assert components.nodes.tolist() == [3, 2, 1]
    assert components.component.tolist() == [1, 0, 0, 0, 2, 1]
    assert components.isolated == 1


@given(st.integers(0, 10**6), st.integers(1, 20), st.integers(0, 20))
def test_components_and_degrees_are_those_of_networkx(seed: int, nodes: int, nets: int) -> None:
    n = draw_netlist(seed, nodes, nets)
    graph, components = build_bipartite_graph(n), find_components(n)
    parts = [{v for kind, v in part if kind == "node"} for part in nx.connected_components(graph)]
    sizes = sorted((len(part) for part in parts if part), reverse=True)
    assert components.nodes.tolist() == sizes
    for part in filter(None, parts):
        assert len({int(components.component[v]) for v in part}) == 1
    degrees = dict(graph.degree(weight="pins"))
    assert count_node_degrees(n).tolist() == [degrees["node", v] for v in range(nodes)]
    assert sum(count_net_degrees(n).values()) == nets
    for count, number in count_net_degrees(n).items():
        assert number == sum(len(pins(n, k)) == count for k in range(nets)) > 0


def test_degrees_in_groups() -> None:
    assert group_net_degrees({2: 5, 3: 1, 6: 2, 10: 3, 11: 1, 501: 1, 9000: 1}) == {
        "2": 5, "3": 1, "6-10": 5, "11-20": 1, "501 and more": 2
    }  # fmt: skip
    assert group_net_degrees({0: 1, 1: 2}) == {"0": 1, "1": 2}
