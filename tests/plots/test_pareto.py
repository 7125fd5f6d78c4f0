"""Fronts and convergence: designs at the right places, and few ticks that do not overlap."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.axis import Axis
from matplotlib.figure import Figure

from netlists.errors import SettingsError
from plots import pareto, style

FRONT = np.array([[4.0, 1.0], [1.0, 8.0], [2.0, 3.0]])
SAMPLE = np.random.default_rng(0).uniform(4, 12, (200, 2))


def draw(scale: tuple[float, float] = (1.0, 1.0), **options: object) -> Figure:
    settings = {"labels": ("latency (ms)", "energy (mJ)"), **options}
    return pareto.draw(FRONT * scale, SAMPLE * scale, **settings)  # type: ignore[arg-type]


def offsets(figure: Figure, gid: str) -> np.ndarray:
    return np.concatenate([c.get_offsets() for c in figure.axes[0].collections if c.get_gid() == gid])


def overlapping(axis: Axis) -> list[tuple[str, str]]:
    """Pairs of neighboring visible tick labels that touch."""
    figure = axis.axes.get_figure(root=True)
    assert figure
    figure.draw_without_rendering()
    low, high = sorted(axis.get_view_interval())
    visible = [
        tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high and tick.label1.get_text()
    ]
    assert 2 <= len(visible) <= 10
    boxes = [(label.get_text(), label.get_window_extent()) for label in visible]
    return [(a[0], b[0]) for a, b in pairwise(boxes) if a[1].overlaps(b[1])]


def test_designs_are_where_they_are() -> None:
    figure = draw(chosen=("knee 7", (2.0, 3.0)), published={"paper": (5.0, 5.0), "other": (0.5, 9.0)})
    np.testing.assert_array_equal(offsets(figure, "front"), FRONT)
    np.testing.assert_array_equal(offsets(figure, "sample"), SAMPLE)
    np.testing.assert_array_equal(offsets(figure, "chosen"), [[2.0, 3.0]])
    np.testing.assert_array_equal(offsets(figure, "published"), [[5.0, 5.0], [0.5, 9.0]])
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["sampled", "front (3)", "paper", "other", "knee 7"]


def test_what_is_marked_is_inside() -> None:
    axes = draw(published={"paper": (100.0, 0.01)}).axes[0]
    for x, y in [*FRONT, (100.0, 0.01)]:
        assert axes.get_xlim()[0] < x < axes.get_xlim()[1]
        assert axes.get_ylim()[0] < y < axes.get_ylim()[1]


@pytest.mark.parametrize(("better", "corners"), [("min", [(2.0, 8.0), (4.0, 3.0)]), ("max", [(1.0, 3.0), (2.0, 1.0)])])
def test_the_border_is_what_the_front_attains(better: str, corners: list[tuple[float, float]]) -> None:
    figure = draw(better=(better, "min"), connected=True)
    (line,) = figure.axes[0].lines
    assert line.get_drawstyle() == ("steps-post" if better == "min" else "steps-pre")
    vertices = np.asarray(line.get_path().vertices).tolist()
    assert {tuple(point) for point in vertices} == {tuple(row) for row in FRONT.tolist()} | set(corners)


def test_arrows_point_to_the_better_side() -> None:
    axes = draw(better=("max", "min")).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("latency (ms) →", "← energy (mJ)")


@pytest.mark.parametrize("scale", [1e-6, 0.003, 1.0, 1234.5, 3e7, 2e11])
@pytest.mark.parametrize("spread", [0.0, 0.3, 1.0, 2.0, 6.0])
def test_ticks_are_few_and_apart(scale: float, spread: float) -> None:
    front = np.array([[scale, scale], [scale * 10**spread, scale * (1 + spread)]])
    figure = pareto.draw(front, front, labels=("x", "y"))
    for axis in (figure.axes[0].xaxis, figure.axes[0].yaxis):
        assert overlapping(axis) == []


def test_numbers_of_ticks() -> None:
    assert [pareto.short(value) for value in (0.05, 250, 9999, 20_000, 3e6, 2.5e9)] == [
        "0.05", "250", "9999", "20k", "3M", "2.5G",
    ]  # fmt: skip


def test_odd_names_and_one_design_are_drawn() -> None:
    style.png(pareto.draw(FRONT[:1], np.zeros((0, 2)), labels=("$x$", "y"), chosen=("<b>$", (4.0, 1.0))))
    style.png(draw(published={"\u4e2d$x$" * 20: (1.0, 1.0)}, scale=(-1.0, 0.0)))


def test_an_empty_front_is_refused() -> None:
    for front in (np.zeros((0, 2)), np.zeros((3, 3))):
        with pytest.raises(SettingsError, match="front of shape"):
            pareto.draw(front, front[:0, :2], labels=("x", "y"))


def test_convergence_steps_through_its_points() -> None:
    axes = pareto.converged([10, 100, 5000], [0.2, 0.9, 1.0]).axes[0]
    (line,) = [line for line in axes.lines if line.get_gid() == "hypervolume"]
    np.testing.assert_array_equal(line.get_xydata(), [[10, 0.2], [100, 0.9], [5000, 1.0]])
    assert axes.get_xscale() == "log"
    assert overlapping(axes.xaxis) == overlapping(axes.yaxis) == []
    assert overlapping(pareto.converged([100, 101], [1.0, 1.0]).axes[0].yaxis) == []
    for evaluations in ([], [1]):
        with pytest.raises(SettingsError, match="hypervolumes"):
            pareto.converged(evaluations, [0.5, 1.0])
