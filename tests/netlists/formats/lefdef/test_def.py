"""DEF designs and the netlists that they mean: counts and offsets known on paper, round trips, files that are wrong."""

from __future__ import annotations

import gzip
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netlists import load, load_placement, save
from netlists.constraints import Halo
from netlists.errors import NetlistError, PlacementError
from netlists.formats.lefdef.def_file import read_def
from netlists.formats.lefdef.design import file_orientation, to_netlist
from netlists.formats.lefdef.lef import read_lef
from netlists.formats.lefdef.writer import def_text, tcl_text, tcl_word, write_placement
from netlists.legality.rules import rules
from netlists.netlist import ORIENTATIONS, Kind, Netlist
from netlists.placement import Placement
from tests import BENCHMARKS
from tests.netlists.formats.lefdef.inputs import DEF, LEF, write

LEFDEF = BENCHMARKS / "lefdef"
TURN: dict[str, tuple[int, int, int, int]] = {
    "N": (1, 0, 0, 1), "S": (-1, 0, 0, -1), "W": (0, -1, 1, 0), "E": (0, 1, -1, 0),
    "FN": (-1, 0, 0, 1), "FS": (1, 0, 0, -1), "FW": (0, 1, 1, 0), "FE": (0, -1, -1, 0),
}  # fmt: skip
"""What an orientation does to a point: x' = a x + b y, y' = c x + d y (LEF/DEF 5.8, "Component orientation")."""


def netlist(folder: Path, text: str = DEF, lef: str = LEF) -> Netlist:
    design, library = write(folder, text, lef)
    return to_netlist(read_def(design), read_lef([library]))


def test_sections(tmp_path: Path) -> None:
    design = read_def(write(tmp_path)[0])
    assert (design.name, design.units, design.die) == ("chip", 1000.0, [(1000.0, 2000.0), (101000.0, 82000.0)])
    counts = {name: len(getattr(design, name)) for name in ("rows", "tracks", "components", "pins", "nets", "groups")}
    assert counts == {"rows": 2, "tracks": 2, "components": 5, "pins": 2, "nets": 4, "groups": 1}
    assert design.components[0].name == r"mem/ram\[0\]"
    assert design.components[0].halo == (1000.0, 2000.0, 3000.0, 4000.0)
    assert [(b.layer, b.kind, len(b.boxes)) for b in design.blockages] == [("", "SOFT", 2), ("M2", "", 1)]
    assert design.regions[0].kind == "FENCE"
    assert design.groups[0].members == ("mem/*",)
    assert design.nets[1].connections == [("mem/ram1", "A[0]"), ("u1", "Y")]
    assert not design.notes


def test_nodes(tmp_path: Path) -> None:
    n = netlist(tmp_path)
    assert (n.canvas_um, n.origin_um) == ((100.0, 80.0), (1.0, 2.0))
    assert n.kind.tolist() == [Kind.HARD, Kind.HARD, Kind.CELL, Kind.CELL, Kind.HARD, Kind.PORT, Kind.PORT]
    assert n.fixed.tolist() == [False, False, False, True, True, True, True]
    assert np.isnan(n.position_um[0]).all()
    assert n.position_um[1].tolist() == [30.0, 25.0]  # the corner (21, 22), half of 20 by 10, the origin
    assert n.size_um[4].tolist() == [10.0, 20.0]  # on its side
    assert n.position_um[5].tolist() == pytest.approx(
        [0.05, 38.0]
    )  # the pin's box turned by E reaches from 0 to 0.1 in x
    assert n.rows
    assert (n.rows.x_um[0], n.rows.y_um[0], n.rows.height_um[0], n.rows.num_sites[0]) == (10.0, 10.0, 2.0, 160)


def test_nets_begin_with_their_drivers(tmp_path: Path) -> None:
    n = netlist(tmp_path)
    nodes = [n.connection_node[a:b].tolist() for a, b in zip(n.net_start[:-1], n.net_start[1:], strict=True)]
    assert nodes == [[5, 0, 2], [2, 1], [1, 4]]  # the pin `out` has no place, VSS is no signal
    assert n.net_weight.tolist() == [1.0, 3.0, 1.0]
    assert n.net_names == ("n0", "n1", "n2")
    assert n.connection_offset_um[1].tolist() == [-6.0, 3.0]  # A[0] at (4, 8) of 20 by 10
    assert n.connection_offset_um[-1].tolist() == [-3.0, -6.0]  # the same pin turned by W


def test_everything_that_is_not_used_is_named(tmp_path: Path) -> None:
    notes = "\n".join(netlist(tmp_path).notes)
    for what in ("1 routing blockages", "1 special nets", "1 ROUTED of nets",
                 "1 connections to pins of the design that have no place", "1 nets of power and ground"):  # fmt: skip
        assert what in notes


def test_constraints_come_from_def_and_lef(tmp_path: Path) -> None:
    constraints = netlist(tmp_path).constraints
    assert constraints is not None
    assert constraints.halos == (Halo("mem/ram\\[0\\]", 1.0, 2.0, 3.0, 4.0),)
    assert constraints.grid_um == 0.005
    assert [each.kind for each in constraints.blockages] == ["soft", "soft"]
    (region,) = constraints.regions
    assert (region.nodes, region.kind) == (("mem/*",), "fence")
    assert all("RAM" in turns.nodes or "ram" in turns.nodes for turns in constraints.turns)


def test_a_halo_turns_with_a_component_on_its_side(tmp_path: Path) -> None:
    text = DEF.replace("+ FIXED ( 51000 42000 ) W", "+ FIXED ( 51000 42000 ) W + HALO 1000 2000 3000 4000")
    n = netlist(tmp_path, text)
    assert rules(n).halo_um[4].tolist() == [4.0, 1.0, 2.0, 3.0]  # W turns the left side to the bottom


def test_routing_comes_from_tracks_and_obstructions(tmp_path: Path) -> None:
    routing = netlist(tmp_path).routing
    assert (routing.horizontal_per_um, routing.vertical_per_um) == (2.5, 4.0)  # M3 every 0.4 µm, M2 every 0.25 µm
    assert (routing.macro_horizontal_per_um, routing.macro_vertical_per_um) == (0.0, 4.0)  # M2 is blocked


def test_layers_above_that_of_the_pins_are_kept(tmp_path: Path) -> None:
    m2, m3 = netlist(tmp_path).layers
    assert (m2.horizontal, m2.tracks_per_um) == (False, 4.0)
    assert (m3.horizontal, m3.tracks_per_um, m3.macro_fraction) == (True, 2.5, 0.45)
    assert 0.5 <= m2.macro_fraction <= 1


@pytest.mark.parametrize("orientation", tuple(TURN))
def test_pins_lie_where_the_orientation_puts_them(tmp_path: Path, orientation: str) -> None:
    text = DEF.replace("+ FIXED ( 51000 42000 ) W", f"+ FIXED ( 51000 42000 ) {orientation}")
    n = netlist(tmp_path, text)
    a, b, c, d = TURN[orientation]
    corners = [(a * x + b * y, c * x + d * y) for x, y in ((0, 0), (20, 10))]
    low = min(x for x, _ in corners), min(y for _, y in corners)
    x, y = a * 4 + b * 8 - low[0] + 51 - 1, c * 4 + d * 8 - low[1] + 42 - 2  # A[0] lies at (4, 8) of the master
    placement = placed(n)
    matrix = np.array(
        {"N": [[1, 0], [0, 1]], "S": [[-1, 0], [0, -1]], "FN": [[-1, 0], [0, 1]], "FS": [[1, 0], [0, -1]]}[
            ORIENTATIONS[placement.orientation[4]]
        ]
    )
    assert (n.position_um[4] + matrix @ n.connection_offset_um[-1]).tolist() == pytest.approx([x, y])
    assert file_orientation(ORIENTATIONS[n.orientation[4]], orientation in ("E", "W", "FE", "FW")) == orientation


def placed(n: Netlist, x_um: float = 40.0) -> Placement:
    """All movable nodes side by side."""
    position = n.position_um.copy()
    for k, v in enumerate(np.flatnonzero(~n.fixed)):
        position[v] = x_um + 25 * k, 50.0
    return Placement(n, position, n.orientation)


def test_a_written_def_differs_in_places_alone(tmp_path: Path) -> None:
    n = netlist(tmp_path)
    text = def_text(placed(n), tmp_path / "chip.def")
    expected = DEF.replace("ram\\[0\\] RAM + UNPLACED", "ram\\[0\\] RAM + FIXED ( 31000 47000 ) N", 1)
    expected = expected.replace("+ PLACED ( 21000 22000 ) FS", "+ FIXED ( 56000 47000 ) FS", 1)
    expected = expected.replace("- u1 INV ;", "- u1 INV + PLACED ( 90500 51000 ) N ;", 1)
    assert text == expected


def test_a_written_def_is_read_back(tmp_path: Path) -> None:
    n = netlist(tmp_path)
    write_placement(placed(n), tmp_path / "out.def.gz")
    again = to_netlist(read_def(tmp_path / "out.def.gz"), read_lef([tmp_path / "chip.lef"]))
    assert np.array_equal(again.position_um, placed(n).position_um)
    assert np.array_equal(again.orientation, n.orientation)
    assert gzip.decompress((tmp_path / "out.def.gz").read_bytes()).decode() == def_text(
        placed(n), tmp_path / "chip.def"
    )


def test_a_written_placement_is_loaded_for_the_same_netlist(tmp_path: Path) -> None:
    n = netlist(tmp_path)
    write_placement(placed(n), tmp_path / "out.def")
    again = load_placement(n, tmp_path / "out.def")
    assert np.array_equal(again.position_um, placed(n).position_um)
    assert np.array_equal(again.orientation, placed(n).orientation)


def test_rounding_puts_corners_on_database_units(tmp_path: Path) -> None:
    n = netlist(tmp_path)
    shifted = Placement(n, np.where(n.fixed[:, None], n.position_um, placed(n).position_um + 1 / 3e3), n.orientation)
    corner = (shifted.rounded().position_um - n.size_um / 2 + n.origin_um)[~n.fixed] * 1000
    np.testing.assert_allclose(corner, np.round(corner), atol=1e-9)
    assert np.array_equal(shifted.rounded().position_um, shifted.rounded().rounded().position_um)


def test_a_component_keeps_its_side(tmp_path: Path) -> None:
    n = netlist(tmp_path)
    (tmp_path / "out.def").write_text(DEF.replace("RAM + UNPLACED", "RAM + PLACED ( 30000 50000 ) W"))
    with pytest.raises(PlacementError, match="has orientation W, but lies upright in the netlist"):
        load_placement(n, tmp_path / "out.def")


def test_load_takes_the_lef_files_beside_the_def(tmp_path: Path) -> None:
    write(tmp_path)
    assert len(load(tmp_path / "chip.def").hard) == 3
    (tmp_path / "libraries").mkdir()
    (tmp_path / "chip.lef").rename(tmp_path / "libraries" / "chip.lef")
    with pytest.raises(NetlistError, match="there is no LEF file beside it"):
        load(tmp_path / "chip.def")
    assert len(load(tmp_path / "chip.def", lef=[tmp_path / "libraries" / "chip.lef"]).hard) == 3


def test_a_def_beside_another_netlist_is_a_placement(tmp_path: Path) -> None:
    write(tmp_path)
    assert load(tmp_path).name == "chip"
    save(load("jetty"), tmp_path / "jetty.pb.txt")
    assert load(tmp_path).name == "jetty"


def test_other_formats_are_not_written_as_def(tmp_path: Path) -> None:
    with pytest.raises(NetlistError, match="needs masters in LEF"):
        save(load("jetty"), tmp_path / "jetty.def")


@pytest.mark.parametrize("target", ["chip.pb.txt", "chip.aux"])
def test_a_design_converts_to_the_other_formats(tmp_path: Path, target: str) -> None:
    n = netlist(tmp_path)
    positions = placed(n)
    save(n.with_(position_um=positions.position_um), tmp_path / target)
    again = load(tmp_path / target)
    assert again.num_nets == n.num_nets
    assert len(again.hard) == len(n.hard)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("mem/ram[0]", "{mem/ram[0]}"), ('$x;"[exit]#', '{$x;"[exit]#}'), ("a{b", r"a\{b"), ("a\\", r"a\\"),
        (r"a};{*}exec\x20touch\x20x;#", r"a\}\;\{\*\}exec\\x20touch\\x20x\;\#"),
    ],
)  # fmt: skip
def test_names_cannot_become_commands_of_tcl(name: str, word: str) -> None:
    assert tcl_word(name) == word


def test_tcl(tmp_path: Path) -> None:
    n = netlist(tmp_path)
    assert tcl_text(placed(n)) == (
        "place_macro -macro_name {mem/ram[0]} -location {31.0 47.0} -orientation R0\n"
        "place_macro -macro_name {mem/ram1} -location {56.0 47.0} -orientation MX\n"
    )
    innovus = tcl_text(placed(n), "innovus")
    assert innovus.splitlines()[1] == "placeInstance {mem/ram1} 56.0 47.0 MX -fixed"


def test_another_def_is_refused(tmp_path: Path) -> None:
    n = netlist(tmp_path)
    (tmp_path / "other.def").write_text(DEF.replace("- u1 INV", "- u7 INV"))
    with pytest.raises(PlacementError, match="its components are not those of the netlist"):
        def_text(placed(n), tmp_path / "other.def")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("- u1 INV ;", "- u1 NAND ;", r"chip.def:17: component 'u1' is a 'NAND', which no LEF file has"),
        ("( u1 A )", "( u9 A )", r"chip.def:\d+: net 'n0' has a connection to component 'u9'"),
        ("( u1 A )", "( u1 B )", "net 'n0' has a connection to pin 'B' of component 'u1'"),
        ("( PIN in )", "( PIN inn )", "pin 'inn' of the design, which does not exist; did you mean 'in'"),
        ("END NETS", "", "found 'END DESIGN'|expected `END NETS`"),
        ("DIEAREA ( 1000 2000 ) ( 101000 82000 ) ;", "", "there is no DIEAREA"),
        ("DIEAREA ( 1000 2000 ) ( 101000 82000 ) ;", "DIEAREA ( 1000 ) ;", "DIEAREA has 1 coordinates"),
        ("MICRONS 1000", "MICRONS 0", "UNITS are 0 per micron"),
        ("DO 160 BY", "DO 1e9 BY", "steps; expected a whole number"),
        ("( 21000 22000 ) FS", "( 21000 22000 ) R0", "expected `\\( x y \\) orientation`"),
        ("- u2 INV", "- u1 INV", "'u1' is there a second time"),
        ("COMPONENTS 5 ;", "COMPONENTS many ;", "the count of COMPONENTS: found 'many'"),
    ],
)
def test_wrong_files(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in DEF
    with pytest.raises(NetlistError, match=message):
        netlist(tmp_path, DEF.replace(old, new, 1))


def test_counts_that_disagree_are_noted(tmp_path: Path) -> None:
    notes = netlist(tmp_path, DEF.replace("NETS 4 ;\n- n0", "NETS 7 ;\n- n0")).notes
    assert any("NETS has 4 entries, its header says 7" in note for note in notes)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(DEF) - 12), st.integers(0, 40), st.text(alphabet=' ();+-*"#\\AZ09.\n', max_size=6))
def test_damaged_files_end_in_one_error_or_a_netlist(tmp_path: Path, at: int, cut: int, added: str) -> None:
    with suppress(NetlistError):
        netlist(tmp_path, DEF[:at] + added + DEF[at + cut :])


@pytest.mark.parametrize("part", range(30, len(DEF) - 12, 53))
def test_a_truncated_file_is_refused(tmp_path: Path, part: int) -> None:
    with pytest.raises(NetlistError, match=r"chip\.def"):
        netlist(tmp_path, DEF[:part])


@pytest.mark.skipif(not LEFDEF.is_dir(), reason="needs ../shared/benchmarks/lefdef")
@pytest.mark.parametrize(
    ("design", "libraries", "counts"),
    [
        ("ariane133_ng45/ariane133.def.gz", "nangate45", (133, 88_411, 495, 90_986, 381_472, 962)),
        ("riscv32i_asap7/riscv.def.gz", "riscv32i_asap7", (4, 12_157, 135, 9_585, 34_560, 1_355)),
    ],
)
def test_counts_of_real_designs(design: str, libraries: str, counts: tuple[int, ...]) -> None:
    n = to_netlist(read_def(LEFDEF / design), read_lef(sorted((LEFDEF / libraries).glob("*.lef"))))
    assert n.rows
    assert (len(n.hard), len(n.cells), len(n.ports), n.num_nets, len(n.net_pin), len(n.rows)) == counts


def test_a_component_that_is_there_twice_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(NetlistError, match=r"chip\.def:\d+: component 'u1' is there a second time"):
        netlist(tmp_path, DEF.replace("- u1 INV ;", "- u1 INV ;\n- u1 INV ;"))
