"""Episodes played by a policy, batched in this process."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from placer.env import EpisodeBatch, Observation
from placer.policy import PlacementPolicy

VARIANT_TEMPERATURE = 3.0  # a policy that imitates the best episodes would hardly vary them at 1


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

    def part(self, first: int, last: int) -> Rollout:
        """Episodes first..last-1."""
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        return Rollout(**{name: x[first:last] if name == "proxy" else x[:, first:last] for name, x in columns.items()})


@torch.no_grad()
def play(
    policy: PlacementPolicy,
    embedding: Tensor,
    episodes: EpisodeBatch,
    generator: torch.Generator | None,
    style: Tensor | None = None,
    greedy: int = 0,
    follow: Tensor | None = None,
) -> Rollout:
    """Play all episodes to the end with rows of `policy.encode` [T, 3E]; greedy without a generator.

    With one, the first `greedy` episodes are still played greedily.  `style` [B, 2K] replaces the policy's own.
    `follow` [F, T] prescribes the actions of the last F episodes, where it is not -1 and the mask allows them; in
    other steps they are drawn at VARIANT_TEMPERATURE.
    The network runs on the device of `embedding`; results are on the CPU.
    """
    device = embedding.device
    steps: list[tuple[Tensor, ...]] = []
    observation: Observation | None = episodes.reset()
    while observation is not None:
        maps, scalars, mask = (torch.from_numpy(a) for a in (observation.maps, observation.scalars, observation.mask))
        row = embedding[observation.t].expand(episodes.batch, -1)
        log_probs, value = policy(row, maps.to(device), scalars.to(device), mask.to(device), style)
        log_probs = log_probs.cpu()
        action = choose(log_probs, generator, greedy)
        if follow is not None:
            action[-len(follow) :] = choose(log_probs[-len(follow) :] / VARIANT_TEMPERATURE, generator)
            prescribed = follow[:, observation.t]
            allowed = mask[-len(follow) :].gather(1, prescribed.clamp_min(0)[:, None]).squeeze(1)
            action[-len(follow) :] = torch.where((prescribed >= 0) & allowed, prescribed, action[-len(follow) :])
        observation, reward = episodes.step(action.numpy())
        chosen = log_probs.gather(1, action[:, None]).squeeze(1)
        steps.append((maps, scalars, mask, action, chosen, value.cpu(), torch.from_numpy(reward).float()))
    columns = [torch.stack(column) for column in zip(*steps, strict=True)]
    columns.append(torch.tensor([cost.proxy for cost in episodes.costs], dtype=torch.float64))
    return Rollout(*columns)


def choose(log_probs: Tensor, generator: torch.Generator | None, greedy: int = 0) -> Tensor:
    """Sample one action a row [B]; take the likeliest in the first `greedy` rows, or in all without a generator."""
    likeliest = log_probs.argmax(dim=1)
    if generator is None:
        return likeliest
    sampled = torch.multinomial(log_probs.softmax(dim=1), 1, generator=generator).squeeze(1)
    return torch.cat([likeliest[:greedy], sampled[greedy:]])
