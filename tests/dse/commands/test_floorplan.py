"""`dse floorplan`: an explored design, a design file and a front become floorplans with reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from dse.exploration.results import Result, load_results
from dse.exploration.run import explore
from dse.exploration.selection import select_design
from dse.space.file import load_space
from netlists import load, load_placement
from placer.commands.report_pages import link_origins
from tests.dse import Command

SPACE = {
    "template": "systolic",
    "technology": "28nm",
    "networks": {"alexnet": 1.0},
    "parameters": {
        "rows": 8, "columns": 8, "input_kb": [64, 128], "weight_kb": [32, 64], "output_kb": 16, "clock_mhz": 400,
    },
    "objectives": [{"latency_ms": "min"}, {"energy_mj": "min"}, {"area_mm2": "min"}],
}  # fmt: skip
QUICK = ("--method", "greedy", "--iterations", 1, "--workers", 1, "--granularity", "coarse")


@pytest.fixture(scope="module")
def explored(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """An exploration of four designs."""
    folder = tmp_path_factory.mktemp("explored")
    (folder / "space.yaml").write_text(yaml.safe_dump(SPACE))
    return explore(load_space(folder / "space.yaml"), folder / "run")


def test_the_knee_becomes_a_floorplan(dse: Command, explored: Result) -> None:
    (explored.folder / "report.html").write_text("the page of the exploration")
    code, out, err = dse("floorplan", explored.folder, *QUICK)
    assert code == 0, err
    assert "Cost with estimated and with placed wires" in out
    folder = explored.folder / "floorplan"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert explored.knee
    assert metrics["name"] == str(explored.knee["id"])
    assert metrics["before"]["metrics"]["energy_mj"] == pytest.approx(explored.knee["energy_mj"])
    assert metrics["after"]["metrics"]["energy_mj"] != metrics["before"]["metrics"]["energy_mj"]
    assert metrics["placement"]["overlaps"] == 0
    netlist = load(folder / "netlist.pb.txt.gz")
    load_placement(netlist, folder / "placement.plc")
    page = (folder / "report.html").read_text()
    assert 'href="../report.html"' in page
    assert "Every hop inside the array" in page
    assert "lengths that were fitted to placed designs of the template" in page
    assert 'href="placement.html"' in page
    assert 'href="report.html"' in (folder / "placement.html").read_text()
    assert link_origins(str(folder / "bookshelf" / "netlist.aux"), explored.folder / "again") == {
        "Floorplan": "../floorplan/report.html", "Exploration": "../report.html"
    }  # fmt: skip
    assert (folder / "floorplan.png").stat().st_size > 1000
    assert (folder / "bookshelf" / "netlist.aux").exists()
    assert dse("report", explored.folder)[0] == 0
    assert 'href="floorplan/report.html"' in (explored.folder / "report.html").read_text()


def test_the_same_seed_gives_the_same_floorplan(dse: Command, explored: Result, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1)):
        assert dse("floorplan", explored.folder, "--out", tmp_path / name, "--seed", seed, *QUICK)[0] == 0
    for file in ("placement.plc", "netlist.pb.txt.gz", "floorplan.png", "bookshelf/netlist.pl"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def test_a_design_file_becomes_a_floorplan(dse: Command, tmp_path: Path) -> None:
    design = {"template": "spatial", "technology": "7nm", "network": "alexnet", "parameters": {"buffer_kb": 256}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(design))
    code, _, err = dse("floorplan", tmp_path / "mine.yaml", "--out", tmp_path / "out", *QUICK)
    assert code == 0, err
    assert "Floorplan of design mine (spatial)" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.slow
def test_a_front_becomes_floorplans(dse: Command, explored: Result, tmp_path: Path) -> None:
    code, out, err = dse("floorplan", explored.folder, "--design", "front", "--out", tmp_path / "front", *QUICK)
    assert code == 0, err
    page = (tmp_path / "front" / "report.html").read_text()
    for row in explored.front:
        assert (tmp_path / "front" / str(row["id"]) / "report.html").exists()
        assert f'href="{row["id"]}/report.html"' in page
    assert "rank placed" in out
    metrics = json.loads((tmp_path / "front" / "metrics.json").read_text())
    assert len(metrics["designs"]) == len(load_results(explored.folder).front)


def test_a_front_marks_what_fails(
    dse: Command, explored: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dse.floorplan import loop

    def fail(designs: list[tuple[str, object]], *args: object, **options: object) -> list[loop.FailedLoop]:
        return [loop.FailedLoop(name, "no room") for name, _ in designs]

    monkeypatch.setattr(loop, "close_loops", fail)
    code, out, err = dse("floorplan", explored.folder, "--design", "front", "--out", tmp_path / "front", *QUICK)
    assert code == 1
    assert "no floorplan" in out
    assert "has no floorplan: no room" in err
    assert "no room" in (tmp_path / "front" / "report.html").read_text()


@pytest.mark.slow
def test_an_exploration_places_promising_designs(dse: Command, explored: Result, tmp_path: Path) -> None:
    space, out = explored.folder.parent / "space.yaml", tmp_path / "run"
    code, printed, err = dse("explore", space, "--out", out, "--place", 3, "--workers", 1)
    assert code == 0, err
    assert "Designs of the front with estimated and with placed wires" in printed
    metrics = json.loads((out / "floorplan" / "metrics.json").read_text())
    promising = [str(row["id"]) for row in load_results(out).thin_front(3)]
    assert [each["name"] for each in metrics["designs"]] == promising
    assert {each["granularity"] for each in metrics["designs"]} == {"coarse"}
    assert 'href="floorplan/report.html"' in (out / "report.html").read_text()
    assert 'href="../report.html"' in (out / "floorplan" / "report.html").read_text()


@pytest.mark.slow
def test_a_bayesian_search_decides_what_is_placed(dse: Command, explored: Result, tmp_path: Path) -> None:
    space, out = explored.folder.parent / "space.yaml", tmp_path / "run"
    command = ("explore", space, "--out", out, "--search", "bayes", "--place", 3, "--workers", 1)
    code, printed, err = dse(*command)
    assert code == 0, err
    assert "How the front moves" in (page := (out / "floorplan" / "report.html").read_text())
    metrics = json.loads((out / "floorplan" / "metrics.json").read_text())
    names = [each["name"] for each in metrics["designs"]]
    assert len(names) == len(set(names)) == 3
    assert all((out / "floorplan" / name / "report.html").exists() and name in printed for name in names)
    assert "The search decided which designs to place" in page
    assert metrics["facts"]["hypervolume"].endswith("after")
    assert 'href="floorplan/report.html"' in (out / "report.html").read_text()
    again = dse(*command, "--resume")
    assert again[0] == 0, again[2]
    assert json.loads((out / "floorplan" / "metrics.json").read_text())["designs"] == metrics["designs"]


@pytest.mark.parametrize("wires", ["half_side", "fitted"])
def test_the_estimate_of_wires_is_a_choice(dse: Command, explored: Result, tmp_path: Path, wires: str) -> None:
    code, _, err = dse("explore", explored.folder.parent / "space.yaml", "--out", tmp_path / "run", "--wires", wires)
    assert code == 0, err
    result = load_results(tmp_path / "run")
    assert select_design(result).wires == wires
    same = [row["energy_mj"] for row in result.designs] == [row["energy_mj"] for row in explored.designs]
    assert same == (wires == "fitted")


def test_an_unknown_estimate_of_wires(dse: Command, explored: Result, tmp_path: Path) -> None:
    code, _, err = dse("explore", explored.folder.parent / "space.yaml", "--out", tmp_path / "run", "--wires", "short")
    assert code == 2
    assert "wires: Input should be 'half_side' or 'fitted', found 'short'" in err


def test_an_exploration_marks_what_fails(
    dse: Command, explored: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dse.floorplan import loop

    placed: list[str] = []

    def fail(designs: list[tuple[str, object]], *args: object, **options: object) -> list[loop.FailedLoop]:
        placed.extend(name for name, _ in designs)
        return [loop.FailedLoop(name, "no room") for name in placed]

    monkeypatch.setattr(loop, "close_loops", fail)
    code, _, err = dse("explore", explored.folder.parent / "space.yaml", "--out", tmp_path / "run", "--place", 3)
    assert code == 1
    assert "has no floorplan: no room" in err
    assert explored.knee
    assert str(explored.knee["id"]) in placed
    assert len(placed) <= 3
    assert 'href="floorplan/report.html"' in (tmp_path / "run" / "report.html").read_text()


def test_only_asic_designs_are_placed_after_an_exploration(dse: Command, tmp_path: Path) -> None:
    code, _, err = dse("explore", "qiu_xc7z045", "--out", tmp_path / "run", "--place", 3)
    assert code == 2
    assert "--place makes floorplans, but qiu_xc7z045 has FPGAs; leave it out" in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--design", "77"], "design '77' is not stored"),
        (["--granularity", "huge"], "granularity is 'huge'; expected one of fine, medium, coarse"),
        (["--method", "magic"], "method is 'magic'"),
        (["--utilization", "2"], "utilization is 2; expected 0.1 to 0.9"),
    ],
)
def test_mistakes_are_one_line(dse: Command, explored: Result, arguments: list[str], message: str) -> None:
    code, _, err = dse("floorplan", explored.folder, *arguments)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1


def test_a_design_file_needs_a_folder_and_has_no_front(dse: Command, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({"template": "spatial", "technology": "28nm", "network": "alexnet"}))
    assert "--out" in dse("floorplan", file)[2]
    assert "so it has no front" in dse("floorplan", file, "--design", "front", "--out", tmp_path / "out")[2]
    file.write_text(yaml.safe_dump({"template": "tiled_fpga", "device": "VX485T", "network": "alexnet"}))
    code, _, err = dse("floorplan", file, "--out", tmp_path / "out")
    assert code == 2
    assert "ASIC" in err
