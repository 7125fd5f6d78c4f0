"""PPO: advantages by their definition, a problem with a known answer, the same history from the same seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from netlists import load
from netlists.errors import SettingsError
from netlists.netlist import Netlist
from netlists.synthetic.known_optimum import known_optimum
from placer.agent import ppo
from placer.agent.policy import PlacementPolicy
from placer.agent.ppo import IterationStats, Learner, PPOSettings
from placer.agent.rollouts import Plan, Rollout, choose, play
from placer.cost import evaluate
from placer.environment.env import EpisodeBatch
from tests.placer.legalization.test_legalize import blocks


@pytest.fixture(autouse=True)
def one_torch_thread() -> Iterator[None]:
    """Networks this small run faster on one thread, especially beside other tests."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def learner(netlist: Netlist, *, seed: int = 0, threads: int | None = None, **settings: Any) -> Learner:
    torch.manual_seed(seed)
    return Learner(netlist, PlacementPolicy(), PPOSettings(**settings), seed, threads)


def history(trained: Learner, iterations: int) -> list[dict[str, float]]:
    """The statistics of the iterations, without times."""

    def timeless(stats: IterationStats) -> dict[str, float]:
        return {k: v for k, v in asdict(stats).items() if k not in ("seconds", "steps_per_second")}

    return [timeless(trained.iterate()) for _ in range(iterations)]


def played(reward: Tensor, value: Tensor) -> Rollout:
    """A rollout of which only rewards and values matter."""
    nothing = torch.zeros(reward.shape)
    return Rollout(nothing, nothing, nothing, nothing, nothing, value, reward, nothing[0], nothing[0])


@pytest.mark.parametrize(("discount", "gae_lambda"), [(1.0, 1.0), (1.0, 0.0), (0.9, 0.7), (0.0, 0.5)])
def test_advantages_agree_with_their_definition(discount: float, gae_lambda: float) -> None:
    generator = torch.Generator().manual_seed(0)
    reward, value = torch.randn((2, 6, 3), generator=generator)
    trained = learner(known_optimum(3)[0], num_envs=2, discount=discount, gae_lambda=gae_lambda)
    trained.return_mean, trained.return_std = -0.5, 2.0
    advantage, returns = trained._advantages(played(reward, value))
    real = (value * 2.0 - 0.5).numpy()
    error = [reward[t].numpy() + discount * (real[t + 1] if t < 5 else 0) - real[t] for t in range(6)]
    for t in range(6):
        expected = sum((discount * gae_lambda) ** (k - t) * error[k] for k in range(t, 6))
        np.testing.assert_allclose(advantage[t], expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(returns, advantage + value * 2.0 - 0.5)


def test_without_smoothing_returns_are_sums_of_rewards() -> None:
    reward, value = torch.rand((2, 5, 2), generator=torch.Generator().manual_seed(1))
    trained = learner(known_optimum(3)[0], num_envs=2, discount=1.0, gae_lambda=1.0)
    _, returns = trained._advantages(played(reward, value))
    torch.testing.assert_close(returns, reward.flip(0).cumsum(0).flip(0))


PPO_ALONE: dict[str, Any] = {"style_generations": 0, "elites": 0, "minibatch": 64}
STYLES_ALONE: dict[str, Any] = {"style_generations": 100}
BOTH: dict[str, Any] = {"style_generations": 4}


def over_the_optimum(settings: dict[str, Any], iterations: int) -> float:
    """The proxy of the greedy episode after training, over that of the known optimum."""
    netlist, best = known_optimum(3)
    trained = learner(netlist, num_envs=32, **settings)
    for _ in range(iterations):
        trained.iterate()
    episodes = EpisodeBatch(netlist, 1)
    with torch.no_grad():
        play(trained.policy, trained.policy.encode(trained.graph), Plan.greedy(1, episodes.steps), episodes)
    proxy = evaluate(episodes.placement(0)).proxy
    assert proxy == episodes.costs[0].proxy
    return proxy / evaluate(best).proxy


@pytest.mark.slow
@pytest.mark.parametrize(("settings", "iterations"), [(PPO_ALONE, 12), (STYLES_ALONE, 6), (BOTH, 8)])
def test_training_finds_the_known_optimum(settings: dict[str, Any], iterations: int) -> None:
    assert over_the_optimum(settings, iterations) < 1.05


@pytest.mark.slow
@pytest.mark.parametrize(("settings", "iterations"), [(PPO_ALONE, 12), (STYLES_ALONE, 6)])
def test_training_with_the_opposite_sign_does_not(
    settings: dict[str, Any], iterations: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def negate(*args: object, **kwargs: object) -> Rollout:
        rollout = play(*args, **kwargs)  # type: ignore[arg-type]
        return replace(rollout, reward=-rollout.reward, proxy=-rollout.proxy)

    monkeypatch.setattr(ppo, "play", negate)
    assert over_the_optimum(settings, iterations) > 1.5


@pytest.mark.slow
def test_the_same_seed_gives_the_same_history_with_any_number_of_threads() -> None:
    settings = {"num_envs": 6, "style_generations": 2, "minibatch": 16}
    one, two, again = (learner(load("jetty"), seed=3, threads=threads, **settings) for threads in (1, 2, 2))
    expected = history(one, 4)
    assert history(two, 4) == expected
    assert history(again, 4) == expected
    for parameter, other in zip(one.policy.parameters(), two.policy.parameters(), strict=True):
        assert torch.equal(parameter, other)
    assert history(learner(load("jetty"), seed=4, **settings), 4) != expected


@pytest.mark.parametrize("envs", [1, 2])
@pytest.mark.parametrize("macros", [1, 2])
def test_the_smallest_netlists_and_batches_can_be_trained_on(macros: int, envs: int) -> None:
    netlist = blocks([(2.0, 2.0)] * macros, (10.0, 10.0))
    trained = learner(netlist, num_envs=envs, style_generations=2, minibatch=1)
    for stats in history(trained, 4):
        assert np.isfinite(list(stats.values())).all(), stats
    for parameter in trained.policy.parameters():
        assert parameter.isfinite().all()


def test_training_changes_the_policy() -> None:
    trained = learner(load("jetty"), num_envs=4, style_generations=0)
    before = [p.detach().clone() for p in trained.policy.parameters()]
    stats = trained.iterate()
    assert stats.entropy > 0
    assert stats.proxy_best <= stats.proxy_mean
    assert any(not torch.equal(p, q) for p, q in zip(before, trained.policy.parameters(), strict=True))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_envs", 0), ("learning_rate", -1.0), ("discount", 1.5), ("gae_lambda", -0.1), ("clip", float("nan")),
        ("soft_rounds", -1), ("max_grad_norm", float("inf")),
    ],
)  # fmt: skip
def test_settings_out_of_range_are_named(name: str, value: float) -> None:
    with pytest.raises(SettingsError, match=f"{name} is {value}"):
        PPOSettings(**{name: value})  # type: ignore[arg-type]


def test_a_rollout_records_what_happened() -> None:
    netlist = load("jetty")
    trained = learner(netlist, num_envs=3)
    with torch.no_grad():
        embedding = trained.policy.encode(trained.graph)
    steps = len(netlist.movable_hard)
    plan = Plan.sampled(3, steps, torch.Generator().manual_seed(0))
    rollout = play(trained.policy, embedding, plan, trained.episodes)
    assert rollout.maps.shape[:2] == rollout.action.shape == (steps, 3)
    assert rollout.mask.gather(2, rollout.action[..., None]).all()
    # Untrained: uniform over the mask.
    torch.testing.assert_close(rollout.log_prob, -rollout.mask.sum(dim=2).log())
    assert rollout.proxy.tolist() == [cost.proxy for cost in trained.episodes.costs]
    torch.testing.assert_close(rollout.reward.sum(dim=0).double(), -rollout.proxy, rtol=1e-5, atol=0)


def test_choose_samples_by_probability_or_takes_the_most_probable() -> None:
    log_probs = torch.tensor([[0.1, 0.0, 0.9], [0.6, 0.4, 0.0]]).log()
    draws = torch.linspace(0, 1, 1001)[:-1]
    for temperature in (0.0, 1.0, 3.0):
        actions = torch.stack([choose(log_probs, draw.expand(2), torch.full((2,), temperature)) for draw in draws])
        fraction = torch.stack([(actions == k).float().mean(dim=0) for k in range(3)], dim=1)
        heated = log_probs.exp() ** (1 / temperature) if temperature else log_probs.exp().round()
        torch.testing.assert_close(fraction, heated / heated.sum(dim=1, keepdim=True), rtol=0, atol=0.002)
        assert fraction[0, 1] == fraction[1, 2] == 0
    assert choose(log_probs, torch.tensor([0.5, 0.99]), torch.tensor([0.0, 1.0])).tolist() == [2, 1]


@given(st.integers(0, 2**32), st.floats(0, 1, exclude_max=True, width=32), st.sampled_from([0.0, 0.5, 1.0, 3.0]))
def test_a_masked_cell_is_never_chosen(seed: int, draw: float, temperature: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = 30 * torch.randn((1, 400), generator=generator)
    mask = torch.rand((1, 400), generator=generator) < 0.1
    mask[0, seed % 400] = True
    log_probs = logits.masked_fill(~mask, -torch.inf).log_softmax(dim=1)
    assert mask[0, choose(log_probs, torch.tensor([draw]), torch.tensor([temperature]))]


def test_prescribed_actions_are_taken_if_the_mask_allows_them() -> None:
    trained = learner(load("jetty"), num_envs=3, threads=1)
    steps = trained.episodes.steps
    first = trained._play(Plan.sampled(3, steps, torch.Generator().manual_seed(0)))
    plan = Plan.greedy(3, steps)
    plan.follow[1:] = first.action[:, 1:].T
    plan.follow[2, 4] = first.action[3, 2]  # taken by the macro before
    again = trained._play(plan)
    assert torch.equal(again.action[:, 1], first.action[:, 1])
    assert torch.equal(again.action[:4, 2], first.action[:4, 2])
    assert not again.mask[4, 2, plan.follow[2, 4]]
    assert again.mask.gather(2, again.action[..., None]).all()


def test_an_episode_does_not_depend_on_the_others_in_its_batch() -> None:
    trained = learner(load("jetty"), num_envs=4, threads=1)
    plan = Plan.sampled(4, trained.episodes.steps, torch.Generator().manual_seed(1))
    whole = trained._play(plan)
    trained.episodes = EpisodeBatch(load("jetty"), 2, trained.settings.env)
    with torch.no_grad():
        embedding = trained.policy.encode(trained.graph)
    half = play(trained.policy, embedding, plan.part(2, 4), trained.episodes)
    assert torch.equal(half.action, whole.part(2, 4).action)
    assert torch.equal(half.proxy, whole.proxy[2:])
