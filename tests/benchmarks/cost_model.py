"""How fast are the accelerator models?  `python -m tests.benchmarks.cost_model [--points N] [--templates a,b]`

For each template, over VGG16's layers with MACs and random designs that all fit, measures layer evaluations per second
with the mapping that the design fixes and with the tiling of every layer searched, and the ratio of the two.  Then
measures the memory of a streamed run of --points designs and, if it is installed, ZigZag's layer evaluations per second
on AlexNet.

Rates are given by the wall clock on --threads threads, and by CPU time times the number of threads: the latter is what
an idle machine gives.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import logging
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from dse.model.cost import Machine, build, totals
from dse.model.technology import technology
from dse.templates import NAMES, template
from dse.templates.base import OWN, Template
from dse.workloads.builtin import network
from dse.workloads.layers import Kind, Network

FIXED_DESIGNS = 100_000  # designs whose mapping is fixed
SEARCHED_DESIGNS = 2_000  # designs whose mapping is searched
STREAM_CHUNK = 50_000  # designs per machine of the streamed run
ZIGZAG_S = 20.0  # seconds of CPU time that ZigZag runs
SPREAD = 4.0  # largest factor between a template's own parameter and its default
ROW = "{:16}{:>16}{:>16}{:>16}{:>16}{:>16}"


def random_designs(family: Template, count: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Designs [count, D] around the template's defaults; the common parameters keep theirs."""
    designs = np.tile([parameter.default for parameter in family.parameters], (count, 1))
    for column, p in enumerate(family.own, start=OWN):
        if p.choices:
            designs[:, column] = rng.integers(len(p.choices), size=count)
            continue
        low, high = max(p.low, p.default / SPREAD), min(p.high, p.default * SPREAD)
        drawn = low * (high / low) ** rng.random(count)
        designs[:, column] = np.round(drawn) if p.whole else drawn
    return designs


def fitting(family: Template, net: Network, count: int, rng: np.random.Generator) -> Machine:
    """A machine of `count` random designs that run every layer."""
    made_in = technology("XC7Z045" if family.fpga else "28nm")
    designs: list[npt.NDArray[np.float64]] = []
    while sum(map(len, designs)) < count:
        drawn = random_designs(family, count, rng)
        designs.append(drawn[totals(build(family, drawn, made_in), net).reason == 0])
    return build(family, np.concatenate(designs)[:count], made_in)


def rates(machine: Machine, net: Network, threads: int, search: bool) -> tuple[float, float]:
    """Point × layer evaluations per second: by the wall clock, and by CPU time times the number of threads."""
    totals(build(machine.template, machine.designs[:10], machine.technology), net, search=search)  # compiles
    wall, cpu = time.perf_counter(), time.process_time()
    totals(machine, net, search=search, threads=threads)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    evaluations = len(machine.designs) * len(net.different[0])  # equal layers are evaluated once
    return evaluations / wall, evaluations / cpu * threads


def stream(machine: Machine, points: int) -> Iterator[Machine]:
    """Machines of one chunk of designs each, built one at a time."""
    for start in range(0, points, STREAM_CHUNK):
        designs = machine.designs[: min(STREAM_CHUNK, points - start)]
        yield build(machine.template, designs, machine.technology)


def peak_mb() -> float:
    """Peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=1_000_000, help="designs of the streamed run")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--templates", default=",".join(NAMES))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    net = network("vgg16").only([Kind.CONV, Kind.FC])
    layers = len(net.different[0])
    print(f"point × layer evaluations per second, VGG16 ({layers} different layers with MACs), {args.threads} threads")
    print(ROW.format("template", "fixed, wall", "fixed, CPU", "searched, wall", "searched, CPU", "fixed/searched"))
    machine = None
    for name in args.templates.split(","):
        rng = np.random.default_rng(args.seed)
        machine = fitting(template(name), net, FIXED_DESIGNS, rng)
        few = build(machine.template, machine.designs[:SEARCHED_DESIGNS], machine.technology)
        fixed, searched = rates(machine, net, args.threads, False), rates(few, net, args.threads, True)
        speeds = [f"{rate:,.0f}" for rate in (*fixed, *searched)]
        print(ROW.format(name, *speeds, f"{fixed[1] / searched[1]:.1f}"), flush=True)
    if machine is not None and args.points:
        before, wall = peak_mb(), time.perf_counter()
        for part in stream(machine, args.points):
            totals(part, net, threads=args.threads)
        wall = time.perf_counter() - wall
        print(
            f"{args.points:,} points of {machine.template.name} streamed in {wall:,.1f} s,"
            f" {args.points * layers / wall:,.0f} per second; peak memory {peak_mb():,.0f} MB,"
            f" {before:,.0f} MB before"
        )
    print(zigzag())


class EnoughError(Exception):
    """Raised to end ZigZag once it has run for `ZIGZAG_S`."""


def zigzag() -> str:
    """ZigZag's layer evaluations per CPU second, AlexNet on its TPU-like example, as a line to print."""
    if importlib.util.find_spec("zigzag") is None:
        return "ZigZag: not installed (zigzag-dse), so not measured"
    package = importlib.import_module("zigzag.api")
    stage = importlib.import_module("zigzag.stages.evaluation.cost_model_evaluation").CostModelStage
    inputs, run_stage, evaluations, start = Path(str(package.__file__)).parent / "inputs", stage.run, 0, 0.0

    def counted(self: object) -> Iterator[object]:
        nonlocal evaluations, start
        start = start or time.process_time()
        if time.process_time() - start > ZIGZAG_S:
            raise EnoughError
        evaluations += 1
        yield from run_stage(self)

    stage.run = counted
    logging.disable(logging.WARNING)
    with TemporaryDirectory() as folder, suppress(EnoughError):
        package.get_hardware_performance_zigzag(
            str(inputs / "workload/alexnet.onnx"), str(inputs / "hardware/tpu_like.yaml"),
            str(inputs / "mapping/tpu_like.yaml"), opt="latency", dump_folder=folder, lpf_limit=4,
            loma_show_progress_bar=False,
        )  # fmt: skip
    seconds = time.process_time() - start
    return (
        f"ZigZag {version('zigzag-dse')}, AlexNet on its TPU-like example: {evaluations:,} layer evaluations in"
        f" {seconds:.1f} CPU s, {evaluations / seconds:,.0f} per second"
    )


if __name__ == "__main__":
    main()
