"""The page of sections: self-contained, escaped, whole or not at all."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from plots import page, style


def test_everything_is_on_the_page_and_escaped(tmp_path: Path) -> None:
    figure = style.figure(2, 2)
    figure.add_subplot()
    section = page.Section(
        "<one>", facts={"a&b": "<1>"}, figures={"<figure>": figure},
        tables=[page.Table("<rows>", ["<name>", "x"], [["<row>", 1234567], ["none", None], ["nan", float("nan")]])],
        notes=["<note>"], texts={"<text>": "for <k>:\n  x"},
    )  # fmt: skip
    page.write(tmp_path / "page.html", [section, page.Section("two")], title="<title>", footer="<foot>")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    for word in ("one", "1", "figure", "rows", "name", "row", "note", "text", "k", "title", "foot"):
        assert f"&lt;{word}&gt;" in text
        assert f"<{word}>" not in text.replace("<title>&lt;", "")
    assert "a&amp;b" in text
    assert "1,234,567" in text
    assert text.count("<td>–</td>") == 2
    assert "<h2>two</h2>" in text
    assert re.findall(r'(?:src|href)="(?!data:|#)', text) == []
    assert "<script" not in text


def test_links_to_other_pages(tmp_path: Path) -> None:
    page.write(
        tmp_path / "page.html", [page.Section("x")], title="t", links={"Front & knee": "../report.html", "b": "b/c"}
    )
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert '<a href="../report.html">Front &amp; knee</a> · <a href="b/c">b</a></nav>' in text
    page.write(tmp_path / "page.html", [page.Section("x")], title="t")
    assert "<nav" not in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_nothing_is_left_of_a_page_that_fails(tmp_path: Path) -> None:
    with pytest.raises(struct.error):
        page.write(tmp_path / "page.html", [page.Section("x", figures={"f": b"no png"})], title="t")
    assert list(tmp_path.iterdir()) == []
