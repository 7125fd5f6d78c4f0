"""The agent's part of a placement job: go on training on the one netlist for a while, and keep the best episode.

The episodes of training are samples of the policy already, so learning from them costs no samples.  The time that is
left when no further iteration fits is spent on samples in small batches; at the end one episode is decoded greedily.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch

from netlists.errors import DivergedError
from netlists.netlist import Netlist
from netlists.runtime.clock import OutOfTimeError
from netlists.runtime.command import warn
from netlists.runtime.device import room_bytes
from placer.agent.checkpoints import load_policy
from placer.agent.policy import PlacementPolicy
from placer.agent.ppo import IterationStats, Learner, PPOSettings
from placer.agent.rollback import LastGood
from placer.agent.rollouts import Plan, play
from placer.environment.env import EpisodeBatch, placing_order
from placer.environment.features import MAP_NAMES
from placer.incumbent import Incumbent

SAMPLES = 8
"""Episodes in a small batch, if two per thread are not more."""
GPU_ENVS = 512
"""Episodes per iteration that keep a GPU busy."""
LEAST_GPU_ENVS = 128
"""Episodes per iteration on a GPU if there is too little time for GPU_ITERATIONS larger ones."""
GPU_ITERATIONS = 16
"""Iterations on a GPU that a search should have time for."""
GPU_SPEED = 15_000
"""Steps per second of whole iterations on a GPU."""
LEAST_ENVS = 4
"""Episodes per iteration, however much memory their maps take."""
PRETRAINED = Path(__file__).with_name("pretrained")
"""The folder of the bundled weights, with which the agent begins unless others are given."""
UNTRAINED = "none"
"""Given instead of a file of weights to begin untrained."""
TRAINED_GENERATIONS = 6
"""Generations of the search for a style if the weights are trained: they have one, and the search begins near it."""
TRAINED_SPREAD = 3.0
"""Standard deviation of that search at its beginning, in weights of maps."""
ROLLOUT_BYTES = 1_000_000_000
"""Bytes that the maps of an iteration's episodes may take on the CPU; on a GPU see `room_bytes`."""
LEARNING_FACTOR = 5
"""Time of an iteration with learning by that of one without, until the first one is measured."""
NEXT_FACTOR = 1.1
"""Time that is allowed for an iteration by that of the last one."""
CPU = torch.device("cpu")


def new_policy(seed: int) -> PlacementPolicy:
    """An untrained policy whose weights depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PlacementPolicy()


def fitting_envs(netlist: Netlist, wanted: int, device: torch.device) -> int:
    """Episodes per iteration: as many as wanted, or fewer if the maps of all their steps would take too much memory."""
    rows, cols = netlist.grid
    episode_bytes = 4 * len(MAP_NAMES) * rows * cols * max(len(placing_order(netlist)), 1)
    return min(wanted, max(LEAST_ENVS, room_bytes(device, ROLLOUT_BYTES) // episode_bytes))


def fill_gpu(settings: PPOSettings, device: torch.device, steps: int, seconds: float) -> PPOSettings:
    """The settings with as many episodes, and as much larger minibatches, as keep a GPU busy in a search of `seconds`.

    A short search of episodes with many `steps` has fewer of them per iteration, as it needs several iterations.  On
    the CPU the settings stay as they are, so that results do not depend on the machine.
    """
    if device.type == "cpu":
        return settings
    affordable = GPU_SPEED * seconds / (GPU_ITERATIONS * max(steps, 1))
    envs = int(min(max(affordable, LEAST_GPU_ENVS), GPU_ENVS))
    return replace(settings, num_envs=envs, minibatch=settings.minibatch * envs // settings.num_envs)


class Agent:
    """A policy and its learner on one netlist; it offers its episodes to an incumbent."""

    def __init__(
        self, netlist: Netlist, incumbent: Incumbent, seed: int, threads: int, weights: str | Path | None,
        device: torch.device = CPU,
    ) -> None:  # fmt: skip
        """Begin with the `weights` in a file or training folder, PRETRAINED ones for None, or UNTRAINED.

        Raises `CheckpointError` if the weights are missing or damaged.
        """
        torch.set_num_threads(threads)
        self.netlist, self.incumbent, self.threads = netlist, incumbent, threads
        untrained = str(weights) == UNTRAINED
        self.policy = (new_policy(seed) if untrained else load_policy(weights or PRETRAINED)).to(device)
        self.settings = fill_gpu(PPOSettings(), device, len(placing_order(netlist)), incumbent.left_s)
        self.settings = replace(self.settings, num_envs=fitting_envs(netlist, self.settings.num_envs, device))
        if not untrained:
            self.settings = replace(self.settings, style_generations=TRAINED_GENERATIONS, style_spread=TRAINED_SPREAD)
        self.learner = Learner(netlist, self.policy, self.settings, seed, threads)
        self.learner.episodes.clock = incumbent
        self.last_good = LastGood(self.policy, [self.learner])
        self.generator = torch.Generator().manual_seed(seed + 1)

    def run(self, iterations: int | None) -> None:
        """Search until the budget is used, or for a number of iterations whatever time they take.

        A policy that diverges returns to the last good iteration, see `LastGood`; if that does not help, the search
        ends with a warning.  Raises `DivergedError` if there is no placement then.
        """
        try:
            with suppress(OutOfTimeError):  # the incumbent has what was found until then
                self._run(iterations)
        except DivergedError as error:
            if self.incumbent.placement is None:
                raise
            warn(f"warning: {error}; the search by the policy ends with the best placement so far")

    def _run(self, iterations: int | None) -> None:
        one = EpisodeBatch(self.netlist, 1, self.settings.env, self.threads)
        samples = min(max(SAMPLES, 2 * self.threads), self.settings.num_envs)
        few = EpisodeBatch(self.netlist, samples, self.settings.env, self.threads)
        one.clock = few.clock = self.incumbent
        self._play(one, greedy=True)
        if iterations is not None:
            for _ in range(iterations):
                self._iterate()
            self._play(one, greedy=True)
        # The first episode does not tell how long others take: it may have waited for kernels to be compiled.
        elif self.incumbent.left_s > SAMPLES * self._play(one):
            few_s = self._use_time(self._play(few), few)
            if self.incumbent.left_s > few_s:
                self._play(one, greedy=True)

    def _use_time(self, few_s: float, few: EpisodeBatch) -> float:
        """Iterations as long as one fits, then small batches; `few_s` and the result are seconds of a small batch."""
        expected_s = few_s * self.settings.num_envs / few.batch
        while self.incumbent.left_s > expected_s:
            expected_s = self._expect_next(self._iterate())
        while self.incumbent.left_s > 2 * few_s:
            few_s = self._play(few)
        return few_s

    def _iterate(self) -> IterationStats:
        try:
            stats = self._learn()
        except OutOfTimeError:
            self.incumbent.offer(self.learner.episodes)
            raise
        self.incumbent.offer(self.learner.episodes)
        self.incumbent.report(stats.iteration, stats.steps_per_second, stats.entropy, stats.kl)
        return stats

    def _learn(self) -> IterationStats:
        """One iteration, again from the last good state if the policy diverges."""
        while True:
            try:
                stats = self.learner.iterate()
            except DivergedError as error:
                self.last_good.go_back(error)
                continue
            self.last_good.keep()
            return stats

    def _expect_next(self, stats: IterationStats) -> float:
        """Seconds that the next iteration will take."""
        first_to_learn = stats.iteration == self.settings.style_generations
        return stats.seconds * (LEARNING_FACTOR if first_to_learn else NEXT_FACTOR)

    def _play(self, episodes: EpisodeBatch, greedy: bool = False) -> float:
        """Play episodes with the policy as it is; returns the seconds that it took."""
        began = time.perf_counter()
        with torch.no_grad():
            embedding = self.policy.encode(self.learner.graph)
        shape = episodes.batch, episodes.steps
        plan = Plan.greedy(*shape) if greedy else Plan.sampled(*shape, self.generator)
        try:
            rollout = play(self.policy, embedding, plan, episodes)
        except OutOfTimeError:
            self.incumbent.offer(episodes)
            raise
        self.incumbent.offer(episodes)
        took_s = time.perf_counter() - began
        self.incumbent.report(self.learner.iteration, rollout.action.numel() / took_s)
        return took_s
