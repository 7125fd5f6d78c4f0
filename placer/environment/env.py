"""Macro placement as an environment: one hard macro a step, on a grid cell; the reward is the exact proxy cost.

`EpisodeBatch` steps many episodes of one netlist at once, for training; `MacroPlacementEnv` is the same for a single
episode behind Gymnasium's contract.

Macros come in order of area, larger first, equal ones by the weight of their nets (most first).  The mask allows the
cells where the macro fits (`spots.py`).  Where none does, every cell inside the canvas is allowed, the step is counted
in `stuck`, and the hard macros are legalized at the end of the episode.  When the time is up, an episode ends early:
macros not placed yet stay at their estimated places, and all are legalized.  An episode for which no legal placement is
found has failed: it costs FAILED more than the overlapping placement with which it ends.  Soft macros are placed when
the last hard macro is (`soft.py`); on the way they stand at estimated places.

The reward of the last step is minus the exact proxy; with `shaping` F > 0 every step also gets F times the fall of an
estimated wirelength cost E (all nets, unplaced nodes where their nets pull them), taken back at the end.  This is
potential-based shaping with potential -F E (Ng, Harada, Russell, ICML 1999), which leaves the best policy the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable
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
from netlists.runtime.clock import ENDLESS, Clock, over
from placer.cost import CostTerms
from placer.environment import episode
from placer.environment.features import MAP_NAMES, SCALAR_NAMES, Singles, observe
from placer.legalization.legalize import check_room, legalize

FAILED = 10.0  # added to the wirelength cost of an episode that failed: far more than legal ones differ by
PATIENCE = 64  # episodes that fail before the netlist is given up, where none ever ended legal


Call = tuple[Callable[..., None], *tuple[Any, ...]]
"""A kernel, and its arguments but for the arrays, the state and the episodes."""


@dataclass(frozen=True)
class EnvSettings:
    """How episodes run."""

    soft_rounds: int = 40  # of the soft-macro placement at the end (`soft.py`)
    soft_sweeps: int = 3  # of its finish (`soft_detail.py`)
    shaping: float = 1.0  # F above; 0 switches shaping off


@dataclass(frozen=True, eq=False)
class Observation:
    """What a policy sees of B episodes at step t."""

    maps: Singles  # [B, K, R, C], see features.MAP_NAMES
    scalars: Singles  # [B, S], see features.SCALAR_NAMES
    mask: Bools  # [B, R*C] cells that may be chosen
    t: int


def placing_order(netlist: Netlist) -> Ints:
    """[T] the movable hard macros, larger area first, then those with more net weight, then node order."""
    area = netlist.size_um.prod(axis=1)
    wires = np.zeros(netlist.num_nodes)
    np.add.at(wires, netlist.connection_node, netlist.net_weight[netlist.connection_net])
    m = netlist.movable_hard
    return m[np.lexsort((m, -wires[m], -area[m]))]


def spans(count: int, parts: int) -> list[tuple[int, int]]:
    """The first and the last of some things, excluded, in each of as many parts, or in one for each thing."""
    ends = np.linspace(0, count, min(count, parts) + 1).astype(int).tolist()
    return list(pairwise(ends))


class EpisodeBatch:
    """B episodes of one netlist in lockstep, each kernel on `threads` threads.

    Raises `SettingsError` for a netlist without movable hard macros, and `LegalizationError` for one whose hard macros
    cannot fit or, in the last step of an episode, when the first PATIENCE episodes have failed.
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
        self.failed = np.zeros(batch, dtype=bool)  # [B] which episodes ended without a legal placement
        self.error: LegalizationError | None = None  # of the last one that did
        self._ended, self._ended_legal = 0, 0
        self.arrays = episode.episode_arrays(netlist, self.order, self.settings.soft_rounds, self.settings.soft_sweeps)
        self.state = episode.new_state(self.arrays, batch)
        self._pool = ThreadPoolExecutor(self.threads)
        self._gain, self._first_estimate = np.zeros(batch), np.zeros(batch)
        self._cost, self._errors = np.zeros((batch, 4)), np.full(batch, None)
        self._whole, self._spans = True, spans(batch, self.threads)
        self.clock: Clock = ENDLESS  # of the search that the episodes are for
        self.t = 0

    def part(self, first: int, last: int, threads: int = 1) -> EpisodeBatch:
        """Episodes first..last-1 as a batch that is stepped by itself and leaves its results in this one as well.

        One thread is the caller's; more are of this batch.  When all parts have ended, `tally` the whole.
        """
        part = copy(self)
        part.batch, part.threads = last - first, threads
        part._whole, part._spans = False, spans(part.batch, threads)
        part.state = episode.State._make(array[first:last] for array in self.state)
        for name in ("failed", "_gain", "_first_estimate", "_cost", "_errors"):
            setattr(part, name, getattr(self, name)[first:last])
        return part

    @property
    def steps(self) -> int:
        """Steps in an episode."""
        return len(self.order)

    @property
    def costs(self) -> list[CostTerms]:
        """Of each episode that has ended."""
        return [CostTerms(*(float(x) for x in row)) for row in self._cost]

    def reset(self, out: Observation | None = None) -> Observation:
        """Begin all episodes anew; the observation is written into the arrays of `out`, if given."""
        self.t = 0
        out = out or self._unseen()
        self._split((episode.begin,), self._look(out))
        self._first_estimate[:] = self.state.estimate
        return out

    def step(self, action: Ints, out: Observation | None = None) -> tuple[Observation | None, Floats]:
        """Place the current macro in cell `action` [B] (row * C + column); each must be allowed by the mask.

        Returns the next observation, in the arrays of `out` if given, None after the last macro, and the rewards [B].
        After the deadline of the `clock` the step is the last one.
        """
        move = (episode.step, self.t, action, self._gain)
        self.t += 1
        if self.t < self.steps and not over(self.clock.deadline):
            out = out or self._unseen()
            self._split(move, self._look(out))
            return out, self.settings.shaping * self._gain
        self._split(move)
        reward = self.settings.shaping * self._gain
        self._finish()
        proxy = np.array([cost.proxy for cost in self.costs])
        taken_back = self.settings.shaping * (self._first_estimate - self.state.estimate)
        return None, reward - proxy - taken_back

    def tally(self) -> None:
        """Count the episodes that have just ended; raises `LegalizationError` when the first PATIENCE failed."""
        self.error = next((error for error in self._errors[::-1] if error), self.error)
        self._ended += self.batch
        self._ended_legal += int((~self.failed).sum())
        if self.error and self._ended >= PATIENCE and not self._ended_legal:
            raise self.error

    def _split(self, *calls: Call) -> None:
        """Call kernels over all episodes, some in each thread; kernels release the interpreter's lock."""

        def run(first: int, last: int) -> None:
            for kernel, *args in calls:
                kernel(self.arrays, self.state, first, last, *args)

        mine, *others = self._spans
        jobs = [self._pool.submit(run, *span) for span in others]
        run(*mine)
        for job in jobs:
            job.result()

    def _look(self, out: Observation) -> Call:
        return observe, self.t, out.maps, out.scalars, out.mask.reshape(self.batch, *self.netlist.grid)

    def _unseen(self) -> Observation:
        """Arrays for an observation, not filled yet."""
        rows, cols = self.netlist.grid
        maps = np.empty((self.batch, len(MAP_NAMES), rows, cols), dtype=np.float32)
        scalars = np.empty((self.batch, len(SCALAR_NAMES)), dtype=np.float32)
        return Observation(maps, scalars, np.empty((self.batch, rows * cols), dtype=np.bool_), self.t)

    def _finish(self) -> None:
        self._errors[:] = None
        self.failed[:] = True
        for b, stuck in enumerate(self.state.stuck):
            # One placement is enough when the time is up.
            late = over(self.clock.deadline) and not self.failed[:b].all()
            self.failed[b] = (self.cut or bool(stuck)) and (late or not self._legalized(b))
        if self._whole:
            self.tally()
        self._split((self._score,))
        self._cost[:, 0] += FAILED * self.failed

    def _score(self, arrays: episode.EpisodeArrays, state: episode.State, first: int, last: int) -> None:
        """Place the soft macros of episodes first..last-1, where there is time, and fill their costs."""
        hurried = arrays._replace(soft_rounds=0, soft_sweeps=0)
        for b in range(first, last):
            episode.finish(hurried if over(self.clock.last) else arrays, state, b, b + 1, self._cost)

    def _legalized(self, b: int) -> bool:
        """Legalize the hard macros of episode b; whether that was possible."""
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
        """[B] steps of each episode at which no cell fitted."""
        return self.state.stuck.copy()

    def placement(self, b: int) -> Placement:
        """The placement of episode b as it stands."""
        return Placement(self.netlist, self.state.position[b].copy(), self.arrays.orientation)


class MacroPlacementEnv(gymnasium.Env[dict[str, Any], np.int64]):
    """One episode of macro placement; see the module's docstring.

    Observation: `maps` [K, R, C], `scalars` [S], `action_mask` [R*C].  Action: a grid cell, row * C + column.  A masked
    action is replaced by the nearest allowed cell and reported as `invalid` in the info, which after the last step
    also holds the proxy, its parts, HPWL in µm, the number of `stuck` steps and whether the episode `failed`.  Raises
    `gymnasium.error.ResetNeeded` for a step outside an episode.
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
        self._seen: dict[str, Any] | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode; there is nothing random in it."""
        super().reset(seed=seed)
        self._seen = self._dict(self.episodes.reset())
        return self._seen, {}

    def step(self, action: np.int64) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Place the current macro in a grid cell."""
        if self._seen is None:
            raise gymnasium.error.ResetNeeded("no episode under way; call reset() before step()")
        last, allowed = self._seen, self._seen["action_mask"]
        invalid = not allowed[action]
        if invalid:
            action = self._nearest(allowed, int(action))
        observation, reward = self.episodes.step(np.array([action]))
        info: dict[str, Any] = {"invalid": bool(invalid)}
        if observation is not None:
            self._seen = self._dict(observation)
            return self._seen, float(reward[0]), False, False, info
        self._seen = None
        info |= self.episodes.costs[0].as_dict()
        info |= {"stuck": int(self.episodes.stuck[0]), "failed": bool(self.episodes.failed[0])}
        return last, float(reward[0]), True, False, info

    def placement(self) -> Placement:
        """The placement as it stands."""
        return self.episodes.placement(0)

    @staticmethod
    def _dict(observation: Observation) -> dict[str, Any]:
        return {
            "maps": observation.maps[0],
            "scalars": observation.scalars[0],
            "action_mask": observation.mask[0].astype(np.int8),
        }

    def _nearest(self, allowed: Bools, action: int) -> np.int64:
        cols = self.episodes.netlist.grid[1]
        cells = np.flatnonzero(allowed)
        distance = np.hypot(cells // cols - action // cols, cells % cols - action % cols)
        return np.int64(cells[np.argmin(distance)])
