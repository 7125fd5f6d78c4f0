"""Circuit Training's files: kinds of nodes, canvas without a `.plc`, and notes on what is not used."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from netlists import load, save
from netlists.connectivity.cluster import cluster
from netlists.constraints import Blockage, Constraints
from netlists.errors import NetlistError
from netlists.formats.circuit_training.prototext import read, scan
from netlists.formats.circuit_training.reader import read_netlist
from netlists.netlist import ORIENTATION_MATRIX, ORIENTATIONS, Kind, Netlist
from tests import BENCHMARKS, SHARED
from tests.netlists.chips import PB, PLC, chips, node, write_pb

CASES = SHARED / "cases" / "placer"
FLAT = BENCHMARKS / "flat" / "ariane133_ng45" / "ariane.pb.txt.gz"
TYPE = re.compile(r'(key: "type"\n    value \{\n      placeholder: )"(\w+)"')
HEAD = "# Columns : 5  Rows : 4\n# Width : 10  Height : 8.5\n"
MACROS = (
    node("a", [], type="MACRO", width=2.0, height=1.0, x=3.0, y=2.0)
    + node("a/o", ["Grp_0/i"], type="MACRO_PIN", macro_name="a", x_offset=0.5, y_offset=0.25)
    + node("Grp_0", [], type="MACRO", width=1.0, height=1.0, x=6.0, y=5.0)
    + node("Grp_0/i", [], type="MACRO_PIN", macro_name="Grp_0")
    + node("p", ["a/o"], type="PORT", x=1.0, y=0.0)
)
BOX = "# FP bbox: {0 0} {10 8.5}\n"


def kinds(netlist: Netlist) -> dict[str, Kind]:
    return {name: Kind(kind) for name, kind in zip(netlist.node_names, netlist.kind, strict=True)}


def alone(folder: Path, text: str) -> Netlist:
    """A netlist without a `.plc`."""
    path = folder / "netlist.pb.txt"
    path.write_text(text)
    return load(path)


# Kinds of nodes.


@pytest.mark.parametrize("case", [str.lower, str.upper, str.title, str.swapcase])
def test_types_in_any_case(tmp_path: Path, case: object) -> None:
    text = TYPE.sub(lambda match: f'{match[1]}"{case(match[2])}"', PB)  # type: ignore[operator]
    assert text != PB
    assert load(write_pb(tmp_path, text)).same_as(load(write_pb(tmp_path)))


@pytest.mark.parametrize("of_type", ["macro", "MACRO", "Macro"])
@pytest.mark.parametrize(
    ("name", "kind"),
    [("Grp_7", Kind.SOFT), ("Grp", Kind.SOFT), ("Grp12/x", Kind.SOFT),
     ("ram", Kind.HARD), ("grp_0", Kind.HARD), ("top/Grp_0", Kind.HARD)],
)  # fmt: skip
def test_macros_are_soft_by_name(tmp_path: Path, of_type: str, name: str, kind: Kind) -> None:
    text = HEAD + node(name, [], type=of_type, width=1.0, height=1.0)
    assert kinds(alone(tmp_path, text)) == {name: kind}


@pytest.mark.parametrize(("name", "kind"), [("Grp_ram", Kind.HARD), ("cluster_3", Kind.SOFT), ("u/x", Kind.SOFT)])
def test_the_kind_attribute_takes_precedence_over_the_name(tmp_path: Path, name: str, kind: Kind) -> None:
    plain = alone(tmp_path, HEAD + node(name, [], type="macro", width=1.0, height=1.0, x=1.0, y=1.0))
    netlist = plain.with_(kind=np.array([kind], dtype=np.int8))
    save(netlist, tmp_path / "b.pb.txt")
    again = load(tmp_path / "b.pb.txt")
    assert kinds(again) == {name: kind} != kinds(plain)
    assert again.notes == ()


def test_a_wrong_kind(tmp_path: Path) -> None:
    text = HEAD + node("ram", [], type="macro", kind="firm", width=1.0, height=1.0)
    with pytest.raises(NetlistError, match=r"netlist\.pb\.txt:11: macro 'ram' has kind 'firm', expected hard or soft"):
        alone(tmp_path, text)


@settings(deadline=None, max_examples=60)
@given(chips())
def test_written_counts_are_those_of_the_netlist(chip: Netlist) -> None:
    with tempfile.TemporaryDirectory() as folder:
        save(chip, Path(folder) / "a.pb.txt")
        again = read_netlist(Path(folder) / "a.pb.txt")
        assert again.same_as(chip)
        assert not [note for note in again.notes if "were found" in note]


def test_clusters_are_soft_for_others_too(tmp_path: Path) -> None:
    cells = "".join(node(f"c{k}", [f"c{(k + 1) % 8}"], type="stdcell", width=1.0, height=1.0) for k in range(8))
    kept = node("Grp_1", [], type="macro", width=1.0, height=1.0)
    grouped = cluster(alone(tmp_path, HEAD + kept + cells), 2).netlist
    assert grouped.node_names == ("Grp_1", "Grp_0", "Grp_2")  # a name in use is skipped
    save(grouped, tmp_path / "b.pb.txt")
    assert 'key: "kind"' not in (tmp_path / "b.pb.txt").read_text()
    assert load(tmp_path / "b.pb.txt").same_as(grouped)


def test_a_note_on_nets_dropped_by_clustering(tmp_path: Path) -> None:
    many = [f"c{k}" for k in range(1, 503)]
    cells = node("c0", many, type="stdcell", width=0.1, height=0.1) + "".join(
        node(name, ["c0"], type="stdcell", width=0.1, height=0.1) for name in many
    )
    netlist = alone(tmp_path, HEAD + cells)
    dropped = "1 net of more than 500 sinks left out of the clustered netlist"
    assert cluster(netlist, 3).netlist.notes == (*netlist.notes, dropped)


# Canvas and grid of the netlist itself.


@pytest.mark.parametrize(
    "head",
    ["# FP bbox: {0.0 0.0} {10.0 8.5}\n", "# FP bbox: {0.0 0.0 10.0 8.5}\n", "#FP bbox : 0 0 10 8.5\n",
     "# Width : 10.000  Height : 8.500\n", "# User: x\n\n# FP bbox: {7 7} {9 9}\n# Width : 10  Height : 8.5\n"],
)  # fmt: skip
def test_canvas_of_the_netlist(tmp_path: Path, head: str) -> None:
    netlist = alone(tmp_path, head + "# Columns : 5  Rows : 4\n" + MACROS)
    assert (netlist.canvas_um, netlist.grid, netlist.origin_um) == ((10.0, 8.5), (4, 5), (0.0, 0.0))
    assert netlist.position_um.tolist() == [[3, 2], [6, 5], [1, 0]]
    assert netlist.notes == ()


def test_positions_are_measured_from_the_corner_of_the_box(tmp_path: Path) -> None:
    netlist = alone(tmp_path, "# FP bbox: {1.0 -2.0} {9.0 6.0}\n# Columns : 5  Rows : 4\n" + MACROS)
    assert (netlist.canvas_um, netlist.origin_um) == ((8.0, 8.0), (1.0, -2.0))
    assert netlist.position_um.tolist() == [[2, 4], [5, 7], [0, 2]]
    save(netlist, tmp_path / "b.pb.txt")
    assert load(tmp_path / "b.pb.txt").same_as(netlist)


def test_a_default_grid_with_a_note(tmp_path: Path) -> None:
    netlist = alone(tmp_path, BOX + MACROS)
    rows, columns = netlist.grid
    assert rows == 32
    assert columns == round(32 * 10 / 8.5)
    assert netlist.notes == (
        f"netlist.pb.txt: no line '# Columns : C  Rows : R': {columns} columns by 32 rows are used",
    )


def test_routing_of_the_netlist(tmp_path: Path) -> None:
    head = BOX + HEAD + "# Routes per micron, hor : 1.5  ver : 2.5\n# Smoothing factor : 3\n"
    routing = alone(tmp_path, head + MACROS).routing
    assert (routing.horizontal_per_um, routing.vertical_per_um, routing.smoothing) == (1.5, 2.5, 3)


def test_the_plc_takes_precedence_with_notes_on_differences(tmp_path: Path) -> None:
    own = "# Columns : 6  Rows : 7\n# FP bbox: {0 0} {20 30}\n# Smoothing factor : 1\n"
    netlist = load(write_pb(tmp_path, own + PB))
    assert (netlist.canvas_um, netlist.grid, netlist.routing.smoothing) == ((10.0, 8.5), (4, 5), 0)
    for note in (
        "canvas is 20 by 30 µm in netlist.pb.txt, but 10 by 8.5 µm in initial.plc, which is used",
        "grid is 6 columns by 7 rows in netlist.pb.txt, but 5 columns by 4 rows in initial.plc, which is used",
        "smoothing factor is 1 in netlist.pb.txt, but 0 in initial.plc, which is used",
    ):
        assert note in netlist.notes


def test_a_plc_without_a_canvas_takes_that_of_the_netlist(tmp_path: Path) -> None:
    plc = PLC.replace("# Width : 10.000  Height : 8.500\n", "").replace("# Columns : 5  Rows : 4\n", "")
    netlist = load(write_pb(tmp_path, HEAD + PB, plc))
    assert netlist.same_as(load(write_pb(tmp_path)))


@pytest.mark.parametrize(
    ("head", "message"),
    [("", "no initial.plc beside it, expected one, or a line '# FP bbox: {X Y} {X Y}' before its first node"),
     ("#\n# FP bbox: {0 0} {9}\n", "2: FP bbox has 3 numbers, expected '# FP bbox: {X Y} {X Y}'"),
     ("# FP bbox: {0 0} {9 tall}\n", "1: found 'tall', expected a number"),
     ("# FP bbox: {5 0} {5 9}\n", "1: canvas is 0 by 9, expected more than 0"),
     (BOX + "# Columns : 0  Rows : 4\n", "2: found '0', expected a whole number from 1"),
     (BOX + HEAD + "# Smoothing factor : -1\n", "4: smoothing factor is -1; expected a whole number, 0 or more")],
)  # fmt: skip
def test_mistakes_in_the_head_of_a_netlist(tmp_path: Path, head: str, message: str) -> None:
    with pytest.raises(NetlistError) as error:
        alone(tmp_path, head + MACROS)
    assert str(error.value).startswith(f"{tmp_path}/netlist.pb.txt:")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_comments_between_nodes(tmp_path: Path) -> None:
    text = f"# one\n\n{MACROS}".replace("}\nnode", "}\n\n# two\n  # three\nnode")
    assert text.count("two") == 4
    nodes, _, end = scan(text, 0)
    assert end == len(text)
    assert nodes == read(tmp_path, text)[0] == read(tmp_path, MACROS)[0]


@pytest.mark.parametrize("odd", ["node {", "node  {", "node: <"])
def test_lines_of_mistakes_after_comments(tmp_path: Path, odd: str) -> None:
    other = node("z", [], type="port").replace("node {", odd, 1)
    if odd.endswith("<"):
        other = other.removesuffix("}\n") + ">\n"
    text = f"# one\n\n{BOX}{other}{MACROS}".replace('"MACRO_PIN"', '"PIN"', 1)
    line = text[: text.index('"PIN"')].count("\n") - 2
    with pytest.raises(NetlistError, match=rf"netlist\.pb\.txt:{line}: node 'a/o' has type 'PIN', expected one of "):
        alone(tmp_path, text)


# Notes on what is not used.


def notes(folder: Path, netlist: str = MACROS, plc: str = HEAD) -> tuple[str, ...]:
    return load(write_pb(folder, netlist, plc)).notes


def test_no_notes(tmp_path: Path) -> None:
    counts = (
        "# HARD_MACROs     :         1\n# HARD_MACRO_PINs :         1\n# MACROs          :         2\n"
        "# MACRO_PINs      :         2\n# PORTs           :         1\n# SOFT_MACROs     :         1\n"
        "# SOFT_MACRO_PINs :         1\n# STDCELLs        :         0\n"
    )
    idle = node("b", [], type="PORT", side="left", ref_name="X", weight=1.0, x=0.0, y=0.0)
    assert notes(tmp_path, MACROS + idle, HEAD + counts.replace("PORTs           :         1", "PORTs : 2")) == ()


@pytest.mark.parametrize(
    ("counts", "note"),
    [("# PORTs : 495\n", "PORTs is 495, but 1 were found"),
     ("# HARD_MACROs : 0\n# SOFT_MACROs : 2\n",
      "HARD_MACROs is 0, but 1 were found, SOFT_MACROs is 2, but 1 were found"),
     ("#STDCELLs:7\n# MACRO_PINs : 2\n", "STDCELLs is 7, but 0 were found"),
     ("# HARD_MACRO_PINs :      12000\n", "HARD_MACRO_PINs is 12,000, but 1 were found")],
)  # fmt: skip
def test_counts_that_disagree(tmp_path: Path, counts: str, note: str) -> None:
    assert notes(tmp_path, plc=HEAD + counts) == (f"initial.plc: {note}",)


@pytest.mark.parametrize(
    ("text", "blockages"),
    [("# Blockage : 0 0 4 2.5 1.0\n", [Blockage((0.0, 0.0, 4.0, 2.5))]),
     ("# Blockage : 0 0 1 1 1\n# Blockage : 2 2 3 3 0.5\n",
      [Blockage((0.0, 0.0, 1.0, 1.0)), Blockage((2.0, 2.0, 3.0, 3.0), "partial")]),
     ("#Blockage: 0 0 1 1\n" * 3, [Blockage((0.0, 0.0, 1.0, 1.0))] * 3)],
)  # fmt: skip
def test_blockages_are_constraints(tmp_path: Path, text: str, blockages: list[Blockage]) -> None:
    for netlist in load(write_pb(tmp_path, MACROS, HEAD + text)), load(write_pb(tmp_path, text + MACROS, HEAD)):
        assert netlist.constraints is not None
        assert list(netlist.constraints.blockages) == blockages
        assert netlist.notes == ()
        save(netlist, tmp_path / "again.pb.txt")
        assert load(tmp_path / "again.pb.txt").constraints == netlist.constraints


def test_a_congestion_grid_is_named(tmp_path: Path) -> None:
    line = "# Congestion Columns : {}  Congestion Rows : {}\n"
    assert notes(tmp_path, plc=HEAD + line.format(5, 4)) == ()
    for columns, rows in (5, 5), (16, 8), (4, 5):
        (note,) = notes(tmp_path, plc=HEAD + line.format(columns, rows))
        assert note.startswith(f"initial.plc: congestion grid of {columns} columns by {rows} rows not used")


@pytest.mark.parametrize("count", [1, 2, 5])
def test_weights_of_ports_are_named(tmp_path: Path, count: int) -> None:
    ports = "".join(node(f"in{k}", ["a/o"], type="port", weight=2.0 + k, x=0.0, y=0.0) for k in range(count))
    silent = node("out", [], type="port", weight=3.0, x=0.0, y=0.0) + node("w", ["a/o"], type="port", x=0.0, y=0.0)
    netlist = load(write_pb(tmp_path, MACROS + ports + silent, HEAD))
    assert set(netlist.net_weight) == {1.0}
    (note,) = netlist.notes
    ports = "1 port" if count == 1 else f"{count} ports"
    assert note == f"netlist.pb.txt: weight of {ports} not used: it is 1, as in the reference"


@pytest.mark.parametrize("count", [1, 3, 4])
def test_offsets_on_soft_macros_are_named(tmp_path: Path, count: int) -> None:
    pins = "".join(
        node(f"Grp_0/P{k}", [], type="macro_pin", macro_name="Grp_0", x_offset=0.5 * (k < count)) for k in range(4)
    )
    (note,) = notes(tmp_path, MACROS + pins)
    assert f"offset of {count} pin{'s' * (count > 1)} of soft macros not used" in note


@pytest.mark.parametrize("turn", ["E", "W", "FE", "FW"])
def test_a_note_on_rotated_macros(tmp_path: Path, turn: str) -> None:
    text = MACROS.replace('  name: "a"\n', f'  name: "a"\n  attr {{ key: "orientation" value {{ s: "{turn}" }} }}\n')
    netlist = load(write_pb(tmp_path, text, HEAD))
    assert netlist.size_um[0].tolist() == [2, 1]  # not swapped
    assert netlist.orientation[0] == ORIENTATIONS.index(turn)
    (note,) = netlist.notes
    assert note.startswith("netlist.pb.txt: 1 hard macro rotated by 90 degrees: width and height are used as they are")
    assert notes(tmp_path, text, HEAD + "0 3 2 N 0\n") == ()  # the .plc turns it back


@pytest.mark.parametrize(("keys", "listed"), [
    (["halo"], "'halo' of 1 node"),
    (["region", "halo"], "'halo' of 1 node, 'region' of 1 node"),
    (["density"], "'density' of 1 node"),
])  # fmt: skip
def test_unknown_attributes_are_named(tmp_path: Path, keys: list[str], listed: str) -> None:
    text = MACROS + node("q", [], type="PORT", x=0.0, y=0.0, **dict.fromkeys(keys, 1.0))
    assert notes(tmp_path, text) == (f"netlist.pb.txt: attributes not used: {listed}",)


# The cases in ../shared.


def case(name: str) -> Netlist:
    if not (CASES / name).is_dir():
        pytest.skip(f"needs {name} in ../shared/cases/placer")
    return load(CASES / name)


@pytest.mark.parametrize(
    "name", ["p01_lowercase_types", "p01b_upper_ports_lower_macros", "p03_no_plc_fp_bbox", "p13_halo_abutted"]
)
def test_the_cases_are_one_chip(name: str) -> None:
    netlist = case(name)
    assert [len(netlist.hard), len(netlist.soft), len(netlist.ports), netlist.num_nets] == [4, 1, 2, 7]
    assert (netlist.canvas_um, netlist.grid, netlist.notes) == ((400.0, 400.0), (8, 8), ())
    assert netlist.size_um[netlist.hard].tolist() == [[80, 60]] * 4
    assert netlist.same_as(case("p01_lowercase_types"))


def test_the_case_with_a_blockage() -> None:
    constraints = case("p02_blockage").constraints
    assert constraints == Constraints(blockages=(Blockage((0.0, 0.0, 400.0, 250.0)),))


def test_the_case_of_rotated_macros() -> None:
    netlist = case("p06_orientation_E")
    assert netlist.size_um[netlist.hard].tolist() == [[80, 60]] * 4
    pin = netlist.pin_names.index("m0/i")
    turned = ORIENTATION_MATRIX[netlist.orientation[netlist.pin_node[pin]]] @ netlist.pin_offset_um[pin]
    assert turned.tolist() == [10, 40]  # (y, -x) of (-40, 10)
    (note,) = netlist.notes
    assert "4 hard macros rotated by 90 degrees" in note


def test_the_flat_case() -> None:
    netlist = case("p16_flat_without_rows")
    assert [len(netlist.hard), len(netlist.cells), len(netlist.ports)] == [2, 200, 1]
    assert ["derived from the sizes of the cells" in note for note in netlist.notes] == [True]


@pytest.mark.skipif(not FLAT.is_file(), reason="needs flat/ariane133_ng45 in ../shared/benchmarks")
def test_the_flat_netlist_of_tilos_loads_and_clusters(tmp_path: Path) -> None:
    netlist = load(FLAT)
    assert [len(netlist.hard), len(netlist.soft), len(netlist.ports), len(netlist.cells)] == [133, 0, 495, 88411]
    assert netlist.canvas_um == (1599.99, 1600.06)
    assert len(netlist.notes) == 2  # no grid, no rows
    grouped = cluster(netlist).netlist
    assert 0.9 * 442 <= len(grouped.soft) <= 442
    save(grouped, tmp_path / "ariane.pb.txt.gz")
    again = load(tmp_path / "ariane.pb.txt.gz")
    assert again.same_as(grouped)
    assert again.notes == ()


@pytest.mark.skipif(not (BENCHMARKS / "clustered").is_dir(), reason="needs ../shared/benchmarks")
@pytest.mark.parametrize("folder", sorted((BENCHMARKS / "clustered").glob("*")), ids=lambda folder: folder.name)
def test_public_netlists_agree_with_their_plc(folder: Path) -> None:
    assert load(folder).notes == ()
