"""Rollouts: the same with any number of threads, in turns or with actors; torch keeps its threads."""

from __future__ import annotations

import threading
import time
from dataclasses import fields
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from netlists import load
from netlists.netlist import Netlist
from placer.agent import rollouts
from placer.agent.checkpoints import load_policy
from placer.agent.placing import PRETRAINED
from placer.agent.policy import STYLE, PlacementPolicy, netlist_graph
from placer.agent.ray_rollouts import RolloutActor
from placer.agent.rollouts import PART, PER_EPISODE, Plan, Rollout, on_host, one_thread_each, play, play_in_turns
from placer.environment.env import EnvSettings, EpisodeBatch

ENV = EnvSettings(soft_rounds=5, soft_sweeps=1)
EPISODES = 2 * PART + 4  # the last part is smaller


@cache
def jetty() -> Netlist:
    return load("jetty")


@cache
def policy() -> PlacementPolicy:
    return load_policy(PRETRAINED)


@cache
def embedding() -> Tensor:
    with torch.no_grad():
        return policy().encode(netlist_graph(jetty(), jetty_episodes(1).order))


def jetty_episodes(threads: int, batch: int = EPISODES) -> EpisodeBatch:
    return EpisodeBatch(jetty(), batch, ENV, threads)


def plan() -> Plan:
    """Sampled, greedy, prescribed and hot episodes with a style each."""
    generator = torch.Generator().manual_seed(0)
    steps = len(jetty().movable_hard)
    sampled = Plan.sampled(EPISODES, steps, generator)
    sampled.temperature[:3] = 0.0
    sampled.temperature[-5:] = 3.0
    sampled.follow[4:9] = torch.randint(0, jetty().grid[0] * jetty().grid[1], (5, steps), generator=generator)
    style = policy().style.detach() + 0.1 * torch.randn((EPISODES, STYLE), generator=generator)
    return Plan(sampled.draw, sampled.temperature, sampled.follow, style)


@cache
def expected() -> Rollout:
    return play(policy(), embedding(), plan(), jetty_episodes(1))


def assert_same(actual: Rollout, other: Rollout) -> None:
    different = [f.name for f in fields(Rollout) if not torch.equal(getattr(actual, f.name), getattr(other, f.name))]
    assert not different


@pytest.mark.parametrize("threads", [1, 2, 4, 16, 64])
def test_the_number_of_threads_does_not_matter(threads: int) -> None:
    episodes = jetty_episodes(threads)
    assert_same(play(policy(), embedding(), plan(), episodes), expected())
    assert [cost.proxy for cost in episodes.costs] == expected().proxy.tolist()
    assert_same(play(policy(), embedding(), plan(), episodes), expected())  # the second time, too


def test_actors_play_the_same() -> None:
    before = torch.get_num_threads()
    actor = RolloutActor(ENV, jetty())
    parts = [plan().part(first, first + PART) for first in range(0, EPISODES, PART)]
    columns = zip(*(actor.play(0, (policy(), embedding()), part) for part in parts), strict=True)
    torch.set_num_threads(before)
    for field, column in zip(fields(Rollout), columns, strict=True):
        whole = np.concatenate(column, axis=int(field.name not in PER_EPISODE))
        np.testing.assert_array_equal(whole, getattr(expected(), field.name).numpy(), err_msg=field.name)


@pytest.mark.parametrize("groups", [1, 2, 3])
@pytest.mark.parametrize("threads", [1, 4])
def test_groups_in_turns_play_the_same_episodes(groups: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollouts, "GROUPS", groups)
    actual, other = play_in_turns(policy(), embedding(), plan(), jetty_episodes(threads)), expected()
    for name in ("maps", "scalars", "mask", "action", "reward", "proxy", "stuck"):
        assert torch.equal(getattr(actual, name), getattr(other, name)), name
    # Rounding depends on how many episodes the policy sees at a time.
    torch.testing.assert_close(actual.log_prob, other.log_prob, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(actual.value, other.value, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("batch", [1, 2])
def test_few_episodes_take_turns_too(batch: int) -> None:
    rollout = play_in_turns(policy(), embedding(), plan().part(0, batch), jetty_episodes(3, batch))
    assert torch.equal(rollout.action, expected().action[:, :batch])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_plays_nearly_the_same_episodes() -> None:
    on_gpu = load_policy(PRETRAINED).cuda()
    rollout = play(on_gpu, embedding().cuda(), plan(), jetty_episodes(4))
    assert rollout.maps.is_cuda
    assert not rollout.action.is_cuda
    # If rounding changes the action of one draw, the rest of the episode differs.
    same = (rollout.action == expected().action).all(dim=0)
    assert same.float().mean() > 0.7
    torch.testing.assert_close(rollout.maps.cpu()[:, same], expected().maps[:, same])
    torch.testing.assert_close(rollout.log_prob[:, same], expected().log_prob[:, same], rtol=1e-2, atol=1e-2)


def test_playing_threads_use_no_others_and_the_caller_keeps_its_own() -> None:
    before = torch.get_num_threads()
    seen: list[int] = []
    try:
        torch.set_num_threads(3)
        with one_thread_each(2) as pool:
            seen += pool.map(lambda _: torch.get_num_threads(), range(4))
        assert set(seen) == {1}
        play(policy(), embedding(), plan(), jetty_episodes(2))
        assert torch.get_num_threads() == 3
        assert "omp_get_max_threads() : 3" in torch.__config__.parallel_info()
        later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        later.start()
        later.join()
        assert seen[-1] == 3
    finally:
        torch.set_num_threads(before)


class Stop(BaseException):
    """Like Ctrl-C, or an error in one part."""


def test_the_other_parts_stop_if_one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    original = EpisodeBatch.step

    def step(self: EpisodeBatch, *what: object) -> object:
        steps.append(self.t)
        if len(steps) == 3:
            raise Stop
        if len(steps) > 3:
            time.sleep(0.1)
        return original(self, *what)  # type: ignore[arg-type]

    monkeypatch.setattr(EpisodeBatch, "step", step)
    before = torch.get_num_threads()
    with pytest.raises(Stop):
        play(policy(), embedding(), plan(), jetty_episodes(2))
    assert len(steps) < 3 + len(jetty().movable_hard)
    assert torch.get_num_threads() == before


def test_on_the_host_nothing_is_copied() -> None:
    action = torch.arange(3)
    assert on_host(action) is action
