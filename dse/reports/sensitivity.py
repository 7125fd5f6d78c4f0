"""Which parameters matter: the variance that each explains alone, and what changing one of them does to a design."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dse.space.space import DesignSpace
from dse.templates.base import Floats, Ints

BINS = 16  # of a parameter with more values
MOST_VALUES = 64  # of one parameter that a sweep evaluates


def main_effects(parameters: Mapping[str, Sequence[Any]], values: Floats) -> Floats:
    """Share [P, K] of the variance of values [n, K] that each of P parameters [n] explains alone.

    The first-order index Var(E[value | parameter]) / Var(value) of Sobol (Mathematical Modelling and Computational
    Experiment 1(4), 1993), estimated by epsilon squared (Kelley, PNAS 21(9), 1935), which is near 0, and not above it,
    for a parameter without effect, however many values it has.  A parameter with many values counts in bins of about
    as many designs each; designs that do not have it (None) do not count for it.  What the shares leave of 1 is due to
    parameters together.  nan where values do not differ, or designs are too few.
    """
    shares = np.full((len(parameters), values.shape[1]), np.nan)
    for row, column in enumerate(parameters.values()):
        has = np.array([value is not None for value in column], bool)
        shares[row] = _explained(binned([value for value in column if value is not None]), values[has])
    return shares


def _explained(bins: Ints, values: Floats) -> Floats:
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


def binned(column: Sequence[float | str]) -> Ints:
    """Which bin [n] each value belongs to, from 0 on and none empty."""
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
    """A design with one of its parameters changed, the others as they are."""

    name: str
    unit: str
    values: Sequence[float | str]  # [n] as a design file has them
    own: int  # the position of the design's
    metrics: Mapping[str, Floats]  # each [n]; nan where there is no number
    feasible: npt.NDArray[np.bool_]  # [n]
    reasons: Sequence[str]  # [n] why not


def sweeps(space: DesignSpace, number: int) -> list[Sweep]:
    """Every parameter of a design that its space gives several values, changed alone; at most MOST_VALUES of them."""
    owner = int(space.part_of(np.array([number]))[0])
    part, start = space.parts[owner], int(space.starts[owner])
    own = part.digits(np.array([number - start]))[0]
    swept, digits = list[tuple[int, Ints]](), list[Ints]()
    for column, count in enumerate(part.radices.tolist()):
        if count > 1:
            tried = np.unique(
                np.append(np.linspace(0, count - 1, min(count, MOST_VALUES)).astype(np.int64), own[column])
            )
            changed = np.tile(own, (len(tried), 1))
            changed[:, column] = tried
            swept.append((column, tried))
            digits.append(changed)
    if not swept:
        return []
    index = part.index(np.concatenate(digits))
    found, rows = space.evaluate(index + start), part.designs(index)
    names, units = list(part.choices), {parameter.name: parameter.unit for parameter in part.template.parameters}
    done, first = [], 0
    for column, tried in swept:
        here = slice(first, first + len(tried))
        done.append(
            Sweep(
                names[column],
                units[names[column]],
                [part.written(names[column], row) for row in rows[here]],
                int(np.searchsorted(tried, own[column])),
                {name: values[here] for name, values in found.metrics.items()},
                found.feasible[here],
                [space.reasons[code] for code in found.reason[here]],
            )
        )
        first += len(tried)
    return done
