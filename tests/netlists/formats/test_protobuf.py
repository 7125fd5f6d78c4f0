"""Circuit Training netlists and placements."""

from __future__ import annotations

import gzip
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlists.errors import NetlistError
from netlists.formats.bookshelf import reader, writer
from netlists.formats.circuit_training.plc import read_plc, write_plc
from netlists.formats.circuit_training.prototext import Node, lines_at, quote, read, scan
from netlists.formats.circuit_training.reader import read_netlist
from netlists.formats.circuit_training.writer import write_netlist
from netlists.netlist import ORIENTATIONS, Kind, Netlist
from netlists.placement import Placement
from tests import BENCHMARKS
from tests.netlists.chips import PB, PLC, attr, chips, node, write_pb

CLUSTERED = BENCHMARKS / "clustered"


@pytest.fixture
def small(tmp_path: Path) -> Netlist:
    return read_netlist(write_pb(tmp_path))


def connections(netlist: Netlist) -> list[list[tuple[str, float, float]]]:
    """Name of the node and offset of every pin of every net."""
    pins = [
        (netlist.node_names[v], *offset)
        for v, offset in zip(netlist.connection_node, netlist.connection_offset_um.tolist(), strict=True)
    ]
    return [pins[a:b] for a, b in zip(netlist.net_start, netlist.net_start[1:], strict=False)]


def test_nodes_and_canvas(small: Netlist) -> None:
    assert small.node_names == ("in", "out", "ram", "rom", "Grp", "cell")
    assert small.kind.tolist() == [Kind.PORT, Kind.PORT, Kind.HARD, Kind.HARD, Kind.SOFT, Kind.CELL]
    assert small.size_um.tolist() == [[0, 0], [0, 0], [2, 4], [1, 1], [2, 0.5], [0.5, 0.25]]
    assert small.canvas_um == (10.0, 8.5)
    assert small.grid == (4, 5)
    assert (small.routing.horizontal_per_um, small.routing.vertical_per_um) == (70.33, 74.51)
    assert small.routing.smoothing == 0


def test_the_plc_takes_precedence_over_the_netlist(small: Netlist) -> None:
    assert small.position_um.tolist() == [[0, 5.5], [8, 8.5], [2.5, 3], [7, 7], [5, 5], [4.5, 4]]
    assert [ORIENTATIONS[k] for k in small.orientation] == ["N", "N", "S", "N", "N", "N"]
    assert small.fixed.tolist() == [True, True, False, True, False, False]  # ports whatever the column has
    assert small.file_index is not None
    assert small.file_index.tolist() == [0, 1, 2, 5, 6, 8]  # __metadata__ is not counted


def test_nets_weights_and_offsets(small: Netlist) -> None:
    assert connections(small) == [
        [("in", 0, 0), ("ram", -1, 2), ("Grp", 0, 0)],
        [("ram", 1, -0.2), ("out", 0, 0), ("Grp", 0, 0)],  # pins of soft macros are at the center
        [("cell", 0, 0), ("Grp", 0, 0)],
    ]
    assert small.net_weight.tolist() == [1, 3, 2]  # nets of ports have weight 1 whatever the file has
    assert len(small.pin_node) == 6  # every pin, including those without a net


def test_position_and_orientation_of_the_netlist_are_used_if_the_plc_has_none(tmp_path: Path) -> None:
    netlist = read_netlist(write_pb(tmp_path, plc=PLC.replace("2 2.5 3e0 S 0\n", "").replace("6 5 5 - 0\n", "")))
    assert netlist.position_um[[2, 4]].tolist() == [[1, 1], [3, 3]]
    assert ORIENTATIONS[netlist.orientation[2]] == "FN"


def test_header_variants(tmp_path: Path) -> None:
    plain = PLC.replace("# Smoothing factor : 0\n", "").replace("hor : 51.79  ver", "hor : 1 ver")
    routing = read_netlist(write_pb(tmp_path, plc=plain)).routing
    assert (routing.macro_horizontal_per_um, routing.smoothing) == (1.0, 2)
    other = tmp_path / "other.plc"
    other.write_text(PLC.replace("10.000", "12.5"))
    assert read_netlist(tmp_path / "netlist.pb.txt", other).canvas_um == (12.5, 8.5)


def test_gzip_and_windows_line_ends(tmp_path: Path, small: Netlist) -> None:
    (tmp_path / "x.pb.txt.gz").write_bytes(gzip.compress(PB.replace("\n", "\r\n").encode()))
    (tmp_path / "x.plc").write_text(PLC)
    assert read_netlist(tmp_path / "x.pb.txt.gz").same_as(small)


def test_the_error_without_a_plc(tmp_path: Path) -> None:
    path = write_pb(tmp_path)
    (tmp_path / "initial.plc").unlink()
    with pytest.raises(NetlistError, match="--plc"):
        read_netlist(path)


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\'), min_size=1, max_size=6)
NODES = st.tuples(
    WORDS, st.lists(WORDS, max_size=3), st.dictionaries(st.sampled_from("abcdef"), st.floats(-1e9, 1e9) | WORDS)
)


@given(st.lists(st.tuples(NODES, st.booleans()), max_size=6))
def test_both_ways_to_read_give_the_same_nodes(
    nodes: list[tuple[tuple[str, list[str], dict[str, str | float]], bool]],
) -> None:
    texts = [node(name, inputs, **attrs) for (name, inputs, attrs), _ in nodes]
    expected: list[Node] = [(name, inputs, {k: str(v) for k, v in attrs.items()}) for (name, inputs, attrs), _ in nodes]
    mixed = [text.replace("node {", "node{") if odd else text for text, (_, odd) in zip(texts, nodes, strict=True)]
    for text in "".join(texts), "".join(mixed):
        result, starts = read(Path("x"), text)
        assert result == expected
        assert all(text.startswith("node", start) for start in starts)
    scanned, _, end = scan("".join(texts), 0)
    assert scanned == expected[: len(scanned)]
    if not any(isinstance(v, float) and "e+" in repr(v) for (_, _, attrs), _ in nodes for v in attrs.values()):
        assert end == len("".join(texts))


def test_any_legal_layout_reads_the_same(tmp_path: Path, small: Netlist) -> None:
    scrambled = PB.replace("\n", " ").replace(
        'node {   name: "in"', "# a comment\nnode: < attr { value: { f: +1e+1 }, key:'k' };  name: \"in\""
    )
    scrambled = scrambled.replace('name: "out"', "name: 'ou\\164'").replace(
        '} node {   name: "out', '> node {   name: "out'
    )
    scrambled = scrambled.replace("} node {   name: 'ou", "> node {   name: 'ou", 1)
    assert scan(scrambled, 0)[0] == []
    assert read_netlist(write_pb(tmp_path, scrambled)).same_as(small)


def test_lines_of_parts() -> None:
    text = "\n" + node("a", ["b", "c"], type="PORT")
    lines = lines_at(Path("x"), text, text.index("node"))
    assert (lines.name, lines.inputs, lines.attrs) == (3, [4, 5], {"type": 6})


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), min_size=1))
def test_names_are_escaped(name: str) -> None:
    assert read(Path("x"), f"node {{ name: {quote(name)} }}")[0][0][0] == name


@settings(deadline=None)
@given(chips())
def test_write_then_read_gives_an_equal_netlist(chip: Netlist) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "netlist.pb.txt"
        write_netlist(chip, path)
        again = read_netlist(path)
        assert again.same_as(chip)
        write_netlist(again, Path(folder) / "b.pb.txt.gz")
        third = read_netlist(Path(folder) / "b.pb.txt.gz")
        assert third.same_as(chip)
        assert np.array_equal(third.file_index, again.file_index)  # type: ignore[arg-type]


@settings(deadline=None)
@given(chips(), st.integers(0, 99))
def test_a_placement_is_read_exactly_as_it_was_written(chip: Netlist, seed: int) -> None:
    rng = np.random.default_rng(seed)
    position_um = np.where(chip.fixed[:, None], chip.position_um, rng.random((chip.num_nodes, 2)) * chip.canvas_um)
    orientation = np.where(chip.fixed, chip.orientation, rng.integers(0, 8, chip.num_nodes)).astype(np.int8)
    placement = Placement(chip, position_um, orientation)
    with tempfile.TemporaryDirectory() as folder:
        write_netlist(chip, Path(folder) / "netlist.pb.txt")
        write_plc(placement, Path(folder) / "placement.plc")
        for netlist in chip, read_netlist(Path(folder) / "netlist.pb.txt"):  # the indices are those of the file
            again = read_plc(netlist, Path(folder) / "placement.plc")
            assert np.array_equal(again.position_um, position_um)
            assert np.array_equal(again.orientation, orientation)


@settings(deadline=None)
@given(chips())
def test_bookshelf_to_protobuf_and_back(chip: Netlist) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        writer.write(chip, folder / "a.aux")
        write_netlist(reader.read(folder / "a.aux"), folder / "netlist.pb.txt")
        writer.write(read_netlist(folder / "netlist.pb.txt"), folder / "b.aux")
        assert reader.read(folder / "b.aux").same_as(chip)


def test_the_plc_header(tmp_path: Path, small: Netlist) -> None:
    costs = {"wirelength": 0.125, "density": 0.5, "congestion": 0.25}
    write_plc(Placement.given(small), tmp_path / "p.plc", costs)
    text = (tmp_path / "p.plc").read_text()
    for line in (
        "# Columns : 5  Rows : 4",
        "# Width : 10.0  Height : 8.5",
        "# Area (stdcell+macros) : 10.125",
        "# Wirelength : 13.875",  # 0.125 (10 + 8.5) 6
        "# Wirelength cost : 0.1250",
        "# Density cost : 0.5000",
        "# Congestion cost : 0.2500",
        "# Routes per micron, hor : 70.33  ver : 74.51",
        "# HARD_MACRO_PINs :         2",
        "# STDCELLs        :         1",
        "2 2.5 3.0 S 0",
    ):
        assert line + "\n" in text
    assert [line.split()[0] for line in text.splitlines() if line[0] != "#"] == ["0", "1", "2", "5", "6", "8"]


def test_offsets_on_soft_macros_cannot_be_written(tmp_path: Path, small: Netlist) -> None:
    with pytest.raises(NetlistError, match="pin of soft macro 'Grp' has an offset"):
        write_netlist(small.with_(pin_offset_um=small.pin_offset_um + 1), tmp_path / "x.pb.txt")
    assert not (tmp_path / "x.pb.txt").exists()


def test_metadata_is_checked(tmp_path: Path) -> None:
    for key, value, what in (
        ("rows", "1 2 3", "five per row"),
        ("origin_um", "1", "two"),
        ("empty_nets", "x", "number"),
    ):
        text = PB.replace('__metadata__"\n', f'__metadata__"\n{attr(key, f"placeholder: {quote(value)}")}', 1)
        with pytest.raises(NetlistError, match=rf"netlist\.pb\.txt:3: .*{what}"):
            read_netlist(write_pb(tmp_path, text))


@pytest.mark.skipif(not CLUSTERED.is_dir(), reason="needs ../shared/benchmarks")
@pytest.mark.parametrize(
    "name", ["ariane133_ng45", "macro_tiles_10x10", "mempool_tile_ng45", "sample_clustered", "ibm01_synth"]
)
def test_real_netlists(name: str, tmp_path: Path) -> None:
    path = next((CLUSTERED / name).glob("netlist.pb.txt*"))
    netlist = read_netlist(path)
    write_netlist(netlist, tmp_path / path.name)
    assert read_netlist(tmp_path / path.name).same_as(netlist)
    indices = [
        [line.split()[0] for line in (folder / "initial.plc").read_text().splitlines() if line[:1] != "#"]
        for folder in (path.parent, tmp_path)
    ]
    assert indices[0] == indices[1]


@pytest.mark.skipif(not CLUSTERED.is_dir(), reason="needs ../shared/benchmarks")
def test_nvdla_loads_in_three_seconds() -> None:
    start = time.process_time()
    netlist = read_netlist(CLUSTERED / "nvdla_ng45" / "netlist.pb.txt.gz")
    assert time.process_time() - start < 3
    assert (len(netlist.hard), len(netlist.soft), len(netlist.ports), len(netlist.pin_node)) == (128, 671, 797, 42052)
