"""Refinement on Ray: a search on every node, a lost node loses its own work only, errors are those without Ray."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from netlists import load
from netlists.errors import SettingsError
from netlists.placement import Placement
from netlists.runtime import ray_connection
from netlists.runtime.ray_connection import connected
from placer.annealing import ray_searches
from placer.annealing.metropolis import Budget
from placer.annealing.ray_searches import Fleet
from placer.cost import evaluate
from placer.legalization.legalize import legalize
from placer.runs.pipeline import place
from placer.runs.settings import PlaceSettings

# Ray's clients leave log files and sockets to the garbage collector.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def start() -> Placement:
    return legalize(Placement.given(load("jetty")))


@pytest.fixture(scope="module")
def three_nodes() -> Iterator[Any]:
    """A cluster of three nodes of one processor, and this process connected to it."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    try:
        with connected(cluster.address):
            yield cluster, nodes
    finally:
        ray.shutdown()
        cluster.shutdown()  # type: ignore[no-untyped-call]


def test_searches_run_on_all_nodes_and_one_is_lost(start: Placement, three_nodes: Any) -> None:
    cluster, nodes = three_nodes
    fleet = Fleet(start.netlist)
    result = fleet.refine([start], Budget(trials=4_000), 0, 1)
    assert fleet.as_dict()["searches"] == 3
    assert fleet.as_dict()["lost"] == 0
    assert fleet.as_dict()["cpu_seconds"] > 0
    assert result.trials == 12_000
    assert not result.placement.violations()
    assert result.proxy == evaluate(result.placement).proxy < evaluate(start).proxy

    reports: list[float] = []

    def kill_one(seconds: float, proxy: float) -> None:
        if seconds > 0.5 and len(nodes) == 2:
            cluster.remove_node(nodes.pop(), allow_graceful=False)
        reports.append(proxy)

    fewer = fleet.refine([start], Budget(seconds=8.0), 1, 1, kill_one)
    assert len(nodes) == 1
    assert fleet.as_dict()["searches"] == 3
    assert fleet.as_dict()["lost"] == 1
    assert not fewer.placement.violations()
    assert fewer.proxy == evaluate(fewer.placement).proxy < evaluate(start).proxy
    assert reports


def test_if_no_node_is_ready_this_process_refines(start: Placement, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_connection, "CORES", 1)
    monkeypatch.setattr(ray_searches, "PATIENCE", 0.0)
    with connected("local"):
        fleet = Fleet(start.netlist)
        result = fleet.refine([start], Budget(seconds=0.5), 0, 1)
    assert fleet.as_dict()["searches"] == 0
    assert result.trials > 0
    assert result.proxy < evaluate(start).proxy


def test_place_on_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_connection, "CORES", 2)
    result = place(load("jetty"), method="greedy", ray="local", iterations=1, workers=1)
    assert not result.placement.violations()
    assert result.metrics["cluster"]["searches"] >= 1
    assert result.metrics["proxy"] == evaluate(result.placement).proxy


def test_ray_is_refused_if_nothing_is_refined() -> None:
    for options in ({"method": "anneal"}, {"refine": False}):
        with pytest.raises(SettingsError, match="ray gives the refinement"):
            PlaceSettings(ray="local", **options)
