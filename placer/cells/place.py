"""Flat netlists placed to the last cell: legal standard cells on rows, with short wires, around legal macros.

A round is a global placement (`placer.cells.global_placement`), after which macros are legalized on rows and sites,
then a global placement of the cells alone, and their legalization and detailed placement (`placer.cells.detailed`).

Which places do macros get?  The proxy of the clustered netlist and the wirelength of the flat one favor different
ones: the proxy spreads macros against congestion, and clusters of hundreds of cells say little about single wires.  A
placement with all its cells is judged by its wirelength, so the wirelength decides here: macros are placed together
with the cells unless they must stay, their current places are tried too, and the legal placement with the lowest HPWL
is the result.  On ibm01 it has an HPWL of 2.1e6 with macros placed together with cells and of 2.8e6 with the macros of
the best proxy.
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
from placer.cells.global_placement import place_globally
from placer.cost import evaluate
from placer.legalization.by_rules import legalize_by_rules
from placer.legalization.row_alignment import legalize_on_rows

MACROS_FRACTION = 0.45
"""Fraction of the time of a round after which the global placement of macros with cells ends at the latest."""

CELLS_FRACTION = 0.75
"""Fraction of the time of a round after which the global placement of the cells ends at the latest."""

FEWEST_ROUNDS = 2
"""Rounds without a time limit."""

ROUND_FRACTION = 0.5
"""A round begins only if there is at least this fraction of the time of the shortest one so far."""

POLISH_FRACTION = 0.1
"""The final detailed placement begins only if there is at least this fraction of the time of the shortest round."""

Rank = tuple[int, float]
"""Number of macros off rows, then HPWL in µm; lower is better."""


@dataclass(frozen=True, eq=False)
class PlacedCells:
    """The best placement, whether Ctrl-C ended the search for it, and how its wirelength fell."""

    placement: Placement
    interrupted: bool
    history: tuple[tuple[float, float], ...] = ()  # (seconds since the search began, HPWL of the best in µm)


class _Best:
    """The placements so far, the one with the lowest rank, and its history."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.ranked: list[tuple[Rank, Placement]] = []
        self.history: list[tuple[float, float]] = []

    @property
    def elapsed_s(self) -> float:
        """Seconds since the search began."""
        return time.perf_counter() - self.started

    @property
    def placement(self) -> Placement:
        """The placement with the lowest rank."""
        return self._best()[1]

    def keep(self, placement: Placement) -> None:
        """Add a placement."""
        self.ranked.append(((macros_off_rows(placement).size, evaluate(placement).hpwl_um), placement))
        (_, hpwl_um), _ = self._best()
        self.history.append((self.elapsed_s, hpwl_um))

    def _best(self) -> tuple[Rank, Placement]:
        return min(self.ranked, key=lambda each: each[0])


def has_cells(netlist: Netlist) -> bool:
    """Whether there are movable standard cells and rows, from the file or derived, for them."""
    return bool(cell_rows(netlist)) and not netlist.fixed[netlist.cells].all()


def place_cells(
    placement: Placement, *, move_macros: bool = False, seed: int = 0, seconds: float | None = None,
    tick: Callable[[], None] = lambda: None,
) -> PlacedCells:  # fmt: skip
    """All movable standard cells on rows, legal, with the shortest wires found in `seconds`.

    Hard macros must be legal.  They stay or, with `move_macros`, move if that shortens wires.  Rounds differ in their
    seed.  There is at least one, which is cut short if there is too little time and leaves macros in place if there is
    none; a further one begins if half the time of a round is left, and what remains goes to detailed placement.
    Without `seconds` there are `FEWEST_ROUNDS` rounds, and the result depends on the seed alone.  `tick` is called
    often.  Ctrl-C returns the best placement so far.  A round that finds no room is skipped; raises
    `LegalizationError` if there is no room even with macros in place.
    """
    best, shortest_s, rounds = _Best(), np.inf, 0

    def has_another() -> bool:
        return rounds < FEWEST_ROUNDS if seconds is None else best.elapsed_s + ROUND_FRACTION * shortest_s < seconds

    try:
        while not best.ranked or has_another():
            began = best.elapsed_s
            moving = move_macros and rounds != 1  # the second round leaves the macros in place
            left = np.inf if seconds is None else seconds - began
            try:
                best.keep(_round(placement, moving, seed + rounds, left, tick))
                shortest_s = min(shortest_s, best.elapsed_s - began)
            except LegalizationError:
                if not best.ranked and not moving:
                    raise
            rounds += 1
        if seconds is not None and best.elapsed_s + POLISH_FRACTION * shortest_s < seconds:
            with suppress(LegalizationError):  # too little time for another round
                best.keep(legalize_cells(best.placement, best.started + seconds))
    except KeyboardInterrupt:
        last = best.placement if best.ranked else legalize_cells(placement, time.perf_counter())
        return PlacedCells(last, True, tuple(best.history))
    return PlacedCells(best.placement, False, tuple(best.history))


def _round(placement: Placement, move_macros: bool, seed: int, left: float, tick: Callable[[], None]) -> Placement:
    """One placement of all cells within the seconds left."""
    n, started = placement.netlist, time.perf_counter()
    cells = (n.kind == Kind.CELL) & ~n.fixed
    macros = (n.kind == Kind.HARD) & ~n.fixed
    moving = move_macros and left > 0 and bool(macros.any())
    if moving:
        deadline = started + MACROS_FRACTION * left
        together = place_globally(placement, cells | macros, seed=seed, deadline=deadline, tick=tick)
        loose = Placement(n, together, placement.orientation)
        placement = legalize_by_rules(loose) if n.constraints else legalize_on_rows(loose)
    deadline = started + CELLS_FRACTION * left
    alone = place_globally(placement, cells, seed=seed, warm=moving, deadline=deadline, tick=tick)
    return legalize_cells(Placement(n, alone, placement.orientation), started + left)
