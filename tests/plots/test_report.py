"""The report page: complete, self-contained, and safe with any name."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from plots import placement, report, style
from plots.report import Run
from tests.plots.chips import chip

EVIL = "<script>alert('x')</script>\"&<img src=http://evil.test/x.png>"
VOID = {"meta", "img", "br", "hr", "link", "input"}
COST = {
    "proxy": 1.0421, "wirelength": 0.0513, "density": 0.7214, "congestion": 1.2602, "hpwl_um": 1234567.8,
    "overlaps": 0, "out_of_canvas": 0, "hard_macros": 40, "soft_macros": 200, "nets": 12345,
}  # fmt: skip


class Page(HTMLParser):
    """The tags, attributes, text and ids of a page; fails if tags do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.open: list[str] = []
        self.style = ""
        self.text = ""
        self.bold: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if ("class", "best") in attrs:
            self.bold.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            self.style += data
        else:
            self.text += data
        if self.bold and self.bold[-1] == "" and self.open[-1] == "td":
            self.bold[-1] = data.strip()

    def values(self, name: str) -> list[str]:
        return [value for _, attribute, value in self.attributes if attribute == name]


def full_run(**changes: object) -> Run:
    run = Run(
        netlist="ariane", method="rl", cost=COST, facts={"grid": (39, 35)},
        stages=[{"name": "load", "seconds": 0.5, "proxy": None}, {"name": "refine", "seconds": 20.0, "proxy": 1.04}],
        settings={"seed": 7, "refine": True}, command="placer place x.aux --out 'run dir'",
        figures={"The placement": placement.draw(chip())}, notes=["nothing fixed"], versions={"torch": "2.13.0"},
    )  # fmt: skip
    return replace(run, **changes)  # type: ignore[arg-type]


def page(path: Path, *runs: Run, **options: object) -> Page:
    report.write(path / "report.html", runs, **options)  # type: ignore[arg-type]
    return Page((path / "report.html").read_text(encoding="utf-8"))


def assert_self_contained(content: Page) -> None:
    for name in ("src", "href", "srcset", "data", "action", "poster", "background"):
        for value in content.values(name):
            assert value.startswith(("data:", "#")), f"{name}={value[:60]}"
    assert content.values("type").count("application/json") >= content.tags.count("script") - 1  # data, and one script
    assert not {"link", "iframe", "object", "embed"} & set(content.tags)
    assert not [name for _, name, _ in content.attributes if name.startswith("on")]
    css = content.style + " ".join(content.values("style"))
    assert "@import" not in css
    assert all(address.strip("'\" ").startswith("data:") for address in re.findall(r"url\(([^)]*)\)", css))


def test_the_page_shows_every_part(tmp_path: Path) -> None:
    content = page(tmp_path, full_run())
    for part in (
        "ariane", "1.0421", "1,234,568", "12,345", "39, 35", "load", "20.0", "seed",
        "placer place x.aux --out 'run dir'", "The placement", "nothing fixed", "torch", "2.13.0", "yes",
    ):  # fmt: skip
        assert part in content.text, part
    assert_self_contained(content)


def test_images_decode_and_state_their_size(tmp_path: Path) -> None:
    content = page(tmp_path, full_run(figures={"a": placement.draw(chip()), "b": style.png(placement.draw(chip()))}))
    sources = content.values("src")
    assert len(sources) == 2
    for source, width in zip(sources, content.values("width"), strict=True):
        image = Image.open(io.BytesIO(base64.b64decode(source.removeprefix("data:image/png;base64,"))))
        image.load()
        assert image.size[0] == int(width)
    assert content.values("alt") == ["a", "b"]


def test_names_are_escaped_everywhere(tmp_path: Path) -> None:
    run = full_run(
        netlist=EVIL, method=EVIL, cost=COST | {EVIL: 1.0}, facts={EVIL: EVIL}, stages=[{"name": EVIL, EVIL: EVIL}],
        settings={EVIL: [EVIL]}, command=EVIL, figures={EVIL: placement.draw(chip(name=EVIL, prefix=EVIL))},
        notes=[EVIL], versions={EVIL: EVIL},
    )  # fmt: skip
    content = page(tmp_path, run, replace(run, title=EVIL), title=EVIL)
    assert_self_contained(content)
    assert len(content.values("src")) == 2
    assert content.text.count(EVIL) > 20


def test_a_run_with_nothing_but_a_name(tmp_path: Path) -> None:
    content = page(tmp_path, Run("bare"))
    assert "bare" in content.text
    assert not {"img", "table", "pre", "ul"} & set(content.tags)
    assert_self_contained(content)


def test_no_runs(tmp_path: Path) -> None:
    assert "Empty" in page(tmp_path, title="Empty").text


def test_links_to_other_pages(tmp_path: Path) -> None:
    report.write(tmp_path / "report.html", [Run("bare")], links={"Floorplan": "../floorplan/report.html"})
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<nav class="card"><a href="../floorplan/report.html">Floorplan</a></nav>' in text
    report.write(tmp_path / "report.html", [Run("bare")])
    assert "<nav" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_one_run_has_no_comparison(tmp_path: Path) -> None:
    assert "Comparison" not in page(tmp_path, full_run()).text


def test_several_runs_are_compared_with_links_to_their_sections(tmp_path: Path) -> None:
    other = full_run(method="anneal", cost=COST | {"proxy": 1.2, "density": 0.5, "seconds": 240.0})
    content = page(tmp_path, full_run(), other, Run("bare"), figures={"Convergence": placement.draw(chip())})
    assert "Comparison" in content.text
    assert "Convergence" in content.text
    assert content.bold == ["1.0421", "0.5000"]
    assert {link[1:] for link in content.values("href")} == {"run-0", "run-1", "run-2"} <= set(content.values("id"))
    assert_self_contained(content)


def test_best_is_per_netlist_among_legal_runs_with_ties() -> None:
    def run(netlist: str, proxy: float, overlaps: int = 0) -> Run:
        return Run(netlist, cost={"proxy": proxy}, violations={"overlaps": overlaps})

    assert report.best([run("a", 2.0), run("a", 1.0), run("a", 1.0), run("b", 5.0)]) == {(1, "proxy"), (2, "proxy")}
    assert report.best([run("a", 1.0), run("a", 1.0)]) == set()
    assert report.best([run("a", 2.0), run("a", 3.0), run("a", 1.0, overlaps=1)]) == {(0, "proxy")}


@pytest.mark.parametrize(
    ("violations", "legal", "broken"),
    [
        (None, None, {}),
        ({"overlaps": 0, "out_of_canvas": 0}, True, {}),
        ({"overlaps": 1, "out_of_canvas": 0}, False, {"overlaps": 1}),
        ({"overlaps": 0, "macros_off_rows": 2}, False, {"macros_off_rows": 2}),
    ],
)
def test_legal(violations: dict[str, int] | None, legal: bool | None, broken: dict[str, int]) -> None:
    run = Run("x", violations=violations)
    assert run.legal is legal
    assert run.broken == broken


def test_what_is_illegal_is_listed_whatever_it_is_called(tmp_path: Path) -> None:
    counts = {"overlaps": 0, "cell_overlaps": 88410, "off_moon": 3}
    content = page(tmp_path, full_run(violations=counts))
    assert "Why the placement is not legal" in content.text
    for part in ("Overlapping cells: 88,410", "off_moon: 3"):
        assert part in content.text
    assert "Overlaps: " not in content.text
    assert "not legal" not in page(tmp_path, full_run(violations={"overlaps": 0})).text


def test_lower_bounds_stand_beside_the_costs(tmp_path: Path) -> None:
    content = page(tmp_path, full_run(bounds={"proxy": 0.8, "wirelength": 0.0, "hpwl_um": 0.0}))
    for part in ("at least", "0.8000", "+30.3%"):
        assert part in content.text
    assert content.text.count("%") == 1
    assert "at least" not in page(tmp_path, full_run()).text


@pytest.mark.parametrize(
    ("value", "key", "text"),
    [
        (None, "", "–"), (float("nan"), "", "–"), (float("inf"), "", "inf"), (True, "", "yes"), (np.False_, "", "no"),
        (1234567, "", "1,234,567"), (np.int64(-5), "", "-5"), (1234567.8, "", "1,234,568"), (52.34, "", "52.3"),
        (0.05134, "", "0.0513"), (3e-4, "", "0.0003"), (1.5e-9, "", "1.5e-09"), (0.0, "", "0.0000"),
        (np.float64(1.04211), "", "1.0421"), (0.52, "cpu_seconds", "0.5"), ((39, 35), "", "39, 35"),
        ({"a": 1, "b": 0.5}, "", "a 1, b 0.5000"), ("7", "", "7"), (float("nan"), "seconds", "–"),
    ],
)  # fmt: skip
def test_values_as_people_read_them(value: object, key: str, text: str) -> None:
    assert report.as_text(value, key) == text


def test_names_that_are_not_utf8_are_written(tmp_path: Path) -> None:
    name = b"caf\xe9".decode("utf-8", errors="surrogateescape")
    assert "caf?" in page(tmp_path, Run(name, command=f"placer place {name}.aux")).text


def test_the_page_is_the_same_every_time(tmp_path: Path) -> None:
    report.write(tmp_path / "a.html", [full_run()])
    report.write(tmp_path / "b.html", [full_run()])
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_a_failed_page_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        report.write(tmp_path / "missing" / "report.html", [Run("x")])
    assert list(tmp_path.iterdir()) == []
