"""The roofline shows layers at the right places, and labels that cover nothing."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from netlists.errors import SettingsError
from plots import roofline, style
from plots.roofline import _extent


def many(count: int) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    x = 10 ** rng.uniform(0.5, 2.5, count)
    y = np.minimum(4.2 * x, 345.6) * rng.uniform(0.3, 1, count)
    return [f"conv{k // 4 + 1}_{k % 4 + 1}" for k in range(count)], x, y, rng.exponential(1, count)


def draw(count: int = 5) -> Figure:
    names, x, y, share = many(count)
    return roofline.draw(names, x, y, peak_gops=345.6, bandwidth_gb_s=4.2, share=share, title="vgg16")


def labels(figure: Figure) -> list[Annotation]:
    return [text for text in figure.axes[0].texts if isinstance(text, Annotation) and text.get_gid() != "bandwidth"]


def test_layers_are_at_their_intensity_and_performance() -> None:
    _, x, y, _ = many(5)
    (points,) = [c for c in draw().axes[0].collections if c.get_gid() == "layers"]
    np.testing.assert_allclose(np.asarray(points.get_offsets()), np.column_stack([x, y]))


def test_areas_grow_with_the_share() -> None:
    _, _, _, share = many(5)
    (points,) = [c for c in draw().axes[0].collections if c.get_gid() == "layers"]
    assert np.array_equal(np.argsort(points.get_sizes()), np.argsort(share))  # type: ignore[attr-defined]


def test_the_roof_is_the_smaller_of_both_limits() -> None:
    (line,) = [line for line in draw().axes[0].lines if line.get_gid() == "roof"]
    x, y = np.asarray(line.get_xydata()).T
    np.testing.assert_allclose(y, np.minimum(4.2 * x, 345.6))
    assert 345.6 / 4.2 in x


@pytest.mark.parametrize("count", [1, 5, 60])
def test_labels_lie_inside_and_cover_no_label_and_no_point(count: int) -> None:
    figure = draw(count)
    axes = figure.axes[0]
    boxes = [_extent(label) for label in labels(figure)]
    assert boxes
    assert not [(a, b) for k, a in enumerate(boxes) for b in boxes[:k] if a.overlaps(b)]
    (points,) = [c for c in axes.collections if c.get_gid() == "layers"]
    for x, y in axes.transData.transform(np.asarray(points.get_offsets())):
        assert not [box for box in boxes if box.x0 < x < box.x1 and box.y0 < y < box.y1]
    area = axes.get_window_extent()
    assert all(area.x0 <= box.x0 and box.x1 <= area.x1 and area.y0 <= box.y0 and box.y1 <= area.y1 for box in boxes)


def test_the_layer_that_takes_longest_is_named() -> None:
    names, _, _, share = many(60)
    assert names[int(share.argmax())] in [label.get_text().split(" +")[0] for label in labels(draw(60))]


def test_layers_at_one_place_share_a_label() -> None:
    figure = roofline.draw(["a", "b", "c"], [9.0, 9.0, 30.0], [9.0, 9.0, 9.0], peak_gops=50.0, bandwidth_gb_s=2.0)
    assert sorted(label.get_text() for label in labels(figure)) == ["a +1", "c"]


def test_no_layers_and_odd_names_are_drawn() -> None:
    style.png(roofline.draw([], [], [], peak_gops=1.0, bandwidth_gb_s=1.0))
    style.png(roofline.draw(["$x$ \n\u4e2d" * 20], [1.0], [1e-9], peak_gops=1e9, bandwidth_gb_s=1e-3))


@pytest.mark.parametrize(
    ("x", "y", "peak"), [([1.0], [1.0, 2.0], 1.0), ([0.0], [1.0], 1.0), ([np.inf], [1.0], 1.0), ([1.0], [1.0], 0.0)]
)
def test_numbers_without_a_place_are_refused(x: list[float], y: list[float], peak: float) -> None:
    with pytest.raises(SettingsError, match="roofline"):
        roofline.draw(["a"], x, y, peak_gops=peak, bandwidth_gb_s=1.0)


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(SettingsError, match="1 intensities, 1 performances and 2 shares; expected equal numbers"):
        roofline.draw(["a"], [1.0], [1.0], peak_gops=1.0, bandwidth_gb_s=1.0, share=[0.5, 0.5])
