"""Trains the bundled policy: `python -m placer.agent.pretraining [--out DIR] [--budget 1700]`, then copies its weights.

It sees generated netlists only, of several sizes and shapes, so that every real design is new to it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from netlists.netlist import Netlist
from netlists.runtime.output import replaced
from netlists.synthetic.generate import GeneratorSettings, generate
from placer.agent.checkpoints import META, WEIGHTS
from placer.agent.placing import PRETRAINED
from placer.agent.ppo import PPOSettings
from placer.agent.training import Training, TrainSettings
from placer.commands.terminal import shown_progress
from placer.runs.run_folder import write_text

FIRST_SEED = 100
# name, hard macros, sizes of them, part of the canvas, soft macros, nets, ports, grid, canvas in µm
SHAPES = (
    ("train_a", 120, 8, 0.45, 700, 11_000, 400, (24, 22), (1500.0, 1450.0)),
    ("train_b", 60, 5, 0.35, 500, 8_000, 250, (20, 26), (1300.0, 1000.0)),
    ("train_c", 24, 3, 0.30, 500, 12_000, 600, (24, 28), (900.0, 850.0)),
    ("train_d", 140, 2, 0.60, 700, 13_000, 500, (30, 30), (1800.0, 1800.0)),
    ("train_e", 90, 12, 0.50, 600, 10_000, 300, (27, 30), (1200.0, 1400.0)),
)
SETTINGS = PPOSettings(num_envs=16, style_generations=18)


def training_set() -> list[Netlist]:
    """The netlists to train on."""
    netlists = []
    for k, (name, hard, sizes, coverage, soft, nets, ports, grid, canvas) in enumerate(SHAPES):
        settings = replace(
            GeneratorSettings(), name=name, hard_macros=hard, macro_sizes=sizes, hard_coverage=coverage,
            soft_macros=soft, nets=nets, ports=ports, grid=grid, canvas_um=canvas,
        )  # fmt: skip
        netlists.append(generate(settings, FIRST_SEED + k))
    return netlists


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=PRETRAINED)
    parser.add_argument("--budget", type=float, default=1700.0, help="seconds of training")
    parser.add_argument("--workers", type=int, default=1, help="threads")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, shown_progress() as show:
        settings = TrainSettings(budget_s=given.budget, workers=given.workers)
        if Training(training_set(), SETTINGS, Path(folder), settings).run(show):
            sys.exit(f"stopped by Ctrl-C before the end of training: {given.out} stays as it was")
        bundle(Path(folder), given.out)


def bundle(trained: Path, out: Path) -> None:
    """Copy the weights of a training folder, and how they came about but for the history."""
    out.mkdir(parents=True, exist_ok=True)
    with replaced(out / WEIGHTS) as part:
        shutil.copyfile(trained / WEIGHTS, part)
    meta = json.loads((trained / META).read_text(encoding="utf-8"))
    del meta["history"]
    write_text(out / META, json.dumps(meta, indent=1) + "\n")


if __name__ == "__main__":
    main()
