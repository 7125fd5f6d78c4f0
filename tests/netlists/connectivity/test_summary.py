"""The summary of a small netlist, number by number."""

from __future__ import annotations

import json

import numpy as np
import pytest

from netlists import load
from netlists.connectivity import summarize
from netlists.connectivity.summary import Connection, Degrees, MacroSize, Weights
from tests.netlists.connectivity.graphs import build

SIZE = np.array([[20.0, 10.0], [20.0, 10.0], [30.0, 20.0], [5.0, 20.0], [1.0, 4.0], [0.0, 0.0]])


def test_every_number_of_a_small_netlist() -> None:
    names = ("a/ram0", "a/ram1", "rom", "Grp", "a/gate", "in")
    nets = [[0, 4], [4, 1], [5, 4, 3], [2]]
    s = summarize(build("HHHSCP", nets, names=names, size_um=SIZE, weights=[1, 4, 2, 2]))
    assert (s.hard_macros, s.fixed_macros, s.soft_macros, s.cells, s.ports, s.nets, s.pins) == (3, 0, 1, 1, 1, 4, 8)
    assert (s.canvas_um, s.grid_rows, s.grid_columns, s.rows, s.placed) == ((100.0, 100.0), 4, 5, None, 1.0)
    u = s.utilization
    assert (u.hard_macros, u.soft_macros, u.cells) == pytest.approx((0.1, 0.01, 0.0004))
    assert (u.total, u.cells_in_free_area) == pytest.approx((0.1104, 104 / 9000))
    assert s.macro_sizes == (MacroSize(30.0, 20.0, 1, 0), MacroSize(20.0, 10.0, 2, 0))
    assert s.net_degrees == {1: 1, 2: 2, 3: 1}
    assert s.node_degrees["hard_macros"] == Degrees(3, 1.0, 1)
    assert s.net_weights == Weights(1.0, 4.0, 2.25, 3)
    assert (s.components.count, s.components.isolated_nodes, s.components.largest) == (2, 1, 5)
    assert s.rent is None
    assert [(m.module, m.hard_macros, m.cells) for m in s.hierarchy] == [("", 3, 1), ("a", 2, 1)]
    assert s.heaviest_connections == (Connection("a/ram0", "a/ram1", 4.0, 1, 1.0),)


def test_an_empty_netlist_has_a_summary() -> None:
    s = summarize(build("", []))
    assert (s.nets, s.net_weights, s.rent, s.connections, s.components.largest) == (0, None, None, 0, 0)


def test_a_summary_is_plain_data() -> None:
    data = json.loads(json.dumps(summarize(load("jetty")).as_dict()))
    assert data["hard_macros"] == 12
    assert data["utilization"]["total"] == pytest.approx(0.6, abs=0.01)
    assert {"source", "target", "bits", "hops", "weight"} == set(data["heaviest_connections"][0])


def test_macros_that_fill_the_canvas_leave_no_free_area() -> None:
    s = summarize(build("HC", [[0, 1]], size_um=np.array([[100.0, 100.0], [1.0, 1.0]])))
    assert s.utilization.cells_in_free_area is None
    json.dumps(s.as_dict(), allow_nan=False)
