"""Does every netlist end in a legal placement or one clear error?  `python -m tests.benchmarks.robustness`

Places generated netlists (`netlists.synthetic.generate.random_case`; all have a legal placement, which the placer does
not see), each with one of the methods in turn or, with `--all`, with every method.  Legality is judged pair by pair,
not by `Placement.violations`.  Prints how many runs ended in which way, by the fraction of the canvas that hard macros
cover (fixed ones included), and the longest CPU time.  `--first` continues where an earlier call ended or was stopped
with Ctrl-C.
"""

from __future__ import annotations

import argparse
import time
import traceback
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from netlists.errors import LegalizationError
from netlists.netlist import Kind, Netlist
from netlists.placement import Placement
from netlists.synthetic.generate import generate, random_case
from placer import place
from placer.runs.methods import METHODS

BANDS = (0.0, 0.2, 0.4, 0.6, 1.0)  # limits of the fraction of the canvas that hard macros cover
ROUNDING = 1e-9  # fraction of the longer side of the canvas by which macros may overlap
COLUMNS = ("coverage", "method", "runs", "legal", "clear error", "failed", "longest CPU s")


@dataclass(frozen=True)
class Run:
    """How one placement job ended."""

    coverage: float
    method: str
    cpu_seconds: float
    end: str  # legal, clear error or failed
    why: str


def unplaced(netlist: Netlist) -> Netlist:
    """The netlist without positions of movable nodes."""
    return netlist.with_(position_um=np.where(netlist.fixed[:, None], netlist.position_um, np.nan))


def coverage(netlist: Netlist) -> float:
    """Area of all hard macros as a fraction of the canvas."""
    return float(netlist.size_um[netlist.hard].prod(axis=1).sum() / np.prod(netlist.canvas_um))


def flaw(placement: Placement) -> str:
    """What is wrong with a placement, by a check of every pair of hard macros; empty if it is legal."""
    n, place_um = placement.netlist, placement.position_um
    if not np.isfinite(place_um).all():
        return "a position is not finite"
    if (place_um[n.fixed] != n.position_um[n.fixed]).any():
        return "a fixed node was moved"
    slack = ROUNDING * max(n.canvas_um)
    hard = [v for v in range(n.num_nodes) if n.kind[v] == Kind.HARD]
    for k, v in enumerate(hard):
        (x, y), (w, h) = place_um[v].tolist(), n.size_um[v].tolist()
        if not n.fixed[v] and (
            min(x - w / 2, y - h / 2) < -slack
            or x + w / 2 > n.canvas_um[0] + slack
            or y + h / 2 > n.canvas_um[1] + slack
        ):
            return f"{n.node_names[v]} is out of the canvas"
        others = np.array(hard[:k], dtype=np.int64)
        deep = (n.size_um[others] + n.size_um[v]) / 2 - np.abs(place_um[others] - place_um[v])
        for other in others[deep.min(axis=1, initial=np.inf) > slack]:
            if not (n.fixed[v] and n.fixed[other]):
                return f"{n.node_names[v]} and {n.node_names[other]} overlap"
    return ""


def attempt(netlist: Netlist, method: str, seconds: float, seed: int) -> Run:
    """Place a netlist and record how that ends."""
    start = time.process_time()
    try:
        placement = place(unplaced(netlist), method=method, budget_s=seconds, seed=seed, workers=1).placement
        why = flaw(placement)
        end = "failed" if why else "legal"
    except LegalizationError as error:
        why, end = str(error), "clear error"
    except Exception:
        why, end = traceback.format_exc(), "failed"
    return Run(coverage(netlist), method, time.process_time() - start, end, why)


def table(runs: Sequence[Run]) -> list[str]:
    """The table as lines: runs by band of coverage and method, and all of them."""
    groups: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        k = int(np.searchsorted(BANDS, run.coverage, side="right"))
        band = f"{BANDS[k - 1]:.0%} to {BANDS[k]:.0%}"
        for key in ((band, run.method), (band, "all"), ("all", run.method), ("all", "all")):
            groups[key].append(run)
    lines = [" ".join(f"{name:>13}" for name in COLUMNS)]
    for (band, method), members in sorted(groups.items()):
        ends = [sum(run.end == end for run in members) for end in COLUMNS[3:6]]
        cells = [band, method, len(members), *ends, f"{max(run.cpu_seconds for run in members):.1f}"]
        lines.append(" ".join(f"{cell:>13}" for cell in cells))
    return lines


def runs_parser(doc: str | None, count: int, seconds: float) -> argparse.ArgumentParser:
    """The options of a benchmark that places generated netlists, with defaults of their number and of the budget."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=count, help="number of netlists")
    parser.add_argument("--first", type=int, default=0, help="seed of the first netlist")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument(
        "--all", action="store_true", help="place every netlist with every method instead of one in turn"
    )
    parser.add_argument("--seconds", type=float, default=seconds, help="budget of each run")
    return parser


def methods_for(arguments: argparse.Namespace, seed: int) -> list[str]:
    """The methods that place the netlist of a seed."""
    methods: list[str] = arguments.methods
    return methods if arguments.all else [methods[seed % len(methods)]]


def main() -> None:
    """Measure, and print the tables."""
    parser = runs_parser(__doc__, 500, 1.0)
    parser.add_argument("--low", type=float, default=0.05, help="least coverage")
    parser.add_argument("--high", type=float, default=0.7, help="greatest coverage")
    arguments = parser.parse_args()
    runs: list[Run] = []
    try:
        for seed in range(arguments.first, arguments.first + arguments.count):
            netlist = generate(random_case(seed, low=arguments.low, high=arguments.high), seed)
            for method in methods_for(arguments, seed):
                runs.append(attempt(netlist, method, arguments.seconds, seed))
                if runs[-1].end != "legal":
                    print(f"{netlist.name}: {runs[-1]}", flush=True)
    except KeyboardInterrupt:
        print(f"stopped at seed {seed}")
    print("\n".join(table(runs)))


if __name__ == "__main__":
    main()
