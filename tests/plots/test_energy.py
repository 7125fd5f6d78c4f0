"""The bars of latency and energy end at the sums of their values."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from netlists.errors import SettingsError
from plots import energy, style

NAMES = ["conv1", "pool1", "fc"]
LATENCY = {"compute": [3.0, 0.0, 1.0], "fill": [0.5, 0.0, 0.0], "stall": [0.0, 2.0, 4.0]}
ENERGY = {"mac": [1.0, 0.0, 1.0], "dram": [2.0, 1.0, np.nan], "wire": [0.0, 0.0, 0.0]}


def ends(axes: Axes) -> np.ndarray:
    """[L] where the bars of each row end, in axis units."""
    right = np.zeros(len(NAMES))
    for bar in axes.patches:
        assert isinstance(bar, Rectangle)
        row = round(bar.get_y() + bar.get_height() / 2)
        right[row] = max(right[row], bar.get_x() + bar.get_width())
    return right


def test_bars_end_at_the_sums() -> None:
    left, right = energy.draw(NAMES, LATENCY, ENERGY).axes
    np.testing.assert_allclose(ends(left), [3.5, 2.0, 5.0])
    np.testing.assert_allclose(ends(right), [3.0, 1.0, 1.0])


def test_the_first_layer_is_on_top_and_all_are_named() -> None:
    left, _ = energy.draw(NAMES, LATENCY, ENERGY).axes
    assert [label.get_text() for label in left.get_yticklabels()] == NAMES
    assert left.get_ylim()[0] > left.get_ylim()[1]


def test_parts_without_energy_are_not_in_the_legend() -> None:
    _, right = energy.draw(NAMES, LATENCY, ENERGY).axes
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["mac", "dram"]  # type: ignore[union-attr]


@pytest.mark.parametrize("count", [0, 1, 150])
def test_any_number_of_layers_is_drawn(count: int) -> None:
    names = [f"layer $ {k}" for k in range(count)]
    style.png(energy.draw(names, {"compute": np.ones(count)}, {"mac": np.ones(count)}, title="any"))


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(SettingsError, match="fill has 2 values; expected 3"):
        energy.draw(NAMES, {"fill": [1.0, 2.0]}, {})
