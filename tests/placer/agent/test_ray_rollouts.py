"""Rollouts on Ray: the same with any number of actors and after losses, and the same errors as without Ray."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netlists import load
from netlists.errors import ChipscapeError, LegalizationError
from netlists.netlist import Kind, Netlist
from netlists.runtime import ray_connection
from netlists.runtime.ray_connection import LOCAL, connected
from placer.agent import ray_rollouts
from placer.agent.placing import new_policy
from placer.agent.ppo import Learner, PPOSettings
from placer.agent.ray_rollouts import ActorPool, RolloutActor
from placer.agent.rollouts import Plan, Rollout
from placer.agent.training import Training, TrainSettings, train
from placer.incumbent import RunProgress
from tests.placer.agent.test_training import SMALL, TIMES, without_times

# Parts of 16 and 4 episodes; two iterations of learning.
SETTINGS = PPOSettings(style_generations=1, num_envs=20, epochs=1, minibatch=64, soft_rounds=5, soft_sweeps=1)
ITERATIONS = 3

# The clients of Ray leave log files and sockets to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def crowded() -> Netlist:
    """A netlist of which no two macros fit on the canvas."""
    chip = load("jetty")
    size = chip.size_um.copy()
    size[chip.kind == Kind.HARD] = 0.6 * np.array(chip.canvas_um)
    return chip.with_(size_um=size, name="crowded")


@pytest.fixture(scope="module")
def ray_here() -> Iterator[None]:
    with connected(LOCAL):
        yield


@pytest.fixture
def one_processor(ray_here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_rollouts, "processors", lambda: {"node": 1.0})


def pool_of(player: Any) -> ActorPool:
    pool = player.func.__self__
    assert isinstance(pool, ActorPool)
    return pool


@pytest.mark.slow
def test_neither_the_number_of_actors_nor_a_lost_one_changes_the_result(
    tmp_path: Path, crowded: Netlist, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    killed: list[Any] = []

    def kill_one(progress: RunProgress) -> None:
        pool = pool_of(training.learners[0].player)
        if progress.iteration == 1:
            killed.append(pool._idle[-1])  # plays next
            ray.kill(killed[0])

    monkeypatch.setattr(ray_connection, "CORES", 2)
    training = Training([load("jetty")], SETTINGS, tmp_path, TrainSettings(None, ITERATIONS, 5, 1, ray=LOCAL))
    assert not training.run(kill_one)
    pool = pool_of(training.learners[0].player)
    assert len(killed) == 1
    assert killed[0] not in pool._idle
    assert len(pool._idle) + len(pool._busy) == 2  # the new one may still be starting

    monkeypatch.setattr(ray_rollouts, "processors", lambda: {"node": 1.0})
    with connected(LOCAL):
        alone = ActorPool([load("jetty"), crowded], SETTINGS.env)
        learner = Learner(load("jetty"), new_policy(5), SETTINGS, 5, 1)
        learner.player = lambda *what: alone.play(0, *what)
        history = [asdict(learner.iterate()) for _ in range(ITERATIONS)]
        assert len(alone._idle) == 1
        assert [{"netlist": "jetty", **row} for row in without_times(history)] == without_times(training.history)
        learner.player = lambda *what: alone.play(1, *what)
        with pytest.raises(LegalizationError, match="enlarge the canvas"):
            learner.iterate()


class ExitingActor(RolloutActor):
    """Exits while playing its first episodes."""

    def play(self, *what: Any) -> Any:
        os._exit(1)


class FailingActor(RolloutActor):
    """Fails to start, as on a node on which a package is missing."""

    def __init__(self, *what: Any) -> None:
        raise ModuleNotFoundError("No module named 'placer'")


def played(pool: ActorPool) -> Rollout:
    learner = Learner(load("jetty"), new_policy(0), SMALL, 0, 1)
    learner.player = lambda *what: pool.play(0, *what)
    return learner._play(Plan.greedy(SMALL.num_envs, learner.episodes.steps))


@pytest.mark.slow
@pytest.mark.usefixtures("one_processor")
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (ExitingActor, "2 actors were lost while playing the same episodes.*continue with --resume"),
        (FailingActor, "no actor of the Ray cluster is left .*No module named 'placer'.*; expected Chipscape on every"),
    ],
)
def test_lost_actors_end_in_an_error(kind: type[RolloutActor], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_rollouts, "RETRIES", 1)
    monkeypatch.setattr(ray_rollouts, "RolloutActor", kind)
    with pytest.raises(ChipscapeError, match=message):
        played(ActorPool([load("jetty")], SMALL.env))


@pytest.mark.slow
@pytest.mark.usefixtures("one_processor")
def test_an_empty_cluster_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = ActorPool([load("jetty")], SMALL.env)
    pool._start_actors(1)
    monkeypatch.setattr(ray_rollouts, "processors", dict)
    monkeypatch.setattr(ray_rollouts, "POLL_S", 0.01)
    with pytest.raises(ChipscapeError, match="no node left"):
        played(pool)


def test_complete_iterations_are_saved_if_the_cluster_is_lost(tmp_path: Path) -> None:
    def lose(progress: RunProgress) -> None:
        if progress.iteration == 2:
            raise ChipscapeError("the Ray cluster has no node left")

    training = Training([load("jetty")], SMALL, tmp_path, TrainSettings(None, 3, workers=1))
    with pytest.raises(ChipscapeError, match="no node left"):
        training.run(lose)
    again = train([load("jetty")], tmp_path, SMALL, iterations=2, workers=1, resume=True)
    assert [row["iteration"] for row in again] == [1, 2]
    assert set(TIMES) < set(again[0])
