"""The benchmark of floorplans draws designs that run, the same ones each time, and measures errors."""

from __future__ import annotations

import numpy as np
import pytest

from dse.model.evaluation import evaluate
from tests.benchmarks.floorplan import draw, errors


def test_drawn_designs_run_and_are_the_same_each_time() -> None:
    designs, workload = draw("28nm", 3, seed=1)
    assert [design.model_dump() for _, design in designs] == [d.model_dump() for _, d in draw("28nm", 3, seed=1)[0]]
    assert len(designs) == 3
    assert all(evaluate(design, workload[0][0]).feasible for _, design in designs)
    assert designs != draw("28nm", 3, seed=2)[0]


def test_errors_are_fractions_of_what_was_placed() -> None:
    assert errors(np.array([1.0, 3.0]), np.array([2.0, 2.0])) == pytest.approx([0.5, 0.5])
