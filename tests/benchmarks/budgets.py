"""Do runs keep their budget?  `python -m tests.benchmarks.budgets`

Places generated netlists of 1 to 2,000 hard macros (`case`; all have a legal placement, which the placer does not see),
each with one of the methods in turn or, with `--all`, with every method.  Prints by how much runs exceeded their
budget, in seconds and as a ratio, and how they ended.  A run may exceed its budget by 10%, and by 2 s in any case.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from netlists.errors import LegalizationError
from netlists.netlist import Netlist
from netlists.synthetic.generate import GeneratorSettings, generate
from placer import place
from placer.runs.pipeline import load_kernels
from tests.benchmarks.robustness import flaw, methods_for, runs_parser, unplaced

SLACK = 0.1  # fraction of its budget that a run may take longer
LEAST_SLACK_S = 2.0  # seconds that a run may take longer in any case


@dataclass(frozen=True)
class Timed:
    """How long a run took, and how it ended."""

    netlist: str
    method: str
    hard_macros: int
    budget_s: float
    seconds: float
    end: str  # legal, the error, or what is wrong with the placement

    @property
    def over_s(self) -> float:
        """By how much the budget was exceeded."""
        return self.seconds - self.budget_s

    @property
    def late(self) -> bool:
        """Whether that is more than allowed."""
        return self.over_s > max(SLACK * self.budget_s, LEAST_SLACK_S)


def case(seed: int) -> GeneratorSettings:
    """Settings of a netlist of 1 to 2,000 hard macros; one in five has 2,000."""
    random = np.random.default_rng([seed, 7])
    hard = 2000 if seed % 5 == 0 else round(float(np.exp(random.uniform(0, np.log(2000)))))
    width = float(np.exp(random.uniform(np.log(500), np.log(5000))))
    grid = int(random.integers(8, 65))
    return GeneratorSettings(
        name=f"budget_{seed}",
        canvas_um=(round(width, 3), round(width * float(random.uniform(0.6, 1.6)), 3)),
        grid=(grid, int(random.integers(max(grid // 2, 8), 2 * grid + 1))),
        hard_macros=hard,
        macro_sizes=int(random.integers(1, min(hard, 40 if seed % 3 else hard) + 1)),
        hard_coverage=float(random.uniform(0.05, 0.75)),
        fixed_macros=int(random.integers(2)) * int(random.integers(0, hard // 3 + 1)),
        soft_macros=int(np.exp(random.uniform(0, np.log(5000)))),
        soft_coverage=0.2,
        ports=int(random.integers(1, 500)),
        nets=int(np.exp(random.uniform(np.log(100), np.log(40_000)))),
    )


def timed(netlist: Netlist, method: str, budget_s: float, seed: int, workers: int) -> Timed:
    """Place a netlist; the time to compile kernels is not counted, as it is spent only once."""
    load_kernels(method, True, "auto")
    began = time.perf_counter()
    placement, end = None, ""
    try:
        placement = place(netlist, method=method, budget_s=budget_s, seed=seed, workers=workers).placement
    except LegalizationError as error:
        end = str(error)
    seconds = time.perf_counter() - began
    return Timed(
        netlist.name, method, len(netlist.hard), budget_s, seconds, flaw(placement) or "legal" if placement else end
    )


def summary(runs: Sequence[Timed]) -> list[str]:
    """One line per method, with its worst run."""
    lines = [f"{'method':>9} {'runs':>5} {'legal':>6} {'late':>5} {'worst overrun s':>16} {'time/budget':>12}"]
    for method in dict.fromkeys(run.method for run in runs):
        mine = [run for run in runs if run.method == method]
        legal, late = sum(run.end == "legal" for run in mine), sum(run.late for run in mine)
        over_s, ratio = max(run.over_s for run in mine), max(run.seconds / run.budget_s for run in mine)
        lines.append(f"{method:>9} {len(mine):>5} {legal:>6} {late:>5} {over_s:>16.2f} {ratio:>12.2f}")
    return lines


def main() -> None:
    """Measure, and print the tables."""
    parser = runs_parser(__doc__, 100, 20.0)
    parser.add_argument("--workers", type=int, default=2, help="threads of each run")
    arguments = parser.parse_args()
    runs: list[Timed] = []
    try:
        for seed in range(arguments.first, arguments.first + arguments.count):
            netlist = unplaced(generate(case(seed), seed))
            for method in methods_for(arguments, seed):
                runs.append(timed(netlist, method, arguments.seconds, seed, arguments.workers))
                run = runs[-1]
                print(f"{run.netlist:>11} {method:>9} {run.hard_macros:>5} hard {len(netlist.soft):>5} soft "
                      f"{netlist.num_nets:>6} nets {run.over_s:>7.2f} s over  {run.end}", flush=True)  # fmt: skip
    except KeyboardInterrupt:
        print(f"stopped at seed {seed}")
    print("\n".join(summary(runs)))


if __name__ == "__main__":
    main()
