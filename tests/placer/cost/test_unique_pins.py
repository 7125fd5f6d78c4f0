"""Unique pins and merged nets: what is known on paper, and that no net of a netlist is lost."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from netlists import load
from netlists.netlist import Netlist
from placer.cost.unique_pins import unique_pins
from placer.gradient.routes import merged_nets
from tests.placer.cost.test_proxy import random_placement


def ends(netlist: Netlist) -> list[list[tuple[int, float, float]]]:
    """The different pins of every net, the driver first, then the others in ascending order."""
    pins = [
        (int(v), float(x), float(y))
        for v, (x, y) in zip(netlist.connection_node, netlist.connection_offset_um, strict=True)
    ]
    nets = [pins[a:b] for a, b in zip(netlist.net_start, netlist.net_start[1:], strict=False)]
    return [[*net[:1], *sorted(set(net[1:]) - set(net[:1]))] for net in nets]


def assert_same_nets(netlist: Netlist) -> None:
    """Every net of two pins or more is among the merged ones, with its weight, and nothing else is."""
    p = unique_pins(netlist)
    node = np.repeat(np.arange(netlist.num_nodes), np.diff(p.node_start))
    place = [(int(v), float(x), float(y)) for v, (x, y) in zip(node, p.offset_um, strict=True)]
    assert len(set(place)) == len(place)
    wanted: dict[tuple[tuple[int, float, float], ...], list[float]] = {}
    for net, weight in zip(ends(netlist), netlist.net_weight, strict=True):
        if len(net) > 1:
            wanted.setdefault(tuple(net), []).append(float(weight))
    result = [[place[q] for q in p.net_pin[a:b]] for a, b in zip(p.net_start, p.net_start[1:], strict=False)]
    merged_net_of = {(net[0], *sorted(net[1:])): k for k, net in enumerate(result)}
    assert len(merged_net_of) == len(result)
    assert set(merged_net_of) == set(wanted)
    for key, k in merged_net_of.items():
        np.testing.assert_allclose(p.weight[k], sum(wanted[key]), rtol=1e-12)
        np.testing.assert_allclose(p.tracks[k], sum(max(w, 1.0) for w in wanted[key]), rtol=1e-12)
    for q in range(len(place)):
        nets = p.pin_net[p.pin_start[q] : p.pin_start[q + 1]]
        assert sorted(nets) == [k for k, net in enumerate(result) if place[q] in net]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32))
def test_nets_are_merged_and_none_is_lost(seed: int) -> None:
    assert_same_nets(random_placement(seed, 5, 6, 1, False).netlist)


def test_nets_of_soft_macros_are_merged() -> None:
    """Of four nets between two macros three have the same driver and sinks; two nets lead nowhere."""
    n = random_placement(0, 5, 6, 1, False).netlist
    net = [(2, 3), (2, 3), (3, 2), (2, 3, 3), (2,), ()]
    pin = np.array([v - 2 for pins in net for v in pins])
    few = n.with_(
        pin_node=np.array([2, 3]), pin_offset_um=np.zeros((2, 2)), pin_names=(), net_pin=pin, net_names=(),
        net_start=np.cumsum([0, *map(len, net)]), net_weight=np.array([1.0, 0.5, 4.0, 2.0, 1.0, 1.0]),
    )  # fmt: skip
    p = unique_pins(few)
    assert p.net_pin.tolist() in ([0, 1, 1, 0], [1, 0, 0, 1])
    assert sorted(p.weight) == [3.5, 4.0]
    assert sorted(p.tracks) == [4.0, 4.0]
    assert np.diff(p.pin_start).tolist() == [2, 2]
    for merged, expected in zip(merged_nets(few)[2:], (p.net_start, p.net_pin, p.weight, p.tracks), strict=True):
        np.testing.assert_array_equal(merged, expected)


def test_a_bundled_design() -> None:
    assert_same_nets(load("jetty"))
