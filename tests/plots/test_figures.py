"""Figures show their data to scale, and drawing them changes no global state."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from netlists.errors import PlacementError, SettingsError
from netlists.netlist import ORIENTATIONS
from netlists.placement import Placement
from plots import congestion, placement, style, training
from tests.plots.chips import chip


def boxes(figure: Figure, gid: str) -> list[np.ndarray]:
    """The closed outlines [5, 2] of all nodes of a kind."""
    groups = [c for c in figure.axes[0].collections if c.get_gid() == gid]
    return [np.asarray(path.vertices) for collection in groups for path in collection.get_paths()]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def decode(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png))
    image.load()
    return image


@pytest.mark.parametrize(("gid", "count"), [("hard macros", 4), ("fixed macros", 2), ("soft macros", 3), ("cells", 50)])
def test_every_node_is_drawn_once(gid: str, count: int) -> None:
    assert len(boxes(placement.draw(chip(soft=3, cells=50)), gid)) == count


def test_rectangles_are_where_and_as_large_as_the_nodes() -> None:
    placed = chip()
    drawn = boxes(placement.draw(placed), "hard macros")
    for node, outline in zip(placed.netlist.movable_hard, drawn, strict=True):
        half = placed.netlist.size_um[node] / 2
        np.testing.assert_allclose(outline.min(axis=0), placed.position_um[node] - half)
        np.testing.assert_allclose(outline.max(axis=0), placed.position_um[node] + half)


def test_ports_are_marked_at_their_places() -> None:
    placed = chip()
    marks = next(c for c in placement.draw(placed).axes[0].collections if c.get_gid() == "ports")
    np.testing.assert_allclose(np.asarray(marks.get_offsets()), placed.position_um[placed.netlist.ports])


def test_fixed_macros_are_hatched() -> None:
    hatches = {c.get_gid(): c.get_hatch() for c in placement.draw(chip()).axes[0].collections if c.get_gid()}
    assert hatches["fixed macros"]
    assert not hatches["hard macros"]


def test_the_notch_tells_all_orientations_apart() -> None:
    placed = chip(hard=8, fixed=0)
    turned = Placement(placed.netlist, placed.position_um, np.r_[np.arange(8), np.zeros(9)].astype(np.int8))
    lines = placement.notches(turned, placed.netlist.hard) - placed.position_um[placed.netlist.hard, None]
    assert len({tuple(np.round(line, 6).ravel()) for line in lines}) == len(ORIENTATIONS)
    half = placed.netlist.size_um[0] / 2
    north = lines[ORIENTATIONS.index("N")]
    np.testing.assert_allclose(north.min(axis=0), -half)  # cuts the lower-left corner
    np.testing.assert_allclose(lines[ORIENTATIONS.index("S")], -north)


def test_illegal_macros_are_marked() -> None:
    placed = chip(fixed=0)
    assert boxes(placement.draw(placed), "wrong") == []
    moved = placed.position_um.copy()
    moved[0] = moved[1]  # two overlap
    moved[5] = [99.0, 40.0]  # one sticks out
    assert len(boxes(placement.draw(Placement(placed.netlist, moved, placed.orientation)), "wrong")) == 3


def test_names_are_written_only_where_they_fit() -> None:
    assert set(texts(placement.draw(chip(prefix="m")))) == {f"m{v}" for v in range(6)}
    assert texts(placement.draw(chip(prefix="a_very_long_name_of_a_macro_in_a_deep_hierarchy_"))) == []


def test_a_long_path_is_shortened_to_what_tells_it_from_others() -> None:
    assert set(texts(placement.draw(chip(prefix="a/very/long/path/to/the/memory/ram")))) == {
        f"ram{v}" for v in range(6)
    }
    placed = chip()
    same = tuple(f"a/very/long/path/to/the/bank_{v}/ram" for v in range(placed.netlist.num_nodes))
    netlist = placed.netlist.with_(node_names=same)
    assert set(texts(placement.draw(Placement.given(netlist)))) == {f"bank_{v}" for v in range(6)}


@pytest.mark.parametrize("name", ["$x_{$", "a$b$c", "内存", "<script>", "\n\t\x00", "_hidden", "%s{}\\"])
def test_any_name_can_be_drawn(name: str) -> None:
    decode(style.png(placement.draw(chip(name=name, prefix=name), title=name)))
    decode(style.png(training.convergence({name: ([0.0, 1.0], [2.0, 1.0])}, title=name)))


def test_the_heat_map_lies_over_the_canvas_with_row_0_at_the_bottom() -> None:
    heat = np.zeros((8, 10))
    heat[0, 9] = 1.5
    figure = placement.draw(chip(), heat=heat)
    image = figure.axes[0].images[0]
    assert tuple(image.get_extent()) == (0.0, 100.0, 0.0, 80.0)
    assert image.origin == "lower"
    np.testing.assert_array_equal(np.asarray(image.get_array()), heat)


def test_a_heat_map_of_another_grid_is_refused() -> None:
    with pytest.raises(PlacementError, match=r"shape \(10, 8\); expected the grid, \(8, 10\)"):
        placement.draw(chip(), heat=np.zeros((10, 8)))


@pytest.mark.parametrize("counts", [(1, 0, 0, 0), (0, 0, 3, 0), (0, 3, 0, 0), (0, 0, 0, 2)])
def test_any_kind_of_node_may_be_absent(counts: tuple[int, int, int, int]) -> None:
    decode(style.png(placement.draw(chip(*counts, fixed=0))))


def test_a_flat_design_stays_small() -> None:
    png = style.png(placement.draw(chip(hard=20, cells=50_000)))
    assert len(png) < 1_000_000


def test_the_picture_follows_the_shape_of_the_canvas() -> None:
    placed = chip()
    tall = placed.netlist.with_(canvas_um=(100.0, 130.0))
    width, height = decode(style.png(placement.draw(Placement.given(tall)))).size
    assert height > width


def test_lengths_are_written_in_full() -> None:
    huge = chip().netlist.with_(canvas_um=(2e6, 2e6))
    figure = placement.draw(Placement.given(huge))
    style.png(figure)
    assert {"0", "2,000,000"} <= {tick.get_text() for tick in figure.axes[0].get_xticklabels()}
    assert not figure.axes[0].xaxis.get_offset_text().get_text()


def test_maps_share_one_scale_and_keep_their_values() -> None:
    maps = [np.full((4, 5), value) for value in (0.2, 0.9, 1.6)]
    figure = congestion.draw(*maps, canvas_um=(50.0, 40.0), title="maps")
    images = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(images) == 3
    for image, values in zip(images, maps, strict=True):
        np.testing.assert_array_equal(np.asarray(image.get_array()), values)
    assert {image.get_clim() for image in images} == {(0.0, 1.6)}
    decode(style.png(figure))


def test_routing_has_two_maps() -> None:
    maps = [np.full((4, 5), value) for value in (0.2, 1.6)]
    figure = congestion.draw_routing(*maps, canvas_um=(50.0, 40.0))
    images = [axes.images[0] for axes in figure.axes if axes.images]
    for image, values in zip(images, maps, strict=True):
        np.testing.assert_array_equal(np.asarray(image.get_array()), values)
    decode(style.png(figure))


def test_maps_of_different_shapes_are_refused() -> None:
    with pytest.raises(PlacementError, match="expected one"):
        congestion.draw(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((3, 2)))


@pytest.mark.parametrize("top", [1.1, 1.6, 4.0])
def test_overflow_changes_color_where_the_load_is_full(top: float) -> None:
    colors, scale, _ = style.load_scale(np.linspace(0, top, 5000))
    below, above = colors(scale(0.99)), colors(scale(1.01))
    assert below[2] > below[0]  # blue
    assert above[0] > above[2]  # orange


def test_a_calm_map_is_blue_and_ends_at_full() -> None:
    colors, scale, beyond = style.load_scale(np.array([0.1, 0.4]), np.array([np.nan]))
    assert (scale.vmin, scale.vmax, beyond) == (0, 1, False)
    assert all(color[2] > color[0] for color in colors(np.linspace(0.2, 1, 9)))


def test_one_hot_cell_does_not_set_the_scale() -> None:
    values = np.full(10_000, 0.5)
    values[0] = 50.0
    _, scale, beyond = style.load_scale(values)
    assert scale.vmax == 1
    assert beyond


def history(length: int = 5) -> dict[str, list[float]]:
    columns = [
        "iteration",
        "seconds",
        "proxy_mean",
        "proxy_best",
        "entropy",
        "kl",
        "explained_variance",
        "steps_per_second",
    ]
    return {column: [float(t + 10 * k) for t in range(length)] for k, column in enumerate(columns)}


def test_every_quantity_has_a_panel_with_labels() -> None:
    figure = training.draw(history(), title="run")
    assert len(figure.axes) == 5
    assert all(axes.get_xlabel() and axes.get_ylabel() and axes.get_title(loc="left") for axes in figure.axes)
    np.testing.assert_array_equal(np.asarray(figure.axes[0].lines[1].get_ydata()), history()["proxy_best"])
    decode(style.png(figure))


@pytest.mark.parametrize("length", [0, 1, 2])
def test_a_short_history_is_drawn(length: int) -> None:
    decode(style.png(training.draw(history(length))))


def test_absent_columns_leave_their_panel_out() -> None:
    figure = training.draw({"proxy_mean": [2.0, float("nan"), 1.0], "other": [0.0, 0.0, 0.0]})
    assert len(figure.axes) == 1
    np.testing.assert_array_equal(np.asarray(figure.axes[0].lines[0].get_xdata()), [1, 2, 3])


@pytest.mark.parametrize("bad", [{}, {"other": [1.0]}, {"kl": [1.0], "entropy": [1.0, 2.0]}])
def test_a_history_that_makes_no_sense_is_refused(bad: dict[str, list[float]]) -> None:
    with pytest.raises(SettingsError, match=r"expected some of proxy_mean|expected one length"):
        training.draw(bad)


def test_convergence_names_every_curve() -> None:
    series = {f"rl, seed {k}": ([0.0, 5.0], [2.0, 1.0 + k]) for k in range(40)}
    legend = training.convergence(series).legends[0]
    assert [text.get_text() for text in legend.get_texts()] == list(series)


@pytest.mark.parametrize("bad", [{}, {"a": ([], [])}, {"a": ([1.0], [1.0, 2.0])}])
def test_convergence_refuses_curves_without_points(bad: dict[str, tuple[list[float], list[float]]]) -> None:
    with pytest.raises(SettingsError, match="expected"):
        training.convergence(bad)


def test_drawing_changes_nothing_global_and_works_in_threads() -> None:
    before = dict(mpl.rcParams)
    pngs: list[bytes] = []
    threads = [threading.Thread(target=lambda: pngs.append(style.png(placement.draw(chip())))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pngs) == 4
    assert len(set(pngs)) == 1
    assert dict(mpl.rcParams) == before


def test_series_colors_differ() -> None:
    assert len({to_hex(color) for color in style.SERIES}) == len(style.SERIES)


def test_long_text_keeps_both_ends() -> None:
    short = style.plain("a" * 100 + "z" * 100, limit=20)
    assert len(short) <= 20
    assert (short[0], short[-1]) == ("a", "z")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "figure.png"
    style.write(target, b"old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("netlists.runtime.output.os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        style.write(target, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["figure.png"]
    assert target.read_bytes() == b"old"


def test_collections_are_rasterized() -> None:
    """Otherwise a vector backend would write one path per cell."""
    polygons = [c for c in placement.draw(chip(cells=10)).axes[0].collections if isinstance(c, PolyCollection)]
    assert polygons
    assert all(collection.get_rasterized() for collection in polygons)
