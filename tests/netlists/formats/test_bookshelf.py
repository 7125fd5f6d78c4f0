"""Bookshelf designs and placements."""

from __future__ import annotations

import gzip
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from netlists.errors import NetlistError, PlacementError
from netlists.formats.bookshelf import reader, writer
from netlists.formats.circuit_training.reader import read_netlist
from netlists.formats.circuit_training.writer import write_netlist
from netlists.netlist import ORIENTATIONS, Kind, Netlist, Routing
from netlists.placement import Placement
from tests import BENCHMARKS
from tests.netlists.chips import BOOKSHELF, chips, write_bookshelf

FOLDER = BENCHMARKS / "bookshelf"


@pytest.fixture
def small(tmp_path: Path) -> Netlist:
    return reader.read(write_bookshelf(tmp_path))


def test_nodes(small: Netlist) -> None:
    assert small.node_names == ("ram", "rom", "pad", "c0", "c1")
    assert small.kind.tolist() == [Kind.HARD, Kind.HARD, Kind.PORT, Kind.CELL, Kind.CELL]
    assert small.fixed.tolist() == [False, True, True, False, False]
    assert small.position_um.tolist() == [[14, 5], [22, 6], [-1.5, 3.5], [1, 3], [4.5, 5]]
    assert ORIENTATIONS[small.orientation[0]] == "FS"


def test_nets_start_with_their_first_output(small: Netlist) -> None:
    assert [small.node_names[v] for v in small.connection_node] == ["c0", "ram", "pad", "rom", "c1"]
    assert small.connection_offset_um.tolist() == [[0.5, 0], [-1.5, 2], [0, 0], [1, 1], [0, 0]]
    assert small.net_names == ("n0", "n1")
    assert small.net_weight.tolist() == [1, 2.5]


def test_canvas_grid_and_routing(small: Netlist) -> None:
    assert small.canvas_um == (30, 10)
    assert small.grid == (32, 96)
    assert small.rows is not None
    assert small.rows.y_um.tolist() == [0, 2, 4, 6, 8]
    assert small.routing.horizontal_per_um == pytest.approx(65.957 * 0.16 / 2)
    assert small.routing.smoothing == 2


def test_options(tmp_path: Path) -> None:
    routing = Routing(smoothing=5)
    netlist = reader.read(write_bookshelf(tmp_path), units_per_um=2, grid=(4, 8), routing=routing)
    assert (netlist.canvas_um, netlist.grid, netlist.routing) == ((15, 5), (4, 8), routing)
    assert netlist.position_um[0].tolist() == [7, 2.5]
    writer.write_pl(Placement.given(netlist), tmp_path / "b.pl", units_per_um=2)
    assert "\nram 10 2 : FS\n" in (tmp_path / "b.pl").read_text()
    again = reader.read_pl(netlist, tmp_path / "b.pl", units_per_um=2)
    assert np.array_equal(again.position_um, netlist.position_um)


def test_the_origin_is_the_corner_of_the_rows(tmp_path: Path, small: Netlist) -> None:
    shifted = BOOKSHELF["a.scl"].replace("SubrowOrigin : 0", "SubrowOrigin : -4")
    netlist = reader.read(write_bookshelf(tmp_path, scl=shifted))
    assert netlist.origin_um == (-4, 0)
    assert (netlist.position_um - small.position_um).tolist() == [[4, 0]] * 5
    assert netlist.kind[2] == Kind.HARD  # now the pad overlaps the rows


def test_dialects(tmp_path: Path, small: Netlist) -> None:
    """No header, comments, blank lines, tabs, no blanks around ':', other case, several subrows."""
    nodes = BOOKSHELF["a.nodes"].replace("UCLA nodes 1.0\n", "# made by hand\n").replace(" : ", ":")
    nodes = nodes.replace("rom 4 4 terminal", "\n\trom\t4\t4\tTERMINAL  # fixed")
    nets = (
        BOOKSHELF["a.nets"].replace(" : ", ":").replace("NetDegree", "NETDEGREE").replace("ram I:-1.5", "ram  i :-1.5")
    )
    pl = BOOKSHELF["a.pl"].replace("c0 0 2 : N", "c0 0.0 2e0").replace("/FIXED", "/fixed").replace("FS", "fs")
    scl = BOOKSHELF["a.scl"].replace(
        "SubrowOrigin : 0 NumSites : 30", "SUBROWORIGIN:0 NumSites:10\n SubrowOrigin : 10  numsites :20"
    )
    scl = scl.replace("NumRows : 5", "numrows: 5").replace("CoreRow Horizontal", "COREROW HORIZONTAL")
    netlist = reader.read(
        write_bookshelf(tmp_path, nodes=nodes, nets=nets, pl=pl, scl=scl, wts="UCLA wts 1.0\n\nn1\t2.5")
    )
    assert netlist.rows is not None
    assert len(netlist.rows) == 10
    assert netlist.with_(rows=small.rows).same_as(small)


def test_ispd_2002_dialect(tmp_path: Path) -> None:
    """Nets without names, pins without offsets or directions, weights of nodes instead of nets."""
    nets = "NumNets : 2\nNumPins : 5\nNetDegree : 3\nram B\nc0 O\npad I\nNetDegree : 2\nc1\nrom I\n"
    netlist = reader.read(write_bookshelf(tmp_path, nets=nets, wts="ram 0\nc0 0\n"))
    assert netlist.net_names == ()
    assert netlist.net_weight.tolist() == [1, 1]
    assert not netlist.pin_offset_um.any()
    assert [netlist.node_names[v] for v in netlist.connection_node] == ["c0", "ram", "pad", "c1", "rom"]


def test_terminal_ni_and_fixed(tmp_path: Path) -> None:
    nodes = (
        BOOKSHELF["a.nodes"]
        .replace("rom 4 4 terminal", "rom 4 4 terminal_NI")
        .replace("Terminals : 2", "Terminals : 1")
    )
    pl = BOOKSHELF["a.pl"].replace("ram 10 2 : FS", "ram 10 2 : FS /FIXED").replace("c0 0 2 : N", "c0 0 2 : N /FIXED")
    netlist = reader.read(write_bookshelf(tmp_path, nodes=nodes, pl=pl))
    assert netlist.kind.tolist() == [Kind.HARD, Kind.PORT, Kind.PORT, Kind.CELL, Kind.CELL]
    assert netlist.fixed.tolist() == [True, True, True, True, False]
    image = reader.read(write_bookshelf(tmp_path, pl=BOOKSHELF["a.pl"].replace("4 : N /FIXED", "4 : N /FIXED_NI")))
    assert image.kind[1] == Kind.PORT


def test_gz_and_no_wts(tmp_path: Path, small: Netlist) -> None:
    for suffix in ("nodes", "nets", "pl", "scl"):
        path = tmp_path / f"a.{suffix}"
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    (tmp_path / "a.aux").write_text("RowBasedPlacement: a.nodes.gz a.nets a.pl a.scl a.route a.shapes\n")
    netlist = reader.read(tmp_path / "a.aux")
    assert netlist.net_weight.tolist() == [1, 1]
    assert netlist.with_(net_weight=small.net_weight).same_as(small)


def test_nets_without_pins_and_nodes_without_a_place(tmp_path: Path) -> None:
    nets = "NumNets : 3\nNetDegree : 0 a\nNetDegree : 1 b\nram O\nNetDegree : 0 c\n"
    netlist = reader.read(write_bookshelf(tmp_path, nets=nets, pl=BOOKSHELF["a.pl"].replace("c0 0 2 : N\n", "")))
    assert netlist.net_start.tolist() == [0, 0, 1, 1]
    assert np.isnan(netlist.position_um[3]).all()


@settings(deadline=None)
@given(chips(soft_offsets=True))
def test_write_then_read_gives_an_equal_netlist(chip: Netlist) -> None:
    with tempfile.TemporaryDirectory() as folder:
        writer.write(chip, Path(folder) / "a.aux")
        assert reader.read(Path(folder) / "a.aux").same_as(chip)


def test_the_sidecar_is_written_only_if_it_is_needed(tmp_path: Path, small: Netlist) -> None:
    writer.write(small, tmp_path / "b.aux")
    assert (tmp_path / "b.aux").read_text() == "RowBasedPlacement : b.nodes b.nets b.wts b.pl b.scl\n"
    kind = small.kind.copy()
    kind[4] = Kind.SOFT
    writer.write(small.with_(kind=kind, grid=(3, 3)), tmp_path / "c.aux")
    assert (tmp_path / "c.aux").read_text().endswith(" c.scl c.chipscape.json\n")
    assert json.loads((tmp_path / "c.chipscape.json").read_text()) == {
        "nodes": {"kind": {"c1": "SOFT"}},
        "grid": [3, 3],
    }


def test_an_edited_pl_takes_precedence_over_the_sidecar(tmp_path: Path, small: Netlist) -> None:
    position_um = small.position_um.copy()
    position_um[0] = 1e-9 / 3, 2  # no corner in float64 gives this center
    netlist = small.with_(position_um=position_um)
    writer.write(netlist, tmp_path / "b.aux")
    assert reader.read(tmp_path / "b.aux").same_as(netlist)
    lines = (tmp_path / "b.pl").read_text().splitlines()
    text = "\n".join("ram 1 1 : N" if line.startswith("ram ") else line for line in lines)
    (tmp_path / "b.pl").write_text(text + "\n")
    assert reader.read(tmp_path / "b.aux").position_um[0].tolist() == [5, 4]


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"nodes": {"kind": {"nobody": "HARD"}}}', '{"grid": 3}', '{"rows": {}}', '{"routing": {"x": 1}}'],
)
def test_a_broken_sidecar(tmp_path: Path, content: str) -> None:
    path = write_bookshelf(tmp_path, aux="X : a.nodes a.nets a.wts a.pl a.scl a.chipscape.json")
    (tmp_path / "a.chipscape.json").write_text(content)
    with pytest.raises(NetlistError, match=r"a\.chipscape\.json:1: .*expected the file as it was written"):
        reader.read(path)


@pytest.mark.parametrize("name", ["a b", "#a", ""])
def test_names_that_bookshelf_cannot_write(tmp_path: Path, small: Netlist, name: str) -> None:
    with pytest.raises(NetlistError, match="Bookshelf"):
        writer.write(small.with_(node_names=(name, *small.node_names[1:])), tmp_path / "b.aux")
    assert not list(tmp_path.glob("b.*"))


def test_a_placement_is_read_as_it_was_written(tmp_path: Path, small: Netlist) -> None:
    position_um, orientation = small.position_um.copy(), small.orientation.copy()
    position_um[[0, 3]] = [[5.1, 4 + 1 / 3], [0.1, 0.7]]
    orientation[0] = ORIENTATIONS.index("W")
    writer.write_pl(Placement(small, position_um, orientation), tmp_path / "b.pl")
    again = reader.read_pl(small, tmp_path / "b.pl")
    np.testing.assert_allclose(again.position_um, position_um, rtol=1e-15)
    assert np.array_equal(again.orientation, orientation)


def test_a_placement_must_be_of_this_netlist(tmp_path: Path, small: Netlist) -> None:
    path = tmp_path / "b.pl"
    path.write_text(BOOKSHELF["a.pl"].replace("rom 20 4", "rom 20.1 4"))
    with pytest.raises(PlacementError, match=r"b\.pl:4: fixed node 'rom' has its center at 22.1 6 µm, expected 22 6"):
        reader.read_pl(small, path)
    path.write_text(BOOKSHELF["a.pl"].replace("rom 20 4", "rom 20.0009 4"))
    assert reader.read_pl(small, path).position_um[1].tolist() == [22, 6]
    path.write_text("ram 1 1\nc0 0 0\n")
    with pytest.raises(PlacementError, match=r"b\.pl:2: no line for 1 of 5 nodes, the first is 'c1'"):
        reader.read_pl(small, path)
    path.write_text("ram 1 1\nram2 0 0\n")
    with pytest.raises(NetlistError, match=r"b\.pl:2: unknown node 'ram2'.*did you mean 'ram'"):
        reader.read_pl(small, path)


@pytest.mark.skipif(not FOLDER.is_dir(), reason="needs ../shared/benchmarks")
def test_ibm01(tmp_path: Path) -> None:
    seconds = []
    for _ in range(2):
        start = time.process_time()
        netlist = reader.read(FOLDER / "ibm01" / "ibm01.aux")
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.5
    assert (len(netlist.movable_hard), len(netlist.ports), len(netlist.cells)) == (246, 246, 12_260)
    assert (netlist.num_nets, len(netlist.net_pin)) == (14_111, 50_566)
    write_netlist(netlist, tmp_path / "netlist.pb.txt")
    writer.write(read_netlist(tmp_path / "netlist.pb.txt"), tmp_path / "b.aux")
    assert reader.read(tmp_path / "b.aux").same_as(netlist)
    assert not list(tmp_path.glob("*.json"))
