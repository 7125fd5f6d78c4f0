"""Which designs of a search are worth a floorplan, and what all others cost in the light of those that have one.

A search prices wires by an estimate; a floorplan measures them.  What lies between both, the logarithm of the ratio of
an objective's prices, is a Gaussian process over the genes of designs (Kennedy and O'Hagan, "Predicting the output from
a complex computer code when fast approximations are available", Biometrika 87(1), 2000), with a constant mean, one
variance per objective and a squared exponential kernel that all objectives share.  Templates are independent of each
other beside the mean.  Length and noise of the kernel are those of the greatest likelihood on a small grid.

A floorplan is worth most if the design is likely to be on the front, and if its own price is least known: the score is
the probability to be non-dominated, over joint draws of all prices, times the standard deviation of the process.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist

from dse.search.genes import Genes
from dse.search.pareto import non_dominated
from dse.templates.base import Floats, Ints

PILOT = 3
"""Designs that are placed before the process is fitted: evenly along the front."""
LENGTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Lengths of the kernel that are tried, where each gene ranges from 0 to 1."""
NOISES = (0.01, 0.1, 0.5)
"""Variances of what is not smooth in the genes that are tried, over that of the process."""
DRAWS = 256
"""Draws of all prices from which a probability is counted."""
CANDIDATES = 200
"""Designs whose probability is computed, about: those of the first fronts at expected prices."""


class Process(NamedTuple):
    """The process, given the M designs that have a floorplan."""

    length: float
    noise: float  # variance over that of the process
    deviation: Floats  # [K]
    known: Ints  # [M] rows of the designs
    factor: tuple[Floats, bool]  # of the covariance of the known ones, at variance 1
    ratio_log: Floats  # [n, K] expected logarithm of placed over estimated price


class Repricer:
    """The designs of a search at estimated prices, and those of them that have a floorplan at their own."""

    def __init__(self, genes: Genes, seed: int) -> None:
        self.genes, self.random = genes, np.random.default_rng(seed)
        self.index: Ints = np.zeros(0, np.int64)  # [n] feasible designs, ascending
        self.estimated: Floats = np.zeros((0, len(genes.space.objectives)))  # [n, K]
        self.placed: dict[int, Floats] = {}  # [K] by number; infinite if there is no floorplan

    def add(self, index: Ints, objectives: Floats) -> None:
        """Take feasible designs [n] and their objectives [n, K] with estimated wires, smaller is better."""
        index = np.concatenate([self.index, index])
        order = np.argsort(index, kind="stable")
        self.index, self.estimated = index[order], np.concatenate([self.estimated, objectives])[order]

    def take(self, index: Ints, objectives: Floats) -> None:
        """Take objectives [m, K] of designs [m] with placed wires; they are not finite if a placement failed."""
        for number, row in zip(index.tolist(), objectives, strict=True):
            self.placed[number] = np.where(np.isfinite(row).all(), row, np.inf)

    def choose(self, count: int) -> Ints:
        """Numbers of at most `count` designs to place next; fewer if no other design may be on the front."""
        if len(self._known()) < PILOT:
            return self._choose_evenly(count)
        process = self._fit()
        rows = self._nearest(process)
        covariance = self._covariance(process, rows)
        chance = self._chance(rows, process, covariance)
        chance[np.isin(self.index[rows], list(self.placed))] = 0.0
        chosen = list[int]()
        for _ in range(min(count, int(np.count_nonzero(chance)))):
            best = int(np.argmax(chance * np.sqrt(np.maximum(np.diag(covariance), 0.0))))
            chosen.append(int(self.index[rows[best]]))
            chance[best] = 0.0
            # Its price will be known, and tell of its neighbors: the covariance does not depend on what it will be.
            covariance -= np.outer(covariance[best], covariance[best]) / covariance[best, best]
        return np.array(chosen, np.int64)

    def prices(self) -> Floats:
        """Objectives [n, K] of the designs `index`: placed ones, and for the others those that are expected."""
        return self._expect(self._fit().ratio_log if len(self._known()) >= PILOT else np.zeros_like(self.estimated))

    def _expect(self, ratio_log: Floats) -> Floats:
        """Objectives [n, K] at ratios [n, K] of placed over estimated price, except for placed designs."""
        prices = self.estimated * np.exp(ratio_log)
        for row in self._placed_rows().tolist():
            prices[row] = self.placed[int(self.index[row])]
        return np.asarray(prices)

    def _placed_rows(self) -> Ints:
        return np.flatnonzero(np.isin(self.index, list(self.placed)))

    def _known(self) -> Ints:
        """Rows of designs with a floorplan."""
        return np.array([row for row in self._placed_rows() if np.isfinite(self.placed[int(self.index[row])]).all()],
                        np.int64)  # fmt: skip

    def _choose_evenly(self, count: int) -> Ints:
        """Designs evenly along the front at estimated prices, in the order of the first objective."""
        rows = np.setdiff1d(np.arange(len(self.index)), self._placed_rows())
        front = rows[non_dominated(self.estimated[rows])]
        front = front[np.argsort(self.estimated[front, 0], kind="stable")]
        places = np.unique(np.linspace(0, len(front) - 1, min(count, len(front))).round().astype(int))
        return np.sort(self.index[front[places]])

    def _fit(self) -> Process:
        """The process, given the designs with a floorplan."""
        known = self._known()
        placed = np.array([self.placed[int(number)] for number in self.index[known]])
        ratio_log = _log_ratio(placed, self.estimated[known])
        center = ratio_log.mean(axis=0)
        residual = ratio_log - center
        distance = self._distances(np.arange(len(self.index)), known)
        options = [_likelihood(distance[known], residual, *option) for option in product(LENGTHS, NOISES)]
        _, length, noise = max(options)
        kernel = np.exp(-distance / (2 * length**2))
        factor = cho_factor(kernel[known] + noise * np.eye(len(known)), lower=True)
        weights = cho_solve(factor, residual)
        deviation = np.sqrt((residual * weights).mean(axis=0))
        return Process(length, noise, deviation, known, factor, center + kernel @ weights)

    def _covariance(self, process: Process, rows: Ints) -> Floats:
        """Covariance [m, m] of the ratios of designs, by rows [m], over the variance of the process."""
        own, others = (np.exp(-self._distances(rows, each) / (2 * process.length**2)) for each in (rows, process.known))
        own += process.noise * np.eye(len(rows))
        return np.asarray(own - others @ cho_solve(process.factor, others.T))

    def _distances(self, rows: Ints, others: Ints) -> Floats:
        """Squared distances [n, m] of the genes of designs, by rows [n] and [m]; infinite between templates."""
        genes, owners = self.genes.encode(self.index), self.genes.space.part_of(self.index)
        genes = genes[:, 1:] if self.genes.several else genes
        scaled = genes / np.maximum(self.genes.counts[-genes.shape[1] :] - 1, 1)
        distance = cdist(scaled[rows], scaled[others], "sqeuclidean")
        return np.where(owners[rows, None] == owners[None, others], distance, np.inf)

    def _nearest(self, process: Process) -> Ints:
        """Rows of the designs of the first fronts at expected prices."""
        prices = self._expect(process.ratio_log)
        left, rows = np.flatnonzero(np.isfinite(prices).all(axis=1)), np.zeros(0, np.int64)
        while len(left) and len(rows) < CANDIDATES:
            front = non_dominated(prices[left])
            rows, left = np.concatenate([rows, left[front]]), left[~front]
        return np.sort(rows)

    def _chance(self, rows: Ints, process: Process, covariance: Floats) -> Floats:
        """Probability [m] of designs, by rows [m], that no other one dominates it at placed prices."""
        values, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))  # below 0 by rounding only
        shape = DRAWS, self.estimated.shape[1], len(rows)
        error = (self.random.standard_normal(shape) @ root.T).transpose(0, 2, 1) * process.deviation
        prices = self.estimated[rows] * np.exp(process.ratio_log[rows] + error)  # [DRAWS, m, K]
        for place, number in enumerate(self.index[rows].tolist()):
            if number in self.placed:
                prices[:, place] = self.placed[number]
        return np.asarray(np.mean([non_dominated(draw) for draw in prices], axis=0))


def _log_ratio(placed: Floats, estimated: Floats) -> Floats:
    """Logarithms [n, K] of placed over estimated prices of the same sign; 0 where both are 0."""
    ratio = np.divide(placed, estimated, out=np.ones_like(placed), where=estimated != 0)
    return np.log(ratio)


def _likelihood(distance: Floats, residual: Floats, length: float, noise: float) -> tuple[float, float, float]:
    """The logarithm of the likelihood of residuals [n, K], at the variances that maximize it; then length and noise.

    Objectives that wires do not change have no residuals, and say nothing.
    """
    kernel = np.exp(-distance / (2 * length**2)) + noise * np.eye(len(distance))
    factor = cho_factor(kernel, lower=True)
    variance = (residual * cho_solve(factor, residual)).mean(axis=0)
    changed = variance[variance > 0]
    determinant = 2 * np.log(np.diag(factor[0])).sum()
    return -0.5 * float(len(residual) * np.log(changed).sum() + len(changed) * determinant), length, noise
