"""Training runs: one policy on one or several netlists, with checkpoints, TensorBoard scalars and resuming."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, dataclass, replace
from math import inf
from pathlib import Path
from typing import Any

import torch
from torch.utils.tensorboard import SummaryWriter

from netlists.errors import CheckpointError, ChipscapeError, DivergedError, SettingsError, demand_seed
from netlists.netlist import Netlist
from netlists.runtime import device
from netlists.runtime.interrupts import undisturbed
from netlists.runtime.output import write_file
from netlists.runtime.versions import read_versions
from netlists.synthetic.tiny import pile_up, tiny_netlist
from placer.agent import checkpoints
from placer.agent.placing import fill_gpu, fitting_envs, new_policy
from placer.agent.policy import PlacementPolicy, netlist_graph
from placer.agent.ppo import IterationStats, Learner, PPOSettings, iterate_together
from placer.agent.ray_rollouts import ray_players
from placer.agent.rollback import LastGood
from placer.agent.rollouts import Plan, play
from placer.environment.env import EpisodeBatch
from placer.incumbent import Listener, RunProgress
from placer.legalization.legalize import legalize

CHECKPOINT_S = 30.0
"""Seconds between two checkpoints."""
FEWEST_ITERATIONS = 8
"""Iterations that should fit a budget: each has at most as many episodes as allow that."""
FEWEST_ENVS = 8
"""Episodes per iteration, however small the budget."""
SCALARS = ("proxy_mean", "proxy_best", "entropy", "kl", "explained_variance", "steps_per_second", "stuck")
"""Fields of `IterationStats` that go to TensorBoard."""

Row = dict[str, Any]
"""One iteration on one netlist: `IterationStats` and the netlist's name."""


@dataclass(frozen=True)
class TrainSettings:
    """How long to train, and on which machine and device.  Raises `SettingsError` if a value is out of range.

    Training ends after `iterations` on every netlist, including those before it was resumed, or before the iteration
    that would not fit into `budget_s` seconds of this run.
    """

    budget_s: float | None = None
    iterations: int | None = None
    seed: int = 0
    workers: int = 2  # threads
    resume: bool = False
    ray: str | None = None  # address of the cluster whose actors play; without one this process does
    device: str = "auto"  # where the policy learns and, without actors, plays; see `netlists.runtime.device`

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
    """The state of a run after a whole iteration: what a checkpoint holds."""

    iteration: int
    weights: checkpoints.Tensors
    learners: list[checkpoints.Tensors]
    history: list[Row]


class Training:
    """A run in a folder; `history` grows by one row per iteration and netlist."""

    def __init__(self, netlists: Sequence[Netlist], ppo: PPOSettings, out: Path, settings: TrainSettings) -> None:
        """Begin a run, or resume the one in the folder.

        Raises `CheckpointError` if there is nothing to resume or it belongs to other netlists or settings, and
        `SettingsError` if two netlists have the same name.
        """
        names = [netlist.name for netlist in netlists]
        if len(set(names)) != len(names):
            raise SettingsError(f"netlists are named {', '.join(names)}; expected every name once")
        torch.set_num_threads(settings.workers)
        self.out, self.settings, self.ppo = out, settings, ppo
        self.history: list[Row] = []
        self.iteration = 0
        self.ended = ""  # why a budget was not used to its end, after training
        policy = new_policy(settings.seed)
        meta: dict[str, Any] = {}
        if settings.resume:
            checkpoint = checkpoints.latest(out)
            meta, policy = checkpoints.load_meta(checkpoint), checkpoints.load_policy(checkpoint)
            self._demand_same(checkpoint, meta, names)
        elif list(out.glob(checkpoints.PREFIX + "*")):
            raise CheckpointError(f"{out}: already has checkpoints; give --resume to go on, or another folder")
        learning_device = device.resolve(settings.device)
        self.policy: PlacementPolicy = policy.to(learning_device)
        ppo = self._fit_envs(netlists, learning_device, meta.get("num_envs"))
        self.num_envs = ppo.num_envs
        self.learners = [
            Learner(netlist, policy, ppo, settings.seed + k, settings.workers) for k, netlist in enumerate(netlists)
        ]
        self.names = names
        if meta:
            checkpoints.load_learners(checkpoint, self.learners)
            self.history, self.iteration = meta["history"], meta["iteration"]
        self.last_good = LastGood(self.policy, self.learners)
        self.snapshot = self._capture()

    def _fit_envs(self, netlists: Sequence[Netlist], target: torch.device, before: int | None) -> PPOSettings:
        """The settings of the learners, whose episodes per iteration fit memory and budget: as many on each netlist.

        A run that is resumed has the number that it had `before`, if it fits.
        """
        ppo, is_default = self.ppo, self.ppo.num_envs == PPOSettings().num_envs
        if is_default:
            ppo = fill_gpu(ppo, target, 1, inf)
        ppo = replace(ppo, num_envs=min(fitting_envs(netlist, ppo.num_envs, target) for netlist in netlists))
        if before is not None:
            return replace(ppo, num_envs=min(ppo.num_envs, before))
        if not self.settings.resume and self.settings.budget_s is not None and not self.settings.ray and is_default:
            most = affordable_envs(netlists, self.policy, ppo, self.settings)
            return replace(ppo, num_envs=min(ppo.num_envs, most))
        return ppo

    def run(self, progress: Listener | None = None) -> bool:
        """Train, writing checkpoints; returns whether Ctrl-C ended it, after which the last whole iteration is saved.

        A policy that diverges returns to the last whole iteration, see `LastGood`.  Raises `SettingsError` if the Ray
        cluster cannot be used, and `ChipscapeError` if it is lost or the policy diverges again and again; the last
        whole iteration is saved then, too.  Raises `CheckpointError` if a file cannot be written.
        """
        try:
            return self._run(progress)
        except OSError as error:
            raise CheckpointError(f"{error.filename or self.out}: {error.strerror or error}; checkpoints that were "
                                  "written before stay: make room, and continue with --resume") from None  # fmt: skip

    def _run(self, progress: Listener | None) -> bool:
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
                    with suppress(KeyboardInterrupt):  # another one, which is raised after the save
                        self.save()
                return True
            except ChipscapeError:
                if self.history:
                    self.save()
                raise
        try:
            self.save()
        except KeyboardInterrupt:  # after the save
            return True
        return False

    def _iterate(self, start: float, board: SummaryWriter, progress: Listener | None) -> None:
        saved = time.perf_counter()
        longest = 0.0
        while self._has_time(time.perf_counter() - start, longest):
            began = time.perf_counter()
            try:
                results = iterate_together(self.learners)
            except DivergedError as error:
                self.last_good.go_back(error)
                continue
            for name, stats in zip(self.names, results, strict=True):
                self._note(name, stats, board)
                if progress:
                    progress(self._progress(stats, time.perf_counter() - start))
            self.iteration += 1
            self.last_good.keep()
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
        """Write a checkpoint, the weights and `history.csv` of the last whole iteration; raises `OSError`.

        Ctrl-C waits until they are written.
        """
        with undisturbed():
            self._save()

    def _save(self) -> None:
        s = self.snapshot
        meta = {
            "iteration": s.iteration,
            "seed": self.settings.seed,
            "settings": self.ppo.as_dict(),
            "num_envs": self.num_envs,
            "policy": self.policy.settings.as_dict(),
            "netlists": self.names,
            "versions": read_versions(),
            "history": s.history,
        }
        checkpoints.save(self.out, s.weights, self.policy.settings, s.learners, meta)
        if s.history:
            text = io.StringIO()
            table = csv.DictWriter(text, list(s.history[0]), lineterminator="\n")
            table.writeheader()
            table.writerows(s.history)
            write_file(self.out / "history.csv", text.getvalue())

    def _has_time(self, seconds: float, expected: float) -> bool:
        """Whether there is another iteration, of so many seconds as expected, after those that have passed."""
        if self.settings.iterations is not None:
            return self.iteration < self.settings.iterations
        assert self.settings.budget_s is not None
        return seconds + expected < self.settings.budget_s

    def _note(self, name: str, stats: IterationStats, board: SummaryWriter) -> None:
        self.history.append({"netlist": name, **asdict(stats)})
        for scalar in SCALARS:
            board.add_scalar(f"{name}/{scalar}", getattr(stats, scalar), stats.iteration)

    def _progress(self, stats: IterationStats, seconds: float) -> RunProgress:
        best = min(row["proxy_best"] for row in self.history if row["netlist"] == self.history[-1]["netlist"])
        left = self.settings.budget_s - seconds if self.settings.budget_s is not None else float("nan")
        return RunProgress(self.history[-1]["netlist"], best, seconds, left, stats.iteration, stats.steps_per_second,
                           stats.entropy, stats.kl)  # fmt: skip

    def _capture(self) -> Snapshot:
        return Snapshot(self.iteration, self.last_good.weights, self.last_good.states, list(self.history))

    def _demand_same(self, checkpoint: Path, meta: dict[str, Any], names: list[str]) -> None:
        for what, ours in (("netlists", names), ("seed", self.settings.seed), ("settings", self.ppo.as_dict())):
            if meta[what] != ours:
                raise CheckpointError(
                    f"{checkpoint}: was trained with {what} {meta[what]}, not {ours}; resume with the same {what}"
                )


def affordable_envs(
    netlists: Sequence[Netlist], policy: PlacementPolicy, ppo: PPOSettings, settings: TrainSettings
) -> int:
    """Episodes on each netlist with which FEWEST_ITERATIONS fit the budget, at least FEWEST_ENVS; it plays a few.

    On a small budget many iterations of few episodes teach more than few iterations of many.
    """
    assert settings.budget_s is not None
    legalize(pile_up(tiny_netlist()))  # loads kernels, as the tiny episodes do, before episodes are timed
    measure_episode(tiny_netlist(), policy, ppo, settings.workers)
    seconds = sum(measure_episode(netlist, policy, ppo, settings.workers) for netlist in netlists)
    return max(FEWEST_ENVS, int(settings.budget_s / FEWEST_ITERATIONS / seconds))


def measure_episode(netlist: Netlist, policy: PlacementPolicy, ppo: PPOSettings, threads: int) -> float:
    """The seconds that an episode takes, from a batch of them."""
    episodes = EpisodeBatch(netlist, min(FEWEST_ENVS, ppo.num_envs), ppo.env, threads)
    graph = netlist_graph(netlist, episodes.order).to(next(policy.parameters()).device)
    began = time.perf_counter()
    with torch.no_grad():
        play(policy, policy.encode(graph), Plan.greedy(episodes.batch, episodes.steps), episodes)
    return (time.perf_counter() - began) / episodes.batch


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
