"""The benchmark of robustness sees what is wrong, and counts it."""

from __future__ import annotations

import numpy as np
import pytest

from netlists.placement import Placement
from netlists.synthetic.generate import generate, random_case
from tests.benchmarks.robustness import Run, attempt, coverage, flaw, table, unplaced
from tests.placer.legalization.test_legalize import blocks


@pytest.mark.parametrize("seed", range(10))
def test_flaws_are_violations(seed: int) -> None:
    netlist = generate(random_case(seed), seed)
    assert not flaw(Placement.given(netlist))
    random, moved = np.random.default_rng(seed), netlist.position_um.copy()
    for macro in random.permutation(netlist.movable_hard)[:3]:
        moved[macro] += random.normal(0, 0.05, 2) * netlist.canvas_um
        placement = Placement(netlist, moved.copy(), netlist.orientation)
        assert bool(flaw(placement)) == bool(placement.violations())


def test_runs_end_legal_or_with_a_clear_error() -> None:
    apart, together = ([(4.0, 4.0)] * 2, (10.0, 10.0)), ([(6.0, 6.0)] * 2, (10.0, 10.0))
    assert attempt(blocks(*apart), "greedy", 0.3, 0).end == "legal"
    ended = attempt(blocks(*together), "greedy", 0.3, 0)
    assert ended.end == "clear error"
    assert "fit neither side by side" in ended.why
    assert attempt(blocks(*apart), "no such method", 0.3, 0).end == "failed"


def test_movable_nodes_have_no_places_and_fixed_ones_keep_theirs() -> None:
    netlist = generate(random_case(4), 4)
    bare = unplaced(netlist)
    assert np.isnan(bare.position_um[~netlist.fixed]).all()
    np.testing.assert_array_equal(bare.position_um[netlist.fixed], netlist.position_um[netlist.fixed])
    assert coverage(bare) == pytest.approx(random_case(4).hard_coverage, abs=0.02)


def test_the_table_counts_by_coverage_and_method() -> None:
    runs = [Run(0.1, "rl", 1.0, "legal", ""), Run(0.65, "rl", 3.0, "failed", ""), Run(0.65, "greedy", 2.0, "legal", "")]
    rows = {tuple(line.split()[:-5]): line.split()[-5:] for line in table(runs)[1:]}
    assert rows["all", "all"] == ["3", "2", "0", "1", "3.0"]
    assert rows["60%", "to", "100%", "rl"] == ["1", "0", "0", "1", "3.0"]
    assert rows["0%", "to", "20%", "all"] == ["1", "1", "0", "0", "1.0"]
