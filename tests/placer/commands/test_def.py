"""DEF designs on the command line: placed, written as DEF and Tcl, evaluated again, converted, described."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from netlists import load, load_placement
from tests.netlists.formats.lefdef.inputs import DEF, write
from tests.placer.commands.conftest import Run


@pytest.fixture
def floorplan(tmp_path: Path) -> Path:
    """The small design with rows for its macros, its LEF file beside it."""
    head, _, rest = DEF.partition("ROW r0")
    rest = rest[rest.index("TRACKS") :]
    rows = [f"ROW r{k} core 11000 {12000 + 2000 * k} N DO 160 BY 1 STEP 500 0 ;\n" for k in range(30)]
    return write(tmp_path, head + "".join(rows) + rest)[0]


@pytest.mark.parametrize("tool", ["openroad", "innovus"])
def test_a_floorplan_is_placed_and_handed_on(placer: Run, floorplan: Path, tool: str) -> None:
    out = floorplan.parent / "run"
    code, _, err = placer("place", floorplan, "--out", out, "--method", "greedy", "--iterations", 1, "--workers", 1,
                          "--tcl", tool)  # fmt: skip
    assert code == 0
    assert "1 routing blockages are not used" in err
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["legal"]
    command = "place_macro -macro_name" if tool == "openroad" else "placeInstance"
    assert [line.startswith(command) for line in (out / "macros.tcl").read_text().splitlines()] == [True, True]
    again = load_placement(load(floorplan), out / "placement.def")
    assert not again.violations()
    code, text, _ = placer("evaluate", floorplan, "--placement", out / "placement.def", "--json")
    assert (code, json.loads(text)["hpwl_um"]) == (0, metrics["hpwl_um"])
    target = floorplan.parent / "placed.def"
    assert placer("convert", floorplan, target, "--placement", out / "placement.def")[0] == 0
    assert target.read_text() == (out / "placement.def").read_text()
    assert len(target.read_text().splitlines()) == len(floorplan.read_text().splitlines())


def test_what_the_command_refuses(placer: Run, floorplan: Path, tmp_path: Path) -> None:
    code, _, err = placer("place", floorplan, "--out", tmp_path / "run", "--tcl", "openraod")
    assert (code, err) == (2, "error: tcl is 'openraod'; expected one of openroad, innovus; did you mean 'openroad'?\n")
    code, _, err = placer("evaluate", "jetty", "--lef", tmp_path / "chip.lef")
    assert code == 2
    assert "lef cannot be set for Circuit Training protobuf netlists" in err


def test_names_with_brackets_are_shown_as_they_are(placer: Run, floorplan: Path) -> None:
    code, out, _ = placer("info", floorplan)
    assert code == 0
    assert "20 × 10" in out


def test_options_and_a_file_add_constraints(placer: Run, floorplan: Path) -> None:
    folder = floorplan.parent
    (folder / "more.yaml").write_text("abut: never\nblockages: [{box: [0, 0, 20, 20]}]\n")
    out = folder / "run"
    options = ["--halo", 1, "--channel", 3, "--constraints", folder / "more.yaml", "--fix", "mem/ram1"]
    code, _, err = placer("place", floorplan, "--out", out, "--method", "greedy", "--iterations", 1, "--workers", 1,
                          *options)  # fmt: skip
    assert code == 0, err
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["legal"]
    assert (metrics["source"]["halo"], metrics["source"]["channel"], metrics["source"]["fix"]) == (1, 3, ["mem/ram1"])
    assert placer("report", out, "--out", folder / "again.html")[0] == 0
    assert "Gaps between macros under 3 µm" in (folder / "again.html").read_text()
    code, _, err = placer("evaluate", floorplan, "--halo", -1)
    assert code == 2
    assert "expected a finite number of µm" in err


def test_convert_says_what_a_format_cannot_hold(placer: Run, floorplan: Path) -> None:
    code, _, err = placer("convert", floorplan, floorplan.parent / "chip.pb.txt")
    assert code == 0
    assert "cannot hold constraints" in err
