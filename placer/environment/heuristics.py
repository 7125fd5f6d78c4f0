"""Placement without learning, by the rules of the same environment: greedy, and random legal episodes."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from netlists.netlist import Floats, Ints
from placer.environment.env import EpisodeBatch, Observation
from placer.environment.features import MAP_NAMES
from placer.incumbent import Search

GREEDY_WEIGHTS = {"wire_placed": 1.0, "edge": 1.0, "snap": 0.3, "demand": 0.1}
"""Wirelength to placed and fixed nodes, plus something for lying far from a wall, away from the cell's corner or in
congestion: the best of 24 combinations on harbor and four real designs."""
RANDOM_BATCH = 16


def greedy(episodes: EpisodeBatch, search: Search) -> None:
    """One episode in which every macro goes to the allowed cell with the lowest score, the first of equal ones.

    The score is a weighted sum of the policy's maps (`features.py`) with `GREEDY_WEIGHTS`.
    """
    episodes.clock = search
    weights = np.array([GREEDY_WEIGHTS.get(name, 0.0) for name in MAP_NAMES])

    def lowest(observation: Observation) -> Ints:
        score = np.tensordot(observation.maps, weights, axes=(1, 0)).reshape(episodes.batch, -1)
        cell: Ints = np.where(observation.mask, score, np.inf).argmin(axis=1)
        return cell

    speed = run(episodes, lowest)
    search.offer(episodes)
    search.tell(1, speed)


def random(episodes: EpisodeBatch, search: Search, seed: int, iterations: int | None = None) -> None:
    """Batches of episodes with uniformly random allowed cells until the budget is used, or `iterations` batches."""
    episodes.clock = search
    generator = np.random.default_rng(seed)

    def any_allowed(observation: Observation) -> Ints:
        noise: Floats = generator.random(observation.mask.shape)
        cell: Ints = np.where(observation.mask, noise, -1.0).argmax(axis=1)
        return cell

    done, took = 0, 0.0
    # The first batch does not tell how long the next will take: kernels may have been compiled.
    while done < iterations if iterations else not done or search.left_s > (took if done > 1 else 0.0):
        start = time.perf_counter()
        speed = run(episodes, any_allowed)
        search.offer(episodes)
        took = time.perf_counter() - start
        done += 1
        search.tell(done, speed)


def run(episodes: EpisodeBatch, choose: Callable[[Observation], Ints]) -> float:
    """Play all episodes to their end with the cells [B] that `choose` picks; returns steps per second."""
    start = time.perf_counter()
    observation: Observation | None = episodes.reset()
    while observation is not None:
        observation, _ = episodes.step(choose(observation))
    return episodes.batch * episodes.t / (time.perf_counter() - start)
