"""Who is dominated by nobody; smaller is better in every objective.

A row dominates another when it is nowhere larger and somewhere smaller.  Of equal rows the one with the lowest number
stands for all.  Rows with an infinity or nan are no designs: nobody is dominated by them, and none is on a front.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from numba import njit

from dse.templates.base import Floats, Ints
from netlists.runtime.kernel import kernel

SAMPLE = 100  # rows whose front all others are compared with before anything is sorted
STAIRCASE = 3  # objectives up to which a sweep over sorted rows is used


def non_dominated(objectives: Floats) -> npt.NDArray[np.bool_]:
    """Which rows [n] of objectives [n, K] no other row dominates and no earlier row equals.

    Up to three objectives a sweep over the rows in lexicographic order (Kung, Luccio, Preparata, J. ACM 22(4), 1975:
    the front of the other two objectives as a staircase), n log n; beyond, each row is compared with the front so far.
    """
    finite = np.logical_and.reduce([np.isfinite(column) for column in np.asarray(objectives).T])
    objectives, rows, before = np.ascontiguousarray(objectives, np.float64), np.flatnonzero(finite), 2 * len(finite)
    while 2 * SAMPLE < len(rows) <= before / 2:  # as long as each time half of them go
        before, few = len(rows), _front(objectives, rows[:: len(rows) // SAMPLE])
        rows = _unbeaten(objectives, rows, few)
    kept = np.zeros(len(objectives), np.bool_)
    kept[_front(objectives, rows)] = True
    return kept


def _front(objectives: Floats, rows: Ints) -> Ints:
    """Which of some rows of objectives [n, K] no other one dominates and no earlier one equals."""
    table = objectives[rows]
    order = np.lexsort((rows, *table.T[::-1]))
    if table.shape[1] > STAIRCASE:
        return rows[order[_compare(table[order])]]
    padded = np.zeros((len(rows), STAIRCASE))
    padded[:, : table.shape[1]] = table[order]
    return rows[order[_sweep(padded)]]


@njit(cache=True, nogil=True)
def _unbeaten(objectives: Floats, rows: Ints, few: Ints) -> Ints:
    """Rows [n] of objectives that none of a few other rows [m] dominates.

    The one that dominated last moves forward: it dominates most often.
    """
    left = np.empty(len(rows), np.int64)
    size = 0
    for row in rows:
        kept = True
        for j in range(len(few)):
            if _dominates(objectives, few[j], row):
                few[j], few[j // 2] = few[j // 2], few[j]
                kept = False
                break
        if kept:
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
    """The front of rows [n, 3] in lexicographic order, of equal ones the first.

    The staircase holds, of the second and third objective of all rows so far, what nobody dominates: the second
    rises, the third falls.  A row is dominated when the last step not right of it is not above it.
    """
    kept = np.zeros(len(rows), np.bool_)
    second, third = np.empty(len(rows) + 1), np.empty(len(rows) + 1)
    steps = 0
    for i in range(len(rows)):
        b, c = rows[i, 1], rows[i, 2]
        place = np.searchsorted(second[:steps], b, side="right")
        if place > 0 and third[place - 1] <= c:
            continue
        kept[i] = True
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
    return kept


@njit(cache=True, nogil=True)
def _compare(rows: Floats) -> npt.NDArray[np.bool_]:
    """The front of rows [n, K] in lexicographic order, in which none dominates an earlier one.

    The row of the front that dominated last is asked first: it dominates most often.
    """
    kept = np.zeros(len(rows), np.bool_)
    front = np.empty(len(rows), np.int64)
    size = 0
    for i in range(len(rows)):
        beaten = False
        for j in range(size):
            other = front[j]
            beaten = True
            for k in range(rows.shape[1]):
                if rows[other, k] > rows[i, k]:
                    beaten = False
                    break
            if beaten:
                front[j] = front[j // 2]
                front[j // 2] = other
                break
        if not beaten:
            kept[i] = True
            front[size] = i
            size += 1
    return kept


@dataclass
class Archive:
    """The front of all designs seen so far; the same for any order in which they come."""

    index: Ints = field(default_factory=lambda: np.zeros(0, np.int64))  # [m] ascending
    objectives: Floats | None = None  # [m, K]

    def add(self, index: Ints, objectives: Floats) -> None:
        """Merge n designs by their numbers [n] and objectives [n, K]; infinite rows are left out."""
        if self.objectives is not None:
            index = np.concatenate([self.index, index])
            objectives = np.concatenate([self.objectives, objectives])
        order = np.argsort(index, kind="stable")
        order = order[non_dominated(objectives[order])]
        self.index, self.objectives = index[order].astype(np.int64), objectives[order]

    def __len__(self) -> int:
        return len(self.index)


def hypervolume(front: Floats, reference: Floats) -> float:
    """Volume [K] between the rows [n, K] and a reference that is larger than what counts (pymoo)."""
    from pymoo.indicators.hv import HV  # here, as it takes a while to load

    inside = front[(front < reference).all(axis=1)]
    return float(HV(ref_point=np.asarray(reference, np.float64))(inside)) if len(inside) else 0.0
