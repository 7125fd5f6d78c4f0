"""The interactive picture in headless Chromium, with real pointers and keys, on a desktop and on a phone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netlists.netlist import ORIENTATIONS, Ints
from netlists.placement import Placement
from tests.plots.chips import chip
from tests.plots.chromium import Chromium, chromium
from tests.plots.test_report import EVIL
from tests.plots.views import ariane, flat, turned, write

DESKTOP = 1280
"""Width of a window on a desktop in pixels."""

PHONE = 390
"""Width of a window on a phone in pixels."""
VIEWER = "document.querySelector('.viewer').viewer"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with chromium(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture(scope="module")
def placed() -> Placement:
    return ariane()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, placed: Placement) -> Path:
    return write(tmp_path_factory.mktemp("one") / "report.html", placed)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, placed: Placement) -> Path:
    return write(tmp_path_factory.mktemp("two") / "report.html", placed, turned(placed))


class Picture:
    """The picture of an open page, as a reader sees and uses it."""

    def __init__(self, browser: Chromium, page: Path, width: int) -> None:
        self.browser = browser
        browser.open(page, width=width, height=900)
        browser.run("document.querySelector('.pane canvas').scrollIntoView({block: 'center'})")
        if width > PHONE:
            browser.mouse("mouseMoved", 1, 1)  # off the picture
        browser.settle()

    def get(self, expression: str) -> Any:
        return self.browser.run(f"{VIEWER}.{expression}")

    def place(self, x: float, y: float, pane: int = 0) -> tuple[float, float]:
        """The pixel of the window at which a point of the canvas, in µm, is drawn."""
        value = self.browser.run(
            f"(() => {{ const p = {VIEWER}.panes[{pane}], b = p.canvas.getBoundingClientRect();"
            f" const [x, y] = p.project({x}, {y}); return [b.left + x, b.top + y]; }})()"
        )
        return value[0], value[1]

    def text(self, selector: str) -> str:
        value: str = self.browser.run(f"document.querySelector('.viewer {selector}').textContent")
        return value

    def tip(self) -> str:
        """The text of the box beside the pointer; empty if it is hidden."""
        return "" if self.browser.run("document.querySelector('.tip').hidden") else self.text(".tip")

    def tap(self, x: float, y: float) -> None:
        self.browser.touch("touchStart", (x, y))
        self.browser.touch("touchEnd")

    def search(self, text: str) -> None:
        self.browser.run("document.querySelector('.find input').select()")
        self.browser.type(text)

    def view(self) -> dict[str, float]:
        value: dict[str, float] = self.get("view")
        return value

    def pixels(self) -> str:
        """A digest of the pixels of the first canvas."""
        # After the first read, the browser draws the canvas differently, without the graphics processor.
        self.get("panes[0].canvas.toDataURL()")
        self.get("redraw()")
        self.browser.settle()
        value: str = self.get("panes[0].canvas.toDataURL()")
        return hashlib.sha256(value.encode()).hexdigest()


def visible(placed: Placement) -> Ints:
    """Hard macros whose centers lie on no other hard macro and near no port."""
    n = placed.netlist
    at, size = placed.position_um[n.hard], n.size_um[n.hard]
    covered = (np.abs(at[:, None] - at[None]) < size[None] / 2).all(axis=2).sum(axis=1) > 1
    far = np.abs(at[:, None] - placed.position_um[n.ports][None]).max(axis=2).min(axis=1) > 0.05 * max(n.canvas_um)
    free: Ints = n.hard[~covered & far]
    return free


def assert_states(text: str, placed: Placement, v: int) -> None:
    """Check that a text states the name, size and place of a macro."""
    n = placed.netlist
    (x, y), (w, h) = placed.position_um[v], n.size_um[v]
    nets = {int(net) for net in n.connection_net[n.connection_node == v]}
    for part in (
        n.node_names[v],
        "hard macro",
        f"{round(w, 3):g} × {round(h, 3):g} µm",
        ORIENTATIONS[placed.orientation[v]],
    ):
        assert part in text
    assert f"{round(x - w / 2, 3):.10g}, {round(y - h / 2, 3):.10g} µm" in text
    weight = sum(float(n.net_weight[net]) for net in nets)
    assert f"{len(nets)}, weight {weight:,.10g}" in text


def test_every_macro_is_found_by_hover(browser: Chromium, page: Path, placed: Placement) -> None:
    picture = Picture(browser, page, DESKTOP)
    macros = visible(placed)
    assert len(macros) > 100
    for v in macros:
        browser.mouse("mouseMoved", *picture.place(*placed.position_um[v]))
        assert_states(picture.tip(), placed, v)
    browser.mouse("mouseMoved", 1, 1)
    assert picture.tip() == ""


def test_a_macro_smaller_than_a_pixel_is_found(browser: Chromium, tmp_path: Path) -> None:
    n = chip().netlist
    size = n.size_um.copy()
    size[3] = 0.001
    placed = Placement.given(n.with_(size_um=size))
    picture = Picture(browser, write(tmp_path / "tiny.html", placed), DESKTOP)
    x, y = picture.place(*placed.position_um[3])
    browser.mouse("mouseMoved", x + 2, y - 2)
    assert placed.netlist.node_names[3] in picture.tip()
    browser.mouse("mouseMoved", x + 12, y)
    assert picture.tip() == ""


def test_every_macro_is_found_by_tap(browser: Chromium, page: Path, placed: Placement) -> None:
    picture = Picture(browser, page, PHONE)
    for v in visible(placed)[::4]:
        picture.tap(*picture.place(*placed.position_um[v]))
        assert_states(picture.tip(), placed, v)
        assert_states(picture.text(".info"), placed, v)


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_every_macro_is_found_by_search(browser: Chromium, page: Path, placed: Placement, width: int) -> None:
    picture = Picture(browser, page, width)
    n = placed.netlist
    for v in n.hard[:: 1 if width == DESKTOP else 6]:
        picture.search(n.node_names[v])
        assert_states(picture.text(".info"), placed, v)
        assert picture.get("chosen") == list(n.hard).index(v)
        assert picture.get(f"inView({list(n.hard).index(v)})")
    assert picture.view()["zoom"] > 1.5
    browser.press("Escape")
    assert (picture.view()["zoom"], picture.get("hits"), picture.get("chosen")) == (1, [], -1)


def test_search_by_part_and_by_glob(browser: Chromium, page: Path, placed: Placement) -> None:
    picture = Picture(browser, page, DESKTOP)
    n = placed.netlist
    names = picture.get("chip.names")
    stem = n.node_names[n.hard[0]].rpartition("/")[0]
    for text, test in (
        (stem.upper(), lambda name: stem in name),
        (f"{stem}*", lambda name: name.startswith(stem)),
        ("*" + names[1][3:-1] + "?", lambda name: name[:-1].endswith(names[1][3:-1])),
        ("no such macro", lambda name: False),
    ):
        picture.search(text)
        expected = [i for i, name in enumerate(names) if test(name)]
        assert picture.get("hits") == expected, text
        assert picture.text(".hits").startswith(f"{len(expected):,} of")
        rows = [i for i in expected if i < picture.get("chip.macros")]
        assert picture.get("table.order") == rows
    picture.search(stem)
    first = picture.get("chosen")
    browser.press("Enter")
    assert picture.get("chosen") == picture.get("hits")[1] != first


def test_the_wheel_zooms_at_the_pointer(browser: Chromium, page: Path, placed: Placement) -> None:
    picture = Picture(browser, page, DESKTOP)
    target = placed.position_um[visible(placed)[3]]
    before, still = picture.place(*target), picture.pixels()
    browser.mouse("mouseMoved", *before)
    browser.mouse("mouseWheel", *before, deltaX=0, deltaY=-400)
    assert picture.view()["zoom"] > 1.5
    assert picture.place(*target) == pytest.approx(before, abs=1.0)
    assert picture.pixels() != still
    for _ in range(4):
        browser.mouse("mouseWheel", *before, deltaX=0, deltaY=300)
    assert picture.view()["zoom"] == 1
    browser.mouse("mouseMoved", 1, 1)
    assert picture.pixels() == still


def test_all_seen_the_wheel_scrolls_the_page_down(browser: Chromium, page: Path) -> None:
    picture = Picture(browser, page, DESKTOP)
    before = browser.run("scrollY")
    browser.mouse("mouseWheel", 400, 400, deltaX=0, deltaY=200)
    browser.run("new Promise(done => setTimeout(done, 300))")
    assert browser.run("scrollY") > before
    assert picture.view()["zoom"] == 1


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_buttons_and_keys_zoom_and_pan(browser: Chromium, page: Path, width: int) -> None:
    picture = Picture(browser, page, width)
    browser.run("document.querySelector('[data-do=in]').click()")
    assert picture.view()["zoom"] == pytest.approx(1.6)
    browser.run("document.querySelector('[data-do=out]').click()")
    assert picture.view()["zoom"] == 1
    browser.run("document.querySelector('.pane canvas').focus()")
    for key in ("+", "+", "-"):
        browser.press(key)
    view = picture.view()
    assert view["zoom"] == pytest.approx(1.6)
    for key, axis, sign in (
        ("ArrowRight", "x", 1),
        ("ArrowLeft", "x", -1),
        ("ArrowUp", "y", 1),
        ("ArrowDown", "y", -1),
    ):
        browser.press(key)
        assert np.sign(picture.view()[axis] - view[axis]) == sign
        view = picture.view()
    browser.press("0")
    assert picture.view()["zoom"] == 1


def test_dragging_moves_the_picture_and_chooses_nothing(browser: Chromium, page: Path, placed: Placement) -> None:
    picture = Picture(browser, page, DESKTOP)
    picture.get("look(500, 500, 4)")
    browser.settle()
    x, y = picture.place(500, 500)
    browser.mouse("mouseMoved", x, y)
    browser.mouse("mousePressed", x, y, button="left", buttons=1, clickCount=1)
    for k in (1, 2, 3):
        browser.mouse("mouseMoved", x + 20 * k, y - 10 * k, button="left", buttons=1)
    browser.mouse("mouseReleased", x + 60, y - 30, button="left", clickCount=1)
    assert picture.place(500, 500) == pytest.approx((x + 60, y - 30), abs=1.0)
    assert picture.get("chosen") == -1


def test_two_fingers_zoom(browser: Chromium, page: Path) -> None:
    picture = Picture(browser, page, PHONE)
    (x, y), low = picture.place(700, 700), picture.place(0, 700)
    browser.touch("touchStart", (x - 20, y), (x + 20, y))
    for k in (30, 45, 60):
        browser.touch("touchMove", (x - k, y), (x + k, y))
    browser.touch("touchEnd")
    assert picture.view()["zoom"] == pytest.approx(3, rel=0.05)
    assert picture.place(700, 700) == pytest.approx((x, y), abs=3.0)
    assert picture.place(0, 700)[0] < low[0]
    assert picture.get("chosen") == -1


@pytest.mark.parametrize("layer", ["hard", "soft", "ports", "labels", "grid", "heaviest"])
def test_each_layer_shows_and_hides(browser: Chromium, page: Path, layer: str) -> None:
    picture = Picture(browser, page, DESKTOP)
    box = f"document.querySelector('[data-layer={layer}]')"
    before = picture.pixels()
    browser.run(f"{box}.click()")
    assert picture.pixels() != before
    browser.run(f"{box}.click()")
    assert picture.pixels() == before


def test_maps_and_their_values(browser: Chromium, page: Path, placed: Placement) -> None:
    picture = Picture(browser, page, DESKTOP)
    digests = set()
    for name in ("", "Congestion", "Density"):
        change = f"s.value = '{name}'; s.dispatchEvent(new Event('change'))"
        browser.run(f"(s => {{ {change} }})(document.querySelector('.map select'))")
        digests.add(picture.pixels())
        browser.mouse("mouseMoved", *picture.place(*(0.5 * np.array(placed.netlist.cell_um))))
        status = picture.text(".status")
        if name:
            assert f"{name.lower()} {picture.get(f'runs[0].maps.{name}[0]') / 1000:.3f}".rstrip("0") in status
        else:
            assert "congestion" not in status
    assert len(digests) == 3


def test_connections_of_the_chosen_macro_are_drawn_and_listed(browser: Chromium, page: Path) -> None:
    picture = Picture(browser, page, DESKTOP)
    picture.get("choose(0)")
    before = picture.pixels()
    browser.run("document.querySelector('[data-layer=links]').click()")
    assert picture.pixels() != before
    partner, strength = picture.get("chip.links[0]")[:2]
    first = picture.text(".info li")
    assert first.startswith(picture.get(f"chip.label({partner})"))
    assert f"{strength:.2f}".rstrip("0").rstrip(".") in first
    browser.run("document.querySelector('.info li button').click()")
    assert picture.get("chosen") == partner


def test_the_table_sorts_and_chooses_both_ways(browser: Chromium, page: Path, placed: Placement) -> None:
    picture = Picture(browser, page, DESKTOP)
    n = placed.netlist
    column = [
        head.strip() for head in browser.run("[...document.querySelectorAll('.macros th')].map(h => h.textContent)")
    ]
    button = f"document.querySelectorAll('.macros th button')[{column.index('Left (µm)')}]"
    left = placed.position_um[n.hard, 0] - n.size_um[n.hard, 0] / 2
    for sign, direction in ((-1, "descending"), (1, "ascending")):
        browser.run(f"{button}.click()")
        order = browser.run("[...document.querySelectorAll('.macros tbody tr')].map(r => Number(r.dataset.node))")
        assert sorted(order) == list(range(len(n.hard)))
        assert np.all(np.diff(sign * np.round(left[order], 4)) >= 0)
        assert browser.run(f"{button}.parentElement.getAttribute('aria-sort')") == direction
    browser.run("document.querySelectorAll('.macros tbody tr')[7].click()")
    assert_states(picture.text(".info"), placed, n.hard[order[7]])
    browser.run("document.querySelector('.macros').focus()")
    browser.press("ArrowDown")
    assert picture.get("chosen") == order[8]
    browser.run("document.querySelector('.pane canvas').scrollIntoView({block: 'center'})")
    v = visible(placed)[-1]
    browser.click(*picture.place(*placed.position_um[v]))
    row = "document.querySelector('.macros tr[aria-selected=true]')"
    assert browser.run(f"{row}.firstChild.title") == n.node_names[v]
    top, bottom = browser.run(f"(r => [r.top, r.bottom])({row}.getBoundingClientRect())")
    above, below = browser.run("(r => [r.top, r.bottom])(document.querySelector('.macros').getBoundingClientRect())")
    assert above <= top < bottom <= below + 1


def test_pictures_side_by_side_move_together(browser: Chromium, pair: Path, placed: Placement) -> None:
    picture = Picture(browser, pair, DESKTOP)
    other = turned(placed)
    v = visible(placed)[5]
    x, y = other.position_um[v]
    browser.mouse("mouseWheel", *picture.place(x, y, pane=1), deltaX=0, deltaY=-300)
    scales = picture.get("panes.map(pane => pane.scale / pane.fit)")
    assert scales[0] == scales[1] > 1.5
    browser.mouse("mouseMoved", *picture.place(x, y, pane=1))
    assert_states(picture.tip(), other, v)
    browser.click(*picture.place(x, y, pane=1))
    assert picture.get("chosen") == list(placed.netlist.hard).index(v)
    text = picture.text(".info")
    assert_states(text, placed, v)
    assert_states(text, other, v)
    assert [picture.text(f".pane:nth-child({k}) figcaption") for k in (1, 2)] == ["A run/0", "B run/1"]
    top = browser.run("[...document.querySelectorAll('.pane canvas')].map(c => c.getBoundingClientRect().top)")
    assert top[0] == top[1]


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_fits_and_asks_for_nothing(browser: Chromium, pair: Path, width: int, dark: bool) -> None:
    browser.open(pair, width=width, dark=dark)
    assert browser.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert browser.run("innerWidth") == width
    outside = (
        "[...document.querySelectorAll('.viewer *')].filter(e => !e.closest('.scroll') &&"
        " e.getBoundingClientRect().right > innerWidth).map(e => e.outerHTML.slice(0, 80))"
    )
    assert browser.run(outside) == []
    assert browser.complaints() == []
    ground = "getComputedStyle(document.body).backgroundColor"
    assert (sum(map(int, browser.run(ground)[4:-1].split(","))) < 200) == dark


def test_controls_are_named_and_reached_by_key(browser: Chromium, page: Path) -> None:
    browser.open(page, width=DESKTOP)
    named = (
        "[...document.querySelectorAll('.viewer :is(input, select, button, canvas[tabindex])')].filter(e =>"
        " !e.hidden &&"
        " !(e.getAttribute('aria-label') || e.closest('label')?.textContent.trim() || e.textContent.trim()))"
        ".map(e => e.outerHTML)"
    )
    assert browser.run(named) == []
    browser.run("document.querySelector('.find input').focus()")
    reached = []
    for _ in range(16):
        browser.press("Tab")
        reached.append(browser.run("document.activeElement.tagName + (document.activeElement.dataset.layer ?? '')"))
    assert {"BUTTON", "SELECT", "INPUThard", "INPUTheaviest", "CANVAS"} <= set(reached)


def test_standard_cells_are_a_layer(browser: Chromium, tmp_path: Path) -> None:
    picture = Picture(browser, write(tmp_path / "flat.html", flat(30_000)), DESKTOP)
    before = picture.pixels()
    browser.run("document.querySelector('[data-layer=cells]').click()")
    assert picture.pixels() != before
    assert browser.complaints() == []


@pytest.mark.parametrize(
    "options",
    [
        {"hard": 0, "fixed": 0, "soft": 0, "ports": 0, "cells": 3}, {"hard": 1, "fixed": 1, "soft": 0, "ports": 0},
        {"hard": 0, "fixed": 0, "soft": 3}, {"name": EVIL, "prefix": EVIL}, {"prefix": "a/b.c/\n"},
    ],
)  # fmt: skip
def test_odd_designs_are_shown(browser: Chromium, tmp_path: Path, options: dict[str, Any]) -> None:
    picture = Picture(browser, write(tmp_path / "odd.html", chip(**options)), DESKTOP)
    blank = picture.pixels()
    picture.search("1")
    browser.press("Enter")
    browser.press("Escape")
    browser.run("document.querySelectorAll('.macros th button').forEach(button => button.click())")
    assert browser.complaints() == []
    assert browser.run("document.querySelectorAll('.macros tbody tr').length") == picture.get("table.order.length")
    assert picture.pixels() == blank
    if options.get("hard", 6) + options.get("soft", 4):
        picture.get("choose(0)")
        assert picture.pixels() != blank
        assert browser.run("document.querySelector('.info b').textContent") == picture.get("chip.names[0]")
