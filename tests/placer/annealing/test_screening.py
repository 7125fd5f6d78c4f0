"""Screening: the start with the best short refinement wins, legal and unrefined; failed starts are skipped."""

from __future__ import annotations

import time

import numpy as np
import pytest

from netlists import load
from netlists.errors import LegalizationError
from netlists.netlist import Netlist
from netlists.placement import Placement
from placer.annealing import screening
from placer.annealing.screening import LONGER, QUICK, legalize_start, score, screen
from placer.cost import evaluate
from placer.environment.env import EpisodeBatch
from placer.environment.heuristics import run
from placer.legalization.legalize import legalize
from placer.soft.force_directed import soft_arrays


def random_starts(netlist: Netlist, count: int) -> list[Placement]:
    episodes, rng = EpisodeBatch(netlist, count), np.random.default_rng(0)
    run(episodes, lambda o: np.where(o.mask, rng.random(o.mask.shape), -1.0).argmax(axis=1))
    return [episodes.placement(b) for b in range(count)]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_start_with_the_best_short_refinement_wins(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screening, "FINALISTS", 0.5)
    netlist = load("jetty")
    starts = random_starts(netlist, 4)
    legal = [legalize_start(start, soft_arrays(netlist)) for start in starts]
    quick = [score(start, QUICK, seed=1)[0] for start in legal]
    finalists = np.argsort(quick)[:2]
    longer = [score(legal[k], LONGER, seed=1)[0] for k in finalists]
    winner = legal[finalists[int(np.argmin(longer))]]
    result = screen(starts, seconds=np.inf, seed=1, workers=workers)[0]
    np.testing.assert_array_equal(result.position_um, winner.position_um)
    assert not result.violations()
    assert max(quick) > min(quick) > min(longer)
    assert evaluate(result).proxy > min(longer)


def test_without_time_the_first_start_wins() -> None:
    starts = random_starts(load("jetty"), 3)
    result = screen(starts, seconds=0.0, seed=0, workers=1)[0]
    hard = result.netlist.hard
    np.testing.assert_allclose(result.position_um[hard], starts[0].position_um[hard])


def test_screening_ends_in_time() -> None:
    starts = random_starts(load("jetty"), 8)
    screen(starts[:1], seconds=0.0, seed=0, workers=1)
    began = time.perf_counter()
    screen(starts * 20, seconds=1.0, seed=0, workers=1)
    assert time.perf_counter() - began < 3.0


def test_starts_that_cannot_be_legalized_are_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    netlist = load("jetty")
    good = random_starts(netlist, 1)[0]
    piled = good.position_um.copy()
    piled[netlist.movable_hard] = np.array(netlist.canvas_um) / 2
    bad = Placement(netlist, piled, good.orientation)

    def refuse(placement: Placement, **_: object) -> Placement:
        if placement.violations():
            raise LegalizationError("no room")
        return placement

    assert not legalize(bad).violations()
    monkeypatch.setattr(screening, "make_legal", refuse)
    (result,) = screen([bad, good], seconds=np.inf, seed=0, workers=1)
    np.testing.assert_array_equal(result.position_um[netlist.hard], good.position_um[netlist.hard])
    with pytest.raises(LegalizationError, match="no room"):
        screen([bad, bad], seconds=np.inf, seed=0, workers=1)
