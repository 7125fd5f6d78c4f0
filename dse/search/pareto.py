"""Pareto fronts: the non-dominated rows of a table of objectives, of which smaller values are better.

A row dominates another if it is no larger in any objective and smaller in at least one.  Of equal rows only the first
is on the front.  Rows that hold an infinity or nan stand for infeasible designs: they neither dominate other rows nor
are they on a front.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from numba import njit

from dse.templates.base import Floats, Ints
from netlists.runtime.kernel import kernel

SAMPLE = 100
"""Rows whose front all other rows are compared with before any are sorted."""
STAIRCASE = 3
"""Objectives up to which a sweep over sorted rows is used."""


def signs(objectives: Sequence[tuple[str, str]]) -> Floats:
    """Factors [K] of metrics, named with `min` or `max`, with which smaller is better: 1 or -1."""
    return np.array([1.0 if better == "min" else -1.0 for _, better in objectives])


def non_dominated(objectives: Floats) -> npt.NDArray[np.bool_]:
    """Mask [n] of the non-dominated rows of objectives [n, K] that equal no earlier row.

    Up to three objectives this is a sweep over the rows in lexicographic order with the front of the other two
    objectives as a staircase, in O(n log n) (Kung, Luccio, Preparata, J. ACM 22(4), 1975); for more objectives each
    row is compared with the front of the rows before it.
    """
    finite = np.logical_and.reduce([np.isfinite(column) for column in np.asarray(objectives).T])
    objectives, rows, before = np.ascontiguousarray(objectives, np.float64), np.flatnonzero(finite), 2 * len(finite)
    while 2 * SAMPLE < len(rows) <= before / 2:  # as long as each pass removes half of them
        before, few = len(rows), _front(objectives, rows[:: len(rows) // SAMPLE])
        rows = _not_dominated_by(few, objectives, rows)
    mask = np.zeros(len(objectives), np.bool_)
    mask[_front(objectives, rows)] = True
    return mask


def _front(objectives: Floats, rows: Ints) -> Ints:
    """The non-dominated ones among some rows [m] of objectives [n, K], of equal ones the first."""
    table = objectives[rows]
    order = np.lexsort((rows, *table.T[::-1]))
    if table.shape[1] > STAIRCASE:
        return rows[order[_compare(table[order])]]
    padded = np.zeros((len(rows), STAIRCASE))
    padded[:, : table.shape[1]] = table[order]
    return rows[order[_sweep(padded)]]


@njit(cache=True, nogil=True)
def _not_dominated_by(few: Ints, objectives: Floats, rows: Ints) -> Ints:
    """Those of the rows [n] of objectives that none of a few other rows [m] dominates.

    The row that dominated last moves forward in `few`, as it is the likeliest to dominate the next.
    """
    left = np.empty(len(rows), np.int64)
    size = 0
    for row in rows:
        dominated = False
        for j in range(len(few)):
            if _dominates(objectives, few[j], row):
                few[j], few[j // 2] = few[j // 2], few[j]
                dominated = True
                break
        if not dominated:
            left[size] = row
            size += 1
    return left[:size]


@kernel
def _dominates(objectives: Floats, one: int, other: int) -> bool:
    smaller = False
    for k in range(objectives.shape[1]):
        if objectives[one, k] > objectives[other, k]:
            return False
        smaller |= objectives[one, k] < objectives[other, k]
    return smaller


@njit(cache=True, nogil=True)
def _sweep(rows: Floats) -> npt.NDArray[np.bool_]:
    """Mask [n] of the front of rows [n, 3] in lexicographic order, of equal ones the first.

    The staircase holds the non-dominated pairs of the second and third objective of all rows so far: the second rises,
    the third falls.  A row is dominated if the last step that is not right of it is not above it either.
    """
    mask = np.zeros(len(rows), np.bool_)
    second, third = np.empty(len(rows) + 1), np.empty(len(rows) + 1)
    steps = 0
    for i in range(len(rows)):
        b, c = rows[i, 1], rows[i, 2]
        place = np.searchsorted(second[:steps], b, side="right")
        if place > 0 and third[place - 1] <= c:
            continue
        mask[i] = True
        if place > 0 and second[place - 1] == b:
            place -= 1
        end = place
        while end < steps and third[end] >= c:
            end += 1
        rest = steps - end
        if end != place + 1:
            second[place + 1 : place + 1 + rest] = second[end:steps].copy()
            third[place + 1 : place + 1 + rest] = third[end:steps].copy()
        second[place], third[place] = b, c
        steps = place + 1 + rest
    return mask


@njit(cache=True, nogil=True)
def _compare(rows: Floats) -> npt.NDArray[np.bool_]:
    """Mask [n] of the front of rows [n, K] in lexicographic order, in which no row dominates an earlier one.

    The row of the front that dominated last moves forward, as it is the likeliest to dominate the next.
    """
    mask = np.zeros(len(rows), np.bool_)
    front = np.empty(len(rows), np.int64)
    size = 0
    for i in range(len(rows)):
        dominated = False
        for j in range(size):
            other = front[j]
            dominated = True
            for k in range(rows.shape[1]):
                if rows[other, k] > rows[i, k]:
                    dominated = False
                    break
            if dominated:
                front[j] = front[j // 2]
                front[j // 2] = other
                break
        if not dominated:
            mask[i] = True
            front[size] = i
            size += 1
    return mask


@dataclass
class Archive:
    """The front of all designs added so far, whatever the order in which they come."""

    index: Ints = field(default_factory=lambda: np.zeros(0, np.int64))  # [m] ascending
    objectives: Floats | None = None  # [m, K]

    def add(self, index: Ints, objectives: Floats) -> None:
        """Merge n designs, given their numbers `index` [n] and objectives [n, K]; infeasible ones are left out."""
        if self.objectives is not None:
            index = np.concatenate([self.index, index])
            objectives = np.concatenate([self.objectives, objectives])
        order = np.argsort(index, kind="stable")
        order = order[non_dominated(objectives[order])]
        self.index, self.objectives = index[order].astype(np.int64), objectives[order]

    def __len__(self) -> int:
        return len(self.index)


def hypervolume(front: Floats, reference: Floats) -> float:
    """Volume that a front, objectives [n, K], dominates up to a reference point [K] (computed by pymoo).

    Rows that are not smaller than the reference in every objective do not count.
    """
    from pymoo.indicators.hv import HV  # here, as it takes a while to load

    inside = front[(front < reference).all(axis=1)]
    return float(HV(ref_point=np.asarray(reference, np.float64))(inside)) if len(inside) else 0.0
