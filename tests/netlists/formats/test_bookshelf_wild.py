"""Bookshelf files of other programs: there is a note on everything that is repaired or not used."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

import netlists
from netlists.errors import NetlistError
from netlists.formats.bookshelf import reader
from netlists.netlist import Kind, Netlist
from tests import SHARED
from tests.netlists.chips import BOOKSHELF, write_bookshelf

CASES = SHARED / "cases" / "placer"
AUX = "RowBasedPlacement : a.nodes a.nets a.wts a.pl a.scl"


@pytest.fixture
def small(tmp_path: Path) -> Netlist:
    (tmp_path / "as_it_is").mkdir()
    return reader.read(write_bookshelf(tmp_path / "as_it_is"))


@pytest.mark.parametrize(
    ("suffix", "old", "new", "note"),
    [
        ("nodes", "NumNodes : 5", "NumNodes : 6", "a.nodes:3: NumNodes is 6, but the file has 5; all 5 are used"),
        ("nodes", "NumTerminals : 2", "NumTerminals : 9", "a.nodes:4: NumTerminals is 9, but the file has 2; all 2"),
        ("nets", "NumNets : 2", "NumNets : 3", "a.nets:3: NumNets is 3, but the file has 2; all 2 are used"),
        ("nets", "NumPins : 5", "NumPins : 4", "a.nets:4: NumPins is 4, but the file has 5; all 5 are used"),
        ("nets", "NetDegree : 3", "NetDegree : 2", "a.nets:5: NetDegree is 2, but 3 pins follow; the pins that"),
        ("nets", "NetDegree : 3", "NetDegree : 4", "a.nets:5: NetDegree is 4, but 3 pins follow; the pins that"),
        ("nets", "NetDegree : 2", "NetDegree : 3", "a.nets:9: NetDegree is 3, but 2 pins follow; the pins that"),
        ("scl", "NumRows : 5", "NumRows : 4", "a.scl:3: NumRows is 4, but the file has 5; all 5 are used"),
    ],
)
def test_counts_that_do_not_agree(tmp_path: Path, small: Netlist, suffix: str, old: str, new: str, note: str) -> None:
    text = BOOKSHELF[f"a.{suffix}"]
    assert old in text
    result = reader.read(write_bookshelf(tmp_path, **{suffix: text.replace(old, new, 1)}))
    assert result.same_as(small)
    assert len(result.notes) == 1
    assert result.notes[0].startswith(note)


def test_counts_that_agree_need_no_note(small: Netlist) -> None:
    assert small.notes == ()


def test_many_wrong_degrees_are_one_note(tmp_path: Path, small: Netlist) -> None:
    result = reader.read(
        write_bookshelf(
            tmp_path, nets=BOOKSHELF["a.nets"].replace("Degree : 3", "Degree : 7").replace(": 2 n1", ": 0 n1")
        )
    )
    assert result.same_as(small)
    assert result.notes == (
        "a.nets:5: NetDegree is 7, but 3 pins follow (and so on for 1 more nets); the pins that follow are used",
    )


@pytest.mark.parametrize("content", ["", "UCLA wts 1.0\n", "wts 1.0\n\n", None])
def test_missing_or_empty_weights(tmp_path: Path, content: str | None) -> None:
    path = write_bookshelf(tmp_path, wts=content or "")
    if content is None:
        (tmp_path / "a.wts").unlink()
    result = reader.read(path)
    assert result.net_weight.tolist() == [1, 1]
    missing = ("a.wts is named in a.aux, but does not exist: all nets have weight 1",)
    assert result.notes == (missing if content is None else ())


def test_weights_that_belong_to_no_net(tmp_path: Path) -> None:
    result = reader.read(write_bookshelf(tmp_path, wts="n1 2\nram 3\nrom 3\nn9 4\n"))
    assert result.net_weight.tolist() == [1, 2]
    assert result.notes == (
        "a.wts: 2 of 4 weights belong to nodes (the first is 'ram') and are not used",
        "a.wts: 1 of 4 weights belong to neither nets nor nodes (the first is 'n9') and are not used",
    )


@pytest.mark.parametrize(
    ("tag", "fixed"),
    [
        ("/PLACED", False), ("/placed", False), ("/UNPLACED", False), (" ", False),
        ("/FIXED", True), ("/ FIXED", True), (" FIXED", True), ("/Fixed_NI", True), ("/PLACED /FIXED", True),
    ],
)  # fmt: skip
def test_tags(tmp_path: Path, small: Netlist, tag: str, fixed: bool) -> None:
    result = reader.read(
        write_bookshelf(tmp_path, pl=BOOKSHELF["a.pl"].replace("ram 10 2 : FS", f"ram 10 2 : FS{tag}"))
    )
    assert result.fixed[0] == fixed
    assert result.kind[0] == (Kind.PORT if tag == "/Fixed_NI" else Kind.HARD)
    assert result.orientation[0] == small.orientation[0]
    assert result.notes == ()


@pytest.mark.parametrize(("orientation", "noted"), [("E", 1), ("FW", 1), ("FS", 0)])
def test_a_note_on_rotated_macros(tmp_path: Path, small: Netlist, orientation: str, noted: int) -> None:
    text = BOOKSHELF["a.pl"].replace("10 2 : FS", f"10 2 : {orientation}")
    result = reader.read(write_bookshelf(tmp_path, pl=text))
    assert result.size_um.tolist() == small.size_um.tolist()
    assert [note.partition(":")[0] for note in result.notes] == ["a.pl"] * noted
    assert all("1 hard macro rotated by 90 degrees: width and height are used as they are" in n for n in result.notes)


def test_unknown_tags_are_counted(tmp_path: Path, small: Netlist) -> None:
    text = (
        BOOKSHELF["a.pl"]
        .replace("2 : FS", "2 : FS /HALF")
        .replace("2 : N\n", "2 : N /HALF\n")
        .replace("4 4 : N", "4 4 /X")
    )
    result = reader.read(write_bookshelf(tmp_path, pl=text))
    assert result.same_as(small)
    assert result.notes == (
        "a.pl: the tag /HALF of 2 nodes is not known, and has no effect",
        "a.pl: the tag /X of 1 nodes is not known, and has no effect",
    )


@pytest.mark.parametrize("encode", ["bom", "crlf", "cr", "all"])
def test_ends_of_lines_and_byte_order_marks(tmp_path: Path, small: Netlist, encode: str) -> None:
    end = {"crlf": "\r\n", "cr": "\r", "all": "\r\n"}.get(encode, "\n")
    mark = b"\xef\xbb\xbf" if encode in ("bom", "all") else b""
    changed = {name[2:]: mark + text.replace("\n", end).encode() for name, text in BOOKSHELF.items()}
    result = reader.read(write_bookshelf(tmp_path, **changed))
    assert result.same_as(small)
    assert result.notes == ()
    assert result.net_names == small.net_names


@pytest.mark.parametrize(
    "aux",
    [
        AUX.replace(" a.wts", " \\\n   a.wts"),
        AUX.replace(" a.wts", "\\\n a.wts").replace(" a.scl", "\\\na.scl"),
        AUX.replace(" a.", "\n a."),
        "RowBasedPlacement\n: a.nodes a.nets\n a.wts # weights\n\ta.pl a.scl\n",
        "RowBasedPlacement : a.nodes a.nets\nRowBasedPlacement : a.wts a.pl a.scl\n",
        "rowbasedplacement:a.nodes\ta.nets a.wts a.pl a.scl",
    ],
)
def test_an_aux_over_several_lines(tmp_path: Path, small: Netlist, aux: str) -> None:
    result = reader.read(write_bookshelf(tmp_path, aux=aux))
    assert result.same_as(small)
    assert result.notes == ()


def test_a_missing_file_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(NetlistError, match=r"a\.aux:2: b\.pl is not in"):
        reader.read(write_bookshelf(tmp_path, aux=AUX.replace(" a.pl", " \\\n b.pl")))


@pytest.mark.parametrize(
    ("width", "spacing", "site", "noted"),
    [("0", "0", 1, True), ("0.5", "0", 0.5, True), ("0", "2", 2, False), ("1", "2", 2, False)],
)
def test_sites_without_a_width(tmp_path: Path, width: str, spacing: str, site: float, noted: bool) -> None:
    scl = BOOKSHELF["a.scl"].replace("Sitewidth : 1", f"Sitewidth : {width}")
    result = reader.read(write_bookshelf(tmp_path, scl=scl.replace("Sitespacing : 1", f"Sitespacing : {spacing}")))
    assert result.rows is not None
    assert result.rows.site_um.tolist() == [site] * 5
    note = "a.scl: Sitespacing is 0 in 5 of 5 rows; Sitewidth is used or, if that is 0, 1"
    assert result.notes == ((note,) if noted else ())


def test_rows_in_another_order_and_without_sites(tmp_path: Path, small: Netlist) -> None:
    scl = BOOKSHELF["a.scl"].replace(" SubrowOrigin : 0 NumSites : 30", " NumSites : 30.0\n\tSUBROWORIGIN:0")
    first, rest = scl.split("CoreRow Horizontal\n", 1)
    lines = rest.split("End\n", 1)
    swapped = "\n".join(reversed(lines[0].rstrip("\n").split("\n"))) + "\n SubrowOrigin : 30 NumSites : 0\n"
    result = reader.read(write_bookshelf(tmp_path, scl=f"{first}CoreRow Horizontal\n{swapped}End\n{lines[1]}"))
    assert result.same_as(small)
    assert result.notes == ("a.scl: 1 of 6 rows have 0 sites and are left out",)
    with pytest.raises(NetlistError, match=r"a\.scl:1: all 5 rows have 0 sites, expected at least one"):
        reader.read(write_bookshelf(tmp_path, scl=BOOKSHELF["a.scl"].replace("NumSites : 30", "NumSites : 0")))


def test_pins_with_a_size_and_headers_without_ucla(tmp_path: Path, small: Netlist) -> None:
    nets = BOOKSHELF["a.nets"].replace("ram I : -1.5 2", "ram I : -1.5 2 : 0.1 0.2 pinA").replace("UCLA ", "")
    nets = nets.replace("c1 I : 0 0", "c1 I : 0 0 : 1 1")
    result = reader.read(write_bookshelf(tmp_path, nets=nets, nodes=BOOKSHELF["a.nodes"].replace("UCLA ", "")))
    assert result.same_as(small)


ROUTE = """route 1.0
Grid : 20 30 9
VerticalCapacity : 0 80 0 80 0 80 0 80 0
NumNiTerminals : 3
 p1 4
NumBlockageNodes : 12
 ram 4 1 2 3 4
"""
SHAPES = "shapes 1.0\n\nNumNonRectangularNodes : 2\n\nram : 2\n\tShape_0 10 2 8 3\n\tShape_1 10 5 4 3\nrom : 1\n"


@pytest.mark.parametrize(
    ("name", "content", "note"),
    [
        ("a.route", ROUTE, "a.route: the capacities of 9 routing layers, 3 NI terminals on layers and 12 routing "
         "blockages are not used"),
        ("a.shapes", SHAPES, "a.shapes: 2 nodes that are not rectangles are replaced by their bounding boxes"),
        ("a.shapes", SHAPES.replace("NumNonRect", "# NumNonRect"),
         "a.shapes: 2 nodes that are not rectangles are replaced by their bounding boxes"),
        ("a.reg", "UCLA reg 1.0\nNumRegions : 4\n r0 0 0 1 1\n", "a.reg: 4 regions are not used"),
        ("a.regions", "r0 0 0 1 1\n# r2\nr1 0 0 1 1\n", "a.regions: 2 regions are not used"),
        ("a.halo", "ram 1 1 1 1\n", "a.halo: 1 halos are not used"),
        ("a.xyz", "UCLA xyz 1.0\nNumThings : 7\n1\n2\n3\n", "a.xyz: 3 lines are not used"),
        ("a.reg", "", "a.reg: 0 regions are not used"),
        ("a.reg", None, "a.reg is named in the .aux, but does not exist; it would not be used"),
        ("a.reg", b"\xff\xfe", "a.reg is not used"),
    ],
)  # fmt: skip
def test_files_that_are_not_used_are_counted(
    tmp_path: Path, small: Netlist, name: str, content: str | bytes | None, note: str
) -> None:
    path = write_bookshelf(tmp_path, aux=f"{AUX} {name}\n")
    if content is not None:
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    result = reader.read(path)
    assert result.same_as(small)
    assert result.notes == (note,)
    if isinstance(content, str):
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress((tmp_path / name).read_bytes()))
        (tmp_path / name).unlink()
        assert reader.read(path).notes == (note,)


@pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared/cases")
@pytest.mark.parametrize(
    ("case", "macros", "cells", "notes"),
    [
        ("b01_missing_wts_file", 3, 60, [".wts is named in", ".shapes is named in", ".route is named in"]),
        ("b02_placed_tag", 3, 60, []),
        ("b05_terminal_ni_sitewidth0", 0, 3, ["Sitespacing is 0 in 2 of 2 rows"]),
        ("b12_only_macros", 4, 0, []),
        ("b14_L_shape_rows", 5, 60, []),
        ("b17b_bom_only", 3, 60, []),
        ("b25_unfix_by_pl", 2, 60, ["2 macros that are terminals have no /FIXED"]),
    ],
)
def test_shared_cases(case: str, macros: int, cells: int, notes: list[str]) -> None:
    result = netlists.load(CASES / case)
    assert (len(result.hard), len(result.cells)) == (macros, cells)
    assert len(result.notes) == len(notes)
    assert all(part in note for part, note in zip(notes, result.notes, strict=True))


@pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared/cases")
@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("b07_multirow_cells", "need 522000 µm² (the largest is 'ram' with 36000), but 360000 of the canvas' 360000"),
        ("b20_row_heights", "the rows have 2 heights (10 of 12 µm, 6 of 24 µm); expected one"),
    ],
)
def test_shared_cases_without_a_placement(case: str, message: str) -> None:
    with pytest.raises(NetlistError) as error:
        netlists.load(CASES / case)
    assert str(error.value).startswith(str(CASES / case))
    assert message in str(error.value)
