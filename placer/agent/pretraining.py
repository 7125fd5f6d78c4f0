"""Trains the bundled policy: `python -m placer.agent.pretraining [--out DIR] [--budget 1700]`, then copies its weights.

It sees generated netlists only, of several sizes and shapes, so that every real design is new to it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from netlists.netlist import Netlist
from netlists.runtime.output import replaced, write_file
from netlists.runtime.progress import live_line
from netlists.synthetic.generate import GeneratorSettings, generate
from placer.agent.checkpoints import META, WEIGHTS
from placer.agent.placing import PRETRAINED
from placer.agent.ppo import PPOSettings
from placer.agent.training import Training, TrainSettings

BUDGET_S = 1700.0
"""Seconds of training."""
FIRST_SEED = 100
"""Seed of the first netlist; the others count up from it."""
DESIGNS = (
    GeneratorSettings(
        "train_a", (1500.0, 1450.0), (24, 22), hard_macros=120, macro_sizes=8, hard_coverage=0.45, soft_macros=700,
        nets=11_000, ports=400,
    ),
    GeneratorSettings(
        "train_b", (1300.0, 1000.0), (20, 26), hard_macros=60, macro_sizes=5, hard_coverage=0.35, soft_macros=500,
        nets=8_000, ports=250,
    ),
    GeneratorSettings(
        "train_c", (900.0, 850.0), (24, 28), hard_macros=24, macro_sizes=3, hard_coverage=0.30, soft_macros=500,
        nets=12_000, ports=600,
    ),
    GeneratorSettings(
        "train_d", (1800.0, 1800.0), (30, 30), hard_macros=140, macro_sizes=2, hard_coverage=0.60, soft_macros=700,
        nets=13_000, ports=500,
    ),
    GeneratorSettings(
        "train_e", (1200.0, 1400.0), (27, 30), hard_macros=90, macro_sizes=12, hard_coverage=0.50, soft_macros=600,
        nets=10_000, ports=300,
    ),
)  # fmt: skip
"""The netlists to train on."""
SETTINGS = PPOSettings(num_envs=16, style_generations=18)


def training_set() -> list[Netlist]:
    """The netlists to train on."""
    return [generate(design, FIRST_SEED + k) for k, design in enumerate(DESIGNS)]


def main() -> None:
    """Train for the budget in `sys.argv`, and copy the weights if Ctrl-C does not end it before."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=PRETRAINED)
    parser.add_argument("--budget", type=float, default=BUDGET_S, help="seconds of training")
    parser.add_argument("--workers", type=int, default=1, help="threads")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, live_line() as show:
        settings = TrainSettings(budget_s=options.budget, workers=options.workers)
        training = Training(training_set(), SETTINGS, Path(folder), settings)
        if training.run(lambda progress: show(progress.line)):
            sys.exit(f"stopped by Ctrl-C before the end of training: {options.out} stays as it was")
        bundle(Path(folder), options.out)


def bundle(folder: Path, out: Path) -> None:
    """Copy the weights of a training folder, and how they were made except for the history; raises `OSError`."""
    out.mkdir(parents=True, exist_ok=True)
    with replaced(out / WEIGHTS) as part:
        shutil.copyfile(folder / WEIGHTS, part)
    meta = json.loads((folder / META).read_text(encoding="utf-8"))
    del meta["history"]
    write_file(out / META, json.dumps(meta, indent=1) + "\n")


if __name__ == "__main__":
    main()
