"""Which method places best in equal CPU time?  `python -m tests.benchmarks.placement [--cpu-seconds 300]`

Sweeps netlists × methods × seeds with the same number of threads and seconds per run.  Prints, per netlist and method,
the mean over the seeds of the exact proxy, its parts, HPWL and times, how many runs are legal, the ratio of the proxy
to that of the reference annealer, and its ratio to a lower bound (`placer evaluate` prints the bound).
With `--out` the runs are kept, and those that are already there are not repeated.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import yaml

from netlists.legality.verdict import is_legal
from netlists.runtime.progress import live_line
from placer import PlaceSettings
from placer.cost.bounds import lower_bounds
from placer.runs.methods import METHODS
from placer.runs.run_folder import Source
from placer.runs.sweep import sweep
from placer.runs.sweep_table import Outcome
from tests import SHARED
from tests.benchmarks import find

NETLISTS = ("ariane133_ng45", "mempool_tile_ng45", "nvdla_ng45", "ariane136_asap7")
REFERENCE = SHARED / "references" / "annealer_baseline.yaml"
COLUMNS = ("netlist", "method", "proxy", "± seeds", "wirelength", "density", "congestion", "HPWL (µm)", "CPU s", "s",
           "legal", "reference", "change", "bound", "above")  # fmt: skip
MEANS = {"wirelength": ".4f", "density": ".4f", "congestion": ".4f", "hpwl_um": ".4g", "cpu_seconds": ".0f",
         "seconds": ".0f"}  # fmt: skip


def line(cells: Mapping[str, str]) -> str:
    """One line of the table, from its cells by column."""
    widths = {"netlist": -19, "method": -8}
    return " ".join(f"{cells.get(key, ''):<{-w}}" if (w := widths.get(key, 10)) < 0 else f"{cells.get(key, ''):>{w}}"
                    for key in COLUMNS)  # fmt: skip


def row(name: str, method: str, runs: list[Outcome], bound: float, reference: float | None) -> dict[str, str]:
    """The cells of one method on one netlist; `reference` is the proxy of the reference annealer, if it is known."""
    done = [run.metrics for run in runs if not run.error]
    cells = {"netlist": name, "method": method, "bound": f"{bound:.4f}"}
    cells["legal"] = f"{sum(is_legal(m) is True for m in done)}/{len(runs)}"
    if not done:
        return cells
    proxies = np.array([m["proxy"] for m in done])
    proxy = float(proxies.mean())
    for (key, shape), column in zip(MEANS.items(), (*COLUMNS[4:7], "HPWL (µm)", "CPU s", "s"), strict=True):
        cells[column] = format(float(np.mean([m[key] for m in done])), shape)
    cells |= {"proxy": f"{proxy:.4f}", "± seeds": f"{proxies.std():.4f}", "above": f"{proxy / bound - 1:+.1%}"}
    if reference:
        cells |= {"reference": f"{reference:.4f}", "change": f"{proxy / reference - 1:+.1%}"}
    return cells


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu-seconds", type=float, default=300.0, help="of each run: threads times wall clock")
    parser.add_argument("--workers", type=int, default=2, help="threads of each run")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--netlists", nargs="+", help="files or names; harbor if ../shared is absent")
    parser.add_argument("--weights", help="rl: those of placer train, or none; the bundled ones by default")
    parser.add_argument("--ray", default="local", help="address of a cluster; this machine by default")
    parser.add_argument("--out", type=Path, help="folder to keep the runs in")
    arguments = parser.parse_args()
    there = [name for name in NETLISTS if isinstance(find(name), Path)]
    sources = [Source(str(find(name))) for name in arguments.netlists or there or ["harbor"]]
    settings = PlaceSettings(
        budget_s=arguments.cpu_seconds / arguments.workers, workers=arguments.workers,
        weights=arguments.weights,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch, live_line() as show:
        result = sweep(
            sources, arguments.out or Path(scratch), methods=arguments.methods, seeds=arguments.seeds,
            settings=settings, address=arguments.ray, resume=True, progress=lambda progress: show(progress.line),
        )  # fmt: skip
    reference = yaml.safe_load(REFERENCE.read_text(encoding="utf-8")) if REFERENCE.exists() else {}
    print(line({key: key for key in COLUMNS}))
    for name, chip in result.chips.items():
        least = lower_bounds(chip)
        for method in arguments.methods:
            runs = [o for o in result.outcomes if (o.run.netlist, o.run.settings.method) == (name, method)]
            if runs:
                print(line(row(name, method, runs, least.proxy, reference.get(name, {}).get("proxy"))))
        print(f"{name}: density is at least {least.density:.4f}, congestion at least {least.congestion:.4f}")
    for outcome in result.outcomes:
        if outcome.error:
            print(f"{outcome.run.name}: {outcome.error}")


if __name__ == "__main__":
    main()
