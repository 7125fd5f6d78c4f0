"""Constraints in YAML files: what is read, and what is refused with one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlists import load, save
from netlists.constraints import Blockage, Constraints, Halo, Region, Turns
from netlists.errors import NetlistError, SettingsError
from netlists.formats.constraints_file import constrain, halo_and_channel, read_constraints
from netlists.formats.unfix import fix
from tests.netlists.legality.test_rules import two_macros

TEXT = """
halo: {left: 1, bottom: 2, right: 3, top: 4}
halos: {"master:RAM": 5}
channel: 10
boundary: 2
io_depth: 20
abut: never
snap: tracks
grid: 0.005
blockages: [{box: [10, 20, 100, 50], kind: soft}, {box: [10, 20, 11, 21]}]
fences: {"ram0": [10, 20, 400, 400]}
guides: {"ram*": [[10, 20, 30, 40], [40, 20, 50, 40]]}
orientations: {"*": [N, FN]}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "constraints.yaml"
    path.write_text(text)
    return path


def test_every_entry_is_read_in_the_coordinates_of_the_file(tmp_path: Path) -> None:
    assert read_constraints(write(tmp_path, TEXT), (10.0, 20.0)) == Constraints(
        (Halo("*", 1.0, 2.0, 3.0, 4.0), Halo("master:RAM", 5.0, 5.0, 5.0, 5.0)), 10.0, 2.0, 20.0, "never",
        (Blockage((0.0, 0.0, 90.0, 30.0), "soft"), Blockage((0.0, 0.0, 1.0, 1.0))),
        (
            Region(("ram0",), ((0.0, 0.0, 390.0, 380.0),)),
            Region(("ram*",), ((0.0, 0.0, 20.0, 20.0), (30.0, 0.0, 40.0, 20.0)), "guide"),
        ),
        (Turns("*", ("N", "FN")),), "tracks", 0.005,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chanel: 3", "unknown entry 'chanel'; expected one of halo.*did you mean 'channel'"),
        ("channel: wide", "channel: .*number"),
        ("channel: -3", "channel_um is -3.0"),
        ("channel: .nan", "channel_um is nan"),
        ("abut: maybe", "abut: "),
        ("fences: {ram0: [0, 0, 1]}", "fences.ram0"),
        ("blockages: [{box: [5, 0, 1, 1]}]", "blockage has the box"),
        ("- 1", "expected a mapping"),
        ("halo: {left: 1, left: 2}", "expected each key once"),
        ("halo: {sideways: 1}", "halo"),
    ],
)
def test_mistakes_are_named_with_the_file(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(NetlistError, match=message) as error:
        read_constraints(path, (0.0, 0.0))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(NetlistError, match="expected a YAML file of constraints"):
        read_constraints(tmp_path / "no.yaml", (0.0, 0.0))


def test_names_must_be_those_of_macros() -> None:
    netlist = two_macros()
    assert constrain(netlist, None) is netlist
    with pytest.raises(NetlistError, match=r"'rom\*', which is none of the 2 hard macros"):
        constrain(netlist, Constraints(halos=(Halo("rom*", 1.0, 1.0, 1.0, 1.0),)))
    with pytest.raises(NetlistError, match="did you mean 'master:RAM'"):
        constrain(netlist, Constraints(turns=(Turns("master:RAN", ("N",)),)))


def test_options_stand_for_the_most_frequent_entries() -> None:
    assert halo_and_channel(None, None) is None
    assert halo_and_channel(5.0, None) == Constraints(halos=(Halo("*", 5.0, 5.0, 5.0, 5.0),))
    assert halo_and_channel(None, 8.0) == Constraints(channel_um=8.0)
    with pytest.raises(NetlistError, match="expected a finite number"):
        halo_and_channel(-1.0, None)


def test_macros_are_fixed_where_they_are() -> None:
    chip = load("jetty")
    name = chip.node_names[chip.movable_hard[0]]
    assert fix(chip, [name]).fixed[chip.movable_hard[0]]
    assert fix(chip, []) is chip
    with pytest.raises(SettingsError, match="matches no hard macro"):
        fix(chip, ["nothing"])
    with pytest.raises(SettingsError, match="has no position"):
        fix(two_macros(), ["ram0"])


def test_blockages_of_a_plc_are_kept(tmp_path: Path) -> None:
    source = load("jetty")
    path = tmp_path / "netlist.pb.txt"
    save(source, path)
    width, height = source.canvas_um
    plc = tmp_path / "initial.plc"
    head = f"# Columns : 8  Rows : 8\n# Width : {width}  Height : {height}\n"
    plc.write_text(head + f"# Blockage : 0 0 {width / 4} {height / 4} 1.0\n# Blockage : 0 0 1 1 0.5\n")
    constraints = load(path).constraints
    assert constraints is not None
    assert [each.kind for each in constraints.blockages] == ["hard", "partial"]
    plc.write_text(head + "# Blockage : 0 0 5\n")
    with pytest.raises(NetlistError, match=r"^[^ ]*initial.plc:3: blockage has 3 numbers"):
        load(path)
