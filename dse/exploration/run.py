"""Exploration of a design space on Ray: a searcher proposes, tasks evaluate and summarize, this process stores.

A chunk holds the designs that the searcher asks for at once.  A search that does not learn has one chunk in flight per
processor and, unless `workers` limits these, one more per node; a search that learns waits for each chunk.  If there
are fewer chunks than processors, or if the search waits for them, they are split so that every processor gets a part.
Summaries merge in any order to the same result, and chunks do not depend on the cluster, so the result does not depend
on it either.  A chunk that is lost with its worker or node is evaluated again.  To resume, the searcher starts from the
beginning: chunks that are stored are not evaluated, and a search that learns gets their stored results.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from math import ceil
from pathlib import Path
from typing import Any, cast

import numpy as np

from dse.exploration.repricing import PlacementPlan, RepricedSearcher, Repricing
from dse.exploration.results import Result, load_results, write_front
from dse.exploration.store import Run, Store, open_store
from dse.exploration.summary import SAMPLE, Summary, empty_summary, summarize
from dse.exploration.tasks import make_task, receive
from dse.search import REPRICED, UNGUIDED, Searcher, make_searcher, most_designs
from dse.space.space import DesignSpace
from dse.templates.base import Floats, Ints
from netlists.errors import ChipscapeError, SettingsError
from netlists.runtime.ray_connection import LOCAL, connected, processors, wait_for

CHUNKS = 64
"""Chunks of a whole space, for searches that do not learn."""
CHUNK_LEAST = 20_000
"""Designs of a chunk at least, by default."""
CHUNK_MOST = 200_000
"""Designs of a chunk at most, by default."""
LOOK_S = 5.0
"""Seconds between two looks at a cluster that may have grown."""
AHEAD = 1
"""Tasks that wait on each node, so that no processor waits for this process."""
ANY = "any"
"""The node of tasks that Ray places."""
IN_PROCESS = 20_000
"""Designs up to which an exploration is finished in this process before Ray would have started."""
HANDOVER_S = 0.002
"""Seconds that Ray takes to send a task that waited."""


@dataclass(frozen=True)
class ExplorationProgress:
    """How far an exploration is."""

    evaluated: int  # designs, those of earlier runs included
    total: int  # designs that the search will ask for at most
    per_second: float  # designs, in this run
    front: int  # designs on the front
    best: Mapping[str, float]  # the best value of each objective, as the metric has it
    placed: int = 0  # floorplans that were tried during the search


Listener = Callable[[ExplorationProgress], None]


@dataclass
class _Chunk:
    """The designs that the searcher asked for at once, and the results of its finished parts."""

    number: int
    index: Ints | range | None  # None once its parts are made, if the search does not learn
    waiting: int  # parts that are not finished
    summary: Summary
    objectives: Floats | None  # [n, K], for a search that learns


_Part = tuple[_Chunk, slice, Ints | range]
"""Part of a chunk: the rows of its designs, and their numbers."""


def explore(
    space: DesignSpace,
    out: str | Path,
    *,
    search: str = "exhaustive",
    budget: int | None = None,
    seed: int = 0,
    ray: str = LOCAL,
    workers: int | None = None,
    chunk: int | None = None,
    resume: bool = False,
    on_progress: Listener | None = None,
    plan: PlacementPlan | None = None,
) -> Result:
    """Search a space; write `out`/results.sqlite as the search proceeds and `out`/pareto.csv at its end.

    `search` is a name of `dse.search.SEARCHES`, `budget` the number of designs to evaluate (by default that of the
    search).  `ray` is the address of a cluster, `auto` within one, or LOCAL for one of this machine's cores; `workers`
    limits how many processors are used.  `chunk` is the number of designs per task of a search that does not learn, by
    default `default_chunk`.  `resume` continues an earlier run of the same space and settings; a larger `budget`, which
    includes earlier runs, gives the result that it would have given from the start.  `on_progress` is called after each
    chunk.  Ctrl-C ends the search and returns what is stored.  `plan` places designs during a search of `REPRICED`; the
    result then has their prices, and `resume` places them again.

    Raises `SettingsError` for a setting out of range, a plan for another search, a folder that is in use or holds
    another run, or a cluster that cannot be reached; `DesignError` for an unknown search; `ChipscapeError` if the
    workers of a chunk are lost more than RETRIES times, or if files cannot be written.
    """
    for name, number in (("workers", workers), ("chunk", chunk)):
        if number is not None and number < 1:
            raise SettingsError(f"{name} is {number}; expected at least 1")
    if plan and search not in REPRICED:
        raise SettingsError(f"{search} places nothing during the search; expected {', '.join(REPRICED)}")
    chunk = chunk or default_chunk(space)
    searcher = make_searcher(search, space, seed, budget)
    run = Run(search, seed, budget, chunk, version("chipscape"), plan.most if plan else None)
    total = most_designs(search, space, budget)
    fraction = min(1.0, SAMPLE / total)
    with open_store(Path(out), space, run, resume, fraction) as store:
        repricing = Repricing(space, cast("RepricedSearcher", searcher), plan, total, seed) if plan else None
        exploration = _Exploration(space, store, searcher, search not in UNGUIDED, chunk, total, fraction, repricing)
        listener = on_progress or (lambda progress: None)
        # Floorplans are tasks on Ray as well, which keep to the same connection.
        with suppress(KeyboardInterrupt), connected(ray, workers) if plan else nullcontext():
            if exploration.remains() and fits_in_process(ray, workers, total):
                exploration.run_in_process(listener)
            elif exploration.remains():
                with connected(ray, workers):
                    exploration.run_on_ray(workers, listener)
        exploration.finish()
    result = load_results(out)
    write_front(result)
    return replace(result, prices=repricing.prices()) if repricing else result


def default_chunk(space: DesignSpace) -> int:
    """Designs per chunk, from the space alone: neither the cluster nor a larger budget may change the chunks."""
    return min(CHUNK_MOST, max(CHUNK_LEAST, ceil(space.size / CHUNKS)))


def fits_in_process(ray: str, workers: int | None, total: int) -> bool:
    """Whether a search of at most `total` designs needs no Ray: it is small, and no cluster or workers are wanted."""
    connection = sys.modules.get("ray")  # not imported here, as that takes seconds
    connected_already = connection is not None and connection.is_initialized()
    return ray == LOCAL and workers is None and total <= IN_PROCESS and not connected_already


class _Exploration:
    """One run: the state of the search, and the summary of all chunks that are stored."""

    def __init__(
        self,
        space: DesignSpace,
        store: Store,
        searcher: Searcher,
        learns: bool,
        chunk: int,
        total: int,
        fraction: float,
        repricing: Repricing | None,
    ) -> None:
        self.repricing = repricing
        self.space, self.store, self.searcher, self.learns, self.chunk = space, store, searcher, learns, chunk
        self.total, self.fraction = total, fraction
        self.stored, self.summary = store.finished(), store.summary(empty_summary(space))
        self.asked = 0  # chunks that the searcher was asked for
        self.next: _Chunk | None = None
        self.open = 0  # chunks with unfinished parts
        self.since = time.monotonic() - store.seconds()
        self.evaluated_before, self.begun = self.summary.evaluated, time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the start, all runs together."""
        return time.monotonic() - self.since

    def remains(self) -> bool:
        """Whether there is a chunk to evaluate; it is then the next."""
        if self.next is None and not (self.learns and self.open):
            self.next = self._ask()
        return self.next is not None

    def _ask(self) -> _Chunk | None:
        """The first chunk of the search that is not stored; None while the search waits for results, and at its end."""
        # A stored chunk is asked for by its size, as the last one of a smaller budget is cut short.
        while len(index := self.searcher.ask(self.stored.get(self.asked, self.chunk))):
            number, self.asked = self.asked, self.asked + 1
            if number not in self.stored:
                values = np.empty((len(index), len(self.space.objectives))) if self.learns else None
                return _Chunk(number, index, 0, empty_summary(self.space), values)
            if self.stored[number] != len(index):
                raise ChipscapeError(f"{self.store.file}: chunk {number} has {self.stored[number]} designs, but the"
                                     f" search asks for {len(index)}; it cannot be resumed")  # fmt: skip
            if self.learns:
                self._tell(index, self.store.objectives(number))
        return None

    def _tell(self, index: Ints | range, objectives: Floats) -> None:
        feasible = np.asarray(np.isfinite(objectives).all(axis=1))
        self.searcher.tell(np.asarray(index), objectives, feasible)
        if self.repricing:
            self.repricing.learn(np.asarray(index), objectives, feasible)

    def run_in_process(self, listener: Listener) -> None:
        """Evaluate the remaining chunks in this process, on one processor."""
        while self.remains():
            for chunk, rows, index in self._parts(1):
                self._take(chunk, rows, *summarize(self.space, index, self.fraction, self.learns))
                self._close(chunk)
                listener(self.progress())

    def run_on_ray(self, workers: int | None, listener: Listener) -> None:
        """Evaluate the remaining chunks on the connected cluster."""
        import ray

        task, handle = make_task(), ray.put(self.space)
        waiting, running, ended = deque[_Part](), dict[Any, tuple[_Chunk, slice, str]](), list[Any]()
        nodes, looked = usable_processors(workers), time.monotonic()
        ahead = AHEAD if workers is None else 0  # Ray would start them on processors that are not to be used
        while ended or running or waiting or self.remains():
            if time.monotonic() - looked > LOOK_S:
                nodes, looked = usable_processors(workers), time.monotonic()
            while (waiting or self.remains()) and (
                node := free_node(nodes, [at for _, _, at in running.values()], ahead)
            ):
                if not waiting:
                    waiting.extend(self._parts(sum(nodes.values())))
                chunk, rows, index = waiting.popleft()
                todo = task.options(
                    name=f"dse explore {self.space.name}: chunk {chunk.number}", scheduling_strategy=_strategy(node)
                )
                # The handle is in a list so that the worker opens it itself: once, not for each task.
                running[todo.remote([handle], index, self.fraction, self.learns)] = chunk, rows, node
            # Results are merged only now that the free processor has its next task: Ray's thread that sends a waiting
            # task needs the interpreter for a moment, and would not get it during a merge.
            if ended and running:
                time.sleep(HANDOVER_S)
            for answer, chunk, rows, _ in ended:
                self._take(chunk, rows, *receive(answer, chunk.number))
                if not chunk.waiting:
                    self._close(chunk)
                    listener(self.progress())
            answers = wait_for(running, LOOK_S) if running else []
            ended = [(answer, *running.pop(answer)) for answer in answers]

    def _parts(self, processors: int) -> list[_Part]:
        """The next chunk as one part or, if there are fewer chunks than processors, as parts for all of these."""
        chunk, self.next = self.next, None
        assert chunk is not None
        assert chunk.index is not None
        chunks = 1 if self.learns else ceil(self.total / self.chunk)  # at the same time
        size = ceil(len(chunk.index) / ceil(processors / chunks))
        cuts = [slice(start, start + size) for start in range(0, len(chunk.index), size)]
        parts = [(chunk, rows, chunk.index[rows]) for rows in cuts]
        chunk.waiting, self.open = len(parts), self.open + 1
        if not self.learns:
            chunk.index = None
        return parts

    def _take(self, chunk: _Chunk, rows: slice, summary: Summary, objectives: Floats) -> None:
        chunk.summary, chunk.waiting = chunk.summary.merge(summary), chunk.waiting - 1
        if chunk.objectives is not None:
            chunk.objectives[rows] = objectives

    def _close(self, chunk: _Chunk) -> None:
        """Merge and store a chunk whose parts are all finished."""
        after = self.summary.merge(chunk.summary.without_sample())
        self.store.add(chunk.number, chunk.summary, self.summary, after, self.seconds, chunk.objectives)
        self.summary, self.open = after, self.open - 1
        if chunk.index is not None and chunk.objectives is not None:
            self._tell(chunk.index, chunk.objectives)

    def progress(self) -> ExplorationProgress:
        """How far the exploration is."""
        values = self.summary.best.objectives
        best = {
            name: float(values[:, k].min() if better == "min" else -values[:, k].min())
            for k, (name, better) in enumerate(self.space.objectives)
            if len(values)
        }
        speed = (self.summary.evaluated - self.evaluated_before) / max(time.monotonic() - self.begun, 1e-9)
        placed = len(self.repricing.repricer.placed) if self.repricing else 0
        front = len(self.summary.front.index)
        return ExplorationProgress(self.summary.evaluated, self.total, speed, front, best, placed)

    def complete(self) -> bool:
        """Whether all chunks of the search are stored; Ctrl-C may come after that, while Ray shuts down for example."""
        if self.repricing and self.repricing.stopped:
            return False
        if self.next is not None or not set(range(self.asked)) <= self.store.finished().keys():
            return False
        return not self.open and not self.remains()

    def finish(self) -> None:
        """Record the end of the run, unless an earlier run has recorded its own and this one has added nothing."""
        complete = self.complete()
        if complete or not self.stored or self.summary.evaluated > self.evaluated_before:
            self.store.finish(self.summary, self.store.seconds(), complete)


def _strategy(node: str) -> Any:
    """Where Ray runs a task: on a node that has room, or on another one if that turns out to be busy."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    # Without a node, Ray would pass a waiting task from node to node until one is free; with a fixed node, the task
    # would wait for one that others keep busy while there are free ones.
    return "DEFAULT" if node == ANY else NodeAffinitySchedulingStrategy(node, True, True)


def usable_processors(workers: int | None) -> dict[str, int]:
    """Processors of each node of the connected cluster that may be used; one of ANY node if there are none yet."""
    usable, left = dict[str, int](), sys.maxsize if workers is None else workers
    for node, cores in processors().items():
        if (count := min(int(cores), left)) > 0:
            usable[node], left = count, left - count
    return usable or {ANY: 1}


def free_node(nodes: Mapping[str, int], tasks: Sequence[str], ahead: int) -> str | None:
    """The node with the most idle processors, given the nodes of the running tasks; None if no node has room.

    `nodes` are processors by node; a node has room for as many tasks as it has processors, and `ahead` more.
    """
    idle = Counter(nodes)
    idle.subtract(tasks)
    node = max(nodes, key=lambda name: idle[name])
    return node if idle[node] > -ahead else None
