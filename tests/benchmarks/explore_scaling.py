"""How well does an exploration scale?  `python -m tests.benchmarks.explore_scaling [SPACE [CHUNKS]]`

Explores on 1 and 2 nodes of a local Ray cluster and prints the ratio of their speeds, and the ratio of each to the bare
kernel.  Each node has one processor; the head, where the driver runs, has none.  Speed is measured from the first
finished chunks to the last one, so that the start of workers and the loading of kernels do not count.  The kernel is
`dse.model.cost.totals`, which sums all costs and stores nothing, on designs that the exploration evaluates too: as many
processes as there are nodes, at the same time, before and after the exploration, without Ray.  The load of the driver
is its CPU time per chunk, including Ray's own threads; it limits how many processors one driver can keep busy.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from dse.exploration.run import CHUNK_MOST as CHUNK
from dse.exploration.run import ExplorationProgress, explore
from dse.model.cost import build, totals
from dse.space.file import load_space, make_space
from dse.space.space import DesignSpace
from netlists.runtime.ray_connection import connected

SPACE = """
template: systolic
technology: 28nm
networks: {vgg16: 1}
parameters:
  rows: {from: 4, to: 256, step: 4}
  columns: {from: 4, to: 256, step: 4}
  dataflow: [ws, os, is]
  input_kb: {powers_of_two: [32, 4096]}
  weight_kb: {powers_of_two: [32, 4096]}
  output_kb: {powers_of_two: [32, 4096]}
  dram_gb_s: [17, 34, 68]
  clock_mhz: 700
  weight_bits: 8
  input_bits: 8
objectives: [{latency_ms: min}, {energy_mj: min}, {area_mm2: min}]
"""
CHUNKS = 40
NODES = (1, 2)
SAMPLE = 4  # chunks that the kernel is measured on
STARTING = 2  # chunks per node until all workers are warm
WAIT_S = 300.0  # seconds to wait for the processes of the kernel, one of which may have died


def kernel_seconds(space: DesignSpace, processes: int, chunks: int) -> float:
    """Mean wall-clock seconds per chunk of several processes that run the kernel at the same time."""
    spawn = get_context("spawn")
    results, begin = spawn.Queue(), spawn.Barrier(processes, timeout=WAIT_S)
    running = [spawn.Process(target=run_kernel, args=(space, chunks, begin, results)) for _ in range(processes)]
    for process in running:
        process.start()
    seconds = [results.get(timeout=WAIT_S) for _ in running]
    for process in running:
        process.join(WAIT_S)
    return float(np.mean(seconds))


def run_kernel(space: DesignSpace, chunks: int, begin: Any, results: Any) -> None:
    """Run the kernel as one process of `kernel_seconds`, and put its seconds per chunk into the queue of results."""
    part, machines = space.parts[0], []
    for number in np.linspace(0, chunks - 1, SAMPLE).astype(int):
        designs = part.designs(np.arange(number * CHUNK, (number + 1) * CHUNK))
        machines.append(build(part.template, designs, part.technology, part.device))
    for batch in (machines[:1], machines):  # the first one loads the kernel
        begin.wait()
        start = time.perf_counter()
        for machine in batch:
            for network, _ in space.networks:
                totals(machine, network, search=space.search_mapping)
        seconds = (time.perf_counter() - start) / len(batch)
    results.put(seconds)


def measure(space: DesignSpace, nodes: int, chunks: int) -> tuple[float, float, float, float]:
    """Seconds per chunk, CPU seconds of the driver per chunk, MB of the largest worker, and the feasible fraction."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(nodes):
        cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    moments: list[tuple[float, float]] = []

    def note(progress: ExplorationProgress) -> None:
        moments.append((time.perf_counter(), time.process_time()))

    try:
        with tempfile.TemporaryDirectory() as out, connected(cluster.address):
            result = explore(space, Path(out), budget=chunks * CHUNK, chunk=CHUNK, on_progress=note)
            memory = largest_worker(nodes)
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]
    first = STARTING * nodes
    wall, cpu = (np.array(moments[-1]) - np.array(moments[first])) / (len(moments) - 1 - first)
    return wall, cpu, memory, result.feasible / result.evaluated


def largest_worker(nodes: int) -> float:
    """Peak memory in MB of the largest running worker."""
    import ray

    @ray.remote
    def peak() -> float:
        time.sleep(0.2)  # so that every worker gets a task
        return memory_mb()

    answers: list[Any] = [peak.remote() for _ in range(2 * nodes)]
    return float(max(ray.get(answers)))


def memory_mb() -> float:
    """Peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def report(space: DesignSpace, chunks: int) -> None:
    """Print the table of one space."""
    layers = sum(len(network.layers) for network, _ in space.networks)
    if len(space.parts) > 1 or space.size < chunks * CHUNK:
        raise SystemExit(f"{space.name} has {space.size:,} designs of {len(space.parts)} templates; expected one"
                         f" template and {chunks * CHUNK:,} designs: give fewer chunks")  # fmt: skip
    print(f"{space.name}: {space.size:,} designs, {layers} layers, {chunks} chunks of {CHUNK:,}")
    print("nodes  seconds/chunk  M layers/s  kernel M layers/s  of the kernel  driver ms/chunk  worker MB  feasible")
    speeds = []
    for nodes in NODES:
        before = kernel_seconds(space, nodes, chunks)
        wall, cpu, memory, feasible = measure(space, nodes, chunks)
        kernel = (before + kernel_seconds(space, nodes, chunks)) / 2 / nodes
        speeds.append(1 / wall)
        print(f"{nodes:5d} {wall:14.3f} {CHUNK * layers / wall / 1e6:11.2f} {CHUNK * layers / kernel / 1e6:18.2f}"
              f" {kernel / wall:14.0%} {1e3 * cpu:16.1f} {memory:10.0f} {feasible:9.0%}", flush=True)  # fmt: skip
    print(f"{NODES[1]} nodes to {NODES[0]}: {speeds[1] / speeds[0]:.2f}; driver {memory_mb():.0f} MB at most;"
          f" one driver is enough for {wall * NODES[1] / cpu:.0f} processors at chunks of {CHUNK:,}")  # fmt: skip


if __name__ == "__main__":
    explored = load_space(sys.argv[1]) if len(sys.argv) > 1 else make_space(yaml.safe_load(SPACE), "systolic VGG16")
    report(explored, int(sys.argv[2]) if len(sys.argv) > 2 else CHUNKS)
