"""The memory of episodes keeps the best distinct ones."""

from __future__ import annotations

import torch
from torch import Tensor

from placer.agent.rollouts import Rollout
from placer.agent.self_imitation import EpisodeMemory


def rollout(proxy: list[float], steps: int = 5, mark: int = 0) -> Rollout:
    """Episodes whose maps hold `mark`, the episode and the step."""
    batch = len(proxy)
    step, episode = torch.meshgrid(torch.arange(steps), torch.arange(batch), indexing="ij")
    marks: Tensor = torch.stack([torch.full_like(step, mark), episode, step], dim=2).float()
    nothing = torch.zeros((steps, batch))
    mask = torch.ones((steps, batch, 4), dtype=torch.bool)
    maps = marks[..., None, None].expand(steps, batch, 3, 2, 2).contiguous()
    at_end = torch.tensor(proxy, dtype=torch.float64)
    return Rollout(maps, marks, mask, 10 * episode + step, nothing, nothing, nothing, at_end, nothing[0])


def test_the_memory_holds_the_best_distinct_episodes() -> None:
    memory = EpisodeMemory(3)
    memory.add(rollout([5.0, 2.0, 9.0, 2.0]))
    assert memory.proxies == [2.0, 5.0, 9.0]
    memory.add(rollout([4.0, 5.0, 11.0, 1.0]))
    assert memory.proxies == [1.0, 2.0, 4.0]
    assert [int(episode.maps[0, 1, 0, 0]) for episode in memory.episodes] == [3, 1, 0]


def test_copies_of_one_episode_do_not_hide_others() -> None:
    memory = EpisodeMemory(3)
    memory.add(rollout([7.0, 1.0, 1.0, 1.0, 1.0, 6.0]))
    assert memory.proxies == [1.0, 6.0, 7.0]


def test_the_memory_does_not_change_with_the_rollout() -> None:
    memory, source = EpisodeMemory(1), rollout([1.0])
    memory.add(source)
    source.maps.zero_()
    assert memory.episodes[0].maps[:, 2, 0, 0].tolist() == [0, 1, 2, 3, 4]


def test_samples_are_steps_and_better_episodes_are_more_frequent() -> None:
    memory = EpisodeMemory(2)
    memory.add(rollout([3.0, 1.0], mark=7))
    maps, scalars, mask, action, step = memory.sample(900, torch.Generator().manual_seed(0))
    assert len(maps) == len(scalars) == len(mask) == len(action) == len(step) == 900
    episode = maps[:, 1, 0, 0].long()
    assert torch.equal(maps[:, 0, 0, 0], torch.full((900,), 7.0))
    assert torch.equal(maps[:, 2, 0, 0].long(), step)
    assert torch.equal(scalars, maps[:, :, 0, 0])
    assert torch.equal(action, 10 * episode + step)
    assert set(step.tolist()) == set(range(5))
    assert 540 < int((episode == 1).sum()) < 660  # two of three
