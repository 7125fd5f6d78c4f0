"""Rules of constraints: answers known on paper, and the kernels against the obvious checker."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlists.constraints import Blockage, Constraints, Halo, Region, Turns
from netlists.errors import NetlistError
from netlists.legality.rules import TURNED_SIDE, rule_violations, rules, sides_with_pins
from netlists.legality.verdict import legality
from netlists.netlist import ORIENTATIONS, Kind, Netlist
from netlists.placement import Placement
from netlists.rows.cover import blocked
from tests.netlists.legality.obvious_rules import SIDES, broken_rules, turned

HALO = Halo("*", 5.0, 5.0, 5.0, 5.0)


def two_macros(constraints: Constraints | None = None, count: int = 2) -> Netlist:
    """Macros of 20 by 10 µm whose only pin is in the middle of their left side, on a canvas of 200 by 100 µm."""
    return Netlist(
        name="macros", node_names=tuple(f"ram{k}" for k in range(count)),
        kind=np.full(count, Kind.HARD, dtype=np.int8), size_um=np.tile([20.0, 10.0], (count, 1)),
        fixed=np.zeros(count, dtype=bool), position_um=np.full((count, 2), np.nan),
        orientation=np.zeros(count, dtype=np.int8), pin_node=np.arange(count),
        pin_offset_um=np.tile([-9.9, 0.0], (count, 1)), net_start=np.array([0, count]), net_pin=np.arange(count),
        net_weight=np.ones(1), canvas_um=(200.0, 100.0), grid=(4, 4), masters=("RAM",) * count,
        constraints=constraints,
    )  # fmt: skip


def at(netlist: Netlist, *places: tuple[float, float, str]) -> Placement:
    return Placement(
        netlist, np.array([place[:2] for place in places], dtype=np.float64),
        np.array([ORIENTATIONS.index(place[2]) for place in places], dtype=np.int8),
    )  # fmt: skip


def test_sides_turn_with_the_macro() -> None:
    for index, orientation in enumerate(ORIENTATIONS):
        for home, side in enumerate(SIDES):
            assert TURNED_SIDE[index, SIDES.index(turned(side, orientation))] == home


def test_pins_are_on_the_nearest_side() -> None:
    np.testing.assert_array_equal(sides_with_pins(two_macros()), [[True, False, False, False]] * 2)


@pytest.mark.parametrize(
    ("second", "apart"),
    [
        ((80.0, 50.0, "N"), False),  # its pins face the back of the first, and touch it
        ((80.0, 50.0, "FN"), True),  # back to back: FN turns the pins away
        ((81.0, 50.0, "FN"), False),  # a sliver of 1 µm
        ((89.9, 50.0, "N"), False),
        ((90.0, 50.0, "N"), True),  # two halos of 5 µm
        ((60.0, 60.0, "N"), True),  # one on the other
        ((60.0, 61.0, "N"), False),
        ((60.0, 70.0, "N"), True),
        ((80.0, 60.0, "N"), True),  # corner to corner
        ((81.0, 61.0, "N"), False),  # slivers in both directions
        ((79.0, 59.0, "N"), False),  # overlap
        ((90.0, 61.0, "N"), True),
    ],
)
def test_macros_touch_or_are_a_channel_apart(second: tuple[float, float, str], apart: bool) -> None:
    placement = at(two_macros(Constraints(halos=(HALO,))), (60.0, 50.0, "N"), second)
    assert (len(rule_violations(placement).close) == 0) is apart
    assert (not broken_rules(placement)) is apart


@pytest.mark.parametrize(
    ("place", "inside"),
    [
        ((15.0, 50.0, "N"), True),  # pins 5 µm from the edge
        ((14.0, 50.0, "N"), False),
        ((10.0, 50.0, "N"), False),  # pins at the edge
        ((10.0, 50.0, "FN"), True),
        ((11.0, 50.0, "FN"), False),  # a sliver at the edge
        ((190.0, 95.0, "N"), True),  # in the corner
    ],
)
def test_the_canvas_edge_is_a_wall(place: tuple[float, float, str], inside: bool) -> None:
    placement = at(two_macros(Constraints(halos=(HALO,)), 1), place)
    assert (len(rule_violations(placement).outside) == 0) is inside
    assert (not broken_rules(placement)) is inside


def test_halos_turn_with_the_macro_and_the_last_entry_counts() -> None:
    wide = Constraints(halos=(HALO, Halo("ram1", 0.0, 0.0, 30.0, 0.0)), abut="any")
    assert not rule_violations(at(two_macros(wide), (60.0, 50.0, "N"), (85.0, 50.0, "N")))  # 5 + 0
    assert rule_violations(at(two_macros(wide), (60.0, 50.0, "N"), (85.0, 50.0, "FN")))  # 5 + 30


def test_fences_turns_and_grids() -> None:
    constraints = Constraints(
        regions=(Region(("ram0",), ((0.0, 0.0, 50.0, 50.0),)),), turns=(Turns("master:RAM", ("N",)),), grid_um=0.5
    )
    violations = rule_violations(at(two_macros(constraints), (60.0, 20.0, "N"), (100.1, 60.0, "S")))
    assert violations.outside.tolist() == [0]
    assert violations.turned.tolist() == [1]
    assert violations.off_grid.tolist() == [1]
    counts = legality(at(two_macros(constraints), (60.0, 20.0, "N"), (100.1, 60.0, "S"))).counts
    assert [counts[key] for key in ("macros_outside_fences", "macros_misoriented", "macros_off_grid")] == [1, 1, 1]


def test_blockages_and_strips_along_ports_are_blocked() -> None:
    constraints = Constraints(blockages=(Blockage((0.0, 0.0, 50.0, 50.0)), Blockage((40.0, 40.0, 60.0, 60.0), "soft")))
    area = (lambda b: float(((b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])).sum()))(blocked(two_macros(constraints)))
    assert area == 50 * 50 + 20 * 20 - 10 * 10
    port = two_macros(Constraints(io_depth_um=4.0)).with_(
        kind=np.array([Kind.HARD, Kind.PORT], dtype=np.int8), fixed=np.array([False, True]),
        position_um=np.array([[np.nan, np.nan], [0.0, 30.0]]),
    )  # fmt: skip
    assert blocked(port).tolist() == [[0.0, 28.0, 4.0, 32.0]]


def test_without_constraints_there_are_no_rules() -> None:
    assert not rules(two_macros()).active
    assert not rule_violations(at(two_macros(), (60.0, 50.0, "N"), (60.0, 50.0, "N")))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"channel_um": -1.0}, "channel_um is -1.0; expected a finite number"),
        ({"halos": (Halo("*", 0.0, float("nan"), 0.0, 0.0),)}, "bottom_um is nan"),
        ({"abut": "sometimes"}, "abut is 'sometimes'; expected one of pinless, any, never"),
        ({"snap": "trakcs"}, "did you mean 'tracks'"),
        ({"blockages": (Blockage((1.0, 0.0, 1.0, 5.0)),)}, "blockage has the box"),
        ({"blockages": (Blockage((0.0, 0.0, 1.0, 5.0), "firm"),)}, "kind of a blockage is 'firm'"),
        ({"regions": (Region((), ()),)}, "a region has no box or no nodes"),
        ({"turns": (Turns("*", ("X",)),)}, "orientation of '\\*' is 'X'"),
        ({"turns": (Turns("*", ()),)}, "are empty"),
    ],
)
def test_constraints_check_themselves(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(NetlistError, match=message):
        Constraints(**wrong)  # type: ignore[arg-type]


def test_later_constraints_count() -> None:
    first, later = Constraints(channel_um=4.0, boundary_um=1.0), Constraints(channel_um=8.0, halos=(HALO,))
    both = first.then(later)
    assert (both.channel_um, both.boundary_um, both.halos) == (8.0, 1.0, (HALO,))


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 2**32 - 1))
def test_the_kernels_agree_with_the_obvious_checker(seed: int) -> None:
    random = np.random.default_rng(seed)
    constraints = Constraints(
        halos=(Halo("*", *random.choice([0.0, 2.0, 5.0], 4).tolist()), Halo("ram1", *random.choice([0.0, 3.0], 4))),
        channel_um=float(random.choice([0.0, 4.0])), boundary_um=float(random.choice([0.0, 1.0])),
        abut=str(random.choice(["pinless", "any", "never"])), grid_um=float(random.choice([0.0, 0.5])),
        regions=(Region(("ram2",), ((0.0, 0.0, 100.0, 100.0),)),), turns=(Turns("ram0", ("N", "FN")),),
    )  # fmt: skip
    netlist = two_macros(constraints, 4)
    places = np.column_stack([random.integers(5, 45, 4) * 2.5, random.integers(2, 38, 4) * 2.5])
    placement = Placement(netlist, places, random.integers(0, 4, 4).astype(np.int8))
    found, expected = rule_violations(placement), broken_rules(placement)
    assert len(found.close) == sum("too close" in line for line in expected)
    outside = {line.split()[0] for line in expected if "edge" in line or "region" in line}
    assert {netlist.node_names[v] for v in found.outside} == outside
    assert {netlist.node_names[v] for v in found.turned} == {line.split()[0] for line in expected if "turned" in line}
    assert {netlist.node_names[v] for v in found.off_grid} == {line.split()[0] for line in expected if "grid" in line}
