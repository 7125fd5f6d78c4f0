"""The search over styles finds a minimum; the memory keeps the best distinct episodes."""

from __future__ import annotations

import torch
from torch import Tensor

from placer.agent.rollouts import Rollout
from placer.agent.self_imitation import Elites
from placer.agent.style_search import StyleSearch


def test_the_search_finds_the_minimum_of_a_quadratic() -> None:
    generator = torch.Generator().manual_seed(0)
    goal, scale = torch.linspace(-12, 12, 20), torch.linspace(0.5, 2, 20)
    search = StyleSearch.around(torch.zeros(20), 10.0)
    first = float((scale * goal.square()).sum())
    for _ in range(60):
        styles = search.ask(64, generator)
        search.tell(styles, (scale * (styles - goal).square()).sum(dim=1))
    assert float((scale * (search.mean - goal).square()).sum()) < 0.01 * first
    assert (search.deviation < 3).all()


def test_the_first_style_asked_for_is_the_mean_and_the_policy_is_not_changed() -> None:
    style = torch.nn.Parameter(torch.arange(4.0))
    search = StyleSearch.around(style, 10.0)
    styles = search.ask(8, torch.Generator().manual_seed(0))
    assert torch.equal(styles[0], style.detach())
    search.tell(styles, torch.arange(8.0))
    assert style.tolist() == [0, 1, 2, 3]


def test_the_search_survives_a_single_style() -> None:
    search = StyleSearch.around(torch.zeros(3), 10.0)
    for _ in range(3):
        search.tell(search.ask(1, torch.Generator().manual_seed(0)), torch.zeros(1))
    assert search.mean.isfinite().all()
    assert (search.deviation > 0).all()


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


def test_elites_are_the_best_distinct_episodes() -> None:
    elites = Elites(3)
    elites.add(rollout([5.0, 2.0, 9.0, 2.0]))
    assert elites.proxies == [2.0, 5.0, 9.0]
    elites.add(rollout([4.0, 5.0, 11.0, 1.0]))
    assert elites.proxies == [1.0, 2.0, 4.0]
    assert [int(episode[0][0, 1, 0, 0]) for episode in elites.episodes] == [3, 1, 0]


def test_copies_of_one_episode_do_not_hide_others() -> None:
    elites = Elites(3)
    elites.add(rollout([7.0, 1.0, 1.0, 1.0, 1.0, 6.0]))
    assert elites.proxies == [1.0, 6.0, 7.0]


def test_elites_do_not_change_with_the_rollout_they_came_from() -> None:
    elites, source = Elites(1), rollout([1.0])
    elites.add(source)
    source.maps.zero_()
    assert elites.episodes[0][0][:, 2, 0, 0].tolist() == [0, 1, 2, 3, 4]


def test_samples_are_steps_of_elites_and_the_better_come_more_often() -> None:
    elites = Elites(2)
    elites.add(rollout([3.0, 1.0], mark=7))
    maps, scalars, mask, action, step = elites.sample(900, torch.Generator().manual_seed(0))
    assert len(maps) == len(scalars) == len(mask) == len(action) == len(step) == 900
    episode = maps[:, 1, 0, 0].long()
    assert torch.equal(maps[:, 0, 0, 0], torch.full((900,), 7.0))
    assert torch.equal(maps[:, 2, 0, 0].long(), step)
    assert torch.equal(scalars, maps[:, :, 0, 0])
    assert torch.equal(action, 10 * episode + step)
    assert set(step.tolist()) == set(range(5))
    assert 540 < int((episode == 1).sum()) < 660  # two of three
