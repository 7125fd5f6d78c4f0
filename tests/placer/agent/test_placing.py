"""The agent of a placement job: which weights it begins with, and that the bundled ones are worth it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from netlists import load
from netlists.netlist import Netlist
from placer.agent import pretraining
from placer.agent.checkpoints import load_policy
from placer.agent.placing import CPU, PRETRAINED, UNTRAINED, Agent, fill_gpu, fitting_envs, new_policy
from placer.agent.policy import PlacementPolicy, netlist_graph
from placer.agent.ppo import PPOSettings
from placer.agent.pretraining import bundle, training_set
from placer.agent.rollouts import Plan, play
from placer.agent.training import Training, train
from placer.environment.env import EpisodeBatch
from placer.environment.features import MAP_NAMES
from placer.incumbent import Incumbent


def proxies(policy: PlacementPolicy, netlist: Netlist, sampled: int) -> torch.Tensor:
    """Of `sampled` episodes; of one greedy episode for 0."""
    episodes = EpisodeBatch(netlist, max(sampled, 1))
    shape = episodes.batch, episodes.steps
    plan = Plan.sampled(*shape, torch.Generator().manual_seed(0)) if sampled else Plan.greedy(*shape)
    with torch.no_grad():
        embedding = policy.encode(netlist_graph(netlist, episodes.order))
    return play(policy, embedding, plan, episodes).proxy


@pytest.mark.parametrize("name", ["jetty", "harbor"])
def test_the_bundled_policy_is_better_on_netlists_it_has_not_seen(name: str) -> None:
    netlist = load(name)
    assert name not in {trained.name for trained in training_set()}
    best_untrained = float(proxies(new_policy(0), netlist, 16).min())
    assert float(proxies(load_policy(PRETRAINED), netlist, 0)) < 0.97 * best_untrained


def test_what_the_agent_begins_with(tmp_path: Path) -> None:
    netlist = load("jetty")
    incumbent = Incumbent("rl", np.inf, time.perf_counter())
    ours = load_policy(PRETRAINED)
    train([netlist], tmp_path / "run", PPOSettings(num_envs=1, style_generations=1), iterations=3)
    bundle(tmp_path / "run", tmp_path / "copy")
    assert {path.name for path in (tmp_path / "copy").iterdir()} == {path.name for path in PRETRAINED.iterdir()}
    theirs = load_policy(tmp_path / "run")
    for weights, expected in ((None, ours), (UNTRAINED, new_policy(3)), (tmp_path / "copy", theirs)):
        agent = Agent(netlist, incumbent, 3, 1, weights)
        for name, value in agent.policy.state_dict().items():
            torch.testing.assert_close(value, expected.state_dict()[name], rtol=0, atol=0)
        assert agent.settings.style_generations == (30 if weights == UNTRAINED else 6)


def test_fewer_episodes_where_memory_is_short() -> None:
    netlist = load("jetty")
    assert [fitting_envs(netlist, wanted, CPU) for wanted in (1, 2, 32)] == [1, 2, 32]
    large = netlist.with_(grid=(1000, 1000))
    assert [fitting_envs(large, wanted, CPU) for wanted in (1, 2, 32)] == [1, 2, 4]


def test_on_a_gpu_there_are_more_episodes_where_its_memory_holds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    usual, gpu = PPOSettings(), torch.device("cuda")
    assert fill_gpu(usual, CPU, 100, 1e6) == usual
    for seconds, envs in ((1.0, 128), (30.0, 281), (1e6, 512), (float("inf"), 512)):
        found = fill_gpu(usual, gpu, 100, seconds)
        assert found.num_envs == envs
        assert found.minibatch == usual.minibatch * envs // usual.num_envs
    netlist = load("jetty")
    rows, cols = netlist.grid
    episode_bytes = 4 * len(MAP_NAMES) * rows * cols * len(netlist.movable_hard)
    monkeypatch.setattr("placer.agent.placing.room_bytes", lambda device, on_cpu: 50 * episode_bytes)
    assert [fitting_envs(netlist, wanted, gpu) for wanted in (32, 128)] == [32, 50]


def test_ctrl_c_keeps_the_bundled_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretraining, "training_set", lambda: [load("jetty")])
    monkeypatch.setattr(Training, "run", lambda *_: True)
    monkeypatch.setattr(sys, "argv", ["pretrain", "--out", str(tmp_path / "out"), "--budget", "1"])
    with pytest.raises(SystemExit, match="stays as it was"):
        pretraining.main()
    assert not (tmp_path / "out").exists()
