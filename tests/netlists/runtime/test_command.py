"""How a command ends: exit codes, and what it prints."""

from __future__ import annotations

import re
import sys

import pytest
import typer

from netlists.errors import DesignError
from netlists.runtime.command import run


def ended(monkeypatch: pytest.MonkeyPatch, error: BaseException | None) -> object:
    """The exit code of a command that raises an error."""
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def work() -> None:
        if error:
            raise error

    monkeypatch.setattr(sys, "argv", ["work"])
    with pytest.raises(SystemExit) as left:
        run(app)
    return left.value.code or 0


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (None, 0, ""),
        (typer.Exit(), 0, ""),
        (typer.Exit(3), 3, ""),
        (KeyboardInterrupt(), 130, "stopped by Ctrl-C or a signal; what is written is whole\n"),
        (MemoryError("3 GB"), 2, r"error: memory does not suffice \(3 GB\); give the job more, .*\n"),
        (typer.Abort(), 1, ""),
        (DesignError("no such\n  thing"), 2, "error: no such thing\n"),
        (OSError("broken"), 2, "error: broken\n"),
        (OSError(28, "No space"), 2, "error: No space\n"),
        (
            FileNotFoundError(2, "Not found", "x/y"),
            2,
            "error: x/y: Not found, expected a file or folder that can be used\n",
        ),
        (
            typer.BadParameter("too few", param_hint="--n"),
            2,
            "error: Invalid value for --n: too few; see .+ --help\n",
        ),
    ],
)
def test_exit_codes_and_lines(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException | None,
    code: int,
    line: str,
) -> None:
    assert ended(monkeypatch, error) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(line, err), err


def test_a_defect_is_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        ended(monkeypatch, ZeroDivisionError())
