"""Bayesian search for spaces whose designs are expensive to evaluate.

The model is optuna's multi-objective TPE (Ozaki et al., GECCO 2020).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from dse.search.genes import Genes
from dse.search.random import Random
from dse.space.space import DesignSpace
from dse.templates.base import Floats, Ints

STARTUP = 20
"""Random designs before the model proposes any."""
BATCH = 16
"""Designs out for evaluation at a time, at most: the model learns nothing from them until their results are back."""
TRIES = 10
"""Proposals of the model for a new design before one is drawn at random."""


class Bayes:
    """Proposes designs from the densities of good and of other designs, one gene at a time.

    Designs that are out for evaluation count as bad ones meanwhile, so that a batch spreads out.
    """

    def __init__(self, space: DesignSpace, seed: int, budget: int) -> None:
        self.space, self.genes = space, Genes(space)
        self.left, self.fallback = budget, Random(space, seed, space.size)
        self.out: dict[int, Trial] = {}  # by number: designs that were proposed and whose results are missing
        self.waiting: list[int] = []  # those of them that were not asked for yet
        self.seen: set[int] = set()
        self.told: dict[int, FrozenTrial] = {}  # by number: feasible designs with their results
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.sampler = optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=STARTUP, multivariate=True, constant_liar=True
        )
        self.study = self._new_study()
        self.distributions: dict[str, BaseDistribution] = {
            str(gene): IntDistribution(0, int(count) - 1) for gene, count in enumerate(self.genes.counts)
        }

    def _new_study(self) -> optuna.Study:
        """A study without trials."""
        return optuna.create_study(directions=["minimize"] * len(self.space.objectives), sampler=self.sampler)

    @property
    def done(self) -> bool:
        """Whether the budget is spent or no new designs are left."""
        return self.left == 0 and not self.waiting

    def ask(self, n: int) -> Ints:
        """At most n designs of the current batch."""
        if not self.waiting:
            self._propose_batch()
        asked, self.waiting = self.waiting[:n], self.waiting[n:]
        return np.array(asked, np.int64)

    def _propose_batch(self) -> None:
        """Propose a full batch, however few designs of it are asked for."""
        while len(self.out) < BATCH and self.left > 0:
            number = self._propose()
            if number is None:
                self.left = 0
                break
            self.waiting.append(number)
            self.seen.add(number)
            self.left -= 1

    def _propose(self) -> int | None:
        """A new design that meets the conditions; None if there is no other."""
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
                    self.out[number] = self._ask_for(number)
                    return number
        return None

    def _ask_for(self, number: int) -> Trial:
        """A trial of the study with the genes of a design."""
        genes = self.genes.encode(np.array([number]))
        self.study.enqueue_trial(dict(zip(self.distributions, genes[0].tolist(), strict=True)))
        return self.study.ask(self.distributions)

    def tell(self, index: Ints, objectives: Floats, feasible: npt.NDArray[np.bool_]) -> None:
        """Take results: objectives [n, K] of designs [n] and their mask `feasible` [n]."""
        for number, row, fits in zip(index.tolist(), objectives, feasible.tolist(), strict=True):
            if fits:
                self.told[number] = self.study.tell(self.out.pop(number), row.tolist())
            else:
                self.study.tell(self.out.pop(number), state=TrialState.FAIL)

    def reprice(self, index: Ints, objectives: Floats) -> None:
        """Replace the objectives of feasible designs [n] by better known ones [n, K]; infinite: they cannot be built.

        A study keeps what it was told, so there is a new one with the same trials.
        """
        self.study = self._new_study()
        prices = dict(zip(index.tolist(), objectives, strict=True))
        for number, trial in self.told.items():
            values = prices.get(number, np.array(trial.values))
            if np.isfinite(values).all():
                told = create_trial(params=trial.params, distributions=trial.distributions, values=values.tolist())
                self.study.add_trial(told)
        self.out = {number: self._ask_for(number) for number in self.out}
