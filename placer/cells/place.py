"""Flat netlists, placed to the last cell: legal standard cells on rows, with short wires, around legal macros.

Global placement (`placer.cells.global_placement`), then macros legalized on the grid of rows and sites, then global
placement of the cells alone, then their legalization and detailed placement (`placer.cells.detailed`).

Which macros?  The proxy of the clustered netlist and the wirelength of the flat one want different places: the proxy
spreads macros against congestion, and clusters of hundreds of cells say little about single wires.  A placement with
all its cells is judged by its wirelength, so that decides here: macros are placed together with the cells unless they
are told to stay, the given places are tried too, and the legal placement with the lowest HPWL is kept.  On ibm01 it
has 2.1e6 with macros placed together with cells, 2.8e6 around those of the best proxy.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from netlists.errors import LegalizationError
from netlists.legality.verdict import macros_off_rows
from netlists.netlist import Kind, Netlist
from netlists.placement import Placement
from netlists.rows.derived import cell_rows
from placer.cells.detailed import legalize_cells
from placer.cells.global_placement import spread
from placer.cost import evaluate
from placer.legalization.on_grid import legalize_on_grid

MACROS_SHARE, SPREAD_SHARE = 0.45, 0.75  # of the time, at most, until macros and until cells are spread
FEWEST_ROUNDS = 2
ROUND_SHARE, POLISH_SHARE = 0.5, 0.1  # of the quickest round's time: with less, no round, no polishing is begun

Rank = tuple[int, float]
"""Number of macros off rows, then HPWL in µm; lower is better."""


@dataclass(frozen=True, eq=False)
class PlacedCells:
    """The placement found, whether Ctrl-C ended the search for it, and how long the wires of the best were when."""

    placement: Placement
    interrupted: bool
    history: tuple[tuple[float, float], ...] = ()  # (seconds since the search began, HPWL of the best in µm)


def has_cells(netlist: Netlist) -> bool:
    """Whether there are movable standard cells, and rows for them, given or derived."""
    return bool(cell_rows(netlist)) and not netlist.fixed[netlist.cells].all()


def place_cells(
    placement: Placement, *, move_macros: bool = False, seed: int = 0, seconds: float | None = None,
    tick: Callable[[], None] = lambda: None,
) -> PlacedCells:  # fmt: skip
    """All movable standard cells on rows, legal, with the shortest wires found in `seconds`.

    Hard macros have to be legal; they stay or, with `move_macros`, move where that shortens wires.  Rounds differ in
    their seed.  At least one is made, a hurried one where there is too little time, in which macros stay where there is
    none; another is begun while half a round's time is left, and the rest goes to detailed placement.  Without
    `seconds` there are `FEWEST_ROUNDS`, and the result depends on the seed alone.  `tick` is called often.  Ctrl-C
    keeps the best so far.  A round that finds no room is passed over; raises `LegalizationError` where none is found
    around macros that stay.
    """
    started = time.perf_counter()
    found: list[tuple[Rank, Placement]] = []
    history: list[tuple[float, float]] = []
    quickest, done = np.inf, 0

    def elapsed() -> float:
        return time.perf_counter() - started

    def keep(placement: Placement) -> None:
        found.append(((macros_off_rows(placement).size, evaluate(placement).hpwl_um), placement))
        (_, hpwl_um), _ = shortest()
        history.append((elapsed(), hpwl_um))

    def shortest() -> tuple[Rank, Placement]:
        return min(found, key=lambda each: each[0])

    def another() -> bool:
        return done < FEWEST_ROUNDS if seconds is None else elapsed() + ROUND_SHARE * quickest < seconds

    try:
        while not found or another():
            began = elapsed()
            moving = move_macros and done != 1  # the second round tries the macros where they were
            left = np.inf if seconds is None else seconds - began
            try:
                keep(_round(placement, moving, seed + done, left, tick))
                quickest = min(quickest, elapsed() - began)
            except LegalizationError:
                if not found and not moving:
                    raise
            done += 1
        if seconds is not None and elapsed() + POLISH_SHARE * quickest < seconds:
            with suppress(LegalizationError):  # too little time for another round
                keep(legalize_cells(shortest()[1], started + seconds))
    except KeyboardInterrupt:
        best = shortest()[1] if found else legalize_cells(placement, time.perf_counter())
        return PlacedCells(best, True, tuple(history))
    return PlacedCells(shortest()[1], False, tuple(history))


def _round(placement: Placement, move_macros: bool, seed: int, left: float, tick: Callable[[], None]) -> Placement:
    """One placement of all cells within the seconds left."""
    n, started = placement.netlist, time.perf_counter()
    cells = (n.kind == Kind.CELL) & ~n.fixed
    macros = (n.kind == Kind.HARD) & ~n.fixed
    moving = move_macros and left > 0 and bool(macros.any())
    if moving:
        together = spread(placement, cells | macros, seed=seed, deadline=started + MACROS_SHARE * left, tick=tick)
        placement = legalize_on_grid(Placement(n, together, placement.orientation))
    alone = spread(placement, cells, seed=seed, warm=moving, deadline=started + SPREAD_SHARE * left, tick=tick)
    return legalize_cells(Placement(n, alone, placement.orientation), started + left)
