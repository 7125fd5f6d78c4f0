"""Rare entries of DEF sections, as known on paper, and broken ones, which are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlists.errors import NetlistError
from netlists.formats.lefdef.def_file import DefDesign, read_def
from netlists.formats.lefdef.design import to_netlist
from netlists.formats.lefdef.lef import read_lef
from netlists.netlist import Netlist
from tests.netlists.formats.lefdef.inputs import DEF, LEF, write


def design_with(folder: Path, old: str, new: str) -> DefDesign:
    assert old in DEF
    return read_def(write(folder, DEF.replace(old, new, 1))[0])


def netlist_with(folder: Path, old: str, new: str) -> Netlist:
    return to_netlist(design_with(folder, old, new), read_lef([folder / "chip.lef"]))


def test_a_blockage_of_a_polygon_is_its_boxes(tmp_path: Path) -> None:
    """An L, 30 wide and 20 high, whose arms are 10 thick: one box for each of the two strips between its corners."""
    polygon = "POLYGON ( 0 0 ) ( 30 0 ) ( 30 10 ) ( 10 10 ) ( 10 20 ) ( 0 20 )"
    design = design_with(tmp_path, "SOFT RECT ( 0 0 ) ( 10 10 ) RECT", f"PARTIAL 40 {polygon} RECT")
    blockage = design.blockages[0]
    assert (blockage.kind, blockage.density) == ("PARTIAL", 40.0)
    assert blockage.boxes == ((0.0, 0.0, 10.0, 20.0), (10.0, 0.0, 30.0, 10.0), (20.0, 20.0, 30.0, 30.0))


def test_a_blockage_that_moves_along_with_a_component_is_not_used(tmp_path: Path) -> None:
    n = netlist_with(tmp_path, "- PLACEMENT + SOFT RECT", "- PLACEMENT + COMPONENT u1 RECT")
    assert "1 placement blockages that move along with a component are not used" in "\n".join(n.notes)
    assert n.constraints is not None
    assert not n.constraints.blockages


def test_components_and_groups_name_their_regions(tmp_path: Path) -> None:
    """One macro is in the region by itself; a group has boxes of its own, which make a fence for its members."""
    own = "- mems mem/ram1 + REGION ( 1000 2000 ) ( 51000 42000 ) + PROPERTY a 1 + WEIGHT 2"
    text = DEF.replace("- mems mem/* + REGION left", own, 1).replace("W ;", "W + REGION left + WEIGHT 3 ;", 1)
    design = read_def(write(tmp_path, text)[0])
    assert design.components[4].region == "left"
    assert [(group.members, group.region) for group in design.groups] == [(("mem/ram1",), "(group mems)")]
    n = to_netlist(design, read_lef([tmp_path / "chip.lef"]))
    assert n.constraints is not None
    assert [(region.nodes, region.boxes_um) for region in n.constraints.regions] == [
        (("mem/ram2",), ((-1.0, -2.0, 49.0, 78.0),)),
        (("mem/ram1",), ((0.0, 0.0, 50.0, 40.0),)),
    ]
    notes = "\n".join(n.notes)
    assert "1 WEIGHT of components are not used" in notes
    assert "1 WEIGHT of groups are not used" in notes


def test_connections_to_all_components_are_left_out(tmp_path: Path) -> None:
    n = netlist_with(tmp_path, "- n1 ( mem/ram1 A[0] )", "- n1 ( * A ) ( mem/ram1 A[0] )")
    assert "1 connections to all components (*) are left out" in "\n".join(n.notes)
    assert n.connection_node[n.net_start[1] : n.net_start[2]].tolist() == [2, 1]


def test_a_net_of_pins_that_must_be_joined_is_not_used(tmp_path: Path) -> None:
    n = netlist_with(tmp_path, "NETS 4 ;\n", "NETS 5 ;\n- MUSTJOIN ( u1 A ) ;\n")
    assert n.net_names == ("n0", "n1", "n2")
    assert "1 MUSTJOIN of nets are not used" in "\n".join(n.notes)


def test_pins_of_a_via_are_where_they_are_placed(tmp_path: Path) -> None:
    n = netlist_with(tmp_path, "+ LAYER M2 ( -50 0 ) ( 50 100 )", "+ VIA V12 ( 0 0 )")
    assert n.position_um[5].tolist() == [0.0, 38.0]  # (1, 40) µm less the origin (1, 2)


def test_a_pin_with_the_name_of_a_component_gets_a_prefix(tmp_path: Path) -> None:
    text = DEF.replace("- in + NET", "- u1 + NET", 1).replace("( PIN in )", "( PIN u1 )", 1)
    n = to_netlist(read_def(write(tmp_path, text)[0]), read_lef([tmp_path / "chip.lef"]))
    assert n.node_names[5:] == ("PIN/u1", "out")
    assert n.notes[0] == "1 pins have the names of components: they are called PIN/name here"


def test_a_component_that_covers_the_chip_is_no_macro(tmp_path: Path) -> None:
    """A fixed instance of class COVER (a logo, bumps) takes no room."""
    lef = LEF.replace("MACRO INV\n  CLASS CORE", "MACRO INV\n  CLASS COVER", 1)
    n = to_netlist(read_def(write(tmp_path, DEF, lef)[0]), read_lef([tmp_path / "chip.lef"]))
    assert n.size_um[3].tolist() == [0.0, 0.0]
    assert n.size_um[2].tolist() == [1.0, 2.0]  # not fixed


def test_rows_of_other_sites_are_left_out(tmp_path: Path) -> None:
    n = netlist_with(tmp_path, "ROW r0 core", "ROW r0 corner")
    assert n.rows is not None
    assert len(n.rows) == 1
    assert "1 rows have site 'corner', which no LEF file has: they are left out" in "\n".join(n.notes)
    lef = LEF.replace("SITE core\n  CLASS CORE", "SITE core\n  CLASS PAD", 1)
    assert to_netlist(read_def(write(tmp_path, DEF, lef)[0]), read_lef([tmp_path / "chip.lef"])).rows is None


def test_a_die_that_is_a_polygon_has_a_box(tmp_path: Path) -> None:
    n = netlist_with(tmp_path, "( 101000 82000 ) ;", "( 51000 * ) ( * 42000 ) ( 101000 * ) ( * 82000 ) ( 1000 * ) ;")
    assert n.canvas_um == (100.0, 80.0)
    assert n.notes[-1].endswith("the die is a polygon; its bounding box is the canvas")


def test_extensions_are_read_over(tmp_path: Path) -> None:
    n = netlist_with(tmp_path, "END DESIGN", 'BEGINEXT "x" - a ; ENDEXT\nEND DESIGN')
    assert "1 extensions are not used" in "\n".join(n.notes)
    lef = LEF.replace("END LIBRARY", 'BEGINEXT "x" MACRO ; ENDEXT\nEND LIBRARY')
    lef = lef.replace("END RAM", "  DENSITY\n    LAYER M1 ;\n    RECT 0 0 1 1 50 ;\n  END\nEND RAM", 1)
    lef = lef.replace("RECT 2 5 4 7 ;", "RECT MASK 1 2 5 4 7 ;", 1)
    library = read_lef([write(tmp_path, DEF, lef)[1]])
    assert list(library.masters) == ["RAM", "INV"]
    assert library.masters["RAM"].pins["A[0]"].center_um == (4.0, 8.0)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("DESIGN chip ;", "DESIGN ;", r"chip\.def:5: DESIGN has no name; expected `DESIGN name ;`"),
        ("DESIGN chip ;", "", "there is no DESIGN statement; expected a complete DEF file"),
        ("END DESIGN", "END CHIP", "found `END CHIP`; expected `END DESIGN`"),
        ("VERSION 5.8 ;", "5.8 ;", r"chip\.def:2: found '5.8'; expected a DEF statement"),
        ("- u1 INV ;", "- ;", r"chip\.def:17: an empty entry in COMPONENTS; expected a name after the dash"),
        ("- u1 INV ;", "- u1 ;", r"chip\.def:17: component 'u1' has no master; expected `- name master \.\.\. ;`"),
        ("ROW r0 core 11000 12000 N DO 160 BY 1 STEP 500 0 ;", "ROW r0 core ;", "a ROW is incomplete; expected `ROW"),
        ("( 50000 80000 ) + TYPE", "( 50000 80000 ) ( 1 1 ) + TYPE", "REGION left has 3 points; expected two for each"),
        ("( 101000 82000 ) ;", ";", "DIEAREA has one point; expected two corners or a polygon"),
        ("- PLACEMENT + SOFT", "- FLOOR + SOFT", "found 'FLOOR' in BLOCKAGES; expected LAYER or PLACEMENT"),
        ("( mem/ram1 A[0] )", "( mem/ram1 )", "net 'n1' has a broken connection; expected `\\( component pin \\)`"),
    ],
)
def test_broken_entries_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(NetlistError, match=message):
        netlist_with(tmp_path, old, new)
