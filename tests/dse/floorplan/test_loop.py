"""The closed loop: prices before and after, seeds, failures, Ray."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from dse.floorplan import close_loop, close_loops, wire_lengths
from dse.floorplan.arrays import BUILDERS
from dse.floorplan.loop import STOPPED, ClosedLoop, FailedLoop
from dse.model.cost import PARTS
from dse.model.evaluation import evaluate
from dse.model.wires import Traffic
from dse.workloads.layers import Kind, Layer, Network
from netlists.errors import DesignError, LegalizationError
from netlists.netlist import Netlist
from netlists.placement import Placement
from netlists.runtime.ray_connection import connected
from tests.dse.floorplan import NETWORK, fail_to_place, make_design, place_in_rows

WORKLOAD = [(NETWORK, 1.0)]
POINTWISE = Network("pointwise", (Layer("point", Kind.CONV, 64, 32, 14, 14),))


@pytest.mark.parametrize("template", BUILDERS)
def test_before_is_the_plain_evaluation(template: str) -> None:
    design = make_design(template)
    loop = close_loop(design, place_in_rows, workload=WORKLOAD)
    plain = evaluate(design, NETWORK)
    same = {key: value for key, value in plain.metrics().items() if not np.isnan(value)}
    assert {key: loop.before.metrics[key] for key in same} == pytest.approx(same)
    wires = wire_lengths(design, loop.placement)
    assert np.array_equal(loop.after.wires.mean_mm, wires.mean_mm)
    assert len(loop.net_traffic) == loop.placement.netlist.num_nets


def test_after_differs_by_the_energy_of_wires() -> None:
    design = make_design("systolic")
    loop = close_loop(design, place_in_rows, workload=WORKLOAD)
    totals = dict(zip(PARTS, evaluate(design, NETWORK).totals().energy_pj[0] * 1e-9, strict=True))
    others = sum(energy for part, energy in totals.items() if part not in ("wire", "network"))
    assert loop.after.metrics["energy_mj"] == pytest.approx(others + loop.after.energy_mj.sum())
    assert loop.before.metrics["energy_mj"] == pytest.approx(others + loop.before.energy_mj.sum())
    assert loop.after.metrics["latency_ms"] == loop.before.metrics["latency_ms"]  # 5 ns for a period: no registers
    assert not loop.after.is_slow


def test_a_clock_too_fast_for_its_wires_is_noticed() -> None:
    loop = close_loop(make_design("systolic", clock_mhz=10_000), place_in_rows, workload=WORKLOAD)
    assert loop.after.periods[Traffic.DRAM] > 1
    assert loop.after.metrics["cycles"] > loop.before.metrics["cycles"]
    apart = close_loop(make_design("systolic", clock_mhz=10_000), scatter_tiles, workload=WORKLOAD)
    assert apart.after.is_slow


def scatter_tiles(netlist: Netlist, *, seed: int) -> Placement:
    """Tiles in the corners of the canvas."""
    placement = place_in_rows(netlist, seed=seed)
    position = placement.position_um.copy()
    position[netlist.soft] = np.random.default_rng(seed).integers(0, 2, (len(netlist.soft), 2)) * netlist.canvas_um
    return Placement(netlist, position, placement.orientation.copy())


def test_metrics_are_means_over_the_workload() -> None:
    design = make_design("systolic")
    one, other, both = (
        close_loop(design, place_in_rows, workload=workload)
        for workload in (WORKLOAD, [(POINTWISE, 1.0)], [(NETWORK, 1.0), (POINTWISE, 3.0)])
    )
    for price in ("before", "after"):
        parts = [getattr(loop, price) for loop in (one, other, both)]
        assert parts[2].metrics["energy_mj"] == pytest.approx(
            parts[0].metrics["energy_mj"] / 4 + 3 * parts[1].metrics["energy_mj"] / 4
        )
        assert np.allclose(parts[2].energy_mj, parts[0].energy_mj / 4 + 3 * parts[1].energy_mj / 4)


def test_the_seed_decides() -> None:
    design = make_design("spatial")
    first, again, other = (close_loop(design, place_in_rows, seed, workload=WORKLOAD) for seed in (1, 1, 2))
    assert np.array_equal(first.placement.position_um, again.placement.position_um)
    assert first.after.metrics["energy_mj"] == again.after.metrics["energy_mj"] != other.after.metrics["energy_mj"]


def test_failures_name_the_design() -> None:
    tiny = make_design("systolic", input_kb=1)
    with pytest.raises(DesignError, match="7 does not run conv: half the input buffer"):
        close_loop(tiny, place_in_rows, name="7", workload=WORKLOAD)
    with pytest.raises(LegalizationError, match="seed 5"):
        close_loop(make_design("systolic"), fail_to_place, 5, workload=WORKLOAD)


def fail_on_spatial(netlist: Netlist, *, seed: int) -> Placement:
    """A placer that finds nothing for one of the designs."""
    return fail_to_place(netlist, seed=seed) if netlist.name == "spatial" else place_in_rows(netlist, seed=seed)


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A connection to a cluster of one processor."""
    with connected(cores=1):
        yield


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_the_others_go_on_after_a_failure() -> None:
    designs = [(name, make_design(name)) for name in ("systolic", "spatial", "adaptive")]
    done: list[ClosedLoop | FailedLoop] = []
    loops = close_loops(designs, fail_on_spatial, 3, workload=WORKLOAD, on_done=done.append)
    assert {loop.name for loop in done} == {"systolic", "spatial", "adaptive"}
    first, failed, last = loops
    assert failed == FailedLoop("spatial", "spatial: no legal placement was found with seed 3")
    assert isinstance(first, ClosedLoop)
    assert isinstance(last, ClosedLoop)
    alone = close_loop(designs[0][1], place_in_rows, 3, workload=WORKLOAD)
    assert first.after.metrics == pytest.approx(alone.after.metrics, nan_ok=True)
    assert np.array_equal(first.placement.position_um, alone.placement.position_um)


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_ctrl_c_keeps_what_is_done() -> None:
    def interrupt(loop: ClosedLoop | FailedLoop) -> None:
        raise KeyboardInterrupt

    designs = [(str(k), make_design("spatial")) for k in range(4)]
    loops = close_loops(designs, place_in_rows, workload=WORKLOAD, on_done=interrupt)
    assert [loop.name for loop in loops] == ["0", "1", "2", "3"]
    assert sum(isinstance(loop, ClosedLoop) for loop in loops) == 1
    assert sum(loop == FailedLoop(loop.name, STOPPED) for loop in loops) == 3


def test_fitted_wires_are_what_a_placement_is_compared_with() -> None:
    design = make_design("systolic").model_copy(update={"wires": "fitted"})
    loop = close_loop(design, place_in_rows, workload=[(NETWORK, 1.0)])
    plain = close_loop(make_design("systolic"), place_in_rows, workload=[(NETWORK, 1.0)])
    for name in ("energy_mj", "latency_ms"):
        assert loop.before.metrics[name] == pytest.approx(evaluate(design, NETWORK).metrics()[name])
        assert loop.after.metrics[name] == plain.after.metrics[name]
    assert loop.before.metrics["energy_mj"] != plain.before.metrics["energy_mj"]
