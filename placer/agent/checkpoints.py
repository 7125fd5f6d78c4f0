"""Checkpoints: weights and the state of the learners as safetensors, everything else as JSON; never pickle.

A training folder DIR holds
    weights.safetensors       the policy to use; its sizes are in the header, so that no other file is needed
    weights.json              settings, iteration, history, netlists, versions
    checkpoint-NNNNNN/        to resume from: the policy after iteration N, JSON, and learners.safetensors
A checkpoint folder is filled under a temporary name and then renamed, so that an existing one is complete.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from netlists.errors import CheckpointError, first_line
from netlists.runtime.output import replaced
from placer.agent.policy import PlacementPolicy, PolicySettings
from placer.agent.ppo import Learner
from placer.agent.self_imitation import Steps
from placer.environment.env import EpisodeBatch

WEIGHTS = "weights.safetensors"
"""File with the weights of a policy."""

LEARNERS = "learners.safetensors"
"""File with the state of the learners."""

META = "weights.json"
"""File with everything that is no tensor."""

PREFIX = "checkpoint-"
"""Beginning of the names of checkpoint folders; the iteration follows."""

BEST = "best/"
"""Beginning of the names of the best weights in the state of a learner."""

OPTIMIZER = "optimizer/"
"""Beginning of the names of the tensors of the optimizer in the state of a learner."""

Tensors = dict[str, Tensor]
"""Tensors by name."""


def save_policy(folder: Path, weights: Tensors, sizes: PolicySettings, meta: Mapping[str, Any]) -> None:
    """Write `weights.safetensors` and `weights.json`, each completely or not at all; raises `OSError`."""
    header = {"policy": json.dumps(sizes.as_dict())}
    with replaced(folder / WEIGHTS) as part:
        save_file(weights, part, header)
    with replaced(folder / META) as part:
        part.write_text(json.dumps(meta, indent=1) + "\n", encoding="utf-8")


def save(
    folder: Path, weights: Tensors, sizes: PolicySettings, learners: Sequence[Tensors], meta: Mapping[str, Any]
) -> None:
    """Write a checkpoint of `meta["iteration"]` and the policy to use, and delete older checkpoints; raises `OSError`.

    With a single learner the policy to use is the one with the best greedy episode, otherwise the present one.
    """
    target = folder / f"{PREFIX}{meta['iteration']:06d}"
    if not target.exists():
        part = folder / f".{target.name}.{os.getpid()}.part"
        part.mkdir()
        try:
            save_policy(part, weights, sizes, meta)
            save_file({f"{k}/{name}": t for k, state in enumerate(learners) for name, t in state.items()},
                      part / LEARNERS)  # fmt: skip
            part.rename(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    best = _best_weights(learners[0])
    save_policy(folder, best if best and len(learners) == 1 else weights, sizes, meta)
    for old in folder.glob(PREFIX + "*"):
        if old != target:
            shutil.rmtree(old)


def load_policy(path: str | Path) -> PlacementPolicy:
    """The policy in a `.safetensors` file, or in a training folder; raises `CheckpointError`."""
    path = Path(path)
    file = path / WEIGHTS if path.is_dir() else path
    weights = _tensors(file)
    try:
        with safe_open(file, framework="pt") as opened:
            sizes = json.loads((opened.metadata() or {})["policy"])
        policy = PlacementPolicy(PolicySettings(**sizes))
        policy.load_state_dict(weights)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = first_line(error)
        raise CheckpointError(
            f"{file}: not the weights of this version's policy ({reason}); train again with `placer train`"
        ) from None
    return policy


def latest(folder: Path) -> Path:
    """The newest checkpoint of a training folder; raises `CheckpointError` if there is none."""
    checkpoints = sorted(folder.glob(PREFIX + "*"))
    if not checkpoints:
        raise CheckpointError(f"{folder}: no checkpoint to resume from; leave out --resume to start from scratch")
    return checkpoints[-1]


def load_meta(checkpoint: Path) -> dict[str, Any]:
    """The JSON part of a checkpoint; raises `CheckpointError`."""
    file = checkpoint / META
    try:
        meta = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file}: {_reason(error)}; expected the file as it was written") from None
    if not isinstance(meta, dict) or not {"iteration", "history", "netlists", "settings", "seed"} <= set(meta):
        raise CheckpointError(f"{file}: keys are missing; expected the file as it was written")
    return meta


def load_learners(checkpoint: Path, learners: Sequence[Learner]) -> None:
    """Set learners to the state in a checkpoint; their shared policy must be loaded already.

    Raises `CheckpointError` if the file is damaged or belongs to other learners.
    """
    file = checkpoint / LEARNERS
    tensors = _tensors(file)
    try:
        for k, learner in enumerate(learners):
            prefix = f"{k}/"
            restore(learner, {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)})
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{file}: not the state of this training ({_reason(error)}); resume with the netlists and settings with "
            "which it began"
        ) from None


def capture(learner: Learner) -> Tensors:
    """Copies of the state of a learner, except the weights of the policy and the netlist."""
    state = {
        "generator": learner.generator.get_state(),
        "numbers": torch.tensor(
            [learner.iteration, learner.return_mean, learner.return_std, learner.best_proxy], dtype=torch.float64
        ),
        "styles/mean": learner.styles.mean.clone(),
        "styles/deviation": learner.styles.deviation.clone(),
        "elites/proxy": torch.tensor(learner.memory.proxies, dtype=torch.float64),
    }
    if learner.memory.episodes:
        state["elites/action"] = torch.stack([steps.action for steps in learner.memory.episodes])
    state |= {BEST + name: tensor.cpu() for name, tensor in learner.best_weights.items()}
    for k, moments in learner.optimizer.state_dict()["state"].items():
        for name, tensor in moments.items():
            state[f"{OPTIMIZER}{k}/{name}"] = tensor.detach().cpu().clone()
    return state


def restore(learner: Learner, state: Tensors) -> None:
    """The inverse of `capture`, for a new learner with the same netlist and settings."""
    iteration, learner.return_mean, learner.return_std, learner.best_proxy = state["numbers"].tolist()
    learner.iteration = int(iteration)
    learner.generator.set_state(state["generator"])
    learner.styles.mean.copy_(state["styles/mean"])
    learner.styles.deviation.copy_(state["styles/deviation"])
    learner.memory.proxies = state["elites/proxy"].tolist()
    learner.memory.episodes = replay(learner.episodes, state["elites/action"]) if learner.memory.proxies else []
    learner.best_weights = _best_weights(state)
    optimizer = learner.optimizer.state_dict()
    for name, tensor in state.items():
        if name.startswith(OPTIMIZER):
            _, k, moment = name.split("/")
            optimizer["state"].setdefault(int(k), {})[moment] = tensor
    learner.optimizer.load_state_dict(optimizer)


def _best_weights(state: Tensors) -> Tensors:
    """The weights of the policy with the best greedy episode, in the state of a learner."""
    return {name.removeprefix(BEST): tensor for name, tensor in state.items() if name.startswith(BEST)}


def replay(episodes: EpisodeBatch, actions: Tensor) -> list[Steps]:
    """The steps of episodes with the indices `actions` [L, T], played again, as many at a time as the batch holds.

    The environment is deterministic, so that its features need not be stored.
    """
    steps = torch.arange(episodes.steps)
    replayed: list[Steps] = []
    for first in range(0, len(actions), episodes.batch):
        some = actions[first : first + episodes.batch]
        padded = torch.cat([some, some[:1].expand(episodes.batch - len(some), -1)])
        features = []
        observation = episodes.reset()
        for t in range(episodes.steps):
            features.append(tuple(a[: len(some)] for a in (observation.maps, observation.scalars, observation.mask)))
            following, _ = episodes.step(padded[:, t].numpy())
            if following is not None:
                observation = following
        maps, scalars, mask = (
            torch.stack([torch.from_numpy(a) for a in column]) for column in zip(*features, strict=True)
        )
        replayed += [
            Steps(maps[:, b].clone(), scalars[:, b].clone(), mask[:, b].clone(), some[b].clone(), steps)
            for b in range(len(some))
        ]
    return replayed


def _tensors(file: Path) -> Tensors:
    """The tensors of a file; raises `CheckpointError`."""
    try:
        return load_file(file)
    except (OSError, SafetensorError, ValueError, struct.error) as error:
        raise CheckpointError(
            f"{file}: {_reason(error)}; expected a .safetensors file or a folder written by `placer train`"
        ) from None


def _reason(error: Exception) -> str:
    """The reason of an error in one line."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return first_line(error)
