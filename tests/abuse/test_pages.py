"""Pages that are made of hostile names have the elements and attributes of those made of plain ones, and no others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dse.commands.pages import write_evaluation, write_exploration
from dse.exploration.results import load_results, write_front
from dse.exploration.run import explore
from dse.model.evaluation import evaluate
from dse.space.file import SPACES, load_space
from dse.validation.publication import find_design
from netlists import Netlist, load, save
from netlists.connectivity import build_graphs, summarize
from netlists.synthetic.tiny import tiny_netlist
from placer import place
from placer.commands.place import write_pages
from placer.commands.report_pages import write_comparison
from placer.runs.run_folder import Source, read_run, write_run
from plots import netlist as netlist_page
from tests.abuse.targets import DESIGN

MARKS = (
    "<script>alert(1)</script>", "<img/src=x/onerror=alert(1)>", '"onmouseover="alert(1)', "'style='x", "</script><b>",
    "</title><h1>", "{{7*7}}", "{%x%}", "&lt;i&gt;", "]]>", "<!--", "../../../etc/passwd", "$\\frac{", "\u202e",
)  # fmt: skip
"""What would change a page, run in a browser, be evaluated by a template or a figure, or leave a folder."""


def names(count: int) -> list[str]:
    """That many different names, the last one of 10 kB."""
    return [f"{MARKS[k % len(MARKS)]}/{k}" for k in range(count - 1)] + ["<b>" + "x" * 10_000]


class Elements(HTMLParser):
    """The elements of a page and the names of their attributes, in their order, and all of its text."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""
        self.feed(page.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))

    def handle_comment(self, data: str) -> None:
        self.found.append(("!--", ()))

    def handle_data(self, data: str) -> None:
        self.text += data


def assert_same_elements(hostile: Path, plain: Path) -> None:
    """Both pages have the same elements, and the hostile one shows its names as text."""
    ours, theirs = Elements(hostile), Elements(plain)
    assert ours.found == theirs.found
    assert "<script>alert(1)</script>" in ours.text or "\\u003cscript" in ours.text.lower()


def renamed(netlist: Netlist, texts: Sequence[str]) -> Netlist:
    return netlist.with_(node_names=tuple(texts))


def test_names_of_others_are_kept_by_protobuf_files(tmp_path: Path) -> None:
    netlist = renamed(tiny_netlist(), names(tiny_netlist().num_nodes))
    save(netlist, tmp_path / "netlist.pb.txt")
    assert load(tmp_path / "netlist.pb.txt").node_names == netlist.node_names


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of runs on one netlist with hostile and with plain names."""
    top = tmp_path_factory.mktemp("pages")
    netlist, folders = tiny_netlist(), dict[str, Path]()
    for kind, texts in (("hostile", names(netlist.num_nodes)), ("plain", [f"n{k}" for k in range(netlist.num_nodes)])):
        source = top / f"{kind}.pb.txt"
        save(renamed(netlist, texts), source)
        chip = load(source)
        result = place(chip, method="greedy", iterations=1, workers=1)
        command = f"placer place {MARKS[0] if kind == 'hostile' else 'x'}"
        metrics = replace(result, metrics=result.metrics | {"stages": []})
        write_run(top / kind, metrics, Source(str(source)), command)
        folders[kind] = top / kind
    return folders


def test_report_of_a_run(placed: dict[str, Path]) -> None:
    for folder in placed.values():
        write_pages(read_run(folder))
    assert_same_elements(placed["hostile"] / "report.html", placed["plain"] / "report.html")


def test_comparison_of_runs(placed: dict[str, Path], tmp_path: Path) -> None:
    for kind, folder in placed.items():
        write_comparison(tmp_path / f"{kind}.html", [read_run(folder)] * 2)
    assert_same_elements(tmp_path / "hostile.html", tmp_path / "plain.html")


def test_page_of_a_netlist(placed: dict[str, Path], tmp_path: Path) -> None:
    for kind, folder in placed.items():
        chip = load(f"{folder}.pb.txt")
        graphs = build_graphs(chip)
        netlist_page.write(tmp_path / f"{kind}.html", chip, summarize(chip, graphs), graphs, footer=MARKS[0])
    hostile, plain = (Elements(tmp_path / f"{kind}.html").found for kind in ("hostile", "plain"))
    assert {tag for tag, _ in hostile} <= {tag for tag, _ in plain}
    assert {(tag, attributes) for tag, attributes in hostile} <= {(tag, attributes) for tag, attributes in plain}


def test_page_of_an_evaluation(tmp_path: Path) -> None:
    (tmp_path / "design.yaml").write_text(DESIGN)
    for kind, texts in (("hostile", names(5)), ("plain", ["a", "b", "c", "d", "e"])):
        rows = "".join(f"{text.replace(',', ';')},56,56,3,3,64,64,1,\n" for text in texts)
        (tmp_path / f"{kind}.csv").write_text(f"Layer,H,W,KH,KW,C,F,S,\n{rows}")
        write_evaluation(
            tmp_path / kind, evaluate(find_design(str(tmp_path / "design.yaml")), str(tmp_path / f"{kind}.csv"))
        )
    assert_same_elements(tmp_path / "hostile" / "report.html", tmp_path / "plain" / "report.html")


def test_page_of_an_exploration(tmp_path: Path) -> None:
    text = (SPACES / "qiu_xc7z045.yaml").read_text()
    assert text.startswith("title: ")
    for kind, name in (("hostile", MARKS[0] + MARKS[2] + "x" * 10_000), ("plain", "plain")):
        lines = [f"title: {json.dumps(name)}", *text.splitlines()[1:]]
        (tmp_path / f"{kind}.yaml").write_text("\n".join(lines) + "\n")
        explore(load_space(str(tmp_path / f"{kind}.yaml")), tmp_path / kind, search="nsga2", budget=60)
        result = load_results(tmp_path / kind)
        write_front(result)
        write_exploration(result, tmp_path / f"{kind}.html")
    assert_same_elements(tmp_path / "hostile.html", tmp_path / "plain.html")
