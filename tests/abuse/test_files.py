"""Files that are not what their names say: pipes, devices, links, bombs, folders elsewhere."""

from __future__ import annotations

import gzip
import inspect
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.workloads.scalesim import load_topology
from netlists import load, save
from netlists.errors import ChipscapeError, NetlistError
from netlists.formats import textfile
from netlists.runtime.output import folder_name
from netlists.runtime.stored_files import read_bytes
from netlists.runtime.yaml_file import MAX_BYTES, read_yaml
from netlists.synthetic.tiny import tiny_netlist, tiny_netlist_with_rows
from placer import place
from placer.cli import app
from placer.commands import train
from placer.commands.options import Follow
from placer.runs.run_folder import Source, read_run, write_run
from placer.runs.settings import PlaceSettings
from placer.runs.sweep_table import SweepRun

READERS: dict[str, Callable[[Path], object]] = {
    "net.csv": load_topology, "design.yaml": read_yaml, "netlist.pb.txt": load, "tiny.def": load, "tiny.aux": load,
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", ["pipe", "endless", "folder"])
def test_what_is_no_regular_file_is_refused_at_once(name: str, kind: str, tmp_path: Path) -> None:
    file = tmp_path / name
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "endless":
        file.symlink_to("/dev/zero")
    else:
        file.mkdir()
    with pytest.raises(ChipscapeError) as error:
        READERS[name](file)
    assert name in str(error.value)


def test_sizes_are_limited(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"12345")
    assert read_bytes(file, 5) == b"12345"
    with pytest.raises(OSError, match="more than 4 bytes"):
        read_bytes(file, 4)
    for name in ("x.yaml", "x.csv"):
        with (tmp_path / name).open("wb") as sparse:
            sparse.truncate(2**40)
    with pytest.raises(ChipscapeError, match=f"more than {MAX_BYTES:,} bytes"):
        read_yaml(tmp_path / "x.yaml")
    with pytest.raises(ChipscapeError, match=r"more than 1,000,000 bytes"):
        load_topology(tmp_path / "x.csv")


def test_a_small_file_that_stands_for_a_large_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textfile, "PACKED_BYTES", 100_000)
    monkeypatch.setattr(textfile, "PIECE_BYTES", 10_000)
    file = tmp_path / "netlist.pb.txt.gz"
    save(tiny_netlist(), file)
    assert load(file).num_nodes == tiny_netlist().num_nodes
    file.write_bytes(gzip.compress(b"#" + b" " * 10_000_000))
    with pytest.raises(NetlistError, match=r"stand for more than [\d,]+\), expected a complete gzip file"):
        load(file)


@pytest.mark.parametrize("name", ["../other.nodes", "/etc/hosts.nodes", "a/../../other.nodes", "../secret.txt"])
def test_an_aux_that_names_files_elsewhere(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "design"
    folder.mkdir()
    save(tiny_netlist_with_rows(), folder / "tiny.aux")
    (tmp_path / "other.nodes").write_bytes((folder / "tiny.nodes").read_bytes())
    aux = folder / "tiny.aux"
    text = aux.read_text()
    assert "tiny.nodes" in text
    aux.write_text(text.replace("tiny.nodes", name) if name.endswith(".nodes") else f"{text.rstrip()} {name}\n")
    with pytest.raises(NetlistError, match=r"tiny\.aux:1: .* is outside of .* copy it there"):
        load(aux)
    (folder / "a").mkdir()
    if not name.startswith("/etc") and name.endswith(".nodes"):
        assert load(aux, follow_outside=True).num_nodes == tiny_netlist_with_rows().num_nodes
    aux.write_text(text.replace("tiny.nodes", "a/../tiny.nodes"))
    assert load(aux).num_nodes == tiny_netlist_with_rows().num_nodes


@pytest.mark.parametrize("whole_folder", [False, True], ids=["file", "folder"])
@pytest.mark.parametrize("suffix", [".nodes", ".nodes.gz", ".shapes"])
def test_links_that_lead_out_of_the_folder_of_an_aux(suffix: str, whole_folder: bool, tmp_path: Path) -> None:
    folder, other = tmp_path / "design", tmp_path / "other"
    other.mkdir()
    folder.mkdir()
    aux = folder / "tiny.aux"
    save(tiny_netlist_with_rows(), aux)
    content = (folder / "tiny.nodes").read_bytes()
    name = f"tiny{suffix}"
    (other / name).write_bytes(gzip.compress(content) if suffix.endswith(".gz") else content)
    if suffix.startswith(".nodes"):
        (folder / "tiny.nodes").unlink()
    if whole_folder:
        (folder / "sub").symlink_to(other)
        name = f"sub/{name}"
    else:
        (folder / name).symlink_to(other / name)
    text = aux.read_text()
    listed = name.removesuffix(".gz")
    aux.write_text(text.replace("tiny.nodes", listed) if suffix.startswith(".nodes") else f"{text.rstrip()} {listed}\n")
    with pytest.raises(NetlistError, match=r"tiny\.aux:1: .* is outside of .* --follow-outside"):
        load(aux)
    assert load(aux, follow_outside=True).num_nodes == tiny_netlist_with_rows().num_nodes


def test_links_within_the_folder_of_an_aux_and_to_it(tmp_path: Path) -> None:
    folder = tmp_path / "design"
    folder.mkdir()
    save(tiny_netlist_with_rows(), folder / "tiny.aux")
    (folder / "tiny.nodes").rename(folder / "really.nodes")
    (folder / "tiny.nodes").symlink_to("really.nodes")
    (tmp_path / "link").symlink_to(folder)
    for path in (folder, tmp_path / "link"):
        assert load(path / "tiny.aux").num_nodes == tiny_netlist_with_rows().num_nodes
    (folder / "tiny.nodes").unlink()
    (folder / "tiny.nodes").symlink_to("tiny.nodes")  # a circle
    with pytest.raises(NetlistError, match=r"tiny\.aux:1: tiny\.nodes is not in "):
        load(folder / "tiny.aux")


def test_every_command_that_reads_netlists_can_be_told_to_follow() -> None:
    options = {
        str(command.name): inspect.get_annotations(command.callback, eval_str=True).values()
        for command in app.registered_commands
        if command.callback
    }
    options["train"] = inspect.get_annotations(train.run, eval_str=True).values()  # registered by `main`
    assert len(options) == 8
    assert [name for name, types in options.items() if Follow not in types] == []


@pytest.mark.parametrize("command", ["evaluate", "info", "convert"])
def test_commands_follow_if_they_are_told_to(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "design"
    folder.mkdir()
    save(tiny_netlist_with_rows(), folder / "tiny.aux")
    (folder / "tiny.nodes").rename(tmp_path / "tiny.nodes")
    (folder / "tiny.nodes").symlink_to(tmp_path / "tiny.nodes")
    arguments = [command, str(folder / "tiny.aux"), *([str(tmp_path / "x.pb.txt")] if command == "convert" else [])]
    with pytest.raises(NetlistError, match="--follow-outside"):
        app(arguments, standalone_mode=False)
    app([*arguments, "--follow-outside"], standalone_mode=False)
    assert command == "convert" or "tiny" in capsys.readouterr().out


def test_a_stored_run_cannot_ask_for_files_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "design"
    folder.mkdir()
    netlist = tiny_netlist_with_rows()
    save(netlist, folder / "tiny.aux")
    run = tmp_path / "run"
    result = place(load(folder / "tiny.aux"), method="greedy", budget_s=1, workers=1)
    write_run(run, result, Source(str(folder / "tiny.aux")), "placer")
    (folder / "tiny.nodes").rename(tmp_path / "tiny.nodes")
    (folder / "tiny.nodes").symlink_to(tmp_path / "tiny.nodes")
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["source"]["follow_outside"] = True
    (run / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(NetlistError, match="--follow-outside"):
        read_run(run)
    assert read_run(run, follow_outside=True).placement.netlist.num_nodes == netlist.num_nodes


@given(st.text(min_size=0, max_size=40), st.text(min_size=0, max_size=40))
def test_folders_that_are_named_by_others(one: str, other: str) -> None:
    name = folder_name(one)
    assert re.fullmatch(r"\w[\w.+-]{0,139}|[\w+-]{1,140}", name, re.ASCII)
    assert name not in (".", "..")
    assert (name == folder_name(other)) == (one == other)


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/x", "..", ".", "", "a/b", "a\0b", "x" * 10_000, "é", "a b", ".hidden"]
)
def test_runs_of_a_sweep_stay_in_its_folder(name: str, tmp_path: Path) -> None:
    folder = tmp_path / SweepRun(name, PlaceSettings("greedy", iterations=1)).name
    folder.mkdir()
    assert folder.parent == tmp_path
    assert folder.resolve().parent == tmp_path.resolve()


@pytest.mark.parametrize("name", ["ibm01", "ariane133_ng45", "a.b-c+d"])
def test_usual_names_stay_as_they_are(name: str) -> None:
    assert SweepRun(name, PlaceSettings("greedy", iterations=1, seed=3)).name == f"{name}-greedy-3"
