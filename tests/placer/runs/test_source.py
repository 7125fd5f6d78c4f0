"""Where a netlist came from, as `metrics.json` keeps it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from placer.runs.run_folder import Source
from tests.netlists.chips import write_bookshelf


@pytest.mark.parametrize("unfix", [(), ("rom",), ("r*", "rom")])
@pytest.mark.parametrize("grid", [None, (4, 8)])
def test_a_source_comes_back(tmp_path: Path, unfix: tuple[str, ...], grid: tuple[int, int] | None) -> None:
    source = Source(str(write_bookshelf(tmp_path)), grid=grid, unfix=unfix)
    fields = json.loads(json.dumps(vars(source.absolute())))
    again = Source.read(fields)
    assert again == source
    assert len(again.load().movable_hard) == (2 if unfix else 1)


def test_old_sources_fix_what_the_file_fixes(tmp_path: Path) -> None:
    path = str(write_bookshelf(tmp_path))
    assert Source.read({"path": path, "plc": None, "grid": [4, 8]}) == Source(path, grid=(4, 8))


def test_absolute_keeps_the_globs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Source("a.aux", unfix=("m*",)).absolute() == Source(str(tmp_path / "a.aux"), unfix=("m*",))
    assert Source("jetty").absolute() == Source("jetty")
