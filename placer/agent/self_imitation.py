"""Self-imitation: the best episodes so far, which the agent varies and imitates.

The environment is deterministic, so that the actions of the best placement lead to it again.  Some episodes of an
iteration therefore repeat one of the best, except for a few steps that the policy decides again (Ecoffet et al., "First
return, then explore", Nature 2021), and the policy imitates the best episodes besides learning from its own ones (Oh et
al., "Self-Imitation Learning", ICML 2018).
"""

from __future__ import annotations

from bisect import bisect
from typing import NamedTuple

import torch
from torch import Tensor

from placer.agent.rollouts import FREE, Rollout


class Steps(NamedTuple):
    """L steps of episodes."""

    maps: Tensor  # [L, K, R, C]
    scalars: Tensor  # [L, S]
    mask: Tensor  # [L, R*C]
    action: Tensor  # [L]
    step: Tensor  # [L] index of each within its episode


class EpisodeMemory:
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
            self.episodes.insert(rank, Steps(*(column.to("cpu", copy=True) for column in columns)))
            del self.proxies[self.capacity :], self.episodes[self.capacity :]

    def variants(self, count: int, deviations: float, generator: torch.Generator) -> Tensor:
        """[B, T] actions of B = `count` episodes drawn by rank, with `FREE` at about `deviations` random steps each."""
        ranks = self._draw_ranks(count, generator)
        actions = torch.stack([self.episodes[k].action for k in ranks.tolist()])
        open_steps = torch.rand(actions.shape, generator=generator) * actions.shape[1] < deviations
        return actions.masked_fill(open_steps, FREE)

    def sample(self, count: int, generator: torch.Generator) -> Steps:
        """`count` random steps of episodes drawn by rank."""
        ranks = self._draw_ranks(count, generator)
        step = torch.randint(len(self.episodes[0].action), (count,), generator=generator)
        parts = [Steps(*(column[step[ranks == k]] for column in episode)) for k, episode in enumerate(self.episodes)]
        return Steps(*(torch.cat(columns) for columns in zip(*parts, strict=True)))

    def _draw_ranks(self, count: int, generator: torch.Generator) -> Tensor:
        """[B] B = `count` ranks, rank k (from 0) with a weight of 1 / (k + 1)."""
        weights = 1.0 / torch.arange(1, len(self.episodes) + 1)
        return torch.multinomial(weights, count, replacement=True, generator=generator)
