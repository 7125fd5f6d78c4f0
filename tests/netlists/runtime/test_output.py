"""Output files: either the complete new file, or the old file and nothing else."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

import netlists
from netlists.errors import NetlistError
from netlists.runtime.output import ABANDONED_S, remove_abandoned, replaced


def test_a_finished_file_replaces_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with replaced(target) as part:
        part.write_text("new")
        assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert target.read_text() == "new"


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_unfinished_file_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")

    def write() -> None:
        with replaced(target) as part:
            part.write_text("new")
            raise error

    with pytest.raises(error):
        write()
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert target.read_text() == "old"


def test_a_design_is_written_completely_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_bytes

    def fill_the_disk(path: Path, data: bytes) -> int:
        if "a.pl" in path.name:
            raise OSError(28, "No space left on device")
        return write(path, data)

    netlists.save(netlists.load("jetty"), tmp_path / "a.aux")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(Path, "write_bytes", fill_the_disk)
    for target in ("a.aux", "a.pb.txt"):
        with pytest.raises(NetlistError, match=r"a\.plc?: cannot be written \(No space left on device\)"):
            netlists.save(netlists.load("harbor"), tmp_path / target)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("target", ["a.aux", "a.pb.txt"])
def test_a_folder_of_the_same_name_is_detected_before_any_file_is_renamed(tmp_path: Path, target: str) -> None:
    (tmp_path / target).mkdir()  # renamed last
    with pytest.raises(NetlistError, match=rf"{target}: cannot be written \(Is a directory\)"):
        netlists.save(netlists.load("jetty"), tmp_path / target)
    assert [path.name for path in tmp_path.iterdir()] == [target]


def test_ctrl_c_while_a_netlist_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("netlists.runtime.output.os.replace", stop)
    with pytest.raises(KeyboardInterrupt):
        netlists.save(netlists.load("jetty"), tmp_path / "a.pb.txt")
    assert not list(tmp_path.iterdir())


def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    long_ago = time.time() - 2 * ABANDONED_S
    running, other = f".a[1].txt.{os.getpid()}.part", f".b.txt.{ended.pid}.part"
    for name in (f".a[1].txt.{ended.pid}.part", running, other, ".a[1].txt.part", ".a[1].txt.mine.part"):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (long_ago, long_ago))
    (tmp_path / f".checkpoint-7.{ended.pid}.part").mkdir()
    os.utime(tmp_path / f".checkpoint-7.{ended.pid}.part", (long_ago, long_ago))
    remove_abandoned(tmp_path, "checkpoint-*")
    with replaced(tmp_path / "a[1].txt") as part:
        assert part.name == running
        part.write_text("new")
    assert {path.name for path in tmp_path.iterdir()} == {"a[1].txt", other, ".a[1].txt.part", ".a[1].txt.mine.part"}


def test_a_file_that_was_just_written_is_kept(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    (tmp_path / f".a.txt.{ended.pid}.part").write_text("")  # maybe by a process on another machine
    remove_abandoned(tmp_path, "a.txt")
    assert len(list(tmp_path.iterdir())) == 1
