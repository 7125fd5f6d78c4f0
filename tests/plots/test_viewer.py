"""The data of the interactive picture, and the page that holds it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netlists.connectivity import connectivity
from netlists.netlist import ORIENTATIONS
from netlists.placement import Placement
from plots import report, viewer
from plots.report import Run
from tests.plots.chips import chip
from tests.plots.test_report import EVIL, Page, assert_self_contained
from tests.plots.views import flat, thousand, turned, view, write

MOST_BYTES = 2_000_000


def data(*placements: Placement) -> dict[str, Any]:
    """The data that the script reads."""
    content: dict[str, Any] = json.loads(
        viewer.Viewer([view(p) for p in placements], ["a", "b"][: len(placements)]).json
    )
    return content


def test_nodes_are_those_of_the_placement() -> None:
    placed = chip(hard=6, soft=4, ports=5)
    n, content = placed.netlist, data(placed)
    nodes = np.concatenate([n.hard, n.soft, n.ports])
    assert content["names"] == [n.node_names[v] for v in nodes]
    assert (content["hard"], content["soft"], content["ports"], content["fixed"]) == (6, 4, 5, [0, 1])
    run = content["runs"][0]
    assert np.column_stack([run["x"], run["y"]]) == pytest.approx(placed.position_um[nodes], abs=1e-4)
    assert np.column_stack([content["w"], content["h"]]) == pytest.approx(n.size_um[nodes], abs=1e-4)
    assert [ORIENTATIONS[o] for o in run["o"]] == [ORIENTATIONS[o] for o in placed.orientation[nodes]]
    assert np.array(run["maps"]["Density"]).reshape(n.grid) / 1000 == pytest.approx(
        view(placed).maps["Density"], abs=1e-3
    )


def test_illegal_macros_are_marked() -> None:
    placed = chip(hard=6, fixed=0)
    position = placed.position_um.copy()
    position[2] = position[3]
    position[5] += 60.0
    assert data(Placement(placed.netlist, position, placed.orientation))["runs"][0]["wrong"] == [2, 3, 5]
    assert data(placed)["runs"][0]["wrong"] == []


def test_links_are_the_strongest_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer, "LINKS", 5)
    monkeypatch.setattr(viewer, "LEAST_LINKS", 1)
    placed = flat(3000)
    n, content, links = placed.netlist, data(placed), connectivity(placed)
    nodes = np.concatenate([n.hard, n.soft, n.ports])
    place = {int(v): k for k, v in enumerate(nodes)}
    assert content["kept"] == [5, 5]
    for k, v in enumerate(n.hard):
        mine = np.flatnonzero(links.macro == v)[:5]
        partners = [
            place[u] if (u := int(p)) < n.num_nodes else len(nodes) + u - n.num_nodes for p in links.partner[mine]
        ]
        assert content["links"][k][::2] == partners
        assert content["links"][k][1::2] == pytest.approx(links.strength[mine], rel=1e-3)
    assert any(partner >= len(nodes) for link in content["links"] for partner in link[::2])
    assert [w for _, _, w in content["heaviest"]] == sorted((w for _, _, w in content["heaviest"]), reverse=True)


def test_cells_are_a_picture_of_where_they_lie() -> None:
    placed = flat(20_000)
    n = placed.netlist
    source = data(placed)["runs"][0]["cells"]
    image = Image.open(io.BytesIO(base64.b64decode(source.removeprefix("data:image/png;base64,"))))
    assert max(image.size) <= viewer.CELL_PIXELS
    cover = (np.asarray(image)[::-1, :, 3] / 255.0) ** 2  # the picture begins at the top
    assert cover.mean() == pytest.approx(n.size_um[n.cells].prod(axis=1).sum() / np.prod(n.canvas_um), rel=0.1)
    half = [part.mean() for part in np.array_split(cover, 2)]
    low = placed.position_um[n.cells, 1] < n.canvas_um[1] / 2
    assert half[0] / half[1] == pytest.approx(low.sum() / (~low).sum(), rel=0.1)
    assert data(chip())["runs"][0]["cells"] is None


def test_runs_on_one_chip_stand_side_by_side() -> None:
    a, b = chip(), chip(hard=7)
    views = [("a", view(a)), ("b", view(b)), ("c", view(turned(a)))]
    assert [list(v.titles) for v in viewer.viewers(views)] == [["a", "c"], ["b"]]
    content = data(a, turned(a))
    assert [run["title"] for run in content["runs"]] == ["a", "b"]
    assert content["runs"][0]["x"] != content["runs"][1]["x"]


def test_each_view_is_on_the_page_once(tmp_path: Path) -> None:
    one, other = chip(), chip(hard=7)
    text = write(tmp_path / "page.html", one, other, turned(one)).read_text(encoding="utf-8")
    assert re.findall(r'class="card viewer" id="([^"]+)"', text) == ["viewer-0", "viewer-run-1"]
    assert text.count("<canvas tabindex") == 3


def test_the_page_runs_its_own_script_alone(tmp_path: Path) -> None:
    placed = chip(name=EVIL, prefix=EVIL)
    report.write(tmp_path / "page.html", [Run(EVIL, title=EVIL, view=view(placed))])
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    content = Page(text)
    assert_self_contained(content)
    policy = next(value for value in content.values("content") if "default-src" in value)
    scripts = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    block = re.findall(r'<script type="application/json">(.*?)</script>', text, flags=re.DOTALL)[0]
    assert json.loads(block)["names"][0] == f"{EVIL}0"
    assert not set("<>&") & set(block)


def test_without_a_view_there_is_no_script(tmp_path: Path) -> None:
    report.write(tmp_path / "page.html", [Run("bare")])
    assert "<script" not in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_maps_are_left_out_where_there_are_none(tmp_path: Path) -> None:
    report.write(tmp_path / "page.html", [Run("x", view=replace(view(chip()), maps={}))])
    content = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "select" not in content.tags


@pytest.mark.parametrize(
    ("kinds", "hidden"), [({"soft": 0}, "soft"), ({"ports": 0}, "ports"), ({"hard": 0, "fixed": 0}, "hard")]
)
def test_layers_are_those_with_something_in_them(tmp_path: Path, kinds: dict[str, Any], hidden: str) -> None:
    layers = [
        Page(write(tmp_path / "page.html", p).read_text(encoding="utf-8")).values("data-layer")
        for p in (chip(), chip(**kinds))
    ]
    assert hidden in layers[0]
    assert hidden not in layers[1]


@pytest.mark.parametrize("placed", [thousand, lambda: flat(100_000)], ids=["1,000 macros", "100,000 cells"])
def test_pages_of_large_designs_stay_small(tmp_path: Path, placed: Any) -> None:
    assert write(tmp_path / "page.html", placed()).stat().st_size < MOST_BYTES
