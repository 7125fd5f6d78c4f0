"""Explore a design space on Ray: a searcher asks, tasks evaluate and summarize, this process merges and stores.

A chunk is what the searcher asks for at once.  Searches that do not learn have one in flight for each processor and,
unless `workers` limits these, one more on each node; the others wait for each.  Chunks that are fewer than processors,
or waited for, are cut so that every processor gets a part.  Summaries merge in any order to the same result, and chunks
do not depend on the cluster, so neither does what is found.  A chunk that is lost with its worker or node is evaluated
again.  To resume, the searcher is asked again from the start: chunks that are stored are not evaluated, a search that
learns is told what was stored of them.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from dse.exploration.results import Result, load_results, write_front
from dse.exploration.store import Store, open_store
from dse.exploration.summary import SAMPLE, Summary, empty, summarize
from dse.exploration.tasks import make_task, received
from dse.search import Searcher, make_searcher, most_designs
from dse.space.space import DesignSpace
from dse.templates.base import Floats, Ints
from netlists.errors import ChipscapeError, SettingsError
from netlists.runtime.ray_connection import LOCAL, connected, processors, wait_for

CHUNKS = 64  # of a whole space, for searches that do not learn
CHUNK_LEAST, CHUNK_MOST = 20_000, 200_000  # designs, where none are given
BLIND = ("exhaustive", "random")  # searches that do not learn from what they are told
LOOK_S = 5.0  # between two looks at a cluster that may have grown
AHEAD = 1  # tasks that wait on each node, so that no processor waits for this process
ANY = "any"  # the node of tasks that Ray places
IN_PROCESS = 20_000  # designs that are sooner evaluated here than Ray has started
HANDOVER_S = 0.002  # until Ray has sent a task that waited


@dataclass(frozen=True)
class Progress:
    """How far an exploration is."""

    evaluated: int  # designs, those of earlier runs included
    total: int  # that the search will ask for at most
    per_second: float  # designs, of this run
    front: int  # designs on it
    best: Mapping[str, float]  # of each objective, as the metric has it


Listener = Callable[[Progress], None]


@dataclass
class _Chunk:
    """What the searcher asked for at once, and the parts of it that are finished."""

    number: int
    index: Ints | range | None  # none once it is handed out, where the search does not learn
    waiting: int  # parts
    summary: Summary
    objectives: Floats | None  # [n, K], for a search that learns


_Part = tuple[_Chunk, slice, Ints | range]  # which of a chunk's designs, their numbers


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
) -> Result:
    """Search a space; writes `out`/results.sqlite as it proceeds and `out`/pareto.csv at the end.

    `ray` is the address of a cluster, `auto` within one, or LOCAL for one of this machine's cores; `workers` limits how
    many processors are used.  `chunk` is the size of a task of the searches exhaustive and random, by default
    `default_chunk`.  With `resume` an earlier run of the same space and settings goes on; a larger `budget`, which
    covers earlier runs, finds what it would have found from the start.  Ctrl-C ends with what is stored.

    Raises `SettingsError` for a setting out of range, a folder in use or of another run, or a cluster that is not
    there; `DesignError` for a search that does not exist; `ChipscapeError` when a chunk is lost RETRIES times, or
    files cannot be written.
    """
    for name, number in (("workers", workers), ("chunk", chunk)):
        if number is not None and number < 1:
            raise SettingsError(f"{name} is {number}; expected at least 1")
    chunk = chunk or default_chunk(space)
    searcher = make_searcher(search, space, seed, budget)
    run = {"search": search, "budget": budget, "seed": seed, "chunk": chunk, "version": version("chipscape")}
    total = most_designs(search, space, budget)
    share = min(1.0, SAMPLE / total)
    with open_store(Path(out), space, run, resume, share) as store:
        exploration = _Exploration(space, store, searcher, search not in BLIND, chunk, total, share)
        listener = on_progress or (lambda progress: None)
        with suppress(KeyboardInterrupt):
            if exploration.remains() and runs_here(ray, workers, total):
                exploration.run_here(listener)
            elif exploration.remains():
                with connected(ray, workers):
                    exploration.run(workers, listener)
        exploration.finish()
    result = load_results(out)
    write_front(result)
    return result


def default_chunk(space: DesignSpace) -> int:
    """Designs a task; by the space alone, as neither the cluster nor a larger budget may change chunks."""
    return min(CHUNK_MOST, max(CHUNK_LEAST, ceil(space.size / CHUNKS)))


def runs_here(ray: str, workers: int | None, total: int) -> bool:
    """Whether a search of so many designs at most needs no Ray: no cluster is there or asked for, nor workers."""
    connection = sys.modules.get("ray")  # which takes seconds to load
    there = connection is not None and connection.is_initialized()
    return ray == LOCAL and workers is None and total <= IN_PROCESS and not there


class _Exploration:
    """One run: what is found, what the searcher asked for."""

    def __init__(
        self, space: DesignSpace, store: Store, searcher: Searcher, learns: bool, chunk: int, total: int, share: float
    ) -> None:
        self.space, self.store, self.searcher, self.learns, self.chunk = space, store, searcher, learns, chunk
        self.total, self.share = total, share
        self.stored, self.found = store.finished(), store.summary(empty(space))
        self.asked = 0  # chunks
        self.next: _Chunk | None = None
        self.open = 0  # chunks of which parts are missing
        self.since = time.monotonic() - store.seconds()
        self.before = self.found.evaluated, time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the start, of all runs together."""
        return time.monotonic() - self.since

    def remains(self) -> bool:
        """Whether there is a chunk to evaluate, which is then the next."""
        if self.next is None and not (self.learns and self.open):
            self.next = self._ask()
        return self.next is not None

    def _ask(self) -> _Chunk | None:
        """What the searcher asks for beyond what is stored; None while it waits for answers, and at its end."""
        # A stored chunk is asked for by its size, as the last one of a smaller budget is cut short.
        while len(index := self.searcher.ask(self.stored.get(self.asked, self.chunk))):
            number, self.asked = self.asked, self.asked + 1
            if number not in self.stored:
                values = np.empty((len(index), len(self.space.objectives))) if self.learns else None
                return _Chunk(number, index, 0, empty(self.space), values)
            if self.stored[number] != len(index):
                raise ChipscapeError(f"{self.store.file}: chunk {number} has {self.stored[number]} designs, but the"
                                     f" search asks for {len(index)}; it cannot be resumed")  # fmt: skip
            if self.learns:
                self._tell(index, self.store.objectives(number))
        return None

    def _tell(self, index: Ints | range, objectives: Floats) -> None:
        self.searcher.tell(np.asarray(index), objectives, np.asarray(np.isfinite(objectives).all(axis=1)))

    def run_here(self, listener: Listener) -> None:
        """Evaluate what remains in this process, on one processor."""
        while self.remains():
            for chunk, rows, index in self._parts(1):
                self._take(chunk, rows, *summarize(self.space, index, self.share, self.learns))
                self._close(chunk)
                listener(self.progress())

    def run(self, workers: int | None, listener: Listener) -> None:
        """Evaluate what remains on the connected cluster."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        task, handle = make_task(), ray.put(self.space)
        waiting, running, ended = deque[_Part](), dict[Any, tuple[_Chunk, slice, str]](), list[Any]()
        nodes, looked = usable(workers), time.monotonic()
        ahead = AHEAD if workers is None else 0  # Ray would start them on processors that are not to be used
        while ended or running or waiting or self.remains():
            if time.monotonic() - looked > LOOK_S:
                nodes, looked = usable(workers), time.monotonic()
            while (waiting or self.remains()) and (
                node := with_room(nodes, [at for _, _, at in running.values()], ahead)
            ):
                if not waiting:
                    waiting.extend(self._parts(sum(nodes.values())))
                chunk, rows, index = waiting.popleft()
                # A list, as a worker opens the handle itself: once, not for each task.
                name = f"dse explore {self.space.name}: chunk {chunk.number}"
                # Without a node, Ray would hand a task that waits from one to the other until one is free; without a
                # way out, it would wait for a node that others keep busy while there are free ones.
                there = "DEFAULT" if node == ANY else NodeAffinitySchedulingStrategy(node, True, True)
                todo = task.options(name=name, scheduling_strategy=there)
                running[todo.remote([handle], index, self.share, self.learns)] = chunk, rows, node
            # Merged only now, when the processor that got free has its next task: Ray's thread that sends a task which
            # waited needs the interpreter for a moment, and would not get it within what is left of a merge.
            if ended and running:
                time.sleep(HANDOVER_S)
            for answer, chunk, rows, _ in ended:
                self._take(chunk, rows, *received(answer, chunk.number))
                if not chunk.waiting:
                    self._close(chunk)
                    listener(self.progress())
            answers = wait_for(running, LOOK_S) if running else []
            ended = [(answer, *running.pop(answer)) for answer in answers]

    def _parts(self, processors: int) -> list[_Part]:
        """The next chunk, in one part; where there are fewer chunks than processors, in parts for all of these."""
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
        chunk.summary, chunk.waiting = chunk.summary.merged(summary), chunk.waiting - 1
        if chunk.objectives is not None:
            chunk.objectives[rows] = objectives

    def _close(self, chunk: _Chunk) -> None:
        """Merge and store a chunk whose parts are all there."""
        found = self.found.merged(chunk.summary.without_sample())
        self.store.add(chunk.number, chunk.summary, self.found, found, self.seconds, chunk.objectives)
        self.found, self.open = found, self.open - 1
        if chunk.index is not None and chunk.objectives is not None:
            self._tell(chunk.index, chunk.objectives)

    def progress(self) -> Progress:
        values = self.found.best.objectives
        best = {
            name: float(values[:, k].min() if better == "min" else -values[:, k].min())
            for k, (name, better) in enumerate(self.space.objectives)
            if len(values)
        }
        evaluated, start = self.before
        speed = (self.found.evaluated - evaluated) / max(time.monotonic() - start, 1e-9)
        return Progress(self.found.evaluated, self.total, speed, len(self.found.front.index), best)

    def complete(self) -> bool:
        """Whether all that the search asks for is stored; Ctrl-C may come when it is, while Ray shuts down say."""
        if self.next is not None or not set(range(self.asked)) <= self.store.finished().keys():
            return False
        return not self.open and not self.remains()

    def finish(self) -> None:
        """Note the end in the store; that of an earlier run stays when Ctrl-C came before anything was added."""
        complete = self.complete()
        if complete or not self.stored or self.found.evaluated > self.before[0]:
            self.store.finish(self.found, self.store.seconds(), complete)


def usable(workers: int | None) -> dict[str, int]:
    """Processors of each node of the connected cluster that may be used; one of ANY node where there is none yet."""
    found, left = dict[str, int](), sys.maxsize if workers is None else workers
    for node, cores in processors().items():
        if (taken := min(int(cores), left)) > 0:
            found[node], left = taken, left - taken
    return found or {ANY: 1}


def with_room(nodes: Mapping[str, int], tasks: Sequence[str], ahead: int) -> str | None:
    """The node with the most processors left by tasks, which are given by their nodes; None where none has room.

    A node has room for as many tasks as it has processors, and `ahead` more.
    """
    left = Counter(nodes)
    left.subtract(tasks)
    node = max(nodes, key=lambda name: left[name])
    return node if left[node] > -ahead else None
