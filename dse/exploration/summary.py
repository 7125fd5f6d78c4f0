"""Summaries of evaluated designs: their Pareto front, the best by each objective, a sample, counts.

Summaries of any sets of designs merge, in any order, to the summary of all of them: whether a design is sampled depends
on its number alone, and among designs with equal objectives the lowest number stays.  A summary is small, however many
designs it covers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dse.search.pareto import non_dominated
from dse.space.space import DesignSpace
from dse.templates.base import Floats, Ints

BEST = 10
"""Designs stored per objective."""
SAMPLE = 10_000
"""Designs stored, about, as a sample of all that a search evaluates."""
PIECE = 100_000
"""Designs evaluated at once; their results take about 10 MB until they are compared."""
STEPS = 8
"""Bins of a histogram per octave."""
BINS = 128 * STEPS
"""Bins of a histogram, from 2^-64 to 2^64."""


@dataclass(frozen=True, eq=False)
class Points:
    """Some designs, sorted by number."""

    index: Ints  # [n]
    objectives: Floats  # [n, K], smaller is better, infinite for infeasible designs
    metrics: Floats  # [n, M]

    def take(self, rows: Ints | slice) -> Points:
        """The designs at some row numbers [m], or in a slice of rows."""
        return Points(self.index[rows], self.objectives[rows], self.metrics[rows])


def no_points(objectives: int, metrics: int) -> Points:
    """An empty list of designs with so many objectives and metrics."""
    return Points(np.zeros(0, np.int64), np.zeros((0, objectives)), np.zeros((0, metrics)))


def join(parts: Sequence[Points]) -> Points:
    """All designs of several lists, each once, sorted by number."""
    index = np.concatenate([part.index for part in parts])
    index, first = np.unique(index, return_index=True)
    return Points(
        index,
        np.concatenate([part.objectives for part in parts])[first],
        np.concatenate([part.metrics for part in parts])[first],
    )


def best_rows(objectives: Floats) -> Ints:
    """Row numbers of the BEST lowest values of each of the objectives [n, K], ascending; the first among equals."""
    rows = np.flatnonzero(np.logical_and.reduce([np.isfinite(column) for column in objectives.T]))
    return np.unique(np.concatenate([rows[_lowest(column[rows])] for column in objectives.T]))


def _lowest(values: Floats) -> Ints:
    """Positions of the BEST lowest of values [n]; only the values up to the last of them are sorted."""
    near = np.arange(len(values))
    if len(values) > BEST:
        near = np.flatnonzero(values <= np.partition(values, BEST - 1)[BEST - 1])
    return near[np.argsort(values[near], kind="stable")[:BEST]]


def in_sample(index: Ints, fraction: float) -> npt.NDArray[np.bool_]:
    """Mask [n] of the designs, by number [n], that belong to a sample of about that fraction of all numbers.

    The hash is the finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
    """
    x = index.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return (x >> np.uint64(11)).astype(np.float64) < fraction * 2.0**53


def count_in_bins(objectives: Floats) -> Ints:
    """How many [K, BINS] of the finite absolute values of objectives [n, K] lie in each bin of `bin_edges`."""
    return np.array([_count_in_bins(column[np.isfinite(column)]) for column in objectives.T], np.int64)


def _count_in_bins(values: Floats) -> Ints:
    with np.errstate(divide="ignore"):
        bins = np.floor(STEPS * np.log2(np.abs(values))) + BINS // 2
    return np.bincount(np.clip(bins, 0, BINS - 1).astype(np.int64), minlength=BINS)


def bin_edges() -> Floats:
    """Edges [BINS + 1] of the bins of histograms; values outside count in the first or the last bin."""
    return np.asarray(2.0 ** ((np.arange(BINS + 1) - BINS // 2) / STEPS))


@dataclass(frozen=True, eq=False)
class Summary:
    """A summary of some evaluations."""

    front: Points
    best: Points
    sample: Points
    histogram: Ints  # [K, BINS] feasible designs
    by_reason: Ints  # [R] designs per entry of the space's `reasons`, the first of which is empty: feasible

    @property
    def evaluated(self) -> int:
        """How many designs were evaluated."""
        return int(self.by_reason.sum())

    @property
    def feasible(self) -> int:
        """How many of them are feasible."""
        return int(self.by_reason[0])

    def merge(self, other: Summary) -> Summary:
        """The summary of the evaluations of both; a design that is in both counts twice."""
        front, best = join([self.front, other.front]), join([self.best, other.best])
        return Summary(
            front.take(np.flatnonzero(non_dominated(front.objectives))),
            best.take(best_rows(best.objectives)),
            join([self.sample, other.sample]),
            self.histogram + other.histogram,
            self.by_reason + other.by_reason,
        )

    def without_sample(self) -> Summary:
        """The same summary with an empty sample, to be used once the sample is stored elsewhere."""
        return replace(self, sample=self.sample.take(slice(0)))


def empty_summary(space: DesignSpace) -> Summary:
    """The summary of no evaluations."""
    none = no_points(len(space.objectives), len(space.metrics))
    counts = np.zeros((len(space.objectives), BINS), np.int64), np.zeros(len(space.reasons), np.int64)
    return Summary(none, none, none, *counts)


def summarize(space: DesignSpace, index: Ints | range, fraction: float, keep: bool = True) -> tuple[Summary, Floats]:
    """Evaluate designs by their numbers `index` [n], in pieces, so that memory stays bounded.

    Returns their summary, for which `fraction` of the designs are sampled, and their objectives [n, K]; without `keep`
    the latter are empty.
    """
    whole, objectives = empty_summary(space), [np.empty((0, len(space.objectives)))]
    for start in range(0, len(index), PIECE):
        piece = index[start : start + PIECE]
        numbers = np.arange(piece.start, piece.stop) if isinstance(piece, range) else piece
        part, values = _summarize(space, numbers, fraction)
        whole = whole.merge(part)
        if keep:
            objectives.append(values)
    return whole, np.concatenate(objectives)


def _summarize(space: DesignSpace, index: Ints, fraction: float) -> tuple[Summary, Floats]:
    result = space.evaluate(index)
    numbers, order, objectives = index, np.arange(len(index)), result.objectives
    if not (np.diff(index) > 0).all():
        numbers, order = np.unique(index, return_index=True)
        objectives = objectives[order]

    groups = non_dominated(objectives).nonzero()[0], best_rows(objectives), in_sample(numbers, fraction).nonzero()[0]
    metrics = result.measure(order[np.concatenate(groups)])
    table = np.stack([metrics[name] for name in space.metrics], axis=1)
    parts = np.split(table, np.cumsum([len(rows) for rows in groups[:-1]]))
    front, best, sample = (
        Points(numbers[rows], objectives[rows], part) for rows, part in zip(groups, parts, strict=True)
    )
    counts = np.bincount(result.reason, minlength=len(space.reasons))
    return Summary(front, best, sample, count_in_bins(result.objectives), counts), result.objectives
