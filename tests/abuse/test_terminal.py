"""Names of others on a terminal and in a log: escaped, shortened, and never read as markup."""

from __future__ import annotations

import sys

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from dse.reports.tables import Table, print_table
from netlists.errors import MOST_CHARACTERS, NetlistError, printable
from netlists.runtime.command import run, say
from netlists.runtime.progress import live_bar, live_line
from placer.commands.terminal import MOST_OF_A_CELL, PlainTable, print_cost_table

HOSTILE = "[red]ram[/] [/] :smile: \x1b[2J\x1b]0;title\x07 \x9b31m \u202e \r\ndone \ud800"
"""Markup of rich, commands to a terminal, a change of the direction of writing, a forged line, half a character."""
SHOWN = r"[red]ram[/] [/] :smile: \x1b[2J\x1b]0;title\x07 \x9b31m \u202e \r\ndone \ud800"
"""The same as it has to appear."""


@given(st.text(st.characters()))
def test_printable_texts_are_one_line_of_what_can_be_shown(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    shown.encode()  # no half characters
    if text.isprintable():
        assert shown == text


@given(st.integers(1, 5_000), st.integers(10, 300))
def test_long_texts_keep_their_ends(length: int, most: int) -> None:
    text = "a" + "-" * length + "z"
    shown = printable(text, most)
    assert (shown[0], shown[-1]) == ("a", "z")
    assert len(shown) <= most + 3
    assert (shown == text) == (len(text) <= most)


def test_errors(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def work() -> None:
        raise NetlistError(HOSTILE + "x" * 10_000 + " the remedy")

    monkeypatch.setattr(sys, "argv", ["work"])
    with pytest.raises(SystemExit):
        run(app)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: " + SHOWN.split(" \\r")[0])
    assert line.endswith(" the remedy")
    assert line.isprintable()
    assert len(line) < MOST_CHARACTERS + 100


def test_lines_and_progress(capsys: pytest.CaptureFixture[str]) -> None:
    say(HOSTILE, "[b]next[/b]")
    assert capsys.readouterr().out.splitlines() == [SHOWN, "[b]next[/b]"]
    with live_line() as show:
        show(HOSTILE)
    assert SHOWN in capsys.readouterr().err.splitlines()
    with live_bar() as show_bar:
        show_bar(HOSTILE, 1, 2)
    assert SHOWN in capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("tty", [False, True])
def test_progress_on_a_terminal(tty: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1" if tty else "0")
    monkeypatch.setenv("COLUMNS", "200")
    with live_line(HOSTILE) as show:
        show("[/] " + HOSTILE)
    with live_bar(HOSTILE) as show_bar:
        show_bar("[/] " + HOSTILE, 1, 2)
    err = capsys.readouterr().err
    assert "[/] [red]ram[/] [/] :smile: \\x1b[2J" in err
    assert not [character for character in ("\x1b[2J", "\x1b]", "\x07", "\x9b", "\u202e") if character in err]


def test_tables(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    print_cost_table(HOSTILE, {"proxy": 1.0}, ["proxy"], {})
    print_table(Table(HOSTILE, ["name", HOSTILE], [[HOSTILE, HOSTILE]], text_from=1))
    out = capsys.readouterr().out
    assert out.count(SHOWN) == 5
    assert all(line.isprintable() for line in out.splitlines())
    table = PlainTable("name")
    table.add_row("x" * 10_000)
    assert table.columns[0]._cells[0].cell_len <= MOST_OF_A_CELL + 3  # type: ignore[union-attr]
