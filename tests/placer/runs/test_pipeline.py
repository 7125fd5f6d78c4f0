"""The whole job: legal whatever the netlist and the method, repeatable, on time, and what Ctrl-C leaves."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from netlists import load, save_placement
from netlists.errors import CheckpointError, LegalizationError, PlacementError, SettingsError
from netlists.netlist import Kind, Netlist
from netlists.placement import Placement
from netlists.synthetic.generate import GeneratorSettings, generate
from placer import PlaceSettings, Result, evaluate, place
from placer.annealing.baseline import anneal
from placer.annealing.metropolis import Budget, SearchResult
from placer.incumbent import Candidates, Incumbent, RunProgress
from placer.legalization.legalize import legalize
from placer.runs.methods import LEAST_S, METHODS, TRIALS
from placer.runs.pipeline import demand_legal, load_kernels
from placer.soft.multi_start import settle_soft


@cache
def jetty() -> Netlist:
    return load("jetty")


def quick(netlist: Netlist, method: str = "greedy", **options: Any) -> Result:
    return place(netlist, method=method, **{"iterations": 1, "workers": 1, **options})


def of_kind(netlist: Netlist, old: Kind, new: Kind) -> Netlist:
    return netlist.with_(kind=np.where(netlist.kind == old, new, netlist.kind).astype(np.int8))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_legal_exact_and_repeatable(method: str) -> None:
    once, again = (quick(jetty(), method, seed=3) for _ in range(2))
    assert not once.placement.violations()
    np.testing.assert_array_equal(once.placement.position_um, again.placement.position_um)
    assert once.metrics["proxy"] == evaluate(once.placement).proxy
    assert (once.metrics["overlaps"], once.metrics["out_of_canvas"]) == (0, 0)
    assert once.metrics["method"] == method
    best = [proxy for _, proxy in once.history]
    assert best == sorted(best, reverse=True)
    assert once.metrics["proxy"] <= best[-1] * (1 + 1e-12)  # moves are summed in another order


def test_stages_add_up_to_the_whole() -> None:
    result = quick(jetty())
    assert [stage.name for stage in result.stages] == ["cluster", "greedy", "screen", "legalize", "refine", "expand"]
    assert sum(stage.seconds for stage in result.stages) == pytest.approx(result.metrics["seconds"], abs=0.2)
    assert result.stages[-1].proxy == result.metrics["proxy"]
    assert result.metrics["cpu_seconds"] > 0


def test_without_refinement_the_later_searches_are_left_out() -> None:
    plain, refined = quick(jetty(), refine=False), quick(jetty())
    assert [stage.name for stage in plain.stages] == ["cluster", "greedy", "legalize", "expand"]
    assert refined.metrics["proxy"] <= plain.metrics["proxy"]


def test_without_refinement_hard_macros_stay_where_the_policy_put_them(monkeypatch: pytest.MonkeyPatch) -> None:
    incumbents: list[Incumbent] = []
    offer = Incumbent.offer

    def watch(incumbent: Incumbent, candidates: Candidates) -> None:
        incumbents.append(incumbent)
        offer(incumbent, candidates)

    monkeypatch.setattr(Incumbent, "offer", watch)
    result, hard = quick(jetty(), "rl", refine=False), jetty().hard
    best = incumbents[-1].placement
    assert best is not None
    np.testing.assert_array_equal(result.placement.position_um[hard], best.position_um[hard])


def test_the_refinement_gains_something() -> None:
    proxy = {stage.name: stage.proxy for stage in quick(jetty()).stages}
    assert proxy["refine"] is not None
    assert proxy["legalize"] is not None
    assert proxy["refine"] < proxy["legalize"]


def test_the_refinement_gets_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds: list[float | None] = []

    def stand_in(placement: Placement, budget: Budget, **_: object) -> SearchResult:
        seconds.append(budget.seconds)
        return SearchResult(placement, evaluate(placement).proxy, 0, np.zeros((0, 5)), interrupted=True)

    load_kernels("greedy", True, "auto")
    monkeypatch.setattr("placer.runs.pipeline.refine", stand_in)
    result = place(jetty(), method="greedy", budget_s=500.0, workers=1)
    assert result.interrupted
    before = sum(stage.seconds for stage in result.stages if stage.name not in ("refine", "expand"))
    assert seconds == [pytest.approx(500.0 - before, abs=1.0)]
    result = place(jetty(), method="greedy", budget_s=LEAST_S / 2, workers=1)
    assert not result.interrupted
    assert len(seconds) == 1  # too little is left for another


@pytest.mark.parametrize("method", ["random", "rl"])
def test_the_budget_is_kept(method: str) -> None:
    result = place(jetty(), method=method, budget_s=4.0, workers=1)
    # Processor time: wall-clock time also counts what other programs do meanwhile.
    assert result.metrics["cpu_seconds"] < 4.0 * 1.1
    assert result.metrics["seconds"] > 1.0


@pytest.mark.parametrize("method", METHODS)
def test_netlists_without_hard_macros(method: str) -> None:
    result = quick(of_kind(jetty(), Kind.HARD, Kind.SOFT), method)
    assert result.metrics["hard_macros"] == 0
    assert result.metrics["proxy"] < 0.9 * evaluate(Placement.given(result.placement.netlist)).proxy


def test_annealing_is_a_whole_search_of_its_own() -> None:
    result, search = quick(jetty(), "anneal", seed=1), anneal(jetty(), Budget(trials=TRIALS), seed=1)
    assert [stage.name for stage in result.stages] == ["cluster", "anneal", "legalize", "expand"]
    np.testing.assert_array_equal(result.placement.position_um, search.placement.position_um)
    np.testing.assert_array_equal(result.placement.orientation, search.placement.orientation)


def test_nothing_to_move() -> None:
    n = jetty()
    frozen = n.with_(fixed=np.ones(n.num_nodes, dtype=bool))
    result = quick(frozen)
    np.testing.assert_array_equal(result.placement.position_um, n.position_um)


def test_fixed_nodes_stay() -> None:
    n = jetty()
    fixed = n.fixed.copy()
    fixed[[*n.hard[:2], *n.soft[:5]]] = True
    result = quick(n.with_(fixed=fixed))
    np.testing.assert_array_equal(result.placement.position_um[fixed], n.position_um[fixed])
    assert not result.placement.violations()


def test_standard_cells_are_clustered_and_come_back(tmp_path: Any) -> None:
    flat = of_kind(jetty(), Kind.SOFT, Kind.CELL)
    result = quick(flat)
    assert result.placement.netlist is flat
    assert result.metrics["proxy"] == evaluate(result.placement).proxy
    assert result.metrics["clustered_proxy"] == result.stages[-1].proxy
    assert result.metrics["hpwl_history"][-1][1] == result.metrics["hpwl_um"]
    save_placement(result.placement, tmp_path / "placement.pl")


def test_flat_and_without_hard_macros() -> None:
    flat = of_kind(of_kind(jetty(), Kind.SOFT, Kind.CELL), Kind.HARD, Kind.CELL)
    assert np.isfinite(quick(flat).metrics["clustered_proxy"])


@pytest.mark.parametrize("coverage", [0.1, 0.35, 0.6])
def test_crowded_canvases_end_legal(coverage: float) -> None:
    settings = GeneratorSettings(
        hard_macros=15, soft_macros=20, nets=120, ports=10, hard_coverage=coverage, grid=(10, 10)
    )
    for seed in range(2):
        chip = generate(settings, seed)
        assert not quick(chip).placement.violations()
        assert not quick(chip, "random").placement.violations()


def test_ctrl_c_keeps_the_best_so_far() -> None:
    def stop(progress: RunProgress) -> None:
        if progress.iteration == 2:
            raise KeyboardInterrupt

    result = place(jetty(), method="random", budget_s=60, workers=1, progress=stop)
    assert result.interrupted
    assert not result.placement.violations()
    assert result.metrics["seconds"] < 30


def test_ctrl_c_before_anything_was_placed(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("placer.environment.heuristics.run", stop)
    with pytest.raises(KeyboardInterrupt):
        place(jetty(), method="greedy")


def test_ctrl_c_while_kernels_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("placer.runs.pipeline.place", lambda *_, **__: SimpleNamespace(interrupted=True))
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            load_kernels("magic", True, "auto")


def test_the_soft_stage_never_makes_it_worse() -> None:
    start = Placement.given(jetty())
    settled, _ = settle_soft(start, np.inf)
    assert evaluate(settled).proxy < evaluate(start).proxy
    assert evaluate(settle_soft(settled, np.inf)[0]).proxy <= evaluate(settled).proxy
    np.testing.assert_array_equal(settled.position_um[jetty().hard], start.position_um[jetty().hard])


def from_input(**options: Any) -> Result:
    return quick(crowded(), start="given", **options)


@cache
def crowded() -> Netlist:
    """The design with its macros drawn together, so that some overlap."""
    n = jetty()
    middle = np.array(n.canvas_um) / 2
    return n.with_(position_um=np.where(n.fixed[:, None], n.position_um, middle + 0.6 * (n.position_um - middle)))


@pytest.mark.parametrize("method", ["rl", "gradient", "greedy", "random"])
def test_from_the_given_placement_without_refinement_it_is_only_legalized(method: str) -> None:
    start = Placement.given(crowded())
    assert start.violations()
    result = from_input(method=method, refine=False)
    assert [stage.name for stage in result.stages] == ["cluster", "legalize", "expand"]
    np.testing.assert_array_equal(result.placement.position_um, legalize(start).position_um)


def test_the_given_placement_is_refined() -> None:
    result = from_input()
    assert [stage.name for stage in result.stages] == ["cluster", "legalize", "refine", "expand"]
    proxy = {stage.name: stage.proxy for stage in result.stages}
    assert result.history[0][1] == proxy["legalize"]
    assert proxy["refine"] is not None
    assert proxy["refine"] < result.history[0][1]


def test_annealing_from_the_given_placement_is_never_worse_than_it() -> None:
    start = legalize(Placement.given(crowded()))
    result = from_input(method="anneal")
    assert [stage.name for stage in result.stages] == ["cluster", "anneal", "legalize", "expand"]
    assert result.metrics["proxy"] <= evaluate(start).proxy
    assert result.metrics["proxy"] != quick(crowded(), "anneal").metrics["proxy"]


def test_the_given_placement_needs_all_positions() -> None:
    n = jetty()
    position = n.position_um.copy()
    position[n.soft[3]] = np.nan
    with pytest.raises(PlacementError, match=f"node '{n.node_names[n.soft[3]]}' has no position in the input .1 of"):
        quick(n.with_(position_um=position), start="given")


def test_illegal_placements_are_not_returned() -> None:
    n = jetty()
    position = n.position_um.copy()
    position[n.hard[1]] = position[n.hard[0]]
    with pytest.raises(LegalizationError, match=r"1 overlaps .* remain") as raised:
        demand_legal(Placement(n, position, n.orientation.copy()))
    assert n.node_names[n.hard[0]] in str(raised.value)
    assert isinstance(raised.value, PlacementError)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "rlx"}, "expected one of rl, gradient, greedy, random, anneal; did you mean 'rl'"),
        ({"budget_s": 0}, "budget is 0 s"),
        ({"budget_s": float("nan")}, "budget is nan s"),
        ({"budget_s": float("inf")}, "budget is inf s"),
        ({"seed": -1}, "seed is -1; expected 0 to"),
        ({"workers": 0}, "workers is 0"),
        ({"iterations": 0}, "iterations is 0"),
        ({"method": "greedy", "weights": "x"}, "weights are for method rl from scratch only"),
        ({"start": "given", "weights": "x"}, "weights are for method rl from scratch only"),
        ({"start": "givn"}, "expected one of scratch, given; did you mean 'given'"),
    ],
)
def test_bad_settings(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        PlaceSettings(**options)


def test_missing_weights() -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        quick(jetty(), "rl", weights="nowhere.safetensors")


def test_kernels_for_rows_are_loaded_before_the_clock_starts() -> None:
    """In a process of its own, as kernels that other tests have called are loaded here already."""
    program = (
        "from placer.cells import abacus, electrostatics, gaps, global_placement, multi_row_cells\n"
        "from placer.legalization import row_alignment\n"
        "from placer.runs.pipeline import load_row_kernels\n"
        "load_row_kernels()\n"
        "kernels = (abacus._assign_to_runs, gaps.sweep, global_placement.wirelength_gradient,\n"
        "           electrostatics._add_charge, electrostatics._add_forces, row_alignment.nearest_corners,\n"
        "           multi_row_cells.nearest_places)\n"
        "print([kernel.__name__ for kernel in kernels if not kernel.signatures])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout == "[]\n"
