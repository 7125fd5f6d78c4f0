"""Training runs: a resumed one equals an uninterrupted one, Ctrl-C loses nothing, what is written."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from netlists import load
from netlists.errors import CheckpointError, SettingsError
from placer.agent.ppo import PPOSettings
from placer.agent.training import Training, TrainSettings, train
from placer.incumbent import RunProgress

SMALL = PPOSettings(style_generations=2, num_envs=4, epochs=2, minibatch=24, soft_rounds=5, soft_sweeps=1)
TIMES = ("seconds", "steps_per_second")


def run(out: Path, iterations: int, **options: Any) -> list[dict[str, Any]]:
    return train([load("jetty")], out, SMALL, iterations=iterations, workers=1, seed=5, **options)


def without_times(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows]


def csv_rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "history.csv").read_text().splitlines()))


def state(out: Path, iteration: int) -> dict[str, torch.Tensor]:
    folder = out / f"checkpoint-{iteration:06d}"
    weights = load_file(folder / "weights.safetensors")
    return load_file(folder / "learners.safetensors") | {f"policy/{k}": v for k, v in weights.items()}


def assert_same_state(a: Path, b: Path, iteration: int) -> None:
    ours, theirs = state(a, iteration), state(b, iteration)
    assert ours.keys() == theirs.keys()
    different = [name for name in ours if not torch.equal(ours[name], theirs[name])]
    assert not different


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, stop: int) -> None:
    whole = run(tmp_path / "whole", 5)
    run(tmp_path / "parts", stop)
    resumed = run(tmp_path / "parts", 5, resume=True)
    assert without_times(resumed) == without_times(whole)
    assert_same_state(tmp_path / "whole", tmp_path / "parts", 5)


def test_ctrl_c_saves_the_last_whole_iteration(tmp_path: Path) -> None:
    def stop(progress: RunProgress) -> None:
        if progress.iteration == 4:  # after the weights have changed, before the iteration is counted
            raise KeyboardInterrupt

    settings = TrainSettings(iterations=9, seed=5, workers=1)
    assert Training([load("jetty")], SMALL, tmp_path / "cut", settings).run(stop)
    run(tmp_path / "whole", 3)
    assert_same_state(tmp_path / "whole", tmp_path / "cut", 3)
    assert len(csv_rows(tmp_path / "cut")) == 3


def test_what_a_run_writes(tmp_path: Path) -> None:
    history = run(tmp_path, 2)
    assert [float(row["proxy_best"]) for row in csv_rows(tmp_path)] == [row["proxy_best"] for row in history]
    assert json.loads((tmp_path / "weights.json").read_text())["history"] == history
    assert list((tmp_path / "tensorboard").iterdir())
    assert not list(tmp_path.rglob("*.part"))


def test_two_netlists_share_one_policy(tmp_path: Path) -> None:
    chip = load("jetty")
    netlists = [chip, chip.with_(name="twin", net_weight=chip.net_weight * 2)]
    history = train(netlists, tmp_path / "a", SMALL, iterations=3, workers=1)
    assert [row["netlist"] for row in history] == ["jetty", "twin"] * 3
    train(netlists, tmp_path / "b", SMALL, iterations=2, workers=1)
    train(netlists, tmp_path / "b", SMALL, iterations=3, workers=1, resume=True)
    assert_same_state(tmp_path / "a", tmp_path / "b", 3)


def test_a_budget_ends_training(tmp_path: Path) -> None:
    told: list[RunProgress] = []
    train([load("jetty")], tmp_path, SMALL, budget_s=1.0, workers=1, progress=told.append)
    assert told
    assert told[-1].best == min(np.float64(row["proxy_best"]) for row in csv_rows(tmp_path))


def test_wrong_runs_are_refused(tmp_path: Path) -> None:
    chip = load("jetty")
    with pytest.raises(CheckpointError, match="no checkpoint"):
        run(tmp_path, 1, resume=True)
    run(tmp_path, 1)
    with pytest.raises(CheckpointError, match="give --resume"):
        run(tmp_path, 2)
    with pytest.raises(CheckpointError, match="resume with the same seed"):
        train([chip], tmp_path, SMALL, iterations=2, workers=1, seed=6, resume=True)
    with pytest.raises(CheckpointError, match="resume with the same settings"):
        train([chip], tmp_path, PPOSettings(), iterations=2, workers=1, seed=5, resume=True)
    with pytest.raises(CheckpointError, match="resume with the same netlists"):
        train([chip.with_(name="x")], tmp_path, SMALL, iterations=2, workers=1, seed=5, resume=True)
    with pytest.raises(SettingsError, match="every name once"):
        train([chip, chip], tmp_path / "new", SMALL, iterations=1, workers=1)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"budget_s": 1.0, "iterations": 1},
        {"budget_s": 0.0},
        {"budget_s": float("nan")},
        {"iterations": -1},
        {"iterations": 1, "seed": -1},
        {"iterations": 1, "workers": 0},
        {"iterations": 1, "device": "gpu"},
    ],
)
def test_bad_settings(options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="expected"):
        TrainSettings(**options)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_what_a_gpu_learned_goes_on_without_one(tmp_path: Path) -> None:
    history = run(tmp_path, 4, device="cuda")
    assert all(tensor.device.type == "cpu" for tensor in state(tmp_path, 4).values())
    resumed = run(tmp_path, 5, resume=True, device="cpu")
    assert without_times(resumed[:4]) == without_times(history)
    run(tmp_path, 6, resume=True, device="cuda")


@pytest.mark.parametrize("address", ["127.0.0.1:x", "127.0.0.1:1"])
def test_a_cluster_that_is_not_there(tmp_path: Path, address: str) -> None:
    with pytest.raises(SettingsError, match="ray start --head"):
        run(tmp_path / "out", 1, ray=address)
    assert not (tmp_path / "out").exists()
