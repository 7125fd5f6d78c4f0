"""Formats by suffix, folders, bundled designs, and placements of the right netlist."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import netlists
from netlists.errors import ChipscapeError, NetlistError, PlacementError, SettingsError
from netlists.formats import files
from netlists.placement import Placement
from tests.netlists.chips import PLC, write_bookshelf, write_pb


def test_import_loads_no_torch() -> None:
    code = "import sys, netlists; print([m for m in ('torch', 'numba', 'matplotlib') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_load_by_suffix_and_folder(tmp_path: Path) -> None:
    for name in "pb", "bookshelf", "both", "none":
        (tmp_path / name).mkdir()
    pb, aux = write_pb(tmp_path / "pb"), write_bookshelf(tmp_path / "bookshelf")
    assert netlists.load(pb).name == "pb"
    assert netlists.load(tmp_path / "pb").same_as(netlists.load(str(pb)))
    assert netlists.load(aux, grid=(2, 3)).grid == (2, 3)
    assert netlists.load(tmp_path / "bookshelf").same_as(netlists.load(aux))
    write_pb(tmp_path / "both")
    write_bookshelf(tmp_path / "both")
    with pytest.raises(NetlistError, match=r"has a\.aux, netlist\.pb\.txt, expected exactly one"):
        netlists.load(tmp_path / "both")
    with pytest.raises(NetlistError, match="has no netlist, expected exactly one"):
        netlists.load(tmp_path / "none")


def test_save_and_load(tmp_path: Path) -> None:
    netlist = netlists.load(write_bookshelf(tmp_path))
    for name in "b.aux", "c.aux.gz", "d.pb.txt", "e.pb.txt.gz":
        netlists.save(netlist, tmp_path / name)
        again = netlists.load(tmp_path / name)
        assert again.same_as(netlist)
        assert again.name == name[0]
    assert (tmp_path / "d.plc").exists()  # two netlists in a folder do not share a .plc
    assert not list(tmp_path.glob(".*"))
    with pytest.raises(NetlistError, match=r"x\.gds: unknown kind of netlist, expected a name ending in"):
        netlists.save(netlist, tmp_path / "x.gds")


def test_bundled_designs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netlist = netlists.load(write_pb(tmp_path))
    monkeypatch.setattr(files, "DESIGNS", tmp_path)
    netlists.save(netlist, tmp_path / "chiplet.pb.txt.gz")
    netlists.save(netlist, tmp_path / "another.pb.txt.gz")
    assert files.catalog() == ["another", "chiplet"]
    assert netlists.load("chiplet").same_as(netlist)
    with pytest.raises(
        NetlistError, match=r"chiplets: no such netlist, .*\.aux.*another, chiplet.*did you mean 'chiplet'"
    ):
        netlists.load("chiplets")


def test_a_folder_with_a_bundled_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It hides the design only if it has a netlist."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jetty").mkdir()
    assert netlists.load("jetty").name == "jetty"
    write_bookshelf(tmp_path / "jetty")
    assert netlists.load("jetty").name == "a"


def test_every_bundled_design_loads() -> None:
    for name in files.catalog():
        assert netlists.load(name).name == name


def test_unknown_kinds(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("hello")
    with pytest.raises(NetlistError, match=r"x\.txt: unknown kind of netlist, expected a \.pb\.txt\[\.gz\], \.aux"):
        netlists.load(tmp_path / "x.txt")
    for name in "nowhere.pb.txt", "nowhere.aux", "\0", "x" * 5000:
        with pytest.raises(NetlistError):
            netlists.load(name)
    placement = Placement.given(netlists.load(write_pb(tmp_path)))
    with pytest.raises(
        NetlistError,
        match=r"x\.csv: unknown kind of placement, expected a name ending in \.plc\[\.gz\], \.pl\[\.gz\] or \.def",
    ):
        netlists.save_placement(placement, tmp_path / "x.csv")


def test_options_of_the_other_format(tmp_path: Path) -> None:
    pb, aux = write_pb(tmp_path), write_bookshelf(tmp_path)
    with pytest.raises(
        SettingsError, match="grid cannot be set for Circuit Training protobuf netlists, which have plc; leave it out"
    ):
        netlists.load(pb, grid=(2, 2))
    with pytest.raises(
        SettingsError,
        match="plc cannot be set for Bookshelf netlists, which have follow_outside, grid, routing, units_per_um",
    ):
        netlists.load(aux, plc=tmp_path / "initial.plc")
    with pytest.raises(
        SettingsError,
        match="units_per_um cannot be set for Circuit Training protobuf placements, which have no options",
    ):
        netlists.load_placement(netlists.load(pb), tmp_path / "initial.plc", units_per_um=2.0)


@pytest.mark.parametrize("name", ["p.plc", "p.plc.gz", "p.pl", "p.pl.gz"])
def test_placements_of_either_kind(tmp_path: Path, name: str) -> None:
    for netlist in netlists.load(write_pb(tmp_path)), netlists.load(write_bookshelf(tmp_path)):
        position_um = netlist.position_um.copy()
        position_um[~netlist.fixed] += 0.1
        netlists.save_placement(
            Placement(netlist, position_um, netlist.orientation), tmp_path / name, {"wirelength": 1}
        )
        again = netlists.load_placement(netlist, tmp_path / name)
        np.testing.assert_allclose(again.position_um, position_um, rtol=1e-15)
        assert np.array_equal(again.orientation, netlist.orientation)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (("0 0 5.5", "0 0 5.502"), PlacementError, r":7: fixed node 'in' has its center at 0 5.502 µm, expected 0 5.5"),
        (("2 2.5", "3 2.5"), NetlistError, r":9: index 3 is not a macro, port or cell.*another netlist"),
        (("8 4.5", "2 4.5"), NetlistError, r":12: index 2 occurs a second time"),
        (("8 4.5 4 N 0\n", ""), PlacementError, r":11: no line for 1 of 6 nodes, the first is 'cell'"),
        (("8 4.5 4 N 0\n", "8 4.5 4 N 0\n19 1 1 N 0\n"), NetlistError, r":13: index 19 is not a macro"),
    ],
)
def test_a_plc_of_another_netlist(
    tmp_path: Path, change: tuple[str, str], error: type[ChipscapeError], message: str
) -> None:
    netlist = netlists.load(write_pb(tmp_path))
    assert PLC.replace(*change) != PLC
    (tmp_path / "p.plc").write_text(PLC.replace(*change))
    with pytest.raises(error, match=r"p\.plc" + message):
        netlists.load_placement(netlist, tmp_path / "p.plc")


def test_fixed_nodes_may_be_rounded_or_missing(tmp_path: Path) -> None:
    netlist = netlists.load(write_pb(tmp_path))
    (tmp_path / "p.plc").write_text(PLC.replace("0 0 5.5", "0 0 5.5009").replace("5 7 7 N 1\n", ""))
    assert np.array_equal(netlists.load_placement(netlist, tmp_path / "p.plc").position_um, netlist.position_um)


def test_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netlist = netlists.load(write_pb(tmp_path))
    before = sorted(tmp_path.iterdir())

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    for name in "x.pb.txt", "x.aux", "initial.pb.txt":
        with pytest.raises(NetlistError, match=r"cannot be written \(No space left"):
            netlists.save(netlist, tmp_path / name)
    assert sorted(tmp_path.iterdir()) == before


def test_no_folder_to_write_to(tmp_path: Path) -> None:
    netlist = netlists.load(write_pb(tmp_path))
    with pytest.raises(NetlistError, match="cannot be written"):
        netlists.save(netlist, tmp_path / "no" / "x.pb.txt")
