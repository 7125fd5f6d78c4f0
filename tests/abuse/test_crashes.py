"""What is written together is there together, whenever the writer is killed: at each of its changes to a folder."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from netlists import load
from netlists.errors import SettingsError
from netlists.runtime.lock import hold_folder
from netlists.runtime.output import STAGED, complete, replaced_together
from placer import place
from placer.agent import checkpoints
from placer.agent.policy import PlacementPolicy, PolicySettings
from placer.cost import evaluate
from placer.runs.pipeline import Result
from placer.runs.run_folder import PAGES, Source, read_run, write_run
from tests.abuse.kills import crash_everywhere, forked

# Forks of a process with threads; these only write files.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def renewed(folder: Path, make: Callable[[Path], object]) -> Callable[[], None]:
    """A function that makes a folder anew."""

    def prepare() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        make(folder)

    return prepare


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def write_together(folder: Path, text: str) -> None:
    with replaced_together(folder) as part:
        (part / "inner").mkdir()
        for name in ("a", "b", "inner/c"):
            (part / name).write_text(text)


def test_files_are_replaced_together_or_not_at_all(tmp_path: Path) -> None:
    folder, seen = tmp_path / "x", set()
    prepare = renewed(folder, lambda folder: write_together(folder, "old"))
    for number in crash_everywhere(lambda: write_together(folder, "new"), prepare, tmp_path / "log"):
        with hold_folder(folder):
            complete(folder)
            assert names(folder) == {"a", "b", "inner/c", ".lock"}
            texts = {(folder / name).read_text() for name in ("a", "b", "inner/c")}
            assert len(texts) == 1, number
        seen |= texts
    assert (number > 10, seen) == (True, {"old", "new"})
    assert names(folder) == {"a", "b", "inner/c"}


def test_a_link_in_place_of_staged_files_moves_nothing(tmp_path: Path) -> None:
    for name in ("mine", "run"):
        (tmp_path / name).mkdir()
    (tmp_path / "mine" / "secret").write_text("x")
    (tmp_path / "run" / STAGED).symlink_to(tmp_path / "mine")
    complete(tmp_path / "run")
    assert names(tmp_path / "mine") == {"secret"}
    assert names(tmp_path / "run") == set()


@pytest.fixture(scope="module")
def results() -> list[Result]:
    """Two placements of one netlist."""
    return [place(load("jetty"), method="greedy", iterations=1, workers=1, seed=seed) for seed in (0, 1)]


def write(folder: Path, result: Result) -> None:
    """A run as `placer place` writes it, with pages that name it."""
    with hold_folder(folder):
        write_run(folder, result, Source("jetty"), f"seed {result.settings.seed}")
        for page in PAGES:
            (folder / page).write_text(f"seed {result.settings.seed}")


def test_a_placement_is_never_beside_the_metrics_or_pages_of_another(tmp_path: Path, results: list[Result]) -> None:
    old, new = results
    assert old.metrics["proxy"] != new.metrics["proxy"]
    folder, seen = tmp_path / "x", set()
    prepare = renewed(folder, lambda folder: write(folder, old))
    for number in crash_everywhere(lambda: write(folder, new), prepare, tmp_path / "log"):
        run = read_run(folder)
        assert evaluate(run.placement).proxy == run.metrics["proxy"], number
        seen.add(run.metrics["seed"])
        pages = [(folder / page).read_text() for page in PAGES if (folder / page).exists()]
        assert set(pages) <= {run.metrics["command"]}, number
        write(folder, new)
        assert names(folder) == {"metrics.json", "placement.plc", *PAGES}
    assert (number > 15, seen) == (True, {0, 1})


def save_checkpoint(folder: Path, iteration: int) -> None:
    policy = PlacementPolicy(PolicySettings(embedding=1, layers=1, channels=1, deep_channels=1))
    meta: dict[str, Any] = {"iteration": iteration, "seed": 0, "settings": {}, "netlists": ["x"], "history": []}
    state = {"numbers": torch.tensor([float(iteration)])}
    with hold_folder(folder):
        checkpoints.save(folder, policy.state_dict(), policy.settings, [state], meta)


def test_a_checkpoint_is_whole_or_the_one_before_is_there(tmp_path: Path) -> None:
    folder, seen = tmp_path / "x", set()
    prepare = renewed(folder, lambda folder: save_checkpoint(folder, 1))
    for _number in crash_everywhere(lambda: save_checkpoint(folder, 2), prepare, tmp_path / "log"):
        last = checkpoints.latest(folder)
        iteration = checkpoints.load_meta(last)["iteration"]
        state = checkpoints._tensors(last / checkpoints.LEARNERS)
        assert state["0/numbers"].tolist() == [iteration]
        checkpoints.load_policy(last)
        checkpoints.load_policy(folder)
        seen.add(iteration)
        save_checkpoint(folder, 3)
        last_files = {f"checkpoint-000003/{name}" for name in (checkpoints.WEIGHTS, checkpoints.META)}
        assert names(folder) == {checkpoints.WEIGHTS, checkpoints.META, "checkpoint-000003/learners.safetensors",
                                 *last_files}  # fmt: skip
    assert seen == {1, 2}


def with_small_files(work: Callable[[], object]) -> Callable[[], object]:
    """The work in a process whose files may have 2,000 bytes: a disk that is full, for which nobody has to be root."""

    def limited() -> object:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
        return work()

    return limited


def test_a_full_disk_keeps_the_run_before(tmp_path: Path, results: list[Result]) -> None:
    old, new = results
    write(tmp_path / "x", old)
    with forked(with_small_files(lambda: write(tmp_path / "x", new)), tmp_path / "log") as fork:
        assert fork.wait(60) == 1
    assert "placement.plc: cannot be written (File too large)" in (tmp_path / "log").read_text()
    assert read_run(tmp_path / "x").metrics["seed"] == 0
    assert names(tmp_path / "x") == {"metrics.json", "placement.plc", *PAGES}


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "x", 1)
    before = names(tmp_path / "x")
    with forked(with_small_files(lambda: save_checkpoint(tmp_path / "x", 2)), tmp_path / "log") as fork:
        assert fork.wait(60) == 1
    assert "CheckpointError" in (text := (tmp_path / "log").read_text()) or "OSError" in text
    assert names(tmp_path / "x") == before
    assert checkpoints.load_meta(checkpoints.latest(tmp_path / "x"))["iteration"] == 1


def test_one_command_at_a_time_writes_to_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "x" / "y"
    refused = pytest.raises(SettingsError, match=r"y: another run \(process \d+\) writes to this folder")
    with hold_folder(folder):
        with refused, hold_folder(folder):
            pass
        assert folder.is_dir()
    assert not list(tmp_path.iterdir())


def test_a_folder_keeps_what_was_written_and_loses_what_killed_commands_left(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    (tmp_path / f".a.txt.{ended.pid}.part").write_text("half")
    (tmp_path / ".lock").write_text(str(ended.pid))
    with hold_folder(tmp_path):
        (tmp_path / "a.txt").write_text(json.dumps("whole"))
    assert names(tmp_path) == {"a.txt"}
