"""Changes of energy by placed wires: designs at the right places, and those that change their order stand out."""

from __future__ import annotations

import numpy as np
import pytest

from netlists.errors import SettingsError
from plots import wires

ESTIMATED = {"28nm": np.array([100.0, 200.0, 201.0]), "7nm": np.array([50.0, 60.0, 80.0])}
PLACED = {"28nm": np.array([102.0, 206.0, 201.0]), "7nm": np.array([50.0, 63.0, 80.0])}


def points(node: int, name: str) -> list[list[float]]:
    """Places of the marks of a kind in the picture of a node."""
    axes = wires.draw(ESTIMATED, PLACED).axes[node]
    (dots,) = (each for each in axes.collections if each.get_gid() == name)
    places: list[list[float]] = np.round(np.asarray(dots.get_offsets()), 6).tolist()
    return places


def test_designs_are_at_their_energy_and_its_change() -> None:
    assert points(0, "same rank") == [[100.0, 2.0]]
    assert points(0, "another rank by energy") == [[200.0, 3.0], [201.0, 0.0]]
    assert points(1, "same rank") == [[50.0, 0.0], [60.0, 5.0], [80.0, 0.0]]
    assert points(1, "another rank by energy") == []


def test_the_best_designs_are_marked() -> None:
    assert points(0, "best as estimated") == points(0, "best as placed") == [[100.0, 2.0]]
    figure = wires.draw({"28nm": np.array([10.0, 11.0])}, {"28nm": np.array([11.5, 11.0])})
    marks = {each.get_gid(): each.get_offsets() for each in figure.axes[0].collections}
    assert np.asarray(marks["best as estimated"])[0, 0] == 10.0
    assert np.asarray(marks["best as placed"])[0, 0] == 11.0


@pytest.mark.parametrize("placed", [{}, {"28nm": np.array([1.0])}])
def test_every_design_has_both_energies(placed: dict[str, np.ndarray]) -> None:
    with pytest.raises(SettingsError, match="28nm has 3 designs; expected as many with placed wires"):
        wires.draw({"28nm": ESTIMATED["28nm"]}, placed)
