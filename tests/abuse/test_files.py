"""Files that are not what their names say: pipes, devices, links, bombs, folders elsewhere."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dse.workloads.scalesim import load_topology
from netlists import load, save
from netlists.errors import ChipscapeError, NetlistError
from netlists.formats import textfile
from netlists.runtime.stored_files import read_bytes
from netlists.runtime.yaml_file import MAX_BYTES, read_yaml
from netlists.synthetic.tiny import tiny_netlist, tiny_netlist_with_rows

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
    aux.write_text(text.replace("tiny.nodes", "a/../tiny.nodes"))
    assert load(aux).num_nodes == tiny_netlist_with_rows().num_nodes
