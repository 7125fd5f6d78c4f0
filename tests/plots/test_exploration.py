"""Figures of sensitivities, and the page of an exploration from plain data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netlists.errors import SettingsError
from plots import exploration, page, pareto, sensitivity, style
from tests.plots.test_pareto import FRONT, SAMPLE, overlapping


def test_bars_are_as_long_as_the_shares() -> None:
    axes = sensitivity.bars(["rows", "columns"], {"latency": [0.5, 0.1], "area": [0.25, float("nan")]}).axes[0]
    widths = [[bar.get_width() for bar in group] for group in axes.containers]
    assert widths == [[50.0, 10.0], [25.0, 0.0]]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["rows", "columns"]
    style.png(sensitivity.bars([f"$parameter_{k}$" * 5 for k in range(40)], {"<b>": np.linspace(0, 1, 40)}))
    with pytest.raises(SettingsError, match="area has 1 fractions; expected 2"):
        sensitivity.bars(["rows", "columns"], {"area": [1.0]})


def test_a_sweep_has_its_curves_and_crosses() -> None:
    nan = float("nan")
    curves = {"latency": [2.0, 1.0, 0.5, nan], "area": [0.5, 1.0, 3.0, nan]}
    figure = sensitivity.sweep("rows", [8, 16, 32, 64], curves, feasible=[True, True, False, False], own=1)
    axes = figure.axes[0]
    lines = {line.get_gid(): line.get_ydata() for line in axes.lines if line.get_gid()}
    for name, values in curves.items():
        np.testing.assert_array_equal(lines[name], values)
    (gone,) = [c for c in axes.collections if c.get_gid() == "infeasible"]
    np.testing.assert_array_equal(gone.get_offsets(), [[3.0, 0.03]])
    crosses = np.concatenate([c.get_offsets() for c in axes.collections if len(c.get_paths()[0].vertices) == 4])  # type: ignore[arg-type]
    assert {(2.0, 0.5), (2.0, 3.0)} <= {tuple(point) for point in crosses.tolist()}
    assert [label.get_text() for label in axes.get_xticklabels()] == ["8", "16", "32", "64"]


@pytest.mark.parametrize(
    "values",
    [
        list(range(16, 257, 16)), [2.0**k for k in range(5, 13)], [0.1, 0.2], ["ws", "os", "is"], [1],
        list(np.linspace(1e5, 9e6, 64)), [f"a_long_name_{k}" for k in range(9)], [1024 * k for k in range(1, 13)],
    ],
)  # fmt: skip
def test_ticks_are_few_and_apart(values: list[float | str]) -> None:
    for curve in (np.ones(len(values)), np.linspace(1, 50, len(values)), np.linspace(1, 1.5, len(values))):
        fits = [True] * len(values)
        axes = sensitivity.sweep("x", values, {"y": curve}, feasible=fits, own=0).axes[0]
        assert overlapping(axes.yaxis) == []
        if len(values) > 1:
            assert overlapping(axes.xaxis) == []


def test_infeasible_ends_of_a_sweep_are_inside() -> None:
    values = list(range(1, 41))
    curve = np.where(np.arange(40) < 20, 1.0, np.nan)
    axes = sensitivity.sweep("x", values, {"y": curve}, feasible=np.arange(40) < 20, own=3).axes[0]
    assert axes.get_xlim()[1] > 40
    nothing = np.full(40, np.nan)
    style.png(sensitivity.sweep("x", values, {"y": nothing}, feasible=np.zeros(40, bool), own=3))
    style.png(sensitivity.sweep("x", values, {}, feasible=np.zeros(40, bool), own=3))


def test_lengths_that_differ_are_refused() -> None:
    for values, own in (([1.0], 0), ([1.0, 2.0], 2)):
        with pytest.raises(SettingsError, match="sweep of x"):
            sensitivity.sweep("x", values, {"y": [1.0, 2.0]}, feasible=[True] * 2, own=own)


def test_a_page_of_what_there_is(tmp_path: Path) -> None:
    least = exploration.Exploration("<t>", "<h>", ["<s>"])
    exploration.write(tmp_path / "least.html", least)
    text = (tmp_path / "least.html").read_text()
    assert "<h1>&lt;t&gt;</h1>" in text
    assert "<img" not in text
    whole = exploration.Exploration(
        "title", "What to build", ["story"], {"latency": "3 ms"}, "template: x",
        page.Table("others", ["", "ms"], [["<mine>", "3"]]),
        {"<plane>": pareto.draw(FRONT, SAMPLE, labels=("<x>", "y"))},
        pareto.converged([1, 2], [0.5, 1.0]),
        sensitivity.bars(["rows"], {"latency": [0.5]}),
        "<note>",
        {"<rows>": sensitivity.sweep("rows", [1, 2], {"a": [1, 2]}, feasible=[True, True], own=0)},
        front=page.Table("2 <designs>", ["design", "ms"], [["7", "3"], ["8", "4"]], ["a: <7>", "a: <8>"]),
    )  # fmt: skip
    exploration.write(tmp_path / "whole.html", whole, footer="<f>")
    text = (tmp_path / "whole.html").read_text()
    assert text.count("<img") == 4
    for word in ("mine", "plane", "note", "rows", "designs", "7", "8", "f"):
        assert f"&lt;{word}&gt;" in text
        assert f"<{word}>" not in text
    assert "<details><summary>8</summary><pre>a: &lt;8&gt;</pre></details>" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["least.html", "whole.html"]
