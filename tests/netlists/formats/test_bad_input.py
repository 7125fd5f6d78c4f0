"""The error for a wrong file names file, line and what was expected, and no other error is raised."""

from __future__ import annotations

import gzip
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import netlists
from netlists.errors import ChipscapeError, NetlistError
from tests.netlists.chips import BOOKSHELF, PB, PLC, node, write_bookshelf, write_pb

NOISE = bytes(range(128, 256)) + bytes(range(128))


def line_of(text: str, part: str) -> int:
    """The line on which a part of a text begins."""
    return text[: text.index(part)].count("\n") + 1


# File, text to replace, replacement, line in the message, rest of the message.
BOOKSHELF_CASES = [
    ("nodes", "NumNodes : 5", "NumNodes : many", 3, "found 'many', expected a whole number"),
    ("nodes", "NumNodes : 5", "NumNodes : " + "9" * 5000, 3, "expected a whole number"),
    ("nodes", "ram 8 6", "ram 8", 5, "found 'ram 8', expected 'NAME WIDTH HEIGHT [terminal]'"),
    ("nodes", "ram 8 6", "ram eight 6", 5, "found 'eight' and '6', expected a width and a height"),
    ("nodes", "c0 2 2", "c0 2 nan", 8, "found 2 and nan, expected numbers within"),
    ("nodes", "c0 2 2", "c0 inf 2", 8, "found inf and 2, expected numbers within"),
    ("nodes", "c0 2 2", "c0 1e300 2", 8, "found 1e+300 and 2, expected numbers within"),
    ("nodes", "c0 2 2", "c0 -2 2", 8, "size is -2 by 2, expected two numbers of at least 0"),
    ("nodes", "c1 1 2", "c0 1 2", 9, "node 'c0' is defined a second time, expected every name once"),
    ("nodes", "rom 4 4 terminal", "rom 4 4 fixed", 6, "expected 'NAME WIDTH HEIGHT [terminal]'"),
    ("nodes", "ram 8 6", "ram 8 16", 5, "hard macro 'ram' is 8 by 16 µm, expected at most the canvas, 30 by 10 µm"),
    ("nets", "NetDegree : 3", "NetDegree : -3", 5, "found '-3', expected a whole number"),
    ("nets", "NetDegree : 3", "NetDegree :", 5, "found 'n0', expected a whole number"),
    ("nets", "c0 O", "c9 O", 7, "unknown node 'c9', expected a node of .nodes"),
    ("nets", "0.5 0", "0.5 zero", 7, "expected 'NODE [I|O|B] [: X Y]'"),
    ("nets", "0.5 0", "0.5", 7, "expected 'NODE [I|O|B] [: X Y]'"),
    ("nets", "0.5 0", "NaN 0", 7, "found nan and 0, expected numbers within"),
    ("nets", "c0 O", "c0 X", 7, "found 'c0 X : 0.5 0', expected 'NODE [I|O|B] [: X Y]'"),
    ("pl", "c0 0 2", "rem 0 2", 6, "unknown node 'rem', expected a node of .nodes; did you mean 'rom'?"),
    ("pl", "c0 0 2", "c0 0 two", 6, "found '0' and 'two', expected two coordinates"),
    ("pl", "c0 0 2 : N", "c0 0", 6, "found 'c0 0', expected 'NAME X Y [: ORIENTATION]'"),
    ("pl", "c0 0 2", "c0 0 inf", 6, "found 0 and inf, expected numbers within"),
    ("pl", "c0 0 2 : N", "c0 0 2 : X", 6, "found 'X', expected an orientation"),
    ("pl", "c1 4 4", "c0 4 4", 7, "node 'c0' is placed a second time, expected every name once"),
    ("wts", "n1 2.5", "n1 heavy", 3, "found 'n1 heavy', expected 'NAME WEIGHT'"),
    ("wts", "n1 2.5", "n1", 3, "found 'n1', expected 'NAME WEIGHT'"),
    ("wts", "n1 2.5", "n1 -1", 3, "weight of 'n1' is -1, expected at least 0"),
    ("scl", "Height : 2", "Height : high", 6, "height: found 'high', expected a number"),
    ("scl", "Height : 2", "Height : 0", 6, "height is 0, expected more than 0"),
    ("scl", "NumSites : 30", "NumSites : 3.5", 11, "numsites: found '3.5', expected a whole number from 0"),
    ("scl", "NumSites : 30", "NumSites : -1", 11, "numsites: found '-1', expected a whole number from 0"),
    ("scl", "Sitewidth : 1", "Sitewidth : -1", 7, "sitewidth is -1, expected at least 0"),
    ("scl", " SubrowOrigin : 0 NumSites : 30", " SubrowOrigin : 0", 12, "row of line 4 without sites"),
    ("scl", " Coordinate : 0\n", "", 11, "End of a row without Coordinate, expected it before"),
    ("nets", "NetDegree : 3 n0", "ram O", 5, "found 'ram O', expected 'NetDegree : D'"),
    ("pl", "c0 0 2 : N", "c0 0 2 : FIXD", 6, "found 'FIXD', expected an orientation"),
    (
        "scl",
        " SubrowOrigin : 0 NumSites : 30\n",
        "",
        11,
        "row of line 4 without sites, expected SubrowOrigin and NumSites",
    ),
    ("scl", "End\n", "", 12, "found 'CoreRow Horizontal', expected End"),
    ("scl", "CoreRow Horizontal", "CoreRow Vertical", 4, "found 'CoreRow Vertical', expected a horizontal row"),
    ("aux", "a.nets", "b.nets", 1, "b.nets is not in"),
    ("aux", "a.nets", "a" * 300 + ".nets", 1, "is not in"),
    ("aux", "a.nets", "\0.nets", 1, "is not in"),
    ("aux", "a.nets", "", 1, "no .nets file is named, expected 'RowBasedPlacement"),
    ("aux", "a.nets", "a.nets a.nets", 1, "a.nets is a second .nets file, expected one"),
]


@pytest.mark.parametrize(("suffix", "old", "new", "line", "message"), BOOKSHELF_CASES)
def test_bookshelf_mistakes(tmp_path: Path, suffix: str, old: str, new: str, line: int, message: str) -> None:
    text = BOOKSHELF[f"a.{suffix}"]
    assert old in text
    path = write_bookshelf(tmp_path, **{suffix: text.replace(old, new, 1)})
    with pytest.raises(NetlistError) as error:
        netlists.load(path)
    assert str(error.value).startswith(f"{tmp_path}/a.{suffix}:{line}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_terminal_without_a_place(tmp_path: Path) -> None:
    path = write_bookshelf(tmp_path, pl=BOOKSHELF["a.pl"].replace("rom 20 4 : N /FIXED\n", ""))
    with pytest.raises(
        NetlistError, match=r"a\.nodes:6: fixed node 'rom' has no line in a\.pl, expected its position there"
    ):
        netlists.load(path)


def test_no_rows(tmp_path: Path) -> None:
    with pytest.raises(NetlistError, match=r"a\.scl:1: no rows, expected at least one CoreRow"):
        netlists.load(write_bookshelf(tmp_path, scl="UCLA scl 1.0\nNumRows : 0\n"))


# Text to replace, replacement, text whose line is in the message (None: the replacement), rest of the message.
PB_CASES = [
    (
        'input: "Grp/i"',
        'input: "Grp/j"',
        None,
        "input 'Grp/j' of 'in' is not a node of this file, expected a pin, port or cell; did you mean 'Grp/i'?",
    ),
    ('input: "ram/a"', 'input: "ram"', None, "input 'ram' of 'in' is a macro, expected a pin"),
    (
        'placeholder: "ram"',
        'placeholder: "raw"',
        'key: "macro_name"',
        "pin 'ram/a' has macro_name 'raw', expected the name of a macro; did you mean 'ram'?",
    ),
    ("f: -1.0", "f: minus", None, "found 'minus', expected a number"),
    ("f: -1.0", "f: nan", None, "found 'nan', expected a number"),
    ("f: -1.0", "f: inf", None, "found 'inf', expected a number"),
    ("f: -1.0", "f: 1e300", None, "found '1e300', expected a number"),
    ("f: -1.0", 'f: "1"', None, "found '\"1\"', expected a number"),
    (
        "f: 4.0",
        "f: 400.0",
        'key: "height"',
        "hard macro 'ram' is 2 by 400 µm, expected at most the canvas, 10 by 8.5 µm",
    ),
    ("f: 4.0", "f: -4.0", 'key: "height"', "height of 'ram' is -4, expected at least 0"),
    ("f: 3.0", "f: -3.0", 'key: "weight"\n    value {\n      f: -3', "weight of 'ram/z' is -3, expected at least 0"),
    (
        'placeholder: "FN"',
        'placeholder: "NE"',
        'key: "orientation"',
        "node 'ram' has orientation 'NE', expected one of N, S",
    ),
    (
        'placeholder: "macro"',
        'placeholder: "MAKRO"',
        'key: "type"\n    value {\n      placeholder: "MAKRO',
        "node 'Grp' has type 'MAKRO', expected one of MACRO",
    ),
    (
        'name: "out"',
        'name: "in"',
        'name: "in"\n  attr {\n    key: "side"',
        "node 'in' is defined a second time, expected every name once",
    ),
    (
        'name: "rom"\n',
        'name: "rom"\n  input: "ram/a"\n',
        'input: "ram/a"\n  attr {\n    key: "height"',
        "macro 'rom' has an input, expected inputs on its pins",
    ),
    ('name: "rom"\n', 'nome: "rom"\n', None, "found 'nome', expected name, input or attr"),
    ('  name: "rom"\n', "", 'node {\n  attr {\n    key: "height"\n    value {\n      f: 1.0', "node without a name"),
    ('key: "side"', 'kee: "side"', None, "found 'kee', expected key or value"),
    ('placeholder: "TOP"', 'place: "TOP"', None, "found 'place', expected f, i, b, s or placeholder"),
    ('name: "rom"', 'name: "rom', None, "found '\"', expected a name, a string or a brace"),
    ('name: "rom"', "name: rom", None, "found 'rom', expected a name in quotes"),
    ('node {\n  name: "out"', 'mode {\n  name: "out"', None, "found 'mode', expected 'node'"),
]


@pytest.mark.parametrize(("old", "new", "at", "message"), PB_CASES)
def test_protobuf_mistakes(tmp_path: Path, old: str, new: str, at: str | None, message: str) -> None:
    assert old in PB
    text = PB.replace(old, new, 1)
    line = line_of(text, at or new)
    if at and at.startswith("key"):
        line -= 1  # an attribute begins with the line before its key
    with pytest.raises(NetlistError) as error:
        netlists.load(write_pb(tmp_path, text))
    assert str(error.value).startswith(f"{tmp_path}/netlist.pb.txt:{line}: ")
    assert message in str(error.value)


def test_unfinished_blocks(tmp_path: Path) -> None:
    text = PB[: PB.rindex('key: "width"')]
    last = text.count("\n") + 1
    with pytest.raises(NetlistError, match=rf":{last}: unfinished block 'attr' of line {last - 1}, expected '}}'"):
        netlists.load(write_pb(tmp_path, text))
    with pytest.raises(NetlistError, match=r"netlist\.pb\.txt:3: unfinished block 'node' of line 1, expected '}'"):
        netlists.load(write_pb(tmp_path, 'node {\n  name: "a"\n'))


@pytest.mark.parametrize(
    ("part", "line"), [("type", 2), ("height", 2)], ids=["without a type", "a macro without a height"]
)
def test_missing_attributes(tmp_path: Path, part: str, line: int) -> None:
    attrs = {"type": "MACRO", "height": 1.0, "width": 1.0}
    del attrs[part]
    with pytest.raises(NetlistError, match=rf"netlist\.pb\.txt:{line}: node 'a' has (type None|no 'height'), expected"):
        netlists.load(write_pb(tmp_path, node("a", [], **attrs), re.sub(r"(?m)^\d.*\n", "", PLC)))  # type: ignore[arg-type]


PLC_CASES = [
    ("# Columns : 5  Rows : 4\n", "", 1, "no line '# Columns : C  Rows : R' in the header, expected one"),
    ("# Width : 10.000  Height : 8.500\n", "", 1, "no line '# Width : W  Height : H' in the header, expected one"),
    ("Columns : 5", "Columns : 5.5", 2, "found '5.5', expected a whole number from 1"),
    ("Rows : 4", "Rows : 0", 2, "found '0', expected a whole number from 1"),
    ("Rows : 4", "Rows : 4000000000", 2, "expected a whole number from 1 to 10000"),
    ("Width : 10.000", "Width : wide", 3, "found 'wide', expected a number"),
    ("Width : 10.000", "Width : -1", 3, "canvas is -1 by 8.5, expected more than 0"),
    ("hor : 70.33", "hor : 0", 4, "routes per micron are 0 and 74.51; expected positive numbers"),
    ("factor : 0", "factor : x", 6, "found 'x', expected a number"),
    ("2 2.5 3e0 S 0", "2 2.5 3e0 S", 9, "found '2 2.5 3e0 S', expected 'node_index x y orientation fixed'"),
    ("2 2.5 3e0 S 0", "2 2.5 3e0 Q 0", 9, "expected 'node_index x y orientation fixed'"),
    ("2 2.5 3e0 S 0", "2 2.5 up S 0", 9, "found 'up', expected a number"),
    ("2 2.5 3e0 S 0", "2 2.5 nan S 0", 9, "found 'nan', expected a number"),
    ("2 2.5 3e0 S 0", "3 2.5 3 S 0", 9, "index 3 is not a macro, port or cell"),
    ("2 2.5 3e0 S 0", "1 2.5 3 S 0", 9, "index 1 occurs a second time"),
]


@pytest.mark.parametrize(("old", "new", "line", "message"), PLC_CASES)
def test_plc_mistakes(tmp_path: Path, old: str, new: str, line: int, message: str) -> None:
    assert old in PLC
    with pytest.raises(NetlistError) as error:
        netlists.load(write_pb(tmp_path, plc=PLC.replace(old, new, 1)))
    assert str(error.value).startswith(f"{tmp_path}/initial.plc:{line}: ")
    assert message in str(error.value)


FILES = ["netlist.pb.txt", "initial.plc", *BOOKSHELF]
SIDECAR = """{"canvas_um": [30.0, 10.0], "origin_um": [0, 0], "grid": [4, 5], "routing": {"smoothing": 3},
"nodes": {"kind": {"c1": "SOFT"}, "fixed": {"c1": true}, "orientation": {"c1": "FN"}, "position_um": {"ram": [14, 5]}},
"rows": {"x_um": [0], "y_um": [0], "height_um": [2], "site_um": [1], "num_sites": [9]}}
"""


def load_both(folder: Path) -> None:
    """Load both small designs of a folder, and the placements in it."""
    for path, placement in (folder / "netlist.pb.txt", folder / "initial.plc"), (folder / "a.aux", folder / "a.pl"):
        netlists.load_placement(netlists.load(path), placement)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b"", ":1: the file is empty, expected text"),
        (b" \n\n", ":1: the file is empty, expected text"),
        (b"\n#\xff\n", ":2: byte 0xff is not UTF-8, expected a text file"),
        (NOISE, ":1: byte 0x80 is not UTF-8, expected a text file"),
        (gzip.compress(b"x" * 999)[:-9], ": broken gzip data"),
        (b"\x1f\x8b" + NOISE, ": broken gzip data"),
    ],
    ids=["empty", "blank", "latin-1", "noise", "truncated gzip", "gzip noise"],
)
def test_not_a_text_file(tmp_path: Path, name: str, content: bytes, where: str) -> None:
    write_pb(tmp_path)
    write_bookshelf(tmp_path)
    load_both(tmp_path)
    (tmp_path / name).write_bytes(content)
    if name == "a.wts" and not content.strip():
        load_both(tmp_path)  # no weights
        return
    with pytest.raises(NetlistError, match=re.escape(f"{tmp_path / name}{where}")):
        load_both(tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_a_folder_instead_of_a_file(tmp_path: Path, name: str) -> None:
    write_pb(tmp_path)
    write_bookshelf(tmp_path)
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    with pytest.raises(NetlistError, match=re.escape(name)):
        load_both(tmp_path)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_only_our_errors_come_out(folder: Path, data: st.DataObject) -> None:
    """Cut, overwrite, insert or swap pieces of a valid file: it loads or is refused."""
    write_pb(folder)
    write_bookshelf(folder, aux="X : a.nodes a.nets a.wts a.pl a.scl a.chipscape.json")
    (folder / "a.chipscape.json").write_text(SIDECAR)
    load_both(folder)
    name = data.draw(st.sampled_from([*FILES, "a.chipscape.json"]))
    content = (folder / name).read_bytes()
    words = [
        b"0",
        b"-1",
        b"nan",
        b"inf",
        b"1e999",
        b"1e11",
        b"9" * 400,
        b":",
        b"{",
        b"}",
        b'"',
        b"\\",
        b"#",
        b"\n",
        b" ",
        b"<",
    ]
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content)))
        stop = data.draw(st.integers(start, min(len(content), start + 40)) | st.just(len(content)))
        piece = data.draw(st.sampled_from(words) | st.binary(max_size=4) | st.sampled_from(content.split() or [b""]))
        content = content[:start] + piece + content[stop:]
    (folder / name).write_bytes(content)
    try:
        load_both(folder)
    except ChipscapeError as error:
        assert str(folder) in str(error)  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017
