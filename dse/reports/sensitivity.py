"""Which parameters matter: the variance that each explains alone, and the effect of changing one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dse.space.space import DesignSpace
from dse.templates.base import Floats, Ints

BINS = 16
"""Bins of a parameter that has more values than these."""
MOST_VALUES = 64
"""Values of one parameter that a sweep evaluates, at most (and the design's own)."""


def compute_main_effects(parameters: Mapping[str, Sequence[Any]], values: Floats) -> Floats:
    """Fraction [P, K] of the variance of values [n, K] that each of P parameters [n] explains alone.

    The first-order index Var(E[value | parameter]) / Var(value) of Sobol (Mathematical Modelling and Computational
    Experiment 1(4), 1993), estimated by epsilon squared (Kelley, PNAS 21(9), 1935), which is near 0 for a
    parameter without effect, however many values it has.  A parameter with many values counts in bins of about
    equally many designs; designs that do not have it (None) do not count for it.  The rest of the variance is due to
    combinations of parameters.  nan if values do not differ, or if there are too few designs.
    """
    effects = np.full((len(parameters), values.shape[1]), np.nan)
    for row, column in enumerate(parameters.values()):
        has = np.array([value is not None for value in column], bool)
        effects[row] = _explain(assign_bins([value for value in column if value is not None]), values[has])
    return effects


def _explain(bins: Ints, values: Floats) -> Floats:
    """Epsilon squared [K] of values [n, K] in bins [n]."""
    n, count = len(values), np.bincount(bins)
    if n <= len(count):
        return np.full(values.shape[1], np.nan)
    whole = ((values - values.mean(axis=0)) ** 2).sum(axis=0)
    means = np.array([np.bincount(bins, each) / count for each in values.T]).T
    within = ((values - means[bins]) ** 2).sum(axis=0)
    differ = whole > 1e-24 * n * np.abs(values).max(axis=0) ** 2  # more than rounding
    ratio = np.divide(within * (n - 1), whole * (n - len(count)), out=np.full(len(whole), np.nan), where=differ)
    return np.asarray(np.maximum(0.0, 1.0 - ratio))


def assign_bins(column: Sequence[float | str]) -> Ints:
    """The bin [n] of each value, numbered from 0 so that none is empty."""
    if any(isinstance(value, str) for value in column):
        return np.unique([str(value) for value in column], return_inverse=True)[1].astype(np.int64)
    numbers = np.array(column, np.float64)
    known, place = np.unique(numbers, return_inverse=True)
    if len(known) > BINS:
        edges = np.quantile(numbers, np.arange(1, BINS) / BINS)
        place = np.unique(np.searchsorted(edges, numbers, side="right"), return_inverse=True)[1]
    return place.astype(np.int64)


@dataclass(frozen=True, eq=False)
class Sweep:
    """The n variants of a design that differ in one of its parameters."""

    name: str
    unit: str
    values: Sequence[float | str]  # [n] values of the parameter as in a design file
    own: int  # position of the value that the design has
    metrics: Mapping[str, Floats]  # each [n]; nan if not defined
    feasible: npt.NDArray[np.bool_]  # [n]
    reasons: Sequence[str]  # [n] why a variant is infeasible; empty if it is feasible


def sweep_parameters(space: DesignSpace, number: int) -> list[Sweep]:
    """A sweep for each parameter of a design for which its space lists several values, at most MOST_VALUES of them."""
    owner = int(space.part_of(np.array([number]))[0])
    part, start = space.parts[owner], int(space.starts[owner])
    own = part.digits(np.array([number - start]))[0]
    tried = {
        column: np.unique(np.append(np.linspace(0, count - 1, min(count, MOST_VALUES)).astype(np.int64), own[column]))
        for column, count in enumerate(part.radices.tolist())
        if count > 1
    }
    if not tried:
        return []
    digits = []
    for column, values in tried.items():
        variants = np.tile(own, (len(values), 1))
        variants[:, column] = values
        digits.append(variants)
    index = part.index(np.concatenate(digits))
    result, rows = space.evaluate(index + start), part.designs(index)
    names, units = list(part.choices), {parameter.name: parameter.unit for parameter in part.template.parameters}
    sweeps, first = [], 0
    for column, values in tried.items():
        here = slice(first, first + len(values))
        sweeps.append(
            Sweep(
                names[column],
                units[names[column]],
                [part.written(names[column], row) for row in rows[here]],
                int(np.searchsorted(values, own[column])),
                {name: metric[here] for name, metric in result.metrics.items()},
                result.feasible[here],
                [space.reasons[code] for code in result.reason[here]],
            )
        )
        first += len(values)
    return sweeps
