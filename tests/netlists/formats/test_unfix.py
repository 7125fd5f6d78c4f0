"""Fixed macros freed by a shell glob: which are freed, which stay fixed, and the note."""

from __future__ import annotations

from pathlib import Path

import pytest

import netlists
from netlists.errors import NetlistError, SettingsError
from netlists.formats.unfix import unfix
from netlists.netlist import Kind, Netlist
from tests import BENCHMARKS
from tests.netlists.chips import BOOKSHELF, write_bookshelf, write_pb
from tests.netlists.formats.test_bookshelf_wild import CASES

NODES = """NumNodes : 7
NumTerminals : 6
ram[0] 8 6 terminal
ram[1] 8 6 terminal
rom 4 4 terminal
pad 1 1 terminal
pin0 0 0 terminal
ni 2 2 terminal_NI
c0 2 2
"""
PL = "ram[0] 0 0 : N /FIXED\nram[1] 8 0 : FS /FIXED\nrom 20 4 /FIXED\npad -2 3\npin0 3 3\nni 1 1\nc0 0 8\n"


@pytest.fixture
def contest(tmp_path: Path) -> Path:
    """All macros are terminals, as in contest files."""
    return write_bookshelf(tmp_path, nodes=NODES, pl=PL, nets="NetDegree : 2\nrom I\nc0 O\n", wts="")


@pytest.mark.parametrize(
    ("globs", "freed"),
    [
        ((), []),
        (("*",), ["ram[0]", "ram[1]", "rom"]),
        (("ram*",), ["ram[0]", "ram[1]"]),
        (("ram[1]",), ["ram[1]"]),
        (("r?m", "ram[[]0]"), ["ram[0]", "rom"]),
        (("[!r]*", "rom"), None),
    ],
)
def test_which_nodes_are_freed(contest: Path, globs: tuple[str, ...], freed: list[str] | None) -> None:
    if freed is None:
        with pytest.raises(SettingsError, match=r"unfix '\[!r\]\*' matches 3 ports and 1 movable nodes, but no fixed"):
            netlists.load(contest, unfix=globs)
        return
    fixed, result = netlists.load(contest), netlists.load(contest, unfix=globs)
    changed = [result.node_names[v] for v in range(result.num_nodes) if fixed.fixed[v] != result.fixed[v]]
    assert changed == freed
    assert [result.node_names[v] for v in result.movable_hard] == freed
    assert result.kind.tolist() == fixed.kind.tolist()
    assert result.with_(fixed=fixed.fixed).same_as(fixed)


def test_the_note_says_how_many(contest: Path) -> None:
    assert netlists.load(contest, unfix=("*",)).notes == (
        "3 of 3 fixed nodes are freed (*); 3 ports that match stay fixed",
    )
    assert netlists.load(contest, unfix=("ram*", "rom")).notes == ("3 of 3 fixed nodes are freed (ram*, rom)",)
    assert netlists.load(contest, unfix=["rom"]).notes == ("1 of 3 fixed nodes are freed (rom)",)


@pytest.mark.parametrize(
    ("glob", "message"),
    [
        ("rum", "unfix 'rum' matches no node; expected a glob of fixed macros, of which a has 3; did you mean 'rom'?"),
        ("Rom", "did you mean 'rom'?"),
        ("", "unfix '' matches no node"),
        ("c0", "unfix 'c0' matches 0 ports and 1 movable nodes, but no fixed macro"),
        ("pad", "unfix 'pad' matches 1 ports and 0 movable nodes, but no fixed macro"),
    ],
)
def test_a_glob_that_frees_nothing(contest: Path, glob: str, message: str) -> None:
    with pytest.raises(SettingsError) as error:
        netlists.load(contest, unfix=("rom", glob))
    assert message in str(error.value)


def test_a_freed_macro_must_fit(tmp_path: Path) -> None:
    path = write_bookshelf(tmp_path, nodes=BOOKSHELF["a.nodes"].replace("rom 4 4", "rom 4 40"))
    assert netlists.load(path).kind[1] == Kind.HARD
    with pytest.raises(NetlistError, match="hard macro 'rom' is 4 by 40 µm; expected at most the canvas"):
        netlists.load(path, unfix=("rom",))


def test_protobuf_netlists(tmp_path: Path) -> None:
    path = write_pb(tmp_path)
    fixed = [name for name, is_fixed, kind in _nodes(netlists.load(path)) if is_fixed and kind != Kind.PORT]
    assert fixed == ["rom"]
    result = netlists.load(path, unfix=("r*",))
    assert not [name for name, is_fixed, kind in _nodes(result) if is_fixed and kind != Kind.PORT]
    assert unfix(netlists.load(path), ("rom",)).same_as(result)
    assert unfix(result, ()) is result


def _nodes(netlist: Netlist) -> list[tuple[str, bool, int]]:
    return list(zip(netlist.node_names, netlist.fixed.tolist(), netlist.kind.tolist(), strict=True))


@pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared/cases")
def test_shared_case() -> None:
    result = netlists.load(CASES / "b25_unfix_by_pl", unfix=("m*",))
    assert [result.node_names[v] for v in result.movable_hard] == ["m1", "m2"]
    assert result.notes[-1] == "2 of 2 fixed nodes are freed (m*)"


@pytest.mark.skipif(not (BENCHMARKS / "iccad04").is_dir(), reason="needs ../shared/benchmarks")
def test_pads_of_ibm01_can_be_freed_too() -> None:
    result = netlists.load(BENCHMARKS / "iccad04" / "ibm01" / "ibm01.aux", unfix=("p1", "p10*"))
    assert len(result.movable_hard) == 246 + 12
