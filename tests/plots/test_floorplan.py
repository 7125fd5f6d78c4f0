"""The designer's view draws every finding, and nothing where there is nothing."""

from __future__ import annotations

from matplotlib.collections import Collection

from netlists.constraints import Blockage, Constraints, Halo, Region
from netlists.legality.channels import find_channels
from plots import floorplan
from tests.netlists.legality.test_rules import at, two_macros


def drawn(constraints: Constraints | None, gap: float) -> dict[str, int]:
    """How many shapes there are of each kind."""
    placement = at(two_macros(constraints), (60.0, 50.0, "N"), (80.0 + gap, 50.0, "N"))
    figure = floorplan.draw(placement, find_channels(placement, 10.0))
    shapes = [child for child in figure.axes[0].get_children() if isinstance(child, Collection)]
    return {str(shape.get_gid()): len(shape.get_paths()) for shape in shapes if shape.get_gid()}


def test_all_kinds_of_things_are_drawn() -> None:
    constraints = Constraints(
        halos=(Halo("*", 5.0, 5.0, 5.0, 5.0),), blockages=(Blockage((0.0, 0.0, 10.0, 10.0)),),
        regions=(Region(("ram0",), ((0.0, 0.0, 100.0, 100.0),)),),
    )  # fmt: skip
    assert drawn(constraints, 3.0) == {"halos": 2, "blockages": 1, "regions": 1, "slivers": 1}


def test_without_constraints_only_macros_are_drawn() -> None:
    assert drawn(None, 30.0) == {"halos": 2}
