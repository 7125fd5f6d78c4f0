"""Legalization and search under constraints, judged by the obvious checker."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from netlists.constraints import Blockage, Constraints, Halo, Region, Turns
from netlists.errors import LegalizationError
from netlists.legality.channels import find_channels
from netlists.netlist import Netlist, TrackGrid
from netlists.placement import Placement
from netlists.synthetic.tiny import pile_up, tiny_netlist
from placer import place
from placer.annealing.metropolis import Budget
from placer.annealing.refine import refine
from placer.cost import evaluate
from placer.legalization.by_rules import follow_guides, legalize_by_rules, make_legal
from tests.benchmarks.constraints import random_constraints, random_netlist
from tests.benchmarks.robustness import flaw
from tests.netlists.legality.obvious_rules import broken_rules
from tests.netlists.legality.test_rules import at, two_macros

HOPELESS = (1, 8, 11)  # halos and channels need more room than there is, or a fence is smaller than its macro
HALO = Halo("*", 5.0, 5.0, 5.0, 5.0)


def constrained(seed: int) -> Netlist:
    netlist = random_netlist(seed)
    return netlist.with_(constraints=random_constraints(netlist, seed))


@pytest.mark.parametrize("seed", range(12))
def test_random_designs_end_legal_or_with_one_error(seed: int) -> None:
    netlist = follow_guides(constrained(seed))
    if seed in HOPELESS:
        with pytest.raises(LegalizationError, match="expected"):
            legalize_by_rules(pile_up(netlist))
        return
    legal = legalize_by_rules(pile_up(netlist))
    assert not broken_rules(legal)
    assert not flaw(legal)
    assert legalize_by_rules(legal) is legal
    refined = refine(legal, Budget(trials=3_000), seed=seed, workers=2)
    assert not broken_rules(refined.placement)
    assert not flaw(refined.placement)
    assert refined.proxy <= evaluate(legal).proxy


@pytest.mark.parametrize("method", ["greedy", "random", "anneal", "gradient", "rl"])
def test_every_method_keeps_them(method: str) -> None:
    constraints = Constraints(
        halos=(Halo("*", 2.0, 1.0, 2.0, 1.0),), blockages=(Blockage((0.0, 0.0, 30.0, 30.0)),), grid_um=0.25,
        turns=(Turns("*", ("N", "FN")),),
    )  # fmt: skip
    netlist = tiny_netlist().with_(constraints=constraints)
    placement = place(netlist, method=method, iterations=1, workers=1).placement
    assert not broken_rules(placement)
    assert not flaw(placement)


def test_macros_touch_back_to_back_where_that_is_nearest() -> None:
    netlist = two_macros(Constraints(halos=(HALO,)))
    legal = legalize_by_rules(at(netlist, (100.0, 50.0, "N"), (121.0, 50.0, "FN")))
    assert legal.position_um.tolist() == [[100.0, 50.0], [120.0, 50.0]]


def test_a_macro_turns_if_its_pins_need_room() -> None:
    netlist = two_macros(Constraints(halos=(HALO,)), 1)
    legal = legalize_by_rules(at(netlist, (10.0, 50.0, "N")))
    assert legal.position_um.tolist() == [[10.0, 50.0]]
    assert legal.orientation.tolist() != [0]
    fixed_turn = two_macros(Constraints(halos=(HALO,), turns=(Turns("*", ("N",)),)), 1)
    assert legalize_by_rules(at(fixed_turn, (10.0, 50.0, "N"))).position_um.tolist() == [[15.0, 50.0]]


@pytest.mark.parametrize(
    ("constraints", "words"),
    [
        (Constraints(regions=(Region(("ram0",), ((0.0, 0.0, 15.0, 50.0),)),)), ["ram0", "fence", "15 by 50"]),
        (Constraints(boundary_um=48.0), ["48 µm to the canvas edge"]),
        (Constraints(turns=(Turns("*", ("E",)),)), ["none of the orientations"]),
        (Constraints(blockages=(Blockage((0.0, 0.0, 200.0, 95.0)),)), ["no place even alone", "1 blockages"]),
        (Constraints(channel_um=150.0, abut="never"), ["no place", "channels of 150 µm"]),
    ],
)
def test_conflicts_are_named(constraints: Constraints, words: Sequence[str]) -> None:
    netlist = two_macros(constraints)
    with pytest.raises(LegalizationError) as error:
        legalize_by_rules(pile_up(netlist))
    for word in words:
        assert word in str(error.value)


def test_guides_are_followed_or_given_up() -> None:
    box = (0.0, 0.0, 60.0, 40.0)
    netlist = two_macros(Constraints(regions=(Region(("ram*",), (box,), "guide"),)))
    assert follow_guides(netlist) is netlist
    crowded = two_macros(Constraints(regions=(Region(("ram*",), ((0.0, 0.0, 25.0, 15.0),), "guide"),)))
    given_up = follow_guides(crowded)
    assert given_up.constraints is not None
    assert not given_up.constraints.regions
    assert "guides are not followed" in given_up.notes[-1]
    assert not broken_rules(place(crowded, method="greedy", iterations=1, workers=1).placement)


def test_without_constraints_a_legal_placement_stays() -> None:
    legal = at(two_macros(), (60.0, 50.0, "N"), (120.0, 50.0, "N"))
    assert make_legal(legal) is legal
    apart = make_legal(at(two_macros(), (60.0, 50.0, "N"), (60.0, 50.0, "N")))
    assert not apart.violations()


def test_a_search_refuses_a_start_that_breaks_a_rule() -> None:
    start: Placement = at(two_macros(Constraints(halos=(HALO,))), (60.0, 50.0, "N"), (81.0, 50.0, "FN"))
    with pytest.raises(Exception, match="break a constraint"):
        refine(start, Budget(trials=10))


def test_threads_keep_the_rules_together() -> None:
    netlist = tiny_netlist().with_(constraints=Constraints(halos=(Halo("*", 1.0, 1.0, 1.0, 1.0),)))
    start = legalize_by_rules(pile_up(netlist))
    for workers in (1, 2, 4, 16):
        results = [refine(start, Budget(trials=500), seed=1, workers=workers) for _ in range(2)]
        assert not broken_rules(results[0].placement)
        np.testing.assert_array_equal(results[0].placement.position_um, results[1].placement.position_um)


def test_pins_end_on_tracks_if_asked() -> None:
    netlist = tiny_netlist()
    count = netlist.num_nodes
    tracks = TrackGrid(np.tile([0.0, 0.7], (count, 1)), np.full((count, 8, 2), 0.3))
    netlist = netlist.with_(constraints=Constraints(snap="tracks"), tracks=tracks)
    placement = place(netlist, method="greedy", iterations=1, workers=1).placement
    assert not len(find_channels(placement).off_tracks)
    assert not flaw(placement)
