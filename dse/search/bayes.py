"""Bayesian search for spaces where a design is expensive: multi-objective TPE by optuna (Ozaki et al., GECCO 2020)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.trial import Trial, TrialState

from dse.search.genes import Genes
from dse.search.random import Random
from dse.space.space import DesignSpace
from dse.templates.base import Floats, Ints

STARTUP = 20  # random designs before the model is asked
BATCH = 16  # designs out for evaluation at a time, at most: the model learns nothing while it waits
TRIES = 10  # proposals of the model for a new design before one is drawn at random


class Bayes:
    """Proposes designs from densities of good and other designs, one gene at a time.

    Designs out for evaluation count as bad ones meanwhile, so that a batch spreads out.
    """

    def __init__(self, space: DesignSpace, seed: int, budget: int) -> None:
        self.space, self.genes = space, Genes(space)
        self.left, self.fallback = budget, Random(space, seed, space.size)
        self.out: dict[int, Trial] = {}  # proposed, not told of, by number
        self.waiting: list[int] = []  # of them, not yet asked for
        self.seen: set[int] = set()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP, multivariate=True, constant_liar=True)
        self.study = optuna.create_study(directions=["minimize"] * len(space.objectives), sampler=sampler)
        self.distributions: dict[str, BaseDistribution] = {
            str(gene): IntDistribution(0, int(count) - 1) for gene, count in enumerate(self.genes.counts)
        }

    @property
    def done(self) -> bool:
        return self.left == 0 and not self.waiting

    def ask(self, n: int) -> Ints:
        if not self.waiting:
            self._fill()
        asked, self.waiting = self.waiting[:n], self.waiting[n:]
        return np.array(asked, np.int64)

    def _fill(self) -> None:
        """Propose a batch, whatever part of it is asked for."""
        while len(self.out) < BATCH and self.left > 0:
            number = self._propose()
            if number is None:
                self.left = 0
                break
            self.waiting.append(number)
            self.seen.add(number)
            self.left -= 1

    def _propose(self) -> int | None:
        """A new design that meets the conditions; none when there is no other."""
        for _ in range(TRIES):
            trial = self.study.ask(self.distributions)
            genes = np.array([[trial.params[gene] for gene in self.distributions]])
            number = int(self.genes.decode(genes)[0])
            if number not in self.seen and self.space.holds(np.array([number]))[0]:
                self.out[number] = trial
                return number
            self.study.tell(trial, state=TrialState.FAIL)
        while not self.fallback.done:
            for number in map(int, self.fallback.ask(1)):
                if number not in self.seen:
                    genes = self.genes.encode(np.array([number]))
                    self.study.enqueue_trial(dict(zip(self.distributions, genes[0].tolist(), strict=True)))
                    self.out[number] = self.study.ask(self.distributions)
                    return number
        return None

    def tell(self, index: Ints, objectives: Floats, feasible: npt.NDArray[np.bool_]) -> None:
        for number, row, fits in zip(index.tolist(), objectives, feasible.tolist(), strict=True):
            if fits:
                self.study.tell(self.out.pop(number), row.tolist())
            else:
                self.study.tell(self.out.pop(number), state=TrialState.FAIL)
