"""Checkpoints: what is saved is loaded again bit by bit, and damage is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from netlists import load
from netlists.errors import CheckpointError
from placer.agent import checkpoints
from placer.agent.checkpoints import capture, load_policy, restore, save_policy
from placer.agent.placing import new_policy
from placer.agent.policy import PlacementPolicy, PolicySettings
from placer.agent.ppo import Learner, PPOSettings

SMALL = PPOSettings(style_generations=1, num_envs=4, epochs=1, minibatch=24, soft_rounds=5, soft_sweeps=1)


def saved(folder: Path, sizes: PolicySettings | None = None) -> PlacementPolicy:
    policy = PlacementPolicy(sizes)
    save_policy(folder, policy.state_dict(), policy.settings, {"iteration": 1})
    return policy


def same(a: checkpoints.Tensors, b: checkpoints.Tensors) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("sizes", [None, PolicySettings(embedding=8, layers=1, channels=4, deep_channels=8)])
def test_a_policy_is_loaded_from_a_folder_and_from_a_file(tmp_path: Path, sizes: PolicySettings | None) -> None:
    policy = saved(tmp_path, sizes)
    for path in (tmp_path, tmp_path / "weights.safetensors"):
        loaded = load_policy(path)
        assert loaded.settings == policy.settings
        assert same(loaded.state_dict(), policy.state_dict())


def test_untrained_policies_depend_on_the_seed_alone() -> None:
    torch.rand(3)
    first, again, other = (new_policy(seed).state_dict() for seed in (1, 1, 2))
    assert same(first, again)
    assert not same(first, other)


def test_missing_weights(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nothing\.safetensors: no such file; expected a \.safetensors file"):
        load_policy(tmp_path / "nothing.safetensors")


@pytest.mark.parametrize("keep", [0, 5, 100, 2000])
def test_truncated_weights(tmp_path: Path, keep: int) -> None:
    saved(tmp_path)
    file = tmp_path / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"weights\.safetensors: .*expected"):
        load_policy(tmp_path)


def test_weights_of_another_program(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(3)}, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="train again"):
        load_policy(tmp_path / "x.safetensors")


def test_weights_of_other_sizes(tmp_path: Path) -> None:
    policy = PlacementPolicy(PolicySettings(embedding=8))
    save_policy(tmp_path, policy.state_dict(), PolicySettings(embedding=16), {})
    with pytest.raises(CheckpointError, match="not the weights of this version's policy"):
        load_policy(tmp_path)


def test_no_checkpoint_to_resume_from(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="leave out --resume"):
        checkpoints.latest(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", "nonsense"])
def test_damaged_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "weights.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"weights\.json: .*expected the file as it was written"):
        checkpoints.load_meta(tmp_path)


@pytest.fixture(scope="module")
def trained() -> Learner:
    learner = Learner(load("jetty"), new_policy(0), SMALL, seed=3, threads=1)
    for _ in range(3):
        learner.iterate()
    return learner


def test_a_learner_is_restored_with_its_best_episodes_replayed(trained: Learner) -> None:
    twin = Learner(load("jetty"), new_policy(0), SMALL, seed=99, threads=1)
    restore(twin, capture(trained))
    assert same(capture(twin), capture(trained))
    assert len(twin.memory.episodes) == len(trained.memory.episodes) == SMALL.elites
    for ours, theirs in zip(twin.memory.episodes, trained.memory.episodes, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_more_episodes_than_a_batch_holds_are_replayed(trained: Learner) -> None:
    actions = torch.stack([steps.action for steps in trained.memory.episodes * 2])
    assert len(actions) > trained.episodes.batch
    replayed = checkpoints.replay(trained.episodes, actions)
    for ours, theirs in zip(replayed, trained.memory.episodes * 2, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_only_the_newest_checkpoint_remains(tmp_path: Path, trained: Learner) -> None:
    state, weights = capture(trained), trained.policy.state_dict()
    for iteration in (1, 2):
        checkpoints.save(tmp_path, weights, trained.policy.settings, [state], {"iteration": iteration})
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["checkpoint-000002", "weights.json", "weights.safetensors"]
    assert json.loads((tmp_path / "weights.json").read_text()) == {"iteration": 2}
    assert same(load_policy(tmp_path / names[0]).state_dict(), dict(weights))
    assert same(load_policy(tmp_path).state_dict(), trained.best_weights)


def test_learners_of_another_training(tmp_path: Path, trained: Learner) -> None:
    state = capture(trained)
    del state["generator"]
    checkpoints.save(tmp_path, trained.policy.state_dict(), trained.policy.settings, [state], {"iteration": 3})
    with pytest.raises(CheckpointError, match=r"learners\.safetensors: not the state of this training"):
        checkpoints.load_learners(tmp_path / "checkpoint-000003", [trained])
