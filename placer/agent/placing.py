"""The agent's part of a placement job: go on training on the one netlist for a while, keep the best episode.

The episodes of training are samples of the policy already, so nothing is lost by learning from them.  What time is
left when no further iteration fits is spent on samples in small batches; greedy decoding has the last word.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch

from netlists.netlist import Netlist
from netlists.runtime.clock import OutOfTimeError
from netlists.runtime.device import room_bytes
from placer.agent.checkpoints import load_policy
from placer.agent.policy import PlacementPolicy
from placer.agent.ppo import IterationStats, Learner, PPOSettings
from placer.agent.rollouts import Plan, Rollout, play
from placer.environment.env import EpisodeBatch, placing_order
from placer.environment.features import MAP_NAMES
from placer.incumbent import Search

SAMPLES = 8  # episodes in a small batch, or two for each thread
GPU_ENVS = 512  # episodes of an iteration that fill a GPU
LEAST_GPU_ENVS = 128  # where little time is left for as many iterations as GPU_ITERATIONS
GPU_ITERATIONS, GPU_SPEED = 16, 15_000  # steps/s of whole iterations
PRETRAINED = Path(__file__).with_name("pretrained")  # the weights to begin with unless others are given
UNTRAINED = "none"  # said instead of a file of weights
# Trained weights have a style: a short search near it finds what suits the netlist.
TRAINED_GENERATIONS, TRAINED_SPREAD = 6, 3.0
ROLLOUT_BYTES = 1_000_000_000  # the maps of an iteration's episodes stay below this, or a part of a GPU's memory
CPU = torch.device("cpu")
LEARNING_FACTOR = 5  # an iteration with learning takes so many times one without; until the first is measured


def new_policy(seed: int) -> PlacementPolicy:
    """An untrained policy whose weights depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PlacementPolicy()


def fitting_envs(netlist: Netlist, wanted: int, device: torch.device) -> int:
    """Episodes per iteration: as wanted, or fewer where the maps of all their steps would need too much memory."""
    rows, cols = netlist.grid
    episode_bytes = 4 * len(MAP_NAMES) * rows * cols * max(len(placing_order(netlist)), 1)
    return min(wanted, max(4, room_bytes(device, ROLLOUT_BYTES) // episode_bytes))


def filling(settings: PPOSettings, device: torch.device, steps: int, seconds: float) -> PPOSettings:
    """The settings with as many episodes, and as much larger minibatches, as keep a GPU busy for some seconds.

    A search of few seconds has fewer episodes of so many `steps` in an iteration, as it needs some iterations.  On the
    CPU settings stay, so that results do not depend on the machine.
    """
    if device.type == "cpu":
        return settings
    affordable = GPU_SPEED * seconds / (GPU_ITERATIONS * max(steps, 1))
    envs = int(min(max(affordable, LEAST_GPU_ENVS), GPU_ENVS))
    return replace(settings, num_envs=envs, minibatch=settings.minibatch * envs // settings.num_envs)


class Agent:
    """A policy and its learner on one netlist, with a search to report to."""

    def __init__(
        self, netlist: Netlist, search: Search, seed: int, threads: int, weights: str | Path | None,
        device: torch.device = CPU,
    ) -> None:  # fmt: skip
        """Begins with the `weights` of a file or training folder, PRETRAINED ones for None, or UNTRAINED.

        Raises `CheckpointError` when the weights are missing or damaged.
        """
        torch.set_num_threads(threads)
        self.netlist, self.search, self.threads = netlist, search, threads
        untrained = str(weights) == UNTRAINED
        self.policy = (new_policy(seed) if untrained else load_policy(weights or PRETRAINED)).to(device)
        self.settings = filling(PPOSettings(), device, len(placing_order(netlist)), search.left_s)
        self.settings = replace(self.settings, num_envs=fitting_envs(netlist, self.settings.num_envs, device))
        if not untrained:
            self.settings = replace(self.settings, style_generations=TRAINED_GENERATIONS, style_spread=TRAINED_SPREAD)
        self.learner = Learner(netlist, self.policy, self.settings, seed, threads)
        self.learner.episodes.clock = search
        self.generator = torch.Generator().manual_seed(seed + 1)

    def run(self, iterations: int | None) -> None:
        """Search until the budget is used, or for a number of iterations whatever the time."""
        with suppress(OutOfTimeError):  # the search has what was found until then
            self._run(iterations)

    def _run(self, iterations: int | None) -> None:
        one = EpisodeBatch(self.netlist, 1, self.settings.env, self.threads)
        samples = min(max(SAMPLES, 2 * self.threads), self.settings.num_envs)
        few = EpisodeBatch(self.netlist, samples, self.settings.env, self.threads)
        one.clock = few.clock = self.search
        self._play(one, greedy=True)
        if iterations is not None:
            for _ in range(iterations):
                self._iterate()
            self._play(one, greedy=True)
        elif self.search.left_s > SAMPLES * self._play(one):  # the first episode also compiled: it tells no time
            took = self._fill(self._play(few), few)
            if self.search.left_s > took:
                self._play(one, greedy=True)

    def _fill(self, took: float, few: EpisodeBatch) -> float:
        """Iterations as long as one fits, then small batches; `took` and the result are seconds of a small batch."""
        expected = took * self.settings.num_envs / few.batch
        while self.search.left_s > expected:
            expected = self._expected_after(self._iterate())
        while self.search.left_s > 2 * took:
            took = self._play(few)
        return took

    def _iterate(self) -> IterationStats:
        try:
            stats = self.learner.iterate()
        except OutOfTimeError:
            self.search.offer(self.learner.episodes)
            raise
        self.search.offer(self.learner.episodes)
        self.search.tell(stats.iteration, stats.steps_per_second, stats.entropy, stats.kl)
        return stats

    def _expected_after(self, stats: IterationStats) -> float:
        """Seconds that the next iteration will take."""
        first_to_learn = stats.iteration == self.settings.style_generations
        return stats.seconds * (LEARNING_FACTOR if first_to_learn else 1.1)

    def _play(self, episodes: EpisodeBatch, greedy: bool = False) -> float:
        """Play episodes with the policy as it is; returns the seconds it took."""
        start = time.perf_counter()
        with torch.no_grad():
            embedding = self.policy.encode(self.learner.graph)
        shape = episodes.batch, episodes.steps
        plan = Plan.greedy(*shape) if greedy else Plan.sampled(*shape, self.generator)
        try:
            rollout: Rollout = play(self.policy, embedding, plan, episodes)
        except OutOfTimeError:
            self.search.offer(episodes)
            raise
        self.search.offer(episodes)
        took = time.perf_counter() - start
        self.search.tell(self.learner.iteration, rollout.action.numel() / took)
        return took
