"""Flat netlists placed to the last cell: legal standard cells on rows, with short wires, around legal macros.

Which places do macros get?  The proxy of the clustered netlist and the wirelength of the flat one favor different
ones: the proxy spreads macros against congestion, and clusters of hundreds of cells say little about single wires.  So
rounds try several: macros placed together with the cells (`placer.cells.together`), macros where they are, and, if
these come close, the former beginning from the latter; further rounds differ in their seed.  Each ends with a global
placement of the cells alone (`placer.cells.global_placement`).  The rounds run in threads.  Then the cells of the best
of them are legalized, and the one with the lowest HPWL goes to detailed placement (`placer.cells.detailed`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from threading import Event

import numpy as np

from netlists.errors import LegalizationError
from netlists.legality.verdict import macros_off_rows
from netlists.netlist import Netlist
from netlists.placement import Placement
from netlists.rows.derived import cell_rows
from placer.cells.detailed import legalize_cells
from placer.cells.global_placement import overflow, place_globally
from placer.cells.together import place_together
from placer.cost import evaluate

STAY = "macros in place"
"""A round that leaves the macros where they are."""

TOGETHER = "macros with cells"
"""A round that places macros and cells together, regardless of where they are."""

FROM_MACROS = "macros with cells, from the macros"
"""The same beginning from the macros where they are and cells placed around them."""

FIRST_ROUNDS = (TOGETHER, STAY, FROM_MACROS)
"""The first rounds if macros may move; all others are `TOGETHER`.  With a time limit one `FROM_MACROS` comes as soon as
`STAY` has ended close to the best, or never: it ends within a few percent of where the macros were (2.85e6 to 2.95e6 on
ariane133_ng45, `STAY` 2.89e6 to 2.96e6, `TOGETHER` 2.48e6 to 2.62e6), and the time brings more in another seed."""

CLOSE = 0.06
"""`STAY` is close to the best if its HPWL is above that of the best by at most this fraction of it."""

ROUNDS_FRACTION = 0.75
"""Fraction of the time after which the rounds end, at the earliest."""

DETAIL_S = 7e-4
"""Seconds per cell that legalization and detailed placement can use; what is left of them goes to the rounds."""

MACROS_FRACTION = 0.7
"""Fraction of the time of a round for macros with cells; the rest is for the cells alone."""

FIRST_CELLS_FRACTION = 0.3
"""Fraction of the time of a round `FROM_MACROS` for the cells with which it begins."""

PATIENT = 0.25
"""Pace of the global placement of cells whose macros stay, if there is time (see `place_globally`): HPWL falls by 2.8%
with Innovus's macros on ariane133_ng45 and by 4.1% with ours, in four times as many steps; other seeds bring less."""

CAREFUL = 0.5
"""The same in rounds of which several follow: after macros with cells HPWL falls by 0.5% in twice as many steps."""

FEWEST_ROUNDS = 3
"""Rounds without a time limit if macros may move; otherwise there is one."""

ROUND_FRACTION = 0.9
"""A round begins only if there is this fraction of the time of the longest of its kind; hurried rounds are worse."""

UNSPREAD = 0.15
"""Overflow of cells above which a round was cut short: nodes that still lie on each other have short wires."""

JUDGED = 2
"""Rounds of which the cells are legalized, if there is time."""

POLL_S = 0.1
"""Seconds between two calls of `tick`."""

Rank = tuple[int, bool, float]
"""Number of macros off rows, then whether cells still lie on each other, then HPWL in µm; lower is better."""

Worth = tuple[int, float]
"""The same of a legal placement, in which cells do not overlap."""


@dataclass(frozen=True, eq=False)
class Round:
    """What a round ended with: cells may overlap a little."""

    start: str  # `STAY`, `TOGETHER` or `FROM_MACROS`
    seed: int
    placement: Placement
    rank: Rank


@dataclass(frozen=True, eq=False)
class PlacedCells:
    """The best placement, whether Ctrl-C ended the search for it, and how its wirelength fell."""

    placement: Placement
    interrupted: bool
    history: tuple[tuple[float, float], ...] = ()  # (seconds since the search began, HPWL of the best in µm)
    rounds: tuple[Round, ...] = ()  # from the best to the worst
    chosen: Round | None = None  # the round whose macros the placement has


class _Stopped(Exception):
    """Ends the rounds of other threads after Ctrl-C or an error."""


def has_cells(netlist: Netlist) -> bool:
    """Whether there are movable standard cells and rows, from the file or derived, for them."""
    return bool(cell_rows(netlist)) and not netlist.fixed[netlist.cells].all()


def place_cells(
    placement: Placement, *, move_macros: bool = False, seed: int = 0, seconds: float | None = None, workers: int = 1,
    tick: Callable[[], None] = lambda: None,
) -> PlacedCells:  # fmt: skip
    """All movable standard cells on rows, legal, with the shortest wires found in `seconds` on `workers` threads.

    Hard macros must be legal.  They stay or, with `move_macros`, move if that shortens wires.  There is at least one
    round, which is cut short if there is too little time and leaves macros in place if there is none; a further one
    begins if there is time for it.  Without `seconds` there are `FEWEST_ROUNDS` rounds, or one if macros stay, and the
    result depends on the seed alone.  `tick` is called often.  Ctrl-C returns the best placement so far.  A round that
    finds no room is skipped; raises `LegalizationError` if there is no room even with macros in place.
    """
    move_macros = move_macros and seconds != 0.0 and placement.netlist.movable_hard.size > 0
    search = _Search(placement, move_macros, seed, seconds, tick)
    try:
        search.run_rounds(workers)
        return search.finish(np.inf if seconds is None else search.began + seconds)
    except KeyboardInterrupt:
        return search.finish(time.perf_counter(), interrupted=True)


class _Search:
    """The rounds of `place_cells` and what comes of them."""

    def __init__(
        self, start: Placement, move_macros: bool, seed: int, seconds: float | None, tick: Callable[[], None]
    ) -> None:  # fmt: skip
        self.start, self.move_macros, self.seed, self.seconds, self.tick = start, move_macros, seed, seconds, tick
        self.began = time.perf_counter()
        self.rounds_s = np.inf  # after which the rounds end
        if seconds is not None:
            self.rounds_s = max(ROUNDS_FRACTION * seconds, seconds - DETAIL_S * len(start.netlist.cells))
        self.rounds: list[Round] = []
        self.longest_s: dict[str, float] = {}  # of the rounds of each kind
        self.error: LegalizationError | None = None  # of a round that found no room
        self.stayed = False  # whether a round has left the macros in place
        self.began_from_macros = False  # whether a round `FROM_MACROS` has begun
        self.history: list[tuple[float, float]] = []
        self.legal: tuple[Placement, Round | None] | None = None  # the best so far
        self.worth: Worth | None = None  # of it
        self.stop = Event()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the search began."""
        return time.perf_counter() - self.began

    def run_rounds(self, workers: int) -> None:
        """Run rounds in threads until there is no time for another; see `place_cells`."""
        begun, running = 0, dict[Future[Round], tuple[str, float]]()
        with ThreadPoolExecutor(workers) as pool:
            try:
                while running or self._has_another(begun):
                    while len(running) < workers and self._has_another(begun):
                        kind = self._kind(begun)
                        self.began_from_macros = self.began_from_macros or kind == FROM_MACROS
                        running[pool.submit(self._round, begun, kind)] = kind, self.elapsed_s
                        begun += 1
                    done, _ = wait(running, POLL_S, FIRST_COMPLETED)
                    self.tick()
                    for job in done:
                        kind, began_s = running.pop(job)
                        self.longest_s[kind] = max(self.longest_s.get(kind, 0.0), self.elapsed_s - began_s)
                        self._keep(job)
            finally:
                self.stop.set()

    def _has_another(self, begun: int) -> bool:
        """Whether another round begins after so many: there is time for one that is as long as those of its kind."""
        if self.seconds is None:
            return begun < (FEWEST_ROUNDS if self.move_macros else 1)
        expected_s = self.longest_s.get(self._kind(begun), max(self.longest_s.values(), default=0.0))
        return begun == 0 or self.elapsed_s + ROUND_FRACTION * expected_s < self.rounds_s

    def _kind(self, number: int) -> str:
        """What the round with that number does."""
        if not self.move_macros:
            return STAY
        if self.seconds is None or number < FIRST_ROUNDS.index(FROM_MACROS):
            return FIRST_ROUNDS[number]
        return FROM_MACROS if self._macros_are_close() else TOGETHER

    def _macros_are_close(self) -> bool:
        """Whether a round from the macros is worth its time, and none has begun."""
        best = {each.start: each.rank for each in reversed(self.rounds)}
        if self.began_from_macros or not {STAY, TOGETHER} <= best.keys():
            return False
        *legality, hpwl_um = best[STAY]
        *best_legality, best_um = best[TOGETHER]
        return legality <= best_legality and hpwl_um <= (1 + CLOSE) * best_um

    def _keep(self, job: Future[Round]) -> None:
        """Add a round that has ended, or note that it found no room."""
        try:
            self.rounds.append(job.result())
            self.rounds.sort(key=lambda each: (*each.rank, each.seed))
        except LegalizationError as error:
            self.error = error

    def _tick(self) -> None:
        """Called often in the thread of a round."""
        if self.stop.is_set():
            raise _Stopped

    def _round(self, number: int, kind: str) -> Round:
        """Macros legal and cells spread, in the time that is left for rounds."""
        seed, now = self.seed + number, time.perf_counter()
        end = max(self.began + self.rounds_s, now)
        self.stayed = self.stayed or kind == STAY
        placement, left = self.start, end - now
        if kind == FROM_MACROS:
            placement = self._spread(placement, seed, False, now + FIRST_CELLS_FRACTION * left)
        if kind != STAY:
            placement = place_together(
                placement, seed=seed, warm=kind == FROM_MACROS, deadline=now + MACROS_FRACTION * left, tick=self._tick
            )
        placement = self._spread(placement, seed, kind != STAY, end)
        return Round(kind, seed, placement, _rank(placement))

    def _spread(self, placement: Placement, seed: int, warm: bool, deadline: float) -> Placement:
        """A global placement of the cells alone."""
        return place_globally(
            placement, placement.netlist.movable_cells, seed=seed, warm=warm,
            slowest=CAREFUL if self.move_macros else PATIENT, deadline=deadline, tick=self._tick,
        )  # fmt: skip

    def finish(self, deadline: float, *, interrupted: bool = False) -> PlacedCells:
        """Legalize the cells of the best rounds, and place those of the best of these in detail, until `deadline`.

        Raises `LegalizationError` if there is no room.
        """
        try:
            placement, chosen = self._legalized(deadline)
            if time.perf_counter() < deadline:
                with suppress(LegalizationError):
                    self._note(legalize_cells(placement, deadline), chosen)
        except KeyboardInterrupt:
            interrupted = True
        placement, chosen = self._legalized(time.perf_counter())
        return PlacedCells(placement, interrupted, tuple(self.history), tuple(self.rounds), chosen)

    def _legalized(self, deadline: float) -> tuple[Placement, Round | None]:
        """The best legal placement so far; if there is none, cells of the best rounds are legalized.

        Macros stay in place if these leave too little room.
        """
        if self.legal:
            return self.legal
        judged = 0
        for each in self.rounds:
            if judged and (judged >= JUDGED or time.perf_counter() >= deadline):
                break
            try:
                self._note(legalize_cells(each.placement, 0.0), each)
                judged += 1
            except LegalizationError as error:
                self.error = error
        if self.legal is None:
            if self.error and self.stayed:
                raise self.error
            self._note(legalize_cells(self.start, 0.0), None)
        assert self.legal
        return self.legal

    def _note(self, placement: Placement, source: Round | None) -> None:
        """Keep a legal placement if it is the best so far."""
        worth = _worth(placement)
        if self.worth is None or worth < self.worth:
            self.legal, self.worth = (placement, source), worth
            self.history.append((self.elapsed_s, worth[-1]))


def _worth(placement: Placement) -> Worth:
    """What a legal placement is worth."""
    return macros_off_rows(placement).size, evaluate(placement).hpwl_um


def _rank(placement: Placement) -> Rank:
    """The rank of a placement at the end of a round."""
    off_rows, hpwl_um = _worth(placement)
    return off_rows, overflow(placement, placement.netlist.movable_cells) > UNSPREAD, hpwl_um
