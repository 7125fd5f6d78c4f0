"""Divergence: where it is noticed, and that training goes on from the last good state at a lower learning rate."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from netlists.errors import DivergedError
from netlists.synthetic.tiny import tiny_netlist
from placer.agent import rollouts
from placer.agent.checkpoints import capture, load_policy
from placer.agent.placing import UNTRAINED, Agent, new_policy
from placer.agent.ppo import SLOWER, Learner, PPOSettings
from placer.agent.rollback import MOST_RETURNS, LastGood
from placer.agent.training import Training, TrainSettings
from placer.incumbent import Incumbent

SMALL = PPOSettings(
    style_generations=1, num_envs=4, epochs=1, minibatch=24, imitation_steps=2, soft_rounds=5, soft_sweeps=1
)


def learner() -> Learner:
    made = Learner(tiny_netlist(), new_policy(0), SMALL, seed=3, threads=1)
    for _ in range(2):
        made.iterate()
    return made


def broken_losses(monkeypatch: pytest.MonkeyPatch, calls: set[int]) -> None:
    """Let those calls of `_loss`, counted from 0, give NaN."""
    usual, count = Learner._loss, iter(range(10**6))

    def loss(self: Learner, *arguments: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        result, entropy, divergence = usual(self, *arguments)
        return result * (float("nan") if next(count) in calls else 1.0), entropy, divergence

    monkeypatch.setattr(Learner, "_loss", loss)


def damage_value(policy: Any) -> None:
    with torch.no_grad():
        policy.value[2].bias.fill_(float("nan"))


def damage_logits(policy: Any) -> None:
    with torch.no_grad():
        policy.head.enter.weight.fill_(3e38)
        policy.head.logit.weight.fill_(1.0)


def test_gradients_that_are_not_finite_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = learner()
    broken_losses(monkeypatch, {0})
    with pytest.raises(DivergedError, match="a gradient is no longer finite"):
        trained.iterate()


@pytest.mark.parametrize("damage", [damage_value, damage_logits])
def test_a_last_step_that_breaks_the_policy_is_noticed(
    damage: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = learner()
    usual = Learner._imitate

    def imitate(self: Learner) -> None:
        usual(self)
        damage(self.policy)

    monkeypatch.setattr(Learner, "_imitate", imitate)
    with pytest.raises(DivergedError, match="in iteration 3: its probabilities or its values are no longer finite"):
        trained.iterate()


@pytest.mark.parametrize("play", [rollouts.play, rollouts.play_in_turns])
def test_no_action_that_is_no_number_reaches_the_environment(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = learner()
    damage_logits(trained.policy)
    with torch.no_grad():
        embedding = trained.policy.encode(trained.graph)
    plan = rollouts.Plan.sampled(4, trained.episodes.steps, torch.Generator().manual_seed(0))
    taken: list[Any] = []
    monkeypatch.setattr(type(trained.episodes), "step", lambda *arguments: taken.append(arguments))
    with pytest.raises(DivergedError, match="at step 0 its probabilities are no numbers"):
        play(trained.policy, embedding, plan, trained.episodes)
    assert not taken


def test_a_learner_returns_to_its_last_good_state(capsys: pytest.CaptureFixture[str]) -> None:
    trained = learner()
    good = LastGood(trained.policy, [trained])
    weights, state = {k: v.clone() for k, v in trained.policy.state_dict().items()}, capture(trained)
    episodes = list(trained.memory.episodes)
    for k in range(MOST_RETURNS):
        trained.iterate()  # changes the weights and, in place, the moments of Adam
        assert not all(torch.equal(weights[name], value) for name, value in trained.policy.state_dict().items())
        good.go_back(DivergedError("the policy has diverged"))
        assert all(torch.equal(weights[name], value) for name, value in trained.policy.state_dict().items())
        again = capture(trained)
        assert again.keys() == state.keys()
        assert all(torch.equal(again[name], state[name]) for name in state)
        assert [a is b for a, b in zip(trained.memory.episodes, episodes, strict=True)] == [True] * len(episodes)
        rate = SMALL.learning_rate * SLOWER ** (k + 1)
        assert trained.optimizer.param_groups[0]["lr"] == pytest.approx(rate)
        assert f"with a learning rate of {rate:g}" in capsys.readouterr().err
    with pytest.raises(DivergedError):
        good.go_back(DivergedError("the policy has diverged"))
    good.keep()
    good.go_back(DivergedError("the policy has diverged"))


def test_before_the_first_gradient_step_there_are_no_moments() -> None:
    fresh = Learner(tiny_netlist(), new_policy(0), replace_generations(0), seed=3, threads=1)
    good = LastGood(fresh.policy, [fresh])
    fresh.iterate()
    assert fresh.optimizer.state_dict()["state"]
    good.go_back(DivergedError("the policy has diverged"))
    assert not fresh.optimizer.state_dict()["state"]


def replace_generations(count: int) -> PPOSettings:
    return PPOSettings(**(SMALL.as_dict() | {"style_generations": count}))


def test_training_goes_on_after_a_divergence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken_losses(monkeypatch, {1})
    training = Training([tiny_netlist()], SMALL, tmp_path, TrainSettings(iterations=5, workers=1))
    assert not training.run()
    assert [row["iteration"] for row in training.history] == [1, 2, 3, 4, 5]
    assert training.learners[0].optimizer.param_groups[0]["lr"] == SMALL.learning_rate * SLOWER
    assert len(re.findall("warning: the policy has diverged", capsys.readouterr().err)) == 1
    assert all(bool(value.isfinite().all()) for value in load_policy(tmp_path).state_dict().values())


def test_training_that_diverges_again_and_again_saves_what_was_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken_losses(monkeypatch, set(range(1, 1_000)))
    training = Training([tiny_netlist()], SMALL, tmp_path, TrainSettings(iterations=9, workers=1))
    with pytest.raises(DivergedError, match="a gradient is no longer finite"):
        training.run()
    assert capsys.readouterr().err.count("warning: ") == MOST_RETURNS
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == [f"checkpoint-{len(training.history):06d}"]
    load_policy(tmp_path)


def test_a_search_that_diverges_keeps_its_placements(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken_losses(monkeypatch, set(range(1_000)))
    incumbent = Incumbent("rl", np.inf, time.perf_counter())
    agent = Agent(tiny_netlist(), incumbent, 0, 1, UNTRAINED)
    agent.learner.iteration = agent.settings.style_generations  # straight to the gradient steps
    agent.last_good.keep()
    agent.run(1)
    err = capsys.readouterr().err
    assert err.count("training goes on from the state before") == MOST_RETURNS
    assert err.count("the search by the policy ends with the best placement so far") == 1
    assert incumbent.placement is not None


def test_a_search_whose_policy_is_broken_from_the_start_is_an_error() -> None:
    agent = Agent(tiny_netlist(), Incumbent("rl", np.inf, time.perf_counter()), 0, 1, UNTRAINED)
    damage_logits(agent.policy)
    with pytest.raises(DivergedError, match="use other weights"):
        agent.run(1)
