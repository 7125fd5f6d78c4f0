"""Episodes played by a policy, batched; a plan holds all that is random in them.

A `Player` plays a plan: `play` in this process, or the actors of `actors.py` on a cluster.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol

import torch
from torch import Tensor

from placer.env import EpisodeBatch, Observation
from placer.policy import PlacementPolicy

PER_EPISODE = ("proxy", "stuck")  # fields of a rollout without a time axis


@dataclass(frozen=True, eq=False)
class Plan:
    """How B episodes of T steps are to be played."""

    draw: Tensor  # [B, T] uniform in [0, 1): where in the distribution over cells each action lies
    temperature: Tensor  # [B] of that distribution; at 0 the likeliest cell is taken
    follow: Tensor  # [B, T] actions prescribed where the mask allows them; -1 leaves the choice to the policy
    style: Tensor | None = None  # [B, 2K] instead of the policy's own

    @classmethod
    def sampled(cls, batch: int, steps: int, generator: torch.Generator) -> Plan:
        """Every action drawn from the policy."""
        return cls(torch.rand((batch, steps), generator=generator), torch.ones(batch), _free(batch, steps))

    @classmethod
    def greedy(cls, batch: int, steps: int, style: Tensor | None = None) -> Plan:
        """Every action the likeliest."""
        return cls(torch.zeros(batch, steps), torch.zeros(batch), _free(batch, steps), style)

    def __len__(self) -> int:
        return len(self.draw)

    def part(self, first: int, last: int) -> Plan:
        """Episodes first..last-1."""
        style = None if self.style is None else self.style[first:last]
        return Plan(self.draw[first:last], self.temperature[first:last], self.follow[first:last], style)


def _free(batch: int, steps: int) -> Tensor:
    return torch.full((batch, steps), -1)


@dataclass(frozen=True, eq=False)
class Rollout:
    """T steps of B episodes."""

    maps: Tensor  # [T, B, K, R, C]
    scalars: Tensor  # [T, B, S]
    mask: Tensor  # [T, B, R*C]
    action: Tensor  # [T, B]
    log_prob: Tensor  # [T, B] of the action
    value: Tensor  # [T, B]
    reward: Tensor  # [T, B]
    proxy: Tensor  # [B] at the end, float64
    stuck: Tensor  # [B] steps at which no cell fitted

    def part(self, first: int, last: int) -> Rollout:
        """Episodes first..last-1."""
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        return Rollout(**{name: x[first:last] if name in PER_EPISODE else x[:, first:last]
                          for name, x in columns.items()})  # fmt: skip


class Player(Protocol):
    """Plays the episodes of a plan with rows of `policy.encode` [T, 3E]; results are on the CPU."""

    def __call__(self, policy: PlacementPolicy, embedding: Tensor, plan: Plan) -> Rollout: ...


@torch.no_grad()
def play(policy: PlacementPolicy, embedding: Tensor, plan: Plan, episodes: EpisodeBatch) -> Rollout:
    """Play all episodes to the end as planned, with rows of `policy.encode` [T, 3E].

    The network runs on the device of `embedding`; results are on the CPU.
    """
    device = embedding.device
    style = None if plan.style is None else plan.style.to(device)
    steps: list[tuple[Tensor, ...]] = []
    observation: Observation | None = episodes.reset()
    while observation is not None:
        t = observation.t
        maps, scalars, mask = (torch.from_numpy(a) for a in (observation.maps, observation.scalars, observation.mask))
        row = embedding[t].expand(episodes.batch, -1)
        log_probs, value = policy(row, maps.to(device), scalars.to(device), mask.to(device), style)
        log_probs = log_probs.cpu()
        action, prescribed = choose(log_probs, plan.draw[:, t], plan.temperature), plan.follow[:, t]
        allowed = mask.gather(1, prescribed.clamp_min(0)[:, None]).squeeze(1)
        action = torch.where((prescribed >= 0) & allowed, prescribed, action)
        observation, reward = episodes.step(action.numpy())
        chosen = log_probs.gather(1, action[:, None]).squeeze(1)
        steps.append((maps, scalars, mask, action, chosen, value.cpu(), torch.from_numpy(reward).float()))
    columns = [torch.stack(column) for column in zip(*steps, strict=True)]
    columns.append(torch.tensor([cost.proxy for cost in episodes.costs], dtype=torch.float64))
    columns.append(torch.from_numpy(episodes.stuck))
    return Rollout(*columns)


def choose(log_probs: Tensor, draw: Tensor, temperature: Tensor) -> Tensor:
    """One action a row [B] by inverting the cumulative distribution at `draw` [B]; the likeliest at temperature 0.

    That the draws are given makes an action depend on its own row alone, whatever rows are played with it.
    """
    greedy = temperature == 0
    heat = torch.where(greedy, 1.0, temperature)[:, None]
    cumulative = (log_probs / heat).softmax(dim=1).double().cumsum(dim=1)
    # Single-precision draws stay below 1 by more than the sum rounds: a cell of probability 0 is never found.
    sought = draw.double()[:, None] * cumulative[:, -1:]
    sampled = torch.searchsorted(cumulative, sought, right=True).squeeze(1)
    return torch.where(greedy, log_probs.argmax(dim=1), sampled)
