"""What do more cores and a GPU bring?  `python -m tests.benchmarks.scaling [PART...]`, all parts by default

    quality   proxy after the same total number of trials, by the number of workers: more workers may not be worse
    legal     100 generated netlists, 1 to 64 workers: legal, never worse than the start, equal when repeated
    speed     trials/s of one refinement, by the number of workers
    time      proxy after the same number of seconds, two workers against all (60 s and 3 seeds by default: takes long)
    rollouts  steps/s of whole episodes with the policy, by threads, on the CPU and on CUDA
    gradient  start-steps/s of the gradient method, by threads, on the CPU and on CUDA

Each table has the ratios to its first column.  Refinements begin from the greedy placement of each netlist.  Runs of
`quality` share the cores, as they are limited by trials; `speed` and `time` have the machine to themselves.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import cache
from multiprocessing import get_context

import numpy as np

from netlists import load
from netlists.errors import LegalizationError
from netlists.placement import Placement
from netlists.synthetic.generate import generate, random_case
from placer import place
from placer.annealing.metropolis import Budget, SearchResult
from placer.annealing.refine import refine
from placer.cost import evaluate
from placer.legalization.legalize import legalize
from tests.benchmarks import find
from tests.benchmarks.placement import NETLISTS
from tests.benchmarks.robustness import flaw

CORES = len(os.sched_getaffinity(0))
PARTS = ("quality", "legal", "speed", "time", "rollouts", "gradient")
GENERATED = 100  # netlists of the part `legal`
LEGAL_TRIALS = 500  # trials per worker of the part `legal`


@cache
def greedy(name: str) -> Placement:
    """The start: hard macros placed greedily, soft macros by forces."""
    return place(load(find(name)), method="greedy", refine=False, iterations=1, workers=1).placement


def refined(name: str, workers: int, seed: int, *, trials: int = 0, seconds: float = 0.0) -> tuple[SearchResult, float]:
    """A refinement with that many trials in total, or seconds, and the seconds that it took."""
    budget = Budget(trials=trials // workers) if trials else Budget(seconds=seconds)
    start, began = greedy(name), time.perf_counter()
    found = refine(start, budget, seed=seed, workers=workers)
    if found.placement.violations() or found.proxy > evaluate(start).proxy:
        raise AssertionError(f"{name}: {workers} workers, seed {seed}: not legal, or worse than the start")
    return found, time.perf_counter() - began


def end(job: tuple[str, int, int, int]) -> float:
    """The proxy at the end of a job (netlist, workers, seed, trials)."""
    name, workers, seed, trials = job
    return refined(name, workers, seed, trials=trials)[0].proxy


def in_parallel(jobs: Sequence[tuple[str, int, int, int]], threads: int) -> list[float]:
    """The proxies at the end of jobs, as many at a time as there are cores for their threads."""
    with ProcessPoolExecutor(max(1, CORES // threads), get_context("spawn")) as pool:
        return list(pool.map(end, jobs))


def table(title: str, workers: Sequence[int], rows: Iterator[tuple[str, list[float]]], shape: str) -> None:
    """Print rows of numbers, one column per number of workers."""
    print(f"\n{title}\n{'':20}" + "".join(f"{w:>12}" for w in workers), flush=True)
    for name, values in rows:
        print(f"{name:20}" + "".join(f"{value:12{shape}}" for value in values), flush=True)


def quality(names: Sequence[str], workers: Sequence[int], seeds: int, trials: int) -> None:
    """Print mean proxies over the seeds, and their change against the first number of workers."""

    def rows() -> Iterator[tuple[str, list[float]]]:
        for name in names:
            ends = [in_parallel([(name, w, seed, trials) for seed in range(seeds)], min(w, CORES)) for w in workers]
            means = np.mean(ends, axis=1)
            yield name, means.tolist()
            yield "  change, %", (100 * (means / means[0] - 1)).tolist()
            yield "  deviation, %", (100 * np.std(ends, axis=1) / means).tolist()

    table(f"proxy after {trials:,} trials in total, mean of {seeds} seeds, by workers", workers, rows(), ".4f")


def flaws(seed: int) -> list[str]:
    """What is wrong with refinements of a generated netlist by 1 to 64 workers; empty if it has no legal start."""
    netlist, lines = generate(random_case(seed), seed), []
    try:
        start = legalize(Placement.given(netlist))
    except LegalizationError:
        return []
    for workers in (1, 2, 4, 16, 64):
        once, again = (refine(start, Budget(trials=LEGAL_TRIALS), seed=seed, workers=workers) for _ in range(2))
        wrong = {
            "not legal": bool(flaw(once.placement)),
            "worse than its start": once.proxy > evaluate(start).proxy,
            "different when repeated": not np.array_equal(once.placement.position_um, again.placement.position_um)
            or not np.array_equal(once.placement.orientation, again.placement.orientation),
        }
        lines += [f"{netlist.name}, {workers} workers: {what}" for what, so in wrong.items() if so]
    return lines


def legal(count: int) -> None:
    """Print what is wrong with refinements of generated netlists."""
    began = time.perf_counter()
    lines = [line for seed in range(count) for line in flaws(seed)]
    print(f"\n{count} generated netlists, 1, 2, 4, 16 and 64 workers, twice each: {len(lines)} flaws, "
          f"{time.perf_counter() - began:.0f} s", *lines, sep="\n")  # fmt: skip


def apart(name: str, searches: int, seconds: float) -> float:
    """Trials/s of searches side by side that share nothing: the most that the cores of the machine can do."""
    began = time.perf_counter()
    with ThreadPoolExecutor(searches) as pool:
        jobs = [pool.submit(refined, name, 1, seed, seconds=seconds) for seed in range(searches)]
        trials = sum(job.result()[0].trials for job in jobs)
    return trials / (time.perf_counter() - began)


def speed(names: Sequence[str], workers: Sequence[int], seconds: float) -> None:
    """Print trials/s, their ratio to one worker, and that ratio for as many searches that share nothing."""

    def rows() -> Iterator[tuple[str, list[float]]]:
        for name in names:
            rates = []
            for w in workers:
                found, took = refined(name, w, 0, seconds=seconds)
                rates.append(found.trials / took)
            yield name, rates
            yield "  ratio", [rate / rates[0] for rate in rates]
            most = [apart(name, w, seconds) for w in workers]
            yield "  ratio, separate", [rate / most[0] for rate in most]

    table(f"trials/s in {seconds:g} s, by workers", workers, rows(), ",.2f")


def wall_time(names: Sequence[str], workers: Sequence[int], seeds: int, seconds: float) -> None:
    """Print mean proxies over the seeds after the same number of seconds."""

    def rows() -> Iterator[tuple[str, list[float]]]:
        for name in names:
            ends = [[refined(name, w, s, seconds=seconds)[0].proxy for s in range(seeds)] for w in workers]
            means = np.mean(ends, axis=1)
            yield name, means.tolist()
            yield "  change, %", (100 * (means / means[0] - 1)).tolist()

    table(f"proxy after {seconds:g} s, mean of {seeds} seeds, by workers", workers, rows(), ".4f")


def by_device(title: str, threads: Sequence[int], measure: Callable[[int, str], float]) -> None:
    """Print a speed by the number of threads, on the CPU and, if there is a GPU, on CUDA."""
    import torch

    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    rates = {device: [measure(t, device) for t in threads] for device in devices}
    rows = [(device, rates[device]) for device in devices]
    rows += [("  ratio", [r / rates["cpu"][0] for r in rates[device]]) for device in devices]
    table(title, threads, iter(rows), ",.1f")


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)}")
    parser.add_argument("--netlists", nargs="+", help="files or names; harbor if ../shared is absent")
    parser.add_argument("--workers", type=int, nargs="+", help="1 to 64 for quality, as many as cores otherwise")
    parser.add_argument("--trials", type=int, default=4_000_000, help="of quality, in total")
    parser.add_argument("--seeds", type=int, default=3, help="of quality and time")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each run of time")
    parser.add_argument("--speed-seconds", type=float, default=5.0, help="of each run of speed")
    arguments = parser.parse_args()
    parts = arguments.parts or PARTS
    if wrong := set(parts) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(wrong))}; expected some of {', '.join(PARTS)}")
    names = arguments.netlists or [name for name in NETLISTS if find(name) != name] or ["harbor"]
    here = arguments.workers or [w for w in (1, 2, 4, 8, 16, 32, 64) if w <= CORES]
    print(f"{CORES} cores")
    if "quality" in parts:
        quality(names, arguments.workers or (1, 2, 4, 8, 16, 64), arguments.seeds, arguments.trials)
    if "legal" in parts:
        legal(GENERATED)
    if "speed" in parts:
        for name in names[:1]:
            refined(name, 2, 0, trials=1_000)  # compiles and loads the kernels
        speed(names, here, arguments.speed_seconds)
    if "time" in parts:
        wall_time(names, arguments.workers or sorted({min(2, CORES), CORES}), arguments.seeds, arguments.seconds)
    if {"rollouts", "gradient"} & set(parts):
        from tests.benchmarks.rollouts import gradient_speeds, rollout_speeds

        chip = load(find(names[0]))
        if "rollouts" in parts:
            by_device(f"{chip.name}: rollout steps/s, by threads", here, lambda t, d: rollout_speeds(chip, t, d))
        if "gradient" in parts:
            by_device(f"{chip.name}: start-steps/s, by threads", here, lambda t, d: gradient_speeds(chip, 64, d, t))


if __name__ == "__main__":
    main()
