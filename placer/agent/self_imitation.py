"""The best episodes seen in training, to be explored from and imitated.

The environment is deterministic: what gave the best placement once gives it again.  So some episodes of an iteration
repeat one of the best but for a few steps that the policy decides anew (Ecoffet et al., First return, then explore,
Nature 2021), and the policy imitates the best beside learning from its own episodes (Oh et al., Self-Imitation
Learning, ICML 2018).
"""

from __future__ import annotations

from bisect import bisect

import torch
from torch import Tensor

from placer.agent.rollouts import Rollout

Steps = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
"""maps [n, K, R, C], scalars [n, S], mask [n, R*C], action [n] and step [n] of n steps."""


class Elites:
    """Up to `capacity` distinct episodes on the CPU, the best first."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.proxies: list[float] = []
        self.episodes: list[Steps] = []

    def add(self, rollout: Rollout) -> None:
        """Keep those episodes of a rollout that are among the best so far."""
        steps = torch.arange(len(rollout.action))
        for b in rollout.proxy.argsort().tolist():
            proxy = float(rollout.proxy[b])
            rank = bisect(self.proxies, proxy)
            if rank >= self.capacity:
                break
            if proxy in self.proxies:  # the same placement again
                continue
            columns = (rollout.maps[:, b], rollout.scalars[:, b], rollout.mask[:, b], rollout.action[:, b], steps)
            self.proxies.insert(rank, proxy)
            self.episodes.insert(rank, tuple(column.to("cpu", copy=True) for column in columns))  # type: ignore[arg-type]
            del self.proxies[self.capacity :], self.episodes[self.capacity :]

    def variants(self, count: int, deviations: float, generator: torch.Generator) -> Tensor:
        """[count, T] actions of episodes drawn by rank, with -1 at about `deviations` random steps of each."""
        which = self._draw(count, generator)
        actions = torch.stack([self.episodes[k][3] for k in which.tolist()])
        open_steps = torch.rand(actions.shape, generator=generator) * actions.shape[1] < deviations
        return actions.masked_fill(open_steps, -1)

    def sample(self, count: int, generator: torch.Generator) -> Steps:
        """`count` random steps, of episodes drawn by rank."""
        which = self._draw(count, generator)
        step = torch.randint(len(self.episodes[0][3]), (count,), generator=generator)
        parts = [tuple(column[step[which == k]] for column in self.episodes[k]) for k in range(len(self.episodes))]
        return tuple(torch.cat(columns) for columns in zip(*parts, strict=True))  # type: ignore[return-value]

    def _draw(self, count: int, generator: torch.Generator) -> Tensor:
        """[count] ranks, rank k (from 0) with a weight of 1 / (k + 1)."""
        weights = 1.0 / torch.arange(1, len(self.episodes) + 1)
        return torch.multinomial(weights, count, replacement=True, generator=generator)
