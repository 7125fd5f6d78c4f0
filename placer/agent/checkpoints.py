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
from errno import EIO
from math import inf, isfinite, nan, prod
from pathlib import Path
from types import GenericAlias
from typing import Annotated, Any, get_type_hints

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, create_model
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from netlists.errors import MAX_SEED, CheckpointError, first_line
from netlists.runtime.output import remove_abandoned, replaced
from netlists.runtime.stored_files import demand_fields, read_json
from placer.agent.policy import PlacementPolicy, PolicySettings
from placer.agent.ppo import IterationStats, Learner
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

MOST_ITERATIONS = 10**9
"""The largest number of iterations that a checkpoint may state."""

NO_EPISODE = "one of its best episodes puts a macro where it does not fit"
"""Why the actions of a stored episode are refused."""

Tensors = dict[str, Tensor]
"""Tensors by name."""

_Channels = Annotated[int, Field(ge=1, le=4096)]


class _Sizes(BaseModel):
    """See `PolicySettings`."""

    model_config = ConfigDict(strict=True, extra="forbid")
    embedding: _Channels
    layers: Annotated[int, Field(ge=0, le=64)]
    channels: _Channels
    deep_channels: _Channels


class _Fields(BaseModel):
    """The fields of the JSON part of a checkpoint that resuming takes, without the history."""

    model_config = ConfigDict(strict=True)
    iteration: Annotated[int, Field(ge=0, le=MOST_ITERATIONS)]
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)]
    settings: dict[str, int | float]
    netlists: list[str]
    num_envs: Annotated[int, Field(ge=1, le=MOST_ITERATIONS)] | None = None


_columns: dict[str, Any] = {name: (kind, ...) for name, kind in get_type_hints(IterationStats).items()}
_Row = create_model("_Row", __config__=ConfigDict(strict=True, extra="forbid"), netlist=(str, ...), **_columns)
_history: Any = (GenericAlias(list, _Row), ...)
_Meta = create_model("_Meta", __base__=_Fields, history=_history)


def save_policy(folder: Path, weights: Tensors, sizes: PolicySettings, meta: Mapping[str, Any]) -> None:
    """Write `weights.safetensors` and `weights.json`, each completely or not at all; raises `OSError`."""
    header = {"policy": json.dumps(sizes.as_dict())}
    with replaced(folder / WEIGHTS) as part:
        _write(weights, part, header)
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
        remove_abandoned(folder, PREFIX + "*")
        part = folder / f".{target.name}.{os.getpid()}.part"
        part.mkdir()
        try:
            save_policy(part, weights, sizes, meta)
            _write({f"{k}/{name}": t for k, state in enumerate(learners) for name, t in state.items()},
                   part / LEARNERS)  # fmt: skip
            part.rename(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    best = _best_weights(learners[0])
    save_policy(folder, best if best and len(learners) == 1 else weights, sizes, meta)
    for old in folder.glob(PREFIX + "*"):
        if old != target:
            shutil.rmtree(old)


def _write(tensors: Tensors, file: Path, header: dict[str, str] | None = None) -> None:
    """Write tensors to a file; raises `OSError`."""
    try:
        save_file(tensors, file, header)
    except SafetensorError as error:  # of the system: the disk is full, for example
        raise OSError(EIO, first_line(error), str(file)) from None


def load_policy(path: str | Path) -> PlacementPolicy:
    """The policy in a `.safetensors` file, or in a training folder.

    Raises `CheckpointError` if there is none, its sizes are out of range, or a weight is not finite.
    """
    path = Path(path)
    file = path / WEIGHTS if path.is_dir() else path
    weights = _tensors(file)
    try:
        with safe_open(file, framework="pt") as opened:
            sizes = json.loads((opened.metadata() or {})["policy"])
        demand_fields(sizes, _Sizes)
        with torch.device("meta"):  # shapes without memory, which the file's sizes could exhaust
            _demand_like(weights, PlacementPolicy(PolicySettings(**sizes)).state_dict())
        policy = PlacementPolicy(PolicySettings(**sizes))
        policy.load_state_dict(weights)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:  # RecursionError is a RuntimeError
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
        return read_json(file, _Meta)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file}: {_reason(error)}; expected the file as it was written") from None


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
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
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


def restore(learner: Learner, state: Tensors, episodes: Sequence[Steps] | None = None) -> None:
    """The inverse of `capture`, for a learner with the same netlist and settings.

    `episodes` are its best ones if they are known; without them they are played again.  Raises `ValueError` or
    `KeyError` if the state is not that of such a learner.
    """
    _demand_state(learner, state)
    iteration, learner.return_mean, learner.return_std, learner.best_proxy = state["numbers"].tolist()
    learner.iteration = int(iteration)
    learner.generator.set_state(state["generator"])
    learner.styles.mean.copy_(state["styles/mean"])
    learner.styles.deviation.copy_(state["styles/deviation"])
    learner.memory.proxies = state["elites/proxy"].tolist()
    if episodes is None:
        episodes = replay(learner.episodes, state["elites/action"]) if learner.memory.proxies else []
    learner.memory.episodes = list(episodes)
    learner.best_weights = _best_weights(state)
    optimizer = learner.optimizer.state_dict() | {"state": {}}
    for name, tensor in state.items():
        if name.startswith(OPTIMIZER):
            _, k, moment = name.split("/")
            optimizer["state"].setdefault(int(k), {})[moment] = tensor.clone()  # Adam changes it in place
    learner.optimizer.load_state_dict(optimizer)


def _demand_state(learner: Learner, state: Tensors) -> None:
    """Raise `ValueError` or `KeyError` if the tensors are not those that `capture` takes of a learner.

    Numbers are checked too: an index out of range would end the process, and NaN would spread in training.
    """
    varying = (BEST, OPTIMIZER, "elites/")
    fixed = {name: tensor for name, tensor in capture(learner).items() if not name.startswith(varying)}
    _demand_like({name: state[name] for name in fixed}, fixed, finite=("styles/mean", "styles/deviation"))
    iteration, mean, deviation, best = state["numbers"].tolist()
    if not (0 <= iteration < MOST_ITERATIONS and abs(mean) < inf and 0 < deviation < inf and best > -inf):
        raise ValueError("its numbers are out of range")
    if weights := _best_weights(state):
        _demand_like(weights, learner.policy.state_dict())
    proxies = state["elites/proxy"]
    ranks = proxies.tolist() if proxies.dim() == 1 and proxies.dtype == torch.float64 else [nan]
    if not (len(ranks) <= learner.memory.capacity and all(map(isfinite, ranks)) and ranks == sorted(ranks)):
        raise ValueError("its best episodes have no ascending finite costs")
    if ranks:
        actions = state["elites/action"]
        if actions.dtype != torch.int64 or tuple(actions.shape) != (len(ranks), learner.episodes.steps):
            raise ValueError("its best episodes are not of this netlist")
    _demand_moments(list(learner.policy.parameters()), state)


def _demand_moments(parameters: Sequence[Tensor], state: Tensors) -> None:
    """Raise `ValueError` if the moments of the optimizer are not those of Adam for these parameters."""
    like: Tensors = {}
    for k, parameter in enumerate(parameters):
        like |= {f"{OPTIMIZER}{k}/{moment}": parameter for moment in ("exp_avg", "exp_avg_sq")}
        like[f"{OPTIMIZER}{k}/step"] = torch.zeros(())
    moments = {name: tensor for name, tensor in state.items() if name.startswith(OPTIMIZER)}
    if unknown := moments.keys() - like.keys():
        raise ValueError(f"{min(unknown)[:60]!r} is no state of the optimizer")
    whole = {name.rpartition("/")[0] for name in moments}
    _demand_like(moments, {name: tensor for name, tensor in like.items() if name.rpartition("/")[0] in whole})
    least = {"step": 1.0, "exp_avg_sq": 0.0, "exp_avg": -inf}
    for name, tensor in moments.items():
        if bool((tensor < least[name.rpartition("/")[2]]).any()):
            raise ValueError(f"{name!r} is below {least[name.rpartition('/')[2]]:g}")


def _demand_like(tensors: Tensors, like: Tensors, finite: Sequence[str] | None = None) -> None:
    """Raise `ValueError` unless tensors have the names, shapes and types of others.

    Those named in `finite`, by default all, must have finite values.
    """
    for name in tensors.keys() ^ like.keys():
        raise ValueError(f"{name[:60]!r} is {'unknown' if name in tensors else 'missing'}")
    for name, tensor in tensors.items():
        if tensor.shape != like[name].shape or tensor.dtype != like[name].dtype:
            raise ValueError(f"{name!r} is {tensor.dtype} {list(tensor.shape)}, not {like[name].dtype} "
                             f"{list(like[name].shape)}")  # fmt: skip
        if (finite is None or name in finite) and not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{name!r} has values that are not finite")


def _best_weights(state: Tensors) -> Tensors:
    """The weights of the policy with the best greedy episode, in the state of a learner."""
    return {name.removeprefix(BEST): tensor for name, tensor in state.items() if name.startswith(BEST)}


def replay(episodes: EpisodeBatch, actions: Tensor) -> list[Steps]:
    """The steps of episodes with the indices `actions` [L, T], played again, as many at a time as the batch holds.

    The environment is deterministic, so that its features need not be stored.  Raises `ValueError` if the mask forbids
    one of the actions.
    """
    if len(actions) and not 0 <= int(actions.min()) <= int(actions.max()) < prod(episodes.netlist.grid):
        raise ValueError(NO_EPISODE)
    rows = np.arange(episodes.batch)
    steps = torch.arange(episodes.steps)
    replayed: list[Steps] = []
    for first in range(0, len(actions), episodes.batch):
        some = actions[first : first + episodes.batch]
        padded = torch.cat([some, some[:1].expand(episodes.batch - len(some), -1)])
        features = []
        observation = episodes.reset()
        for t in range(episodes.steps):
            if not observation.mask[rows, padded[:, t]].all():
                raise ValueError(NO_EPISODE)
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
