"""A self-contained HTML page made of sections: facts, tables, figures, notes, and text to copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.figure import Figure

from plots import style
from plots.report import environment


@dataclass(frozen=True)
class Table:
    """Rows under column names.  The first column names the row; `report.as_text` writes the values."""

    heading: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    texts: Sequence[str] = ()  # one per row: preformatted text that unfolds below the name of the row


@dataclass(frozen=True, eq=False)
class Section:
    """One section of the page; empty fields are left out."""

    heading: str
    facts: Mapping[str, object] = field(default_factory=dict)  # name: value, in large type
    small: Mapping[str, Figure | bytes] = field(default_factory=dict)  # caption: figure or PNG bytes, side by side
    figures: Mapping[str, Figure | bytes] = field(
        default_factory=dict
    )  # caption: figure or PNG bytes, below each other
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    texts: Mapping[str, str] = field(default_factory=dict)  # heading: preformatted text, such as a file or a loop nest


def write(
    path: str | Path,
    sections: Sequence[Section],
    *,
    title: str,
    footer: str = "",
    links: Mapping[str, str] | None = None,
) -> None:
    """Write the page, whole or not at all.  It needs no network, scripts or fonts, and all text is escaped.

    `links` are addresses of other pages, relative to this one, by their names.  Raises `OSError` if the file cannot be
    written.
    """
    page = (
        environment().get_template("page.html").render(title=title, sections=sections, footer=footer, links=links or {})
    )
    # Names from a file system may hold bytes that are not UTF-8.
    style.write(path, page.encode("utf-8", errors="replace"))
