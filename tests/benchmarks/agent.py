"""What does the agent bring in the end?  `python -m tests.benchmarks.agent [--cpu-seconds 300] [--seeds 3] [--out DIR]`

Whole runs of the placer at equal CPU time, of the netlists in ../shared and of generated ones, with the bundled policy,
with an untrained one, and with each method that does without a policy.  None of the netlists was trained on.  The first
table has the mean over seeds of the proxy before refinement and after it, per netlist and way to begin.  The second
compares the bundled policy with each other way, and with that of them without a policy which is best on a netlist in
the mean: by how much its proxy is lower, over all pairs of the same netlist and seed, with the 95% confidence interval
of the mean (Student's t), and the netlist on which it is worst.

Finished runs are kept under `--out` and not repeated.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

from netlists import Netlist, load
from netlists.synthetic.generate import GeneratorSettings, generate
from placer import place
from tests.benchmarks import find
from tests.benchmarks.flat import write_json
from tests.benchmarks.placement import NETLISTS

POLICY = "policy"
"""The way to begin that is compared with all others."""
WAYS: Mapping[str, Mapping[str, Any]] = {
    POLICY: {"method": "rl"}, "untrained": {"method": "rl", "weights": "none"}, "greedy": {"method": "greedy"},
    "gradient": {"method": "gradient"}, "random": {"method": "random"},
}  # fmt: skip
"""Ways to begin, and the options of `placer.place` for each."""
WITHOUT = ("greedy", "gradient", "random")
"""Those without a policy."""
BEST = "best without"
"""The one of them that is best on a netlist."""
GENERATED = (
    GeneratorSettings("few_large", (1400.0, 1100.0), (18, 22), hard_macros=16, macro_sizes=8, hard_coverage=0.55,
                      soft_macros=400, nets=9_000, ports=200),
    GeneratorSettings("equal_banks", (1600.0, 1600.0), (26, 26), hard_macros=256, macro_sizes=1, hard_coverage=0.5,
                      soft_macros=600, nets=12_000, ports=300, max_aspect=2.0),
    GeneratorSettings("crowded", (2000.0, 900.0), (14, 32), hard_macros=70, macro_sizes=20, hard_coverage=0.6,
                      soft_macros=500, nets=8_000, ports=500, crowding=1.0),
    GeneratorSettings("sparse", (1200.0, 1200.0), (30, 30), hard_macros=40, macro_sizes=4, hard_coverage=0.12,
                      soft_macros=900, nets=15_000, ports=400, bus_fraction=0.6),
)  # fmt: skip
"""Netlists of other structure than those that the bundled policy was trained on."""
FIRST_SEED = 900
"""Seed of the first generated netlist; the others count up from it."""


@dataclass(frozen=True)
class Run:
    """A finished run: exact proxies, and the CPU time that it took."""

    netlist: str
    way: str
    seed: int
    start: float  # before refinement
    proxy: float
    cpu_seconds: float


@dataclass(frozen=True)
class Comparison:
    """By how much the policy is lower than another way, in percent of the latter; positive is better."""

    mean: float
    low: float  # of the 95% confidence interval of the mean
    high: float
    worst: float  # mean over the seeds of the netlist with the least
    worst_netlist: str


def netlists() -> dict[str, Netlist]:
    """The netlists by name: those in ../shared, as far as they are there, and the generated ones."""
    found = {name: load(file) for name in NETLISTS if isinstance(file := find(name), Path)}
    return found | {each.name: generate(each, FIRST_SEED + k) for k, each in enumerate(GENERATED)}


def run(netlist: Netlist, way: str, seed: int, seconds: float, workers: int) -> Run:
    """Place a netlist within so many seconds on so many threads."""
    metrics = place(netlist, budget_s=seconds, workers=workers, seed=seed, **WAYS[way]).metrics
    start = next(stage["proxy"] for stage in metrics["stages"] if stage["name"] == "legalize")
    return Run(netlist.name, way, seed, start, metrics["proxy"], metrics["cpu_seconds"])


def kept(folder: Path, netlist: Netlist, way: str, seed: int, arguments: argparse.Namespace) -> Run:
    """The run in the folder, which is made first if it is not there."""
    path = folder / f"{netlist.name}-{way}-{arguments.cpu_seconds:g}-{arguments.workers}-seed{seed}.json"
    if not path.exists():
        done = run(netlist, way, seed, arguments.cpu_seconds / arguments.workers, arguments.workers)
        write_json(path, vars(done))
        print(f"{done.netlist} {way}, seed {seed}: {done.start:.4f} -> {done.proxy:.4f}", flush=True)
    return Run(**json.loads(path.read_text(encoding="utf-8")))


def means(runs: Sequence[Run]) -> dict[str, dict[str, float]]:
    """The mean proxy over the seeds by netlist and way."""
    names, ways = (dict.fromkeys(getattr(each, key) for each in runs) for key in ("netlist", "way"))
    return {
        name: {way: float(np.mean([r.proxy for r in runs if (r.netlist, r.way) == (name, way)])) for way in ways}
        for name in names
    }


def compare(runs: Sequence[Run], other: str) -> Comparison:
    """The policy and another way, or the `BEST` without a policy, in pairs of the same netlist and seed."""
    mean, proxy = means(runs), {(r.netlist, r.way, r.seed): r.proxy for r in runs}
    rivals = {name: other if other != BEST else min(WITHOUT, key=ways.__getitem__) for name, ways in mean.items()}
    gains: dict[str, list[float]] = {name: [] for name in mean}
    for each in runs:
        if each.way == POLICY:
            gains[each.netlist].append(100 * (1 - each.proxy / proxy[each.netlist, rivals[each.netlist], each.seed]))
    everything = np.concatenate([np.array(each) for each in gains.values()])
    middle = float(everything.mean())
    reach = 0.0
    if len(everything) > 1:
        deviation = float(everything.std(ddof=1)) / np.sqrt(len(everything))
        reach = float(student.ppf(0.975, len(everything) - 1)) * deviation
    worst = min(gains, key=lambda name: float(np.mean(gains[name])))
    return Comparison(middle, middle - reach, middle + reach, float(np.mean(gains[worst])), worst)


def table(runs: Sequence[Run], ways: Sequence[str]) -> list[str]:
    """The lines of the first table: proxies before and after refinement."""
    lines = [f"{'netlist':<20} {'seeds':>5} " + " ".join(f"{way:>17}" for way in ways)]
    for name in dict.fromkeys(each.netlist for each in runs):
        mine = [each for each in runs if each.netlist == name]
        cells = []
        for way in ways:
            values = np.array([(each.start, each.proxy) for each in mine if each.way == way])
            cells.append(" -> ".join(f"{value:.4f}" for value in values.mean(axis=0)).rjust(17))
        lines.append(f"{name:<20} {len({each.seed for each in mine}):>5} " + " ".join(cells))
    return lines


def comparisons(runs: Sequence[Run], ways: Sequence[str]) -> list[str]:
    """The lines of the second table: the policy against all other ways."""
    others = [way for way in ways if way != POLICY] + [BEST] * set(WITHOUT).issubset(ways)
    lines = [f"{'lower than with':<16} {'mean':>8} {'95% interval':>20} {'worst':>8}  netlist"]
    for other in others:
        c = compare(runs, other)
        interval = f"{c.low:+.2f}% to {c.high:+.2f}%"
        lines.append(f"{other:<16} {c.mean:>+7.2f}% {interval:>20} {c.worst:>+7.2f}%  {c.worst_netlist}")
    return lines


def main() -> None:
    """Measure, and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu-seconds", type=float, default=300.0, help="of each run: threads times wall clock")
    parser.add_argument("--workers", type=int, default=2, help="threads of each run")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--netlists", nargs="+", help="some of them by name; all by default")
    parser.add_argument("--ways", nargs="+", choices=[*WAYS], default=[*WAYS], help="to begin; all by default")
    parser.add_argument("--out", type=Path, help="folder to keep the runs in")
    arguments = parser.parse_args()
    known = netlists()
    if strange := [name for name in arguments.netlists or () if name not in known]:
        parser.error(f"netlist {strange[0]!r}; expected one of {', '.join(known)}")
    ways = [POLICY, *(way for way in arguments.ways if way != POLICY)]
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.out or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        runs = [
            kept(folder, known[name], way, seed, arguments)
            for name in arguments.netlists or known for seed in range(arguments.seeds) for way in ways
        ]  # fmt: skip
    print("\nproxy before refinement -> in the end", *table(runs, ways), "", *comparisons(runs, ways), sep="\n")


if __name__ == "__main__":
    main()
