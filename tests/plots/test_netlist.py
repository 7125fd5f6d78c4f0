"""The page about a netlist and its figures."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle

from netlists.connectivity import Graphs, build_graphs, build_hierarchy, summarize, trace_dataflow
from netlists.connectivity.summary import RentRule
from netlists.netlist import Netlist
from plots import dataflow, hierarchy, netlist, style
from plots.dataflow import LINE_PT, join_directions
from tests.netlists.connectivity.graphs import build, lattice

EVIL = "</script><b>$x_1$\u2603\n"


def ring(placed: bool = True, macros: int = 5) -> Netlist:
    """Macros that drive each other in a ring, the first one also backward, and a macro without nets."""
    nets = [[v, (v + 1) % macros] for v in range(macros)]
    weights = [float(v + 1) for v in range(macros)]
    return build("H" * (macros + 1), [*nets, [1, 0]], weights=[*weights, 2.0], placed=placed)


def lines_of(chip: Netlist) -> LineCollection:
    (lines,) = (
        c for c in dataflow.draw(trace_dataflow(chip).graph(), chip).axes[0].collections
        if c.get_gid() == "connections"
    )  # fmt: skip
    assert isinstance(lines, LineCollection)
    return lines


def test_both_directions_are_one_line() -> None:
    pairs = join_directions(trace_dataflow(ring()).graph())
    assert pairs == {(0, 1): (3.0, 0), (1, 2): (2.0, 0), (2, 3): (3.0, 0), (3, 4): (4.0, 0), (0, 4): (5.0, 0)}


def test_lines_join_the_centers_of_macros_and_are_as_wide_as_their_weight() -> None:
    chip = ring()
    lines = lines_of(chip)
    widths = {
        tuple(round(float(x)) for x, _ in segment): float(width)
        for segment, width in zip(lines.get_segments(), np.asarray(lines.get_linewidth()).tolist(), strict=True)
    }
    assert set(widths) == {(0, 1), (1, 2), (2, 3), (3, 4), (0, 4)}
    low, high = LINE_PT
    assert widths[0, 4] == pytest.approx(high)
    assert widths[1, 2] == pytest.approx(low + (high - low) * 2 / 5)


def test_unplaced_macros_are_laid_out_by_springs() -> None:
    chip = ring(placed=False)
    figure = dataflow.draw(trace_dataflow(chip).graph(), chip)
    (dots,) = (c for c in figure.axes[0].collections if c.get_gid() == "macros")
    points = np.asarray(dots.get_offsets())
    assert len(np.unique(points.round(6), axis=0)) == 6
    assert np.isfinite(points).all()
    assert style.png(figure) == style.png(dataflow.draw(trace_dataflow(chip).graph(), chip))


def test_netlists_without_connections_are_drawn() -> None:
    for chip in (build("", []), build("HH", []), build("HH", [], placed=False)):
        style.png(dataflow.draw(nx.DiGraph(trace_dataflow(chip).graph()), chip))


def test_bars_of_the_hierarchy_are_as_long_as_areas() -> None:
    names = ("a/x/1", "a/x/2", "a/y", "b/1", "c")
    figure = hierarchy.draw(build_hierarchy(build("HCCCC", [], names=names)))
    bars = [p for p in figure.axes[0].patches if isinstance(p, Rectangle) and p.get_gid() == "module"]
    spans = sorted((b.get_x(), round(b.get_y(), 6), round(b.get_height(), 6)) for b in bars)
    assert spans == [(0, 0.0, 1.0), (1, 0.0, 0.6), (1, 0.6, 0.2), (2, 0.0, 0.4)]
    style.png(hierarchy.draw(build_hierarchy(build("", []))))


def test_the_line_of_rent_goes_through_its_points() -> None:
    rule = RentRule(0.5, 4.0, ((8, 100.0, 40.0), (32, 25.0, 20.0)))
    axes = netlist.draw_rent(rule).axes[0]
    (line,) = (line for line in axes.lines if line.get_gid() == "fit")
    np.testing.assert_allclose(np.asarray(line.get_xydata()), [[25, 20], [100, 40]])


def test_degrees_are_bars() -> None:
    axes = netlist.draw_net_degrees({2: 7, 8: 3}).axes[0]
    assert [bar.get_height() for bar in axes.patches if isinstance(bar, Rectangle)] == [7, 3]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "6-10"]


@pytest.mark.parametrize(
    "chip",
    [
        build("", []),
        build("HHC", [[0, 2], [2, 1]], names=(f"{EVIL}/a", f"{EVIL}/b", "c")),
        build("C" * 256, lattice((16, 16)), names=[f"u_{k // 16}/c_{k}" for k in range(256)]),
    ],
    ids=["empty", "evil", "mesh"],
)
def test_pages_are_whole_and_escaped(tmp_path: Path, chip: Netlist) -> None:
    graphs: Graphs = build_graphs(chip)
    netlist.write(tmp_path / "page.html", chip, summarize(chip, graphs), graphs, footer="placer info")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text.rstrip().endswith("</html>")
    assert "</script>" not in text
    assert ("Rent&#39;s rule" in text) == (len(chip.cells) == 256)
