"""Placement without learning, by the rules of the same environment: greedy, and random legal episodes."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from netlists.netlist import Floats, Ints
from placer.environment.env import EpisodeBatch, Observation
from placer.environment.features import MAP_NAMES
from placer.incumbent import Incumbent

GREEDY_WEIGHTS = {"wire_placed": 1.0, "edge": 1.0, "snap": 0.3, "demand": 0.1}
"""Weights of the policy's maps (`features.MAP_NAMES`) in the score of the greedy heuristic.

Wirelength to placed and fixed nodes, with penalties for distance from a wall, distance from the corner of the grid
cell, and congestion: the best of 24 combinations on harbor and four real designs."""
RANDOM_BATCH = 16
"""Random episodes that are played side by side."""


def place_greedily(episodes: EpisodeBatch, incumbent: Incumbent) -> None:
    """Play one episode in which every macro goes to the allowed grid cell with the lowest score, the first of equals.

    The score is the sum of the policy's maps (`features.py`), weighted with `GREEDY_WEIGHTS`.
    """
    episodes.clock = incumbent
    weights = np.array([GREEDY_WEIGHTS.get(name, 0.0) for name in MAP_NAMES])

    def choose_lowest(observation: Observation) -> Ints:
        score = np.tensordot(observation.maps, weights, axes=(1, 0)).reshape(episodes.batch, -1)
        cell: Ints = np.where(observation.mask, score, np.inf).argmin(axis=1)
        return cell

    speed = run(episodes, choose_lowest)
    incumbent.offer(episodes)
    incumbent.report(1, speed)


def place_randomly(episodes: EpisodeBatch, incumbent: Incumbent, seed: int, iterations: int | None = None) -> None:
    """Play batches of episodes with random allowed cells until the budget is used, or `iterations` batches."""
    episodes.clock = incumbent
    generator = np.random.default_rng(seed)

    def choose_any(observation: Observation) -> Ints:
        noise: Floats = generator.random(observation.mask.shape)
        cell: Ints = np.where(observation.mask, noise, -1.0).argmax(axis=1)
        return cell

    done, took_s = 0, 0.0
    # The first batch does not tell how long the next one will take: it may have waited for kernels to be compiled.
    while done < iterations if iterations else not done or incumbent.left_s > (took_s if done > 1 else 0.0):
        began = time.perf_counter()
        speed = run(episodes, choose_any)
        incumbent.offer(episodes)
        took_s = time.perf_counter() - began
        done += 1
        incumbent.report(done, speed)


def run(episodes: EpisodeBatch, choose: Callable[[Observation], Ints]) -> float:
    """Play all episodes to their end with the grid cells [B] that `choose` picks; returns steps per second."""
    began = time.perf_counter()
    observation: Observation | None = episodes.reset()
    while observation is not None:
        observation, _ = episodes.step(choose(observation))
    return episodes.batch * episodes.t / (time.perf_counter() - began)
