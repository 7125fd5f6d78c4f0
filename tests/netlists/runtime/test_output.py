"""Output files: either the complete new file, or the old file and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

import netlists
from netlists.errors import NetlistError
from netlists.runtime.output import replaced


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
