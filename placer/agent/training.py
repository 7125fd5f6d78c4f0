"""Training runs: one policy on one or several netlists, with checkpoints, TensorBoard scalars and resuming."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from math import inf
from pathlib import Path
from typing import Any

import torch
from torch.utils.tensorboard import SummaryWriter

from netlists.errors import CheckpointError, ChipscapeError, SettingsError, demand_seed
from netlists.netlist import Netlist
from netlists.runtime import device
from placer.agent import checkpoints
from placer.agent.placing import filling, fitting_envs, new_policy
from placer.agent.policy import PlacementPolicy, netlist_graph
from placer.agent.ppo import IterationStats, Learner, PPOSettings, iterate_together
from placer.agent.ray_rollouts import ray_players
from placer.agent.rollouts import Plan, play
from placer.environment.env import EpisodeBatch
from placer.incumbent import Listener, Progress
from placer.runs.pipeline import load_kernels
from placer.runs.run_folder import versions, write_text

CHECKPOINT_S = 30.0  # between two checkpoints
FEWEST_ITERATIONS = 8  # that a budget should have room for, with as many episodes in each as leave it
FEWEST_ENVS = 8
SCALARS = ("proxy_mean", "proxy_best", "entropy", "kl", "explained_variance", "steps_per_second", "stuck")

Row = dict[str, Any]
"""One iteration on one netlist: `IterationStats` and the netlist's name."""


@dataclass(frozen=True)
class TrainSettings:
    """How long and on what to train; `SettingsError` where a value is out of range.

    Training ends after `iterations` on every netlist, those before a resume included, or before the iteration that
    would not fit into `budget_s` seconds of this run.
    """

    budget_s: float | None = None
    iterations: int | None = None
    seed: int = 0
    workers: int = 2  # threads
    resume: bool = False
    ray: str | None = None  # address of the cluster whose actors play; in this process without one
    device: str = "auto"  # where the policy learns and, without actors, plays; see `device.py`

    def __post_init__(self) -> None:
        device.check(self.device)
        demand_seed(self.seed)
        if (self.budget_s is None) == (self.iterations is None):
            raise SettingsError("expected either a budget in seconds or a number of iterations")
        for name in ("budget_s", "iterations", "workers"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise SettingsError(f"{name} is {value}; expected more than 0")


@dataclass(frozen=True)
class Snapshot:
    """Everything about a run after a whole iteration."""

    iteration: int
    weights: checkpoints.Tensors
    learners: list[checkpoints.Tensors]
    history: list[Row]


class Training:
    """A run in a folder; `history` grows by a row an iteration and netlist."""

    def __init__(self, netlists: Sequence[Netlist], ppo: PPOSettings, out: Path, settings: TrainSettings) -> None:
        """Raises `CheckpointError` when there is nothing to resume, or it belongs to other netlists or settings."""
        names = [netlist.name for netlist in netlists]
        if len(set(names)) != len(names):
            raise SettingsError(f"netlists are named {', '.join(names)}; expected every name once")
        torch.set_num_threads(settings.workers)
        self.out, self.settings, self.ppo = out, settings, ppo
        self.history: list[Row] = []
        self.iteration = 0
        self.ended = ""  # why a budget was not used to its end, when training is over
        policy = new_policy(settings.seed)
        meta: dict[str, Any] = {}
        if settings.resume:
            checkpoint = checkpoints.latest(out)
            meta, policy = checkpoints.load_meta(checkpoint), checkpoints.load_policy(checkpoint)
            self._demand_same(checkpoint, meta, names)
        elif list(out.glob(checkpoints.PREFIX + "*")):
            raise CheckpointError(f"{out}: already has checkpoints; give --resume to go on, or another folder")
        where = device.resolve(settings.device)
        self.policy: PlacementPolicy = policy.to(where)
        # All must play as many episodes.
        if ppo.num_envs == PPOSettings().num_envs:
            ppo = filling(ppo, where, 1, inf)
        ppo = replace(ppo, num_envs=min(fitting_envs(netlist, ppo.num_envs, where) for netlist in netlists))
        if meta:
            ppo = replace(ppo, num_envs=min(ppo.num_envs, meta.get("num_envs", ppo.num_envs)))
        elif settings.budget_s is not None and not settings.ray and self.ppo.num_envs == PPOSettings().num_envs:
            most = affordable_envs(netlists, self.policy, ppo, settings)
            ppo = replace(ppo, num_envs=min(ppo.num_envs, most))
        self.num_envs = ppo.num_envs
        self.learners = [
            Learner(netlist, policy, ppo, settings.seed + k, settings.workers) for k, netlist in enumerate(netlists)
        ]
        self.names = names
        if meta:
            checkpoints.load_learners(checkpoint, self.learners)
            self.history, self.iteration = meta["history"], meta["iteration"]
        self.snapshot = self._capture()

    def run(self, progress: Listener | None = None) -> bool:
        """Train, writing checkpoints; returns whether Ctrl-C ended it (the last whole iteration is saved then, if any).

        Raises `SettingsError` when the Ray cluster cannot be used, `ChipscapeError` when it is lost (saved, too).
        """
        start = time.perf_counter()
        with ExitStack() as stack:
            if self.settings.ray:
                chips = [learner.episodes.netlist for learner in self.learners]
                players = stack.enter_context(ray_players(self.settings.ray, chips, self.ppo.env))
                for learner, player in zip(self.learners, players, strict=True):
                    learner.player = player
            self.out.mkdir(parents=True, exist_ok=True)
            writer = SummaryWriter(self.out / "tensorboard", purge_step=self.iteration + 1)
            board = stack.enter_context(closing(writer))
            try:
                self._iterate(start, board, progress)
            except KeyboardInterrupt:
                if self.history:
                    self.save()
                return True
            except ChipscapeError:
                if self.history:
                    self.save()
                raise
        self.save()
        return False

    def _iterate(self, start: float, board: SummaryWriter, progress: Listener | None) -> None:
        saved = time.perf_counter()
        longest = 0.0
        while self._goes_on(time.perf_counter() - start, longest):
            began = time.perf_counter()
            for name, stats in zip(self.names, iterate_together(self.learners), strict=True):
                self._note(name, stats, board)
                if progress:
                    progress(self._progress(stats, time.perf_counter() - start))
            self.iteration += 1
            self.snapshot = self._capture()
            now = time.perf_counter()
            longest = now - began
            if now - saved > CHECKPOINT_S:
                self.save()
                saved = now
        if self.settings.budget_s is not None:
            left = self.settings.budget_s - (time.perf_counter() - start)
            self.ended = f"the next iteration would not fit: it takes {longest:.0f} s, {max(left, 0):.0f} s are left"

    def save(self) -> None:
        """Write a checkpoint, the weights and `history.csv` as they were after the last whole iteration."""
        s = self.snapshot
        meta = {
            "iteration": s.iteration,
            "seed": self.settings.seed,
            "settings": self.ppo.as_dict(),
            "num_envs": self.num_envs,
            "policy": self.policy.settings.as_dict(),
            "netlists": self.names,
            "versions": versions(),
            "history": s.history,
        }
        checkpoints.save(self.out, s.weights, self.policy.settings, s.learners, meta)
        if s.history:
            text = io.StringIO()
            table = csv.DictWriter(text, list(s.history[0]), lineterminator="\n")
            table.writeheader()
            table.writerows(s.history)
            write_text(self.out / "history.csv", text.getvalue())

    def _goes_on(self, seconds: float, expected: float) -> bool:
        if self.settings.iterations is not None:
            return self.iteration < self.settings.iterations
        assert self.settings.budget_s is not None
        return seconds + expected < self.settings.budget_s

    def _note(self, name: str, stats: IterationStats, board: SummaryWriter) -> None:
        self.history.append({"netlist": name, **asdict(stats)})
        for scalar in SCALARS:
            board.add_scalar(f"{name}/{scalar}", getattr(stats, scalar), stats.iteration)

    def _progress(self, stats: IterationStats, seconds: float) -> Progress:
        best = min(row["proxy_best"] for row in self.history if row["netlist"] == self.history[-1]["netlist"])
        left = self.settings.budget_s - seconds if self.settings.budget_s is not None else float("nan")
        return Progress(self.history[-1]["netlist"], best, seconds, left, stats.iteration, stats.steps_per_second,
                        stats.entropy, stats.kl)  # fmt: skip

    def _capture(self) -> Snapshot:
        weights = {name: tensor.detach().cpu().clone() for name, tensor in self.policy.state_dict().items()}
        return Snapshot(self.iteration, weights, [checkpoints.capture(x) for x in self.learners], list(self.history))

    def _demand_same(self, checkpoint: Path, meta: dict[str, Any], names: list[str]) -> None:
        for what, ours in (("netlists", names), ("seed", self.settings.seed), ("settings", self.ppo.as_dict())):
            if meta[what] != ours:
                raise CheckpointError(
                    f"{checkpoint}: was trained with {what} {meta[what]}, not {ours}; resume with the same {what}"
                )


def affordable_envs(
    netlists: Sequence[Netlist], policy: PlacementPolicy, ppo: PPOSettings, settings: TrainSettings
) -> int:
    """Episodes on each netlist with which FEWEST_ITERATIONS fit the budget, by playing a few; FEWEST_ENVS at least.

    On a small budget many iterations of few episodes learn more than one of many.
    """
    assert settings.budget_s is not None
    load_kernels("rl", False, settings.device)
    seconds = 0.0
    for netlist in netlists:
        episodes = EpisodeBatch(netlist, min(FEWEST_ENVS, ppo.num_envs), ppo.env, settings.workers)
        graph = netlist_graph(netlist, episodes.order).to(next(policy.parameters()).device)
        began = time.perf_counter()
        with torch.no_grad():
            play(policy, policy.encode(graph), Plan.greedy(episodes.batch, episodes.steps), episodes)
        seconds += (time.perf_counter() - began) / episodes.batch
    return max(FEWEST_ENVS, int(settings.budget_s / FEWEST_ITERATIONS / seconds))


def train(
    netlists: Sequence[Netlist],
    out: str | Path,
    ppo: PPOSettings | None = None,
    *,
    progress: Listener | None = None,
    **options: Any,
) -> list[Row]:
    """Train one policy on netlists, all in every iteration, and write the folder `out`; returns the history.

    `options` are fields of `TrainSettings`.  Raises `SettingsError`, `CheckpointError` and `OSError`.
    """
    training = Training(netlists, ppo or PPOSettings(), Path(out), TrainSettings(**options))
    training.run(progress)
    return training.history
