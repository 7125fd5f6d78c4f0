"""Dataflow between macros: ways known on paper, and a search from every macro, net by net."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlists.connectivity import Dataflow, trace_dataflow
from netlists.connectivity.cluster import MAX_SINKS
from netlists.connectivity.dataflow import CELL_HOPS, MACROS_PER_PASS, SOFT_HOPS
from netlists.errors import SettingsError
from netlists.netlist import Kind, Netlist
from tests.netlists.connectivity.graphs import build, draw_netlist, pins


def as_dict(flow: Dataflow) -> dict[tuple[int, int], list[float]]:
    """The bits by hops of each connection."""
    pairs = zip(flow.source.tolist(), flow.target.tolist(), flow.bits.tolist(), strict=True)
    return {(source, target): bits for source, target, bits in pairs}


def search(n: Netlist, max_hops: int) -> dict[tuple[int, int], list[float]]:
    """The same, by breadth-first search from each macro."""
    bits: dict[tuple[int, int], list[float]] = defaultdict(lambda: [0.0] * (max_hops + 1))
    nets = [pins(n, k) for k in range(n.num_nets)]
    for source in n.hard.tolist():
        front, seen = {source}, {source}
        for hops in range(max_hops + 1):
            ahead: set[int] = set()
            for k, net in enumerate(nets):
                if not 2 <= len(net) <= MAX_SINKS + 1 or net[0] not in front:
                    continue
                for v in set(net[1:]):
                    if n.kind[v] == Kind.HARD and v != source and n.net_weight[k]:
                        bits[source, v][hops] += n.net_weight[k]
                    if n.kind[v] in (Kind.SOFT, Kind.CELL):
                        ahead.add(v)
            front = ahead - seen
            seen |= front
    return dict(bits)


def test_bits_and_hops_of_a_bus() -> None:
    """Macro 0 drives macro 1 through cell 2 over 8 bits, and directly over 3; nothing leads back."""
    n = build("HHC", [[0, 2], [2, 1], [0, 1]], weights=[1, 8, 3])
    flow = trace_dataflow(n)
    assert as_dict(flow) == {(0, 1): [3, 8] + [0] * (CELL_HOPS - 1)}
    assert (flow.hops.tolist(), flow.total_bits.tolist(), flow.weight.tolist()) == ([0], [11], [3 + 8 / 4])


def test_a_net_counts_at_its_nearest_driver() -> None:
    """Cell 2 is reached after one hop and again after two; the net that it drives counts once."""
    n = build("HHCC", [[0, 2, 3], [3, 2], [2, 1]])
    assert as_dict(trace_dataflow(n, 3)) == {(0, 1): [0, 1, 0, 0]}


def test_ways_end_at_macros_ports_and_the_limit() -> None:
    through_macro = build("HHH", [[0, 1], [1, 2]])
    assert set(as_dict(trace_dataflow(through_macro))) == {(0, 1), (1, 2)}
    assert not as_dict(trace_dataflow(build("HPH", [[0, 1], [1, 2]])))
    chain = build("HSSSH", [[0, 1], [1, 2], [2, 3], [3, 4]])
    assert not as_dict(trace_dataflow(chain, 2))
    assert as_dict(trace_dataflow(chain, 3)) == {(0, 4): [0, 0, 0, 1]}
    assert trace_dataflow(chain).max_hops == SOFT_HOPS


def test_clocks_and_loops_are_left_out() -> None:
    clock = [0, *range(1, MAX_SINKS + 2)]
    assert not as_dict(trace_dataflow(build("H" * (MAX_SINKS + 2), [clock])))
    assert len(as_dict(trace_dataflow(build("H" * (MAX_SINKS + 2), [clock[:-1]])))) == MAX_SINKS
    assert not as_dict(trace_dataflow(build("HC", [[0, 1], [1, 0], [0, 0]])))


@given(st.integers(0, 10**6), st.integers(1, 14), st.integers(0, 25), st.integers(0, 5))
def test_the_same_as_a_search(seed: int, nodes: int, nets: int, max_hops: int) -> None:
    n = draw_netlist(seed, nodes, nets)
    assert as_dict(trace_dataflow(n, max_hops)) == search(n, max_hops)


def test_many_macros_take_several_passes() -> None:
    count = 2 * MACROS_PER_PASS + 3
    ring = build("H" * count, [[v, (v + 1) % count] for v in range(count)])
    flow = trace_dataflow(ring)
    assert flow.source.tolist() == list(range(count))
    assert flow.target.tolist() == [*range(1, count), 0]


def test_the_graph_has_the_heaviest_edges() -> None:
    n = build("HHHC", [[0, 1], [1, 2], [2, 0]], weights=[5, 7, 1], size_um=np.array([[2.0, 3.0]] * 4))
    graph = trace_dataflow(n).graph(2)
    assert dict(graph.nodes(data=True)) == {v: {"name": f"n{v}", "area_um2": 6.0} for v in range(3)}
    edges = {(a, b): data for a, b, data in graph.edges(data=True)}
    assert edges == {
        (1, 2): {"bits": 7.0, "hops": 0, "weight": 7.0}, (0, 1): {"bits": 5.0, "hops": 0, "weight": 5.0}
    }  # fmt: skip


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(SettingsError, match="max_hops is -1"):
        trace_dataflow(build("H", []), -1)
