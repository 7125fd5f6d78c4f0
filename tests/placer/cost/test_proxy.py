"""The numba cost equals its slow twin, the reference evaluator's vectors, and answers known on paper."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlists import load
from netlists.netlist import ORIENTATIONS, Kind, Netlist, Routing
from netlists.placement import Placement
from placer.cost import ProxyCost, evaluate
from tests import SHARED
from tests.placer.cost import slow_cost

VECTORS = sorted((SHARED / "vectors").glob("*.json"))


@pytest.mark.compiled
@pytest.mark.parametrize("name", [p.stem for p in VECTORS] or ["absent"])
def test_equals_the_reference_evaluator(name: str) -> None:
    if not VECTORS:
        pytest.skip(f"no vectors in {SHARED}")
    vector = json.loads((SHARED / "vectors" / f"{name}.json").read_text())
    netlist = of_kinds(load(SHARED / "benchmarks" / "clustered" / vector["netlist"]), vector)
    order = np.concatenate([netlist.hard, netlist.soft])
    cost = ProxyCost(netlist)
    for case in vector["placements"]:
        position = netlist.position_um.copy()
        position[order] = case["positions"]
        result, expected = cost(position, netlist.orientation), case["costs"]
        assert result.wirelength == pytest.approx(expected["wirelength_cost"], rel=1e-9)
        assert result.density == pytest.approx(expected["density_cost"], rel=1e-9)
        assert result.congestion == pytest.approx(expected["congestion_cost"], rel=1e-9)
        assert result.hpwl_um == pytest.approx(expected["hpwl"], rel=1e-9)


def of_kinds(netlist: Netlist, vector: dict[str, Any]) -> Netlist:
    """The netlist with macros of the kinds that the vector was made with.

    The reference evaluator treats nodes of type `macro` as soft macros regardless of their names, among them the 100
    hard macros of macro_tiles_10x10.
    """
    if (len(netlist.hard), len(netlist.soft)) == (vector["n_hard"], vector["n_soft"]):
        return netlist
    assert (len(netlist.hard), vector["n_hard"], vector["n_soft"]) == (100, 0, 100)
    kind = np.where(netlist.kind == Kind.HARD, Kind.SOFT, netlist.kind).astype(np.int8)
    return netlist.with_(kind=kind, pin_offset_um=np.zeros_like(netlist.pin_offset_um))


@pytest.mark.compiled
@pytest.mark.skipif(not VECTORS, reason=f"no vectors in {SHARED}")
def test_tiles_as_hard_macros() -> None:
    """Their density is that of the vector, which was made with soft macros; the other terms are the slow twin's."""
    vector = json.loads((SHARED / "vectors" / "macro_tiles_10x10.json").read_text())
    netlist = load(SHARED / "benchmarks" / "clustered" / "macro_tiles_10x10")
    assert len(netlist.hard) == 100
    assert netlist.notes == ()
    placement = Placement.given(netlist)
    result = evaluate(placement)
    assert result.density == pytest.approx(vector["placements"][0]["costs"]["density_cost"], rel=1e-9)
    assert result.wirelength == pytest.approx(slow_cost.wirelength(placement), rel=1e-9)
    assert result.congestion == pytest.approx(slow_cost.congestion(placement), rel=1e-9)


def random_placement(seed: int, rows: int, cols: int, smoothing: int, snap: bool) -> Placement:
    """A small random chip with every kind of node, some of it off the canvas; `snap` puts edges on grid lines."""
    rng = np.random.default_rng(seed)
    width, height = rng.uniform(5, 50, 2)
    kinds = np.array([Kind.HARD] * 4 + [Kind.SOFT] * 5 + [Kind.PORT] * 3, dtype=np.int8)
    v, q, nets = kinds.size, 40, 25
    cell = np.array([width / cols, height / rows])
    size = rng.uniform(0.05, 0.9, (v, 2)) * (width, height)
    position = rng.uniform(-0.1, 1.1, (v, 2)) * (width, height)
    if snap:
        size = np.maximum(np.round(size / cell / 2), 1) * 2 * cell
        size = np.minimum(size, np.array([cols, rows]) * cell)
        position = np.round(position / cell) * cell
    size[kinds == Kind.PORT] = 0
    degree = rng.integers(0, 6, nets)
    netlist = Netlist(
        name="random",
        node_names=tuple(f"n{i}" for i in range(v)),
        kind=kinds,
        size_um=size,
        fixed=kinds == Kind.PORT,
        position_um=position,
        orientation=rng.integers(0, len(ORIENTATIONS), v).astype(np.int8),
        pin_node=rng.integers(0, v, q),
        pin_offset_um=rng.uniform(-1, 1, (q, 2)),
        net_start=np.concatenate([[0], np.cumsum(degree)]),
        net_pin=rng.integers(0, q, degree.sum()),
        net_weight=rng.choice([0.5, 1.0, 2.0, 7.25], nets),
        canvas_um=(float(width), float(height)),
        grid=(rows, cols),
        routing=Routing(3.0, 4.0, 1.5, 2.5, smoothing),
    )
    return Placement.given(netlist)


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 2**32), st.integers(1, 9), st.integers(1, 9), st.integers(0, 3), st.booleans())
def test_equals_its_slow_twin(seed: int, rows: int, cols: int, smoothing: int, snap: bool) -> None:
    placement = random_placement(seed, rows, cols, smoothing, snap)
    cost = evaluate(placement)
    assert cost.wirelength == pytest.approx(slow_cost.wirelength(placement), rel=1e-12)
    assert cost.density == pytest.approx(slow_cost.density(placement), rel=1e-12)
    assert cost.congestion == pytest.approx(slow_cost.congestion(placement), rel=1e-9)


def one_net(kind: Kind, places: list[tuple[float, float]], weight: float = 1.0) -> Placement:
    """Nodes of size 1 on a 10 by 10 canvas of 10 × 10 cells, joined by one net."""
    v = len(places)
    netlist = Netlist(
        name="one net",
        node_names=tuple(f"n{i}" for i in range(v)),
        kind=np.full(v, kind, dtype=np.int8),
        size_um=np.ones((v, 2)),
        fixed=np.full(v, kind == Kind.PORT),
        position_um=np.array(places),
        orientation=np.zeros(v, dtype=np.int8),
        pin_node=np.arange(v),
        pin_offset_um=np.zeros((v, 2)),
        net_start=np.array([0, v]),
        net_pin=np.arange(v),
        net_weight=np.array([weight]),
        canvas_um=(10.0, 10.0),
        grid=(10, 10),
        routing=Routing(10.0, 10.0, 5.0, 5.0, 0),
    )
    return Placement.given(netlist)


def test_wirelength_on_paper() -> None:
    assert evaluate(one_net(Kind.PORT, [(1.5, 1.5), (4.5, 3.5)], weight=2.0)).wirelength == pytest.approx(5 / 20)


def test_density_on_paper() -> None:
    # Two cells are fully covered, and a tenth of the grid is ten cells: half of 2 / 10.
    assert evaluate(one_net(Kind.SOFT, [(1.5, 1.5), (4.5, 3.5)])).density == pytest.approx(0.1)


def test_congestion_on_paper() -> None:
    # Three columns to the right along the driver's row, then two rows up: five edges of 1 / 10 in a mean over ten.
    assert evaluate(one_net(Kind.PORT, [(1.5, 1.5), (4.5, 3.5)])).congestion == pytest.approx(5 * 0.1 / 10)
    maps = ProxyCost(one_net(Kind.PORT, [(1.5, 1.5), (4.5, 3.5)]).netlist)
    placed = one_net(Kind.PORT, [(1.5, 1.5), (4.5, 3.5)])
    result = maps.maps(placed.position_um, placed.orientation)
    assert np.argwhere(result.horizontal > 0).tolist() == [[1, 1], [1, 2], [1, 3]]
    assert np.argwhere(result.vertical > 0).tolist() == [[1, 4], [2, 4]]


def test_a_hard_macro_on_grid_lines_blocks_its_cell_once() -> None:
    result = ProxyCost(one_net(Kind.HARD, [(2.5, 2.5)]).netlist).maps(np.array([[2.5, 2.5]]), np.zeros(1, np.int8))
    assert result.horizontal[2, 2] == pytest.approx(0.5)
    assert result.vertical[2, 2] == pytest.approx(0.5)
    assert np.count_nonzero(result.horizontal) == 1


def test_orientation_moves_the_pins() -> None:
    placement = one_net(Kind.HARD, [(2.5, 2.5), (7.5, 2.5)])
    offsets = np.array([[0.5, 0.25], [0.0, 0.0]])
    netlist = placement.netlist.with_(pin_offset_um=offsets)
    cost = ProxyCost(netlist)
    expected = {"N": 4.5 + 0.25, "S": 5.5 + 0.25, "FN": 5.5 + 0.25, "FS": 4.5 + 0.25,
                "E": 4.75 + 0.5, "W": 5.25 + 0.5, "FE": 5.25 + 0.5, "FW": 4.75 + 0.5}  # fmt: skip
    for name, hpwl in expected.items():
        turned = np.array([ORIENTATIONS.index(name), 0], dtype=np.int8)
        assert cost(placement.position_um, turned).hpwl_um == pytest.approx(hpwl), name
