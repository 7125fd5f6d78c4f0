"""What the report pages show of finished runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netlists.legality.verdict import COUNTS
from netlists.netlist import Kind
from netlists.placement import Placement
from netlists.synthetic.generate import GeneratorSettings, generate
from placer.commands.report_pages import link_origins, quantity, report_run, violations, write_comparison
from placer.runs.run_folder import FinishedRun

SMALL = GeneratorSettings(
    "small", (100.0, 100.0), (6, 6), hard_macros=4, macro_sizes=2, soft_macros=6, ports=4, nets=20
)


def finished(folder: str, **changes: Any) -> FinishedRun:
    """A run with nothing but what its page needs."""
    metrics = {
        "method": "greedy", "history": [(0.5, 1.2), (1.5, 1.1)], "stages": [], "settings": {}, "command": "",
        "versions": {}, "interrupted": False, "stuck": 0, "lower_bounds": {"proxy": 0.5},
    }  # fmt: skip
    return FinishedRun(Path(folder), Placement.given(generate(SMALL, 0)), metrics | changes)


def test_a_run_has_its_view_bounds_and_verdict() -> None:
    run = report_run(finished("run"))
    assert run.view is not None
    assert set(run.view.maps) == {"Congestion", "Horizontal congestion", "Vertical congestion", "Density"}
    assert run.bounds == {"proxy": 0.5}
    assert run.legal
    assert run.violations == dict.fromkeys(COUNTS, 0)


def test_a_flat_run_shows_its_routing() -> None:
    clustered = finished("run")
    n = clustered.placement.netlist
    flat = n.with_(kind=np.where(n.kind == Kind.SOFT, Kind.CELL, n.kind).astype(np.int8))
    assert not any("Routing" in caption for caption in report_run(clustered).figures)
    captions = report_run(replace(clustered, placement=Placement.given(flat))).figures
    assert sum(caption.startswith("Routing estimate: ") and "overflow" in caption for caption in captions) == 1


def test_runs_made_before_there_were_bounds_have_none() -> None:
    old = finished("run")
    del old.metrics["lower_bounds"]
    assert report_run(old).bounds == {}


def test_violations_are_the_counts_in_a_cost() -> None:
    cost = {"proxy": 1.0, "overlaps": 2, "out_of_canvas": 0, "cell_overlaps": 7, "nets": 20}
    assert violations(cost) == {"overlaps": 2, "out_of_canvas": 0, "cell_overlaps": 7}


@pytest.mark.parametrize(
    ("metrics", "what"),
    [
        ({}, "proxy cost"),
        ({"clustered_proxy": 1.1}, "proxy cost of the clustered design"),
        ({"clustered_proxy": 1.1, "hpwl_history": [(1.0, 5e6)]}, "HPWL (µm)"),
    ],
)
def test_convergence_says_what_it_is_about(metrics: dict[str, Any], what: str) -> None:
    assert quantity(metrics) == what
    assert f"Best {what} over time" in report_run(finished("run", **metrics)).figures


def test_compared_runs_are_named_by_folder_and_stand_side_by_side(tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    write_comparison(out, [finished("sweeps/a"), finished("sweeps/b")])
    text = out.read_text(encoding="utf-8")
    for folder in ("sweeps/a", "sweeps/b"):
        assert f"<h2>{folder}</h2>" in text
    assert text.count('class="card viewer"') == 1
    assert text.count("<canvas tabindex") == 2


def test_netlists_of_accelerators_link_to_where_they_come_from(tmp_path: Path) -> None:
    """Only to pages that exist: those of a floorplan in an exploration, of one of its front, and of a design file."""
    for file in ("run/results.sqlite", "run/report.html", "run/floorplan/report.html", "run/floorplan/floorplan.png",
                 "run/floorplan/7/report.html", "run/floorplan/7/floorplan.png", "alone/report.html",
                 "alone/floorplan.png", "other/report.html"):  # fmt: skip
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()

    def link(netlist: str) -> dict[str, str]:
        return link_origins(str(tmp_path / netlist), tmp_path / "placed")

    both = {"Floorplan": "../run/floorplan/report.html", "Exploration": "../run/report.html"}
    assert link("run/floorplan/netlist.pb.txt.gz") == link("run/floorplan/bookshelf/netlist.aux") == both
    assert link("run/floorplan/7/netlist.pb.txt.gz") == {**both, "Floorplan": "../run/floorplan/7/report.html"}
    assert link("alone/netlist.pb.txt.gz") == {"Floorplan": "../alone/report.html"}
    assert link("other/netlist.pb.txt.gz") == link("nowhere/netlist.aux") == link_origins("harbor", tmp_path) == {}
