"""What is kept of evaluated designs: their Pareto set, the best by each objective, a sample, counts.

Summaries of any sets of designs merge, in any order, to the summary of all of them: a design is sampled by its number
alone, and among designs with equal objectives the lowest number stays.  A summary is small whatever it is of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dse.search.pareto import non_dominated
from dse.space.space import DesignSpace
from dse.templates.base import Floats, Ints

BEST = 10  # designs kept for each objective
SAMPLE = 10_000  # designs kept of all that a search evaluates, about
PIECE = 100_000  # designs evaluated at once: what is kept of each until they are compared takes about 10 MB
STEPS = 8  # bins of a histogram in an octave
BINS = 128 * STEPS  # from 2^-64 to 2^64


@dataclass(frozen=True, eq=False)
class Points:
    """Some designs, by number."""

    index: Ints  # [n]
    objectives: Floats  # [n, K], smaller is better, infinite where not feasible
    metrics: Floats  # [n, M]

    def take(self, rows: Ints | slice) -> Points:
        return Points(self.index[rows], self.objectives[rows], self.metrics[rows])


def nothing(objectives: int, metrics: int) -> Points:
    """No design at all."""
    return Points(np.zeros(0, np.int64), np.zeros((0, objectives)), np.zeros((0, metrics)))


def joined(parts: Sequence[Points]) -> Points:
    """All designs of several lists, each once, by number."""
    index = np.concatenate([part.index for part in parts])
    index, first = np.unique(index, return_index=True)
    return Points(
        index,
        np.concatenate([part.objectives for part in parts])[first],
        np.concatenate([part.metrics for part in parts])[first],
    )


def best_rows(objectives: Floats) -> Ints:
    """Rows with the BEST lowest values of each objective [n, K], ascending; the first of equal ones."""
    rows = np.flatnonzero(np.logical_and.reduce([np.isfinite(column) for column in objectives.T]))
    return np.unique(np.concatenate([rows[_lowest(column[rows])] for column in objectives.T]))


def _lowest(values: Floats) -> Ints:
    """Where the BEST lowest of values [n] are; only those up to the last of them are sorted."""
    near = np.arange(len(values))
    if len(values) > BEST:
        near = np.flatnonzero(values <= np.partition(values, BEST - 1)[BEST - 1])
    return near[np.argsort(values[near], kind="stable")[:BEST]]


def sampled(index: Ints, share: float) -> npt.NDArray[np.bool_]:
    """Whether each design [n] is in a sample of about that share of all numbers.

    The hash is the finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
    """
    x = index.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return (x >> np.uint64(11)).astype(np.float64) < share * 2.0**53


def histograms(objectives: Floats) -> Ints:
    """How many finite values [K, BINS] of objectives [n, K], their sign left out, lie in each bin: `bin_edges`."""
    return np.array([_histogram(column[np.isfinite(column)]) for column in objectives.T], np.int64)


def _histogram(values: Floats) -> Ints:
    with np.errstate(divide="ignore"):
        bins = np.floor(STEPS * np.log2(np.abs(values))) + BINS // 2
    return np.bincount(np.clip(bins, 0, BINS - 1).astype(np.int64), minlength=BINS)


def bin_edges() -> Floats:
    """Edges [BINS + 1] of the bins of histograms; values outside are in the first or the last."""
    return np.asarray(2.0 ** ((np.arange(BINS + 1) - BINS // 2) / STEPS))


@dataclass(frozen=True, eq=False)
class Summary:
    """Of all designs evaluated so far, or of some of them; points are sorted by number."""

    front: Points
    best: Points
    sample: Points
    histogram: Ints  # [K, BINS], feasible designs
    by_reason: Ints  # [R] designs by the space's `reasons`, the first of which is none: feasible

    @property
    def evaluated(self) -> int:
        return int(self.by_reason.sum())

    @property
    def feasible(self) -> int:
        return int(self.by_reason[0])

    def merged(self, other: Summary) -> Summary:
        """The summary of the designs of both, which are counted twice where they are in both."""
        front, best = joined([self.front, other.front]), joined([self.best, other.best])
        return Summary(
            front.take(np.flatnonzero(non_dominated(front.objectives))),
            best.take(best_rows(best.objectives)),
            joined([self.sample, other.sample]),
            self.histogram + other.histogram,
            self.by_reason + other.by_reason,
        )

    def without_sample(self) -> Summary:
        """The same with an empty sample, for who has put it elsewhere."""
        return replace(self, sample=self.sample.take(slice(0)))


def empty(space: DesignSpace) -> Summary:
    """The summary of nothing."""
    none = nothing(len(space.objectives), len(space.metrics))
    counts = np.zeros((len(space.objectives), BINS), np.int64), np.zeros(len(space.reasons), np.int64)
    return Summary(none, none, none, *counts)


def summarize(space: DesignSpace, index: Ints | range, share: float, keep: bool = True) -> tuple[Summary, Floats]:
    """Evaluate designs [n], by pieces in bounded memory; their summary and objectives [n, K], those only to `keep`.

    `share` is that of the designs that go to the sample.
    """
    whole, objectives = empty(space), [np.empty((0, len(space.objectives)))]
    for start in range(0, len(index), PIECE):
        piece = index[start : start + PIECE]
        numbers = np.arange(piece.start, piece.stop) if isinstance(piece, range) else piece
        part, values = _summarize(space, numbers, share)
        whole = whole.merged(part)
        if keep:
            objectives.append(values)
    return whole, np.concatenate(objectives)


def _summarize(space: DesignSpace, index: Ints, share: float) -> tuple[Summary, Floats]:
    found = space.evaluate(index)
    numbers, order, objectives = index, np.arange(len(index)), found.objectives
    if not (np.diff(index) > 0).all():
        numbers, order = np.unique(index, return_index=True)
        objectives = objectives[order]

    chosen = non_dominated(objectives).nonzero()[0], best_rows(objectives), sampled(numbers, share).nonzero()[0]
    metrics = found.measure(order[np.concatenate(chosen)])
    table = np.stack([metrics[name] for name in space.metrics], axis=1)
    parts = np.split(table, np.cumsum([len(rows) for rows in chosen[:-1]]))
    front, best, sample = (
        Points(numbers[rows], objectives[rows], part) for rows, part in zip(chosen, parts, strict=True)
    )
    counts = np.bincount(found.reason, minlength=len(space.reasons))
    return Summary(front, best, sample, histograms(found.objectives), counts), found.objectives
