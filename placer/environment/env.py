"""Macro placement as an environment: one hard macro per step, on a grid cell; the reward is the exact proxy cost.

`EpisodeBatch` steps many episodes of one netlist at once, for training; `MacroPlacementEnv` is the same for a single
episode with the interface of Gymnasium.

Macros are placed in the order of their areas, larger first, and equal ones by the weight of their nets, larger first.
The mask allows the cells in which the macro fits (`placer.environment.action_mask`).  If there is none, every cell
inside the canvas is allowed, the step is counted in `stuck`, and the hard macros are legalized at the end of the
episode.  When the time is up, an episode ends early: macros not placed yet stay at their estimated places, and all are
legalized.  An episode for which no legal placement is found has failed: its cost is that of the overlapping placement
at its end plus `FAILED`.  Soft macros are placed after the last hard macro (`placer.soft`); until then they are at
estimated places.

The reward of the last step is minus the exact proxy; with `shaping` F > 0 each step also gets F times the decrease of
an estimated wirelength cost E (of all nets, with unplaced nodes where their nets pull them), which is subtracted again
at the end.  This is potential-based shaping with the potential -F E (Ng, Harada, Russell, ICML 1999), which does not
change the best policy.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import gymnasium
import numpy as np

from netlists.errors import LegalizationError, SettingsError
from netlists.netlist import Bools, Floats, Ints, Netlist
from netlists.placement import Placement
from netlists.runtime.barrier import apart
from netlists.runtime.clock import ENDLESS, Clock, over
from placer.cost import CostTerms
from placer.environment import episode
from placer.environment.features import MAP_NAMES, SCALAR_NAMES, Singles, begin_and_observe, step_and_observe
from placer.legalization.legalize import check_room, legalize

FAILED = 10.0
"""Added to the wirelength cost of a failed episode: far more than the difference between any two legal ones."""

PATIENCE = 64
"""Failed episodes after which an error is raised if none has ended legally."""


@dataclass(frozen=True)
class EnvSettings:
    """How episodes run."""

    soft_rounds: int = 40  # of the force-directed placement of soft macros at the end
    soft_sweeps: int = 3  # of the detailed placement of soft macros after that
    shaping: float = 1.0  # F above; 0 switches shaping off


@dataclass(frozen=True, eq=False)
class Observation:
    """What a policy sees of B episodes before step t."""

    maps: Singles  # [B, K, R, C], see features.MAP_NAMES
    scalars: Singles  # [B, S], see features.SCALAR_NAMES
    mask: Bools  # [B, R*C] cells that are allowed
    t: int


def placing_order(netlist: Netlist) -> Ints:
    """[T] the movable hard macros, by falling area, then by falling weight of their nets, then by node index."""
    area = netlist.size_um.prod(axis=1)
    wires = np.zeros(netlist.num_nodes)
    np.add.at(wires, netlist.connection_node, netlist.net_weight[netlist.connection_net])
    m = netlist.movable_hard
    return m[np.lexsort((m, -wires[m], -area[m]))]


def split_range(count: int, parts: int) -> list[tuple[int, int]]:
    """The index ranges (first, last + 1) of `count` items in `parts` nearly equal parts, or in one part per item."""
    ends = np.linspace(0, count, min(count, parts) + 1).astype(int).tolist()
    return list(pairwise(ends))


class EpisodeBatch:
    """B episodes of one netlist in lockstep, on `threads` threads.

    Raises `SettingsError` for a netlist without movable hard macros, and `LegalizationError` for one whose hard macros
    cannot fit or, in the last step of an episode, if the first `PATIENCE` episodes have failed.
    """

    def __init__(
        self, netlist: Netlist, batch: int, settings: EnvSettings | None = None, threads: int | None = None
    ) -> None:
        self.netlist = netlist
        self.settings = settings or EnvSettings()
        self.order = placing_order(netlist)
        if self.order.size == 0:
            raise SettingsError(f"{netlist.name} has no hard macro that may be moved; expected at least one")
        check_room(netlist)
        self.batch = batch
        self.threads = threads or len(os.sched_getaffinity(0))
        self.failed = np.zeros(batch, dtype=bool)  # [B] whether each episode ended without a legal placement
        self.error: LegalizationError | None = None  # of the last episode that failed
        self._ended, self._ended_legal = 0, 0
        self.arrays = episode.episode_arrays(netlist, self.order, self.settings.soft_rounds, self.settings.soft_sweeps)
        self.state = episode.new_state(self.arrays, batch)
        self._pool = ThreadPoolExecutor(self.threads)
        self._gain, self._first_estimate = np.zeros(batch), np.zeros(batch)
        self._cost, self._errors = np.zeros((batch, 4)), np.full(batch, None)
        self._whole, self._taken = True, apart(np.zeros(1, dtype=np.int64))
        self.clock: Clock = ENDLESS  # of the search to which the episodes belong
        self.t = 0

    def part(self, first: int, last: int, threads: int = 1) -> EpisodeBatch:
        """Episodes first..last-1 as a batch that is stepped by itself and shares the memory of this one.

        With one thread its kernels run on that of the caller, with more also on those of this batch.  Call `tally` of
        this batch when all parts have ended.
        """
        part = copy(self)
        part.batch, part.threads = last - first, threads
        part._whole, part._taken = False, apart(self._taken)
        part.state = episode.EpisodeState._make(array[first:last] for array in self.state)
        for name in ("failed", "_gain", "_first_estimate", "_cost", "_errors"):
            setattr(part, name, getattr(self, name)[first:last])
        return part

    @property
    def steps(self) -> int:
        """Steps of an episode."""
        return len(self.order)

    @property
    def costs(self) -> list[CostTerms]:
        """The costs of the episodes that have ended."""
        return [CostTerms(*(float(x) for x in row)) for row in self._cost]

    def reset(self, out: Observation | None = None) -> Observation:
        """Begin all episodes; returns their first observation, in the arrays of `out` if there is one."""
        self.t = 0
        out = out or self._new_observation()
        self._share(begin_and_observe, *self._features(out))
        self._first_estimate[:] = self.state.estimate
        return out

    def step(self, action: Ints, out: Observation | None = None) -> tuple[Observation | None, Floats]:
        """Place the current macros in the cells with indices `action` [B] (row * C + column), which the mask allows.

        Returns the next observation, in the arrays of `out` if there is one, or None after the last macro, and the
        rewards [B].  After the deadline of the `clock` the step is the last one.
        """
        t = self.t
        self.t += 1
        if self.t < self.steps and not over(self.clock.deadline):
            out = out or self._new_observation()
            self._share(step_and_observe, t, action, self._gain, *self._features(out))
            return out, self.settings.shaping * self._gain
        episode.step(self.arrays, self.state, 0, self.batch, t, action, self._gain)
        reward = self.settings.shaping * self._gain
        self._finish()
        proxy = np.array([cost.proxy for cost in self.costs])
        total_shaping = self.settings.shaping * (self._first_estimate - self.state.estimate)
        return None, reward - proxy - total_shaping

    def tally(self) -> None:
        """Count the episodes that have just ended; raises `LegalizationError` if the first `PATIENCE` failed."""
        self.error = next((error for error in self._errors[::-1] if error), self.error)
        self._ended += self.batch
        self._ended_legal += int((~self.failed).sum())
        if self.error and self._ended >= PATIENCE and not self._ended_legal:
            raise self.error

    def _share(self, kernel: Callable[..., None], *arguments: Any) -> None:
        """Call a kernel on all threads, which take the episodes one by one and release the interpreter's lock.

        Each takes the next one when it is ready, as episodes and processors differ in speed.
        """
        self._taken[0] = 0
        self._on_threads(min(self.threads, self.batch), kernel, self.arrays, self.state, self._taken, *arguments)

    def _on_threads(self, threads: int, job: Callable[..., None], *arguments: Any) -> None:
        """Call a function on several threads, one of them that of the caller, and wait until all have returned."""
        jobs = [self._pool.submit(job, *arguments) for _ in range(threads - 1)]
        job(*arguments)
        for other in jobs:
            if not other.cancel():  # one that has not begun would find nothing left to do
                other.result()

    def _features(self, out: Observation) -> tuple[Singles, Singles, Bools]:
        """The arrays of an observation, for the kernels that fill it."""
        return out.maps, out.scalars, out.mask.reshape(self.batch, *self.netlist.grid)

    def _new_observation(self) -> Observation:
        """Arrays for an observation, not filled yet."""
        rows, cols = self.netlist.grid
        maps = np.empty((self.batch, len(MAP_NAMES), rows, cols), dtype=np.float32)
        scalars = np.empty((self.batch, len(SCALAR_NAMES)), dtype=np.float32)
        return Observation(maps, scalars, np.empty((self.batch, rows * cols), dtype=np.bool_), self.t)

    def _finish(self) -> None:
        """Legalize the episodes that need it, place their soft macros and evaluate them."""
        self._errors[:] = None
        self.failed[:] = True
        for b, stuck in enumerate(self.state.stuck):
            # One legal placement is enough when the time is up.
            late = over(self.clock.deadline) and not self.failed[:b].all()
            self.failed[b] = (self.cut or bool(stuck)) and (late or not self._legalize(b))
        if self._whole:
            self.tally()
        self._on_threads(min(self.threads, self.batch), self._score, iter(range(self.batch)))
        self._cost[:, 0] += FAILED * self.failed

    def _score(self, episodes: Iterator[int]) -> None:
        """Fill the costs of the next of the `episodes` until none is left; place their soft macros if there is time."""
        hurried = self.arrays._replace(soft_rounds=0, soft_sweeps=0)
        for b in episodes:  # each goes to one thread, as only the one that holds the interpreter's lock gets the next
            arrays = hurried if over(self.clock.last) else self.arrays
            episode.finish(arrays, self.state, b, b + 1, self._cost)

    def _legalize(self, b: int) -> bool:
        """Legalize the hard macros of episode b; returns whether that was possible."""
        try:
            self.state.position[b] = legalize(self.placement(b), deadline=self.clock.last).position_um
        except LegalizationError as error:
            self._errors[b] = error
            return False
        return True

    @property
    def cut(self) -> bool:
        """Whether the episodes ended before all macros were placed."""
        return self.t < self.steps

    @property
    def stuck(self) -> Ints:
        """[B] the steps of each episode at which the macro fitted in no cell."""
        return self.state.stuck.copy()

    def placement(self, b: int) -> Placement:
        """The present placement of episode b."""
        return Placement(self.netlist, self.state.position[b].copy(), self.arrays.orientation)


class MacroPlacementEnv(gymnasium.Env[dict[str, Any], np.int64]):
    """One episode of macro placement; see the docstring of the module.

    Observation: `maps` [K, R, C], `scalars` [S], `action_mask` [R*C].  Action: the index row * C + column of a grid
    cell.  A masked action is replaced by the nearest allowed cell and reported as `invalid` in the info, which after
    the last step also holds the proxy, its terms, the HPWL in µm, the number of `stuck` steps and whether the episode
    `failed`.  Raises `gymnasium.error.ResetNeeded` for a step outside an episode.
    """

    metadata = {"render_modes": []}  # noqa: RUF012  (Gymnasium's own convention)

    def __init__(self, netlist: Netlist, settings: EnvSettings | None = None) -> None:
        self.episodes = EpisodeBatch(netlist, 1, settings)
        rows, cols = netlist.grid
        box, most = gymnasium.spaces.Box, np.finfo(np.float32).max
        self.observation_space = gymnasium.spaces.Dict(
            {
                "maps": box(0, most, (len(MAP_NAMES), rows, cols), np.float32),
                "scalars": box(0, most, (len(SCALAR_NAMES),), np.float32),
                "action_mask": gymnasium.spaces.MultiBinary(rows * cols),
            }
        )
        self.action_space = gymnasium.spaces.Discrete(rows * cols)
        self._observation: dict[str, Any] | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode; nothing in it is random."""
        super().reset(seed=seed)
        self._observation = self._dict(self.episodes.reset())
        return self._observation, {}

    def step(self, action: np.int64) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Place the current macro in a grid cell."""
        if self._observation is None:
            raise gymnasium.error.ResetNeeded("no episode has begun; call reset() before step()")
        last, allowed = self._observation, self._observation["action_mask"]
        invalid = not allowed[action]
        if invalid:
            action = self._nearest(allowed, int(action))
        observation, reward = self.episodes.step(np.array([action]))
        info: dict[str, Any] = {"invalid": bool(invalid)}
        if observation is not None:
            self._observation = self._dict(observation)
            return self._observation, float(reward[0]), False, False, info
        self._observation = None
        info |= self.episodes.costs[0].as_dict()
        info |= {"stuck": int(self.episodes.stuck[0]), "failed": bool(self.episodes.failed[0])}
        return last, float(reward[0]), True, False, info

    def placement(self) -> Placement:
        """The present placement."""
        return self.episodes.placement(0)

    @staticmethod
    def _dict(observation: Observation) -> dict[str, Any]:
        """The observation of a single episode in the form of Gymnasium."""
        return {
            "maps": observation.maps[0],
            "scalars": observation.scalars[0],
            "action_mask": observation.mask[0].astype(np.int8),
        }

    def _nearest(self, allowed: Bools, action: int) -> np.int64:
        """The cell of the mask `allowed` [R*C] that is nearest to the cell `action`."""
        cols = self.episodes.netlist.grid[1]
        cells = np.flatnonzero(allowed)
        distance = np.hypot(cells // cols - action // cols, cells % cols - action % cols)
        return np.int64(cells[np.argmin(distance)])
