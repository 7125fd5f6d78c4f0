"""Policies that diverge in training return to what they were after the last good iteration, and learn more slowly.

A learning rate that is too high, or a freak batch, can lead to numbers that are no longer finite.  Training goes on
from the last good state with a fraction `placer.agent.ppo.SLOWER` of the learning rate.  The rate is not stored: a run
that is resumed begins with that of its settings.
"""

from __future__ import annotations

from collections.abc import Sequence

from netlists.errors import DivergedError
from netlists.runtime.command import warn
from placer.agent.checkpoints import Tensors, capture, restore
from placer.agent.policy import PlacementPolicy
from placer.agent.ppo import Learner

MOST_RETURNS = 3
"""Returns to one state after which divergence is an error."""


class LastGood:
    """A policy and the learners that share it, as they were after their last good iteration; at first as they are."""

    def __init__(self, policy: PlacementPolicy, learners: Sequence[Learner]) -> None:
        self.policy, self.learners = policy, learners
        self.keep()

    def keep(self) -> None:
        """Take the present state."""
        self.weights: Tensors = {
            name: tensor.detach().cpu().clone() for name, tensor in self.policy.state_dict().items()
        }
        self.states = [capture(learner) for learner in self.learners]
        self._episodes = [list(learner.memory.episodes) for learner in self.learners]
        self._returns = 0

    def go_back(self, error: DivergedError) -> None:
        """Return to the last good state after an error, with a warning on stderr and a lower learning rate.

        Raises the error if that was done MOST_RETURNS times already since the state was taken.
        """
        if self._returns == MOST_RETURNS:
            raise error
        self._returns += 1
        self.policy.load_state_dict(self.weights)
        for learner, state, episodes in zip(self.learners, self.states, self._episodes, strict=True):
            restore(learner, state, episodes)
            rate = learner.slow_down()
        warn(f"warning: {error}; training goes on from the state before, with a learning rate of {rate:g}")
