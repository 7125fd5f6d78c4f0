"""Explorations on Ray: the true front whatever the workers, nothing evaluated twice, messages for all errors."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import Mock
from weakref import ref

import numpy as np
import pytest

import dse
from dse.exploration import run as module
from dse.exploration.results import PARETO, Result
from dse.exploration.run import ExplorationProgress, default_chunk, explore, free_node, usable_processors
from dse.search import make_searcher
from dse.space.file import load_space, make_space
from netlists.errors import ChipscapeError, DesignError, SettingsError
from netlists.runtime.ray_connection import connected
from tests.dse.fake_space import FakeSpace, true_front

SIZE, CHUNK = 5000, 300

# Ray's clients leave log files and sockets to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def two_processors() -> Iterator[None]:
    """The connection that all explorations of this module use."""
    with connected(cores=2):
        yield


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def evaluated(log: Path) -> list[int]:
    """How many designs each evaluation was of."""
    return [int(line) for line in log.read_text().split()]


def stop_after(chunks: int) -> Callable[[ExplorationProgress], None]:
    """A listener that interrupts as Ctrl-C does."""
    left = [chunks]

    def listen(progress: ExplorationProgress) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    return listen


def content(result: Result) -> list[Any]:
    return [result.designs, result.evaluated, result.feasible]


class Learner:
    """Asks for batches around the best design so far."""

    def __init__(self, space: Any, seed: int, budget: int | None) -> None:
        self.size, self.random, self.left = space.size, np.random.default_rng(seed), budget or 400
        self.best, self.lowest, self.waits = space.size // 2, np.inf, False

    @property
    def done(self) -> bool:
        return self.left <= 0

    def ask(self, n: int) -> Any:
        if self.waits or self.done:
            return np.zeros(0, np.int64)
        self.left, self.waits = self.left - 40, True
        return (self.best + self.random.integers(-50, 50, 40)) % self.size

    def tell(self, index: Any, objectives: Any, feasible: Any) -> None:
        assert self.waits
        assert feasible.tolist() == np.isfinite(objectives[:, 0]).tolist() == (index % 5 != 0).tolist()
        total = objectives.sum(axis=1)
        if total.min() < self.lowest:
            self.best, self.lowest = int(index[total.argmin()]), total.min()
        self.waits = False


@pytest.fixture
def learner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "make_searcher", lambda name, space, seed, budget: Learner(space, seed, budget))


def test_the_true_front_whatever_the_chunks_and_workers(tmp_path: Path) -> None:
    space, progress = FakeSpace(SIZE), list[ExplorationProgress]()
    result = explore(space, tmp_path / "a", chunk=CHUNK, on_progress=progress.append)
    assert [row["id"] for row in result.front] == true_front(space)
    assert (result.evaluated, result.feasible, result.complete) == (SIZE, SIZE * 4 // 5, True)
    assert len((tmp_path / "a" / PARETO).read_text().splitlines()) == 1 + len(result.front)
    assert (progress[-1].evaluated, progress[-1].total, progress[-1].front) == (SIZE, SIZE, len(result.front))
    found = [row for row in result.designs if row["feasible"]]
    assert progress[-1].best == {
        "time": min(row["time"] for row in found),
        "speed": max(row["speed"] for row in found),
        "area": min(row["area"] for row in found),
    }
    assert len(progress) == len(range(0, SIZE, CHUNK))
    other = explore(space, tmp_path / "b", chunk=1999, workers=1)
    assert content(other) == content(result)
    random = explore(space, tmp_path / "c", search="random", seed=3, chunk=CHUNK)  # a whole space, shuffled
    assert content(random) == content(result)


def test_as_a_library(tmp_path: Path) -> None:
    result = dse.explore(dse.load_space("qiu_xc7z045"), tmp_path, search="nsga2", budget=100)
    assert result.knee
    assert dse.evaluate(dse.select_design(result)).metrics()["latency_ms"] == result.knee["latency_ms"]
    for name in dse.__all__:
        assert not isinstance(getattr(dse, name), ModuleType)


def test_a_budget(tmp_path: Path) -> None:
    result = explore(FakeSpace(SIZE), tmp_path, search="random", budget=1000, seed=1, chunk=CHUNK)
    drawn = make_searcher("random", FakeSpace(SIZE), 1, 1000).ask(1000)
    assert (result.evaluated, result.complete) == (1000, True)
    assert [row["id"] for row in result.designs] == sorted(drawn)  # few enough that the sample holds all


def test_few_chunks_are_cut_for_all_processors(tmp_path: Path, log: Path) -> None:
    result = explore(FakeSpace(SIZE, log=str(log)), tmp_path, budget=1000)
    assert (evaluated(log), result.evaluated) == ([500, 500], 1000)


def test_ctrl_c_before_a_larger_budget_adds_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space = FakeSpace(SIZE)
    before = explore(space, tmp_path, chunk=CHUNK, budget=1000)
    with monkeypatch.context() as stop:
        stop.setattr(module, "connected", Mock(side_effect=KeyboardInterrupt))
        stopped = explore(space, tmp_path, chunk=CHUNK, budget=2000, resume=True)
    assert (stopped.run.budget, stopped.complete, content(stopped)) == (1000, True, content(before))
    whole = explore(space, tmp_path, chunk=CHUNK, budget=2000, resume=True)
    assert (whole.run.budget, whole.complete, whole.evaluated) == (2000, True, 2000)


def test_ctrl_c_and_resume(tmp_path: Path, log: Path) -> None:
    space, whole = FakeSpace(SIZE, log=str(log)), explore(FakeSpace(SIZE), tmp_path / "whole", chunk=CHUNK)
    stopped = explore(space, tmp_path / "out", chunk=CHUNK, on_progress=stop_after(5))
    assert (stopped.complete, stopped.evaluated) == (False, 5 * CHUNK)
    assert len(stopped.front) > 0
    with pytest.raises(SettingsError, match="--resume"):
        explore(space, tmp_path / "out", chunk=CHUNK)
    time.sleep(0.5)  # tasks in flight come to their end
    before = len(evaluated(log))
    again = explore(space, tmp_path / "out", chunk=CHUNK, resume=True)
    assert content(again) == content(whole)
    assert again.complete
    assert sum(evaluated(log)[before:]) == SIZE - 5 * CHUNK
    before = len(evaluated(log))
    assert content(explore(space, tmp_path / "out", chunk=CHUNK, resume=True)) == content(whole)
    assert len(evaluated(log)) == before
    with pytest.raises(SettingsError, match="space was another"):
        explore(FakeSpace(SIZE - 1), tmp_path / "out", chunk=CHUNK, resume=True)


@pytest.mark.usefixtures("learner")
def test_a_search_that_learns(tmp_path: Path, log: Path) -> None:
    space = FakeSpace(SIZE, log=str(log))
    whole = explore(space, tmp_path / "whole", search="nsga2", seed=2, workers=1)
    assert (whole.evaluated, whole.complete) == (400, True)
    assert evaluated(log) == [40] * 10
    split = explore(space, tmp_path / "split", search="nsga2", seed=2)
    assert evaluated(log)[10:] == [20] * 20  # a part for each processor
    assert content(split) == content(whole)
    stopped = explore(space, tmp_path / "out", search="nsga2", seed=2, on_progress=stop_after(4))
    assert (stopped.complete, stopped.evaluated) == (False, 160)
    before = len(evaluated(log))
    again = explore(space, tmp_path / "out", search="nsga2", seed=2, resume=True)
    assert content(again) == content(whole)
    assert sum(evaluated(log)[before:]) == 240
    other = explore(space, tmp_path / "other", search="nsga2", seed=3)
    assert content(other) != content(whole)


@pytest.mark.parametrize(("search", "budget"), [("nsga2", 80), ("nsga3", 80), ("bayes", 48)])
def test_every_search_that_learns_stopped_and_resumed(tmp_path: Path, search: str, budget: int) -> None:
    space = make_space(load_space("zhang_vx485t").content | {"search_mapping": False}, "quick")
    run: dict[str, Any] = {"search": search, "budget": budget, "seed": 4}
    whole = explore(space, tmp_path / "whole", workers=1, **run)
    stopped = explore(space, tmp_path / "out", on_progress=stop_after(2), **run)
    again = explore(space, tmp_path / "out", resume=True, **run)
    assert (whole.evaluated, whole.complete, stopped.complete) == (budget, True, False)
    assert 0 < stopped.evaluated < budget
    assert content(again) == content(whole)
    random = explore(space, tmp_path / "random", **(run | {"search": "random"}))
    assert content(random) != content(whole)


@pytest.mark.usefixtures("learner")
@pytest.mark.parametrize(
    ("search", "budgets"), [("exhaustive", (1000, 3100)), ("random", (1000, 3100)), ("nsga2", (160, 400))]
)
def test_a_larger_budget(
    tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch, search: str, budgets: tuple[int, int]
) -> None:
    """Finished chunks are not evaluated again; the result, with its thinner sample, is that of the larger budget."""
    monkeypatch.setattr(module, "SAMPLE", 100)
    if search != "nsga2":
        monkeypatch.setattr(module, "make_searcher", make_searcher)
    space, (before, after) = FakeSpace(SIZE, log=str(log)), budgets
    whole = explore(FakeSpace(SIZE), tmp_path / "whole", search=search, budget=after, seed=2, chunk=CHUNK)
    run: dict[str, Any] = {"search": search, "seed": 2, "chunk": CHUNK}
    explore(space, tmp_path / "out", budget=before, **run)
    stopped = explore(space, tmp_path / "out", budget=after, resume=True, on_progress=stop_after(2), **run)
    assert (stopped.complete, stopped.run.budget) == (False, after)
    time.sleep(0.5)  # tasks in flight come to their end
    done = sum(evaluated(log))
    again = explore(space, tmp_path / "out", budget=after, resume=True, **run)
    assert sum(evaluated(log)) - done == after - stopped.evaluated
    assert content(again) == content(whole)
    assert (again.complete, again.evaluated) == (True, after)
    for fewer in (before, None):
        with pytest.raises(SettingsError, match=f"budget was {after:,}; give that or a larger one"):
            explore(space, tmp_path / "out", budget=fewer, resume=True, **run)


@pytest.mark.usefixtures("learner")
def test_a_larger_budget_with_other_populations(tmp_path: Path) -> None:
    explore(FakeSpace(SIZE), tmp_path, search="nsga2", budget=400)
    with pytest.raises(SettingsError, match=r"budget was 400, and below 2,000 populations of nsga2 are smaller"):
        explore(FakeSpace(SIZE), tmp_path, search="nsga2", budget=4000, resume=True)


@pytest.mark.usefixtures("learner")
def test_a_search_that_asks_for_other_designs_is_not_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    explore(FakeSpace(SIZE), tmp_path, search="nsga2", on_progress=stop_after(2))
    monkeypatch.setattr(module, "make_searcher", lambda *what: make_searcher("random", FakeSpace(SIZE), 0, 7))
    with pytest.raises(ChipscapeError, match="chunk 0 has 40 designs, but the search asks for 7;"):
        explore(FakeSpace(SIZE), tmp_path, search="nsga2", resume=True)


def test_a_worker_that_dies_changes_nothing(tmp_path: Path) -> None:
    space = FakeSpace(SIZE, deadly=str(tmp_path / "dead"))
    result = explore(space, tmp_path / "out", chunk=1000)
    assert (tmp_path / "dead").exists()
    assert [row["id"] for row in result.front] == true_front(FakeSpace(SIZE))
    assert result.evaluated == SIZE


def test_lost_and_failed_tasks_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dse.exploration.tasks.RETRIES", 1)
    with pytest.raises(ChipscapeError, match=r"2 workers were lost over chunk 0.*continue with --resume"):
        explore(FakeSpace(10, deadly=str(tmp_path)), tmp_path / "out")
    with pytest.raises(DesignError, match="no such thing"):
        explore(FakeSpace(10, error=DesignError("no such thing")), tmp_path / "other")
    with pytest.raises(
        ChipscapeError, match=r"chunk 0: a task failed \(No module named 'x'\); expected the same version"
    ):
        explore(FakeSpace(10, error=ModuleNotFoundError("No module named 'x'")), tmp_path / "third")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers is 0"),
        ({"chunk": 0}, "chunk is 0"),
        ({"budget": 0}, "budget is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"search": "exhausting"}, "did you mean 'exhaustive'"),
    ],
)
def test_bad_settings(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ChipscapeError, match=message):
        explore(FakeSpace(10), tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_small_space_is_cut_for_many_processors() -> None:
    assert [default_chunk(FakeSpace(size)) for size in (10, 6_400_001, 10**9)] == [20_000, 100_001, 200_000]


def test_numbers_that_are_sent_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    searcher, sent, alive = make_searcher("random", FakeSpace(SIZE), 1), list[Any](), list[int]()

    def ask(n: int) -> Any:
        index = searcher.ask(n)
        sent.append(ref(index))
        return index

    def count(progress: ExplorationProgress) -> None:
        alive.append(sum(index() is not None for index in sent))

    monkeypatch.setattr(module, "make_searcher", lambda *settings: Mock(ask=ask))
    assert explore(FakeSpace(SIZE), tmp_path, search="random", chunk=CHUNK, on_progress=count).evaluated == SIZE
    assert max(alive) <= 1  # the last one that was sent


def test_tasks_go_to_idle_processors() -> None:
    nodes = {"small": 1, "large": 3}
    assert free_node(nodes, [], 0) == "large"
    assert free_node(nodes, ["large", "large", "large"], 0) == "small"
    full = ["large", "small", "large", "large", "gone"]
    assert free_node(nodes, full, 0) is None
    assert free_node(nodes, full, 1) in nodes
    assert free_node(nodes, [*full, "large"], 1) == "small"
    assert free_node(nodes, [*full, "large", "small"], 1) is None


def test_workers_limit_the_processors() -> None:
    assert list(usable_processors(None).values()) == [2]
    assert list(usable_processors(1).values()) == [1]
