"""Explorations on 1 and 2 nodes of a local Ray cluster: `python -m tests.benchmarks.explore_scaling [SPACE [CHUNKS]]`.

Each node has one processor; the head, where the driver is, has none.  Speed is measured from the first finished chunks
to the last one, so that starting workers and loading kernels do not count; the kernel's is that of one process which
evaluates and keeps nothing.  The driver's load is its CPU time a chunk, Ray's own threads included: what bounds the
number of processors that one driver keeps busy.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from dse.cost import build, totals
from dse.explore import CHUNK, Progress, explore
from dse.space import DesignSpace
from dse.space_file import load_space
from netlists.ray_connection import connected

SPACE, CHUNKS = "tpu_28nm", 30
NODES = (1, 2)
REPEATS = 3
STARTING = 2  # chunks a node until all workers are warm


def kernel_seconds(space: DesignSpace) -> float:
    """Of one process for a chunk: all costs of its designs, and nothing else."""
    found = []
    for part in space.parts[:1]:
        designs = part.designs(np.arange(min(CHUNK, part.size)))
        machine = build(part.template, designs, part.technology, part.device)
        for _ in range(REPEATS):
            start = time.perf_counter()
            for network, _ in space.networks:
                totals(machine, network, search=space.search_mapping)
            found.append((time.perf_counter() - start) * CHUNK / len(designs))
    return min(found)


def measured(space: DesignSpace, nodes: int, chunks: int) -> tuple[float, float, float]:
    """Seconds a chunk, CPU seconds of the driver a chunk, and MB of the largest worker, with some nodes."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(nodes):
        cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    moments: list[tuple[float, float]] = []

    def note(progress: Progress) -> None:
        moments.append((time.perf_counter(), time.process_time()))

    try:
        with tempfile.TemporaryDirectory() as out, connected(cluster.address):
            explore(space, Path(out), budget=chunks * CHUNK, on_progress=note)
            memory = largest_worker(nodes)
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]
    first = STARTING * nodes
    wall, cpu = (np.array(moments[-1]) - np.array(moments[first])) / (len(moments) - 1 - first)
    return wall, cpu, memory


def largest_worker(nodes: int) -> float:
    """Peak memory in MB of the workers that are there."""
    import ray

    @ray.remote
    def peak() -> float:
        time.sleep(0.2)  # one task for each
        return memory_mb()

    answers: list[Any] = [peak.remote() for _ in range(2 * nodes)]
    return float(max(ray.get(answers)))


def memory_mb() -> float:
    """Peak of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def report(name: str, chunks: int) -> None:
    """Print the table of one space."""
    space = load_space(name)
    layers = sum(len(network.layers) for network, _ in space.networks)
    if space.size < chunks * CHUNK:
        raise SystemExit(f"{name} has {space.size:,} designs; expected {chunks * CHUNK:,}: give fewer chunks")
    kernel = kernel_seconds(space)
    print(f"{name}: {space.size:,} designs, {layers} layers; kernel {CHUNK * layers / kernel / 1e6:.2f} M layers/s")
    print("nodes  seconds/chunk  M layers/s  of the kernel  driver ms/chunk  worker MB")
    speeds = []
    for nodes in NODES:
        wall, cpu, memory = measured(space, nodes, chunks)
        speeds.append(1 / wall)
        print(f"{nodes:5d} {wall:14.3f} {CHUNK * layers / wall / 1e6:11.2f} {kernel / wall / nodes:14.0%}"
              f" {1e3 * cpu:16.1f} {memory:10.0f}", flush=True)  # fmt: skip
    print(f"{NODES[1]} nodes to {NODES[0]}: {speeds[1] / speeds[0]:.2f}; driver {memory_mb():.0f} MB at most;"
          f" one driver is enough for {wall * NODES[1] / cpu:.0f} processors at chunks of {CHUNK:,}")  # fmt: skip


if __name__ == "__main__":
    report(sys.argv[1] if len(sys.argv) > 1 else SPACE, int(sys.argv[2]) if len(sys.argv) > 2 else CHUNKS)
