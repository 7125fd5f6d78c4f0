"""A short run of `python -m tests.benchmarks.abuse`, and what longer ones found."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from netlists.errors import ChipscapeError
from tests.abuse.limits import demand_limits, measured, size_of
from tests.abuse.targets import TARGETS, attack

DAMAGES = {"metrics": 3, "results": 3, "resume": 6, "checkpoint": 5, "checkpoint json": 5}
"""Damaged files for those readers whose answers take longer; others get MANY."""
MANY = 25

pytestmark = pytest.mark.filterwarnings("ignore")  # of numbers that overflow, of figures


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function that makes the folder of an undamaged file, once for each target."""
    folders: dict[object, Path] = {}

    def make(name: str) -> Path:
        maker = TARGETS[name].make
        if maker not in folders:
            folders[maker] = tmp_path_factory.mktemp("whole")
            maker(folders[maker])
        return folders[maker]

    return make


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_files_are_read_or_refused(name: str, tmp_path: Path, whole: Callable[[str], Path]) -> None:
    TARGETS[name].read(shutil.copytree(whole(name), tmp_path / "whole"))  # loads kernels, or compiles them
    refused = 0
    for number in range(DAMAGES.get(name, MANY)):
        folder = shutil.copytree(whole(name), tmp_path / str(number))
        with measured() as usage:
            refused += bool(attack(TARGETS[name], folder, random.Random(number)))
        demand_limits(usage, size_of(folder))
    assert refused > 0


def refusal(name: str, folder: Path) -> str:
    with pytest.raises(ChipscapeError) as error:
        TARGETS[name].read(folder)
    return str(error.value)


def put(content: Any, place: str, value: Any) -> Any:
    """JSON data with another value at a place such as `stages.0.name`."""
    *path, last = [int(key) if key.isdecimal() else key for key in place.split(".")]
    holder = content
    for key in path:
        holder = holder[key]
    holder[last] = value
    return content


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("source", []), ("source.path", 3), ("source.path", "a\0b"), ("source.grid", [1, 2, 3]), ("source.grid", 5),
        ("source.lef", "x"), ("source.halo", "wide"), ("placement", "../placement.plc"), ("placement", 7),
        ("history", 3), ("history", [[1.0]]), ("history", [[1.0, None]]), ("history.0", [float("inf"), 1.0]),
        ("stages", {}), ("stages", [{}]), ("stages.0.seconds", "long"), ("settings", []), ("settings", {"x": {}}),
        ("versions", {"Python": 3}), ("lower_bounds", {"proxy": None}), ("interrupted", 1), ("stuck", -1),
        ("stuck", float("nan")), ("overlaps", "none"), ("command", None), ("hpwl_history", {"a": 1}),
    ],
)  # fmt: skip
def test_metrics_with_a_wrong_field(place: str, value: Any, tmp_path: Path, whole: Callable[[str], Path]) -> None:
    folder = shutil.copytree(whole("metrics"), tmp_path / "x")
    file = folder / "run" / "metrics.json"
    file.write_text(json.dumps(put(json.loads(file.read_text()), place, value)))
    assert f"metrics.json: damaged ({place.partition('.')[0]}" in (message := refusal("metrics", folder))
    assert "\n" not in message


def test_metrics_that_are_nested_or_too_long(tmp_path: Path, whole: Callable[[str], Path]) -> None:
    folder = shutil.copytree(whole("metrics"), tmp_path / "x")
    file = folder / "run" / "metrics.json"
    for text in ("[" * 100_000, "9" * 5_000, '{"a":' * 50_000):
        file.write_text(text)
        assert "damaged" in refusal("metrics", folder)


@pytest.mark.parametrize("name", ["results", "resume"])
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM meta WHERE key = 'columns'", "DELETE FROM meta WHERE key = 'name'",
        "DELETE FROM meta WHERE key = 'budget'",
        "UPDATE meta SET value = NULL WHERE key = 'space'", "UPDATE meta SET value = x'ff' WHERE key = 'search'",
        "UPDATE meta SET value = '[' WHERE key = 'budget'", "UPDATE meta SET value = '[1]' WHERE key = 'seed'",
        "UPDATE meta SET value = replace(value, 'min', 'least') WHERE key = 'columns'",
        "UPDATE meta SET value = replace(value, 'latency_ms', 'x') WHERE key = 'columns'",
        "UPDATE meta SET value = 'a: &a [*a]' WHERE key = 'space'",
        "UPDATE designs SET on_front = 'x' WHERE on_front", "UPDATE designs SET feasible = 0 WHERE on_front",
        "UPDATE designs SET latency_ms = NULL WHERE on_front", "UPDATE designs SET latency_ms = 9e999 WHERE on_front",
        "UPDATE designs SET latency_ms = 'fast' WHERE on_front", "UPDATE designs SET id = -1 - id WHERE on_front",
        "UPDATE history SET front = x'00'", "UPDATE history SET front = NULL", "UPDATE history SET seconds = 'x'",
        "UPDATE chunks SET evaluated = 9223372036854775807", "UPDATE chunks SET feasible = evaluated + 1",
        "UPDATE chunks SET objectives = x'0102'", "UPDATE chunks SET seconds = NULL",
        "UPDATE histograms SET bin = 100000 WHERE bin = (SELECT max(bin) FROM histograms)",
        "UPDATE histograms SET objective = 'x' WHERE bin = (SELECT max(bin) FROM histograms)",
        "UPDATE reasons SET designs = -5", "UPDATE reasons SET reason = NULL",
        "DROP TABLE reasons", "CREATE VIEW v AS SELECT 1", "CREATE TABLE more (x)",
        "CREATE TRIGGER t AFTER INSERT ON chunks BEGIN DELETE FROM designs; END",
    ],
)  # fmt: skip
def test_results_with_wrong_rows(
    name: str, statement: str, tmp_path: Path, whole: Callable[[str], Path]
) -> None:  # fmt: skip
    folder = shutil.copytree(whole("results"), tmp_path / "x")
    with closing(sqlite3.connect(folder / "out" / "results.sqlite", isolation_level=None)) as db:
        db.execute(statement)
    assert "results.sqlite" in (message := refusal(name, folder))
    assert "\n" not in message


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("iteration", -1), ("iteration", "x"), ("seed", 0.5), ("history", [{}]), ("history.0.netlist", 3),
        ("history.0.proxy_best", "low"), ("settings", []), ("netlists", "tiny"), ("num_envs", 0), ("num_envs", 10**30),
    ],
)  # fmt: skip
def test_checkpoint_json_with_a_wrong_field(
    place: str, value: Any, tmp_path: Path, whole: Callable[[str], Path]
) -> None:
    folder = shutil.copytree(whole("checkpoint"), tmp_path / "x")
    (file,) = folder.glob("out/checkpoint-*/weights.json")
    file.write_text(json.dumps(put(json.loads(file.read_text()), place, value)))
    assert f"weights.json: {place.partition('.')[0]}" in refusal("checkpoint", folder)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("0/generator", lambda t: t.to(torch.float64)), ("0/generator", lambda t: torch.full_like(t, 255)),
        ("0/numbers", lambda t: torch.full_like(t, float("nan"))), ("0/styles/mean", lambda t: t * float("nan")),
        ("0/elites/action", lambda t: torch.full_like(t, 2**62)), ("0/elites/action", lambda t: t[:, :1]),
        ("0/elites/action", lambda t: torch.full_like(t, -1)), ("0/elites/action", lambda t: torch.zeros_like(t)),
        ("0/elites/proxy", lambda t: t.flip(0)), ("0/elites/proxy", lambda t: t * float("nan")),
        ("0/optimizer/0/step", lambda t: t * 0), ("0/optimizer/0/exp_avg_sq", lambda t: t - 1),
        ("0/optimizer/0/exp_avg", lambda t: t[:1]), ("0/best/style", lambda t: t * float("inf")),
    ],
)  # fmt: skip
def test_states_of_learners_that_are_wrong(
    name: str, change: Callable[[torch.Tensor], torch.Tensor], tmp_path: Path, whole: Callable[[str], Path]
) -> None:
    folder = shutil.copytree(whole("checkpoint"), tmp_path / "x")
    (file,) = folder.glob("out/checkpoint-*/learners.safetensors")
    tensors = load_file(file)
    save_file(tensors | {name: change(tensors[name]).contiguous()}, file)
    assert "learners.safetensors: not the state of this training" in refusal("checkpoint", folder)


@pytest.mark.parametrize(
    ("sizes", "reason"),
    [
        ({"embedding": 10**9}, "embedding"), ({"layers": 10**6}, "layers"), ({"layers": "3"}, "layers"),
        ({"embedding": 4096}, "not torch.float32"), ({"more": 1}, "more"), ([], "no object"),
    ],
)  # fmt: skip
def test_sizes_of_a_policy_that_are_wrong(
    sizes: Any, reason: str, tmp_path: Path, whole: Callable[[str], Path]
) -> None:
    folder = shutil.copytree(whole("checkpoint"), tmp_path / "x")
    (file,) = folder.glob("out/checkpoint-*/weights.safetensors")
    usual = {"embedding": 32, "layers": 3, "channels": 16, "deep_channels": 32}
    content = usual | sizes if isinstance(sizes, dict) else sizes
    save_file(load_file(file), file, {"policy": json.dumps(content)})
    assert reason in (message := refusal("checkpoint", folder))
    assert "train again" in message


def test_weights_that_are_no_numbers(tmp_path: Path, whole: Callable[[str], Path]) -> None:
    folder = shutil.copytree(whole("checkpoint"), tmp_path / "x")
    (file,) = folder.glob("out/checkpoint-*/weights.safetensors")
    tensors = load_file(file)
    header = {"policy": json.dumps({"embedding": 32, "layers": 3, "channels": 16, "deep_channels": 32})}
    save_file(tensors | {"style": tensors["style"] * float("nan")}, file, header)
    assert "'style' has values that are not finite" in refusal("checkpoint", folder)
    save_file(tensors | {"head.enter.weight": tensors["head.enter.weight"] * 0 + 3e38}, file, header)
    assert "diverged" in refusal("checkpoint", folder)
