"""The command `placer`, run in the process of the tests."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from placer.cli import app, main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def placer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process: its exit code and what it wrote to stdout and stderr."""

    def run(*args: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["placer", *map(str, args)])
        monkeypatch.setattr(app, "registered_commands", list(app.registered_commands))
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), *capsys.readouterr()

    return run
