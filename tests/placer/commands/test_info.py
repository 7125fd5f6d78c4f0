"""`placer info`: tables, one JSON object, a page, and errors in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests import ROOT
from tests.placer.commands.conftest import Run


@pytest.fixture
def info(placer: Run) -> Run:
    """Run `placer info` in this process: its exit code and what it wrote to stdout and stderr."""
    return partial(placer, "info")


def test_tables_have_the_numbers(info: Run) -> None:
    code, out, err = info("harbor")
    assert (code, err) == (0, "")
    for text in ("144", "11,200", "44,216", "70.0%", "bank_11", "61.237 × 120.86", "macro_75"):
        assert text in out


def test_json_is_one_object(info: Run) -> None:
    code, out, err = info("jetty", "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert (found["hard_macros"], found["soft_macros"], found["ports"], found["nets"]) == (12, 60, 32, 400)
    assert sum(found["net_degrees"].values()) == 400


def test_a_page_is_written_also_beside_json(info: Run, tmp_path: Path) -> None:
    page = tmp_path / "new" / "jetty.html"
    code, out, _ = info("jetty", "--json", "--out", page)
    assert code == 0
    json.loads(out)
    text = page.read_text(encoding="utf-8")
    assert text.count("<img") == 3  # dataflow, degrees, hierarchy
    code, out, _ = info("jetty", "--out", page)
    assert f"page: {page}" in out.replace("\n", "")


@pytest.mark.parametrize("args", [("nowhere",), ("jetty", "--grid", "4x4"), ("jetty", "--out", "/dev/null/x.html")])
def test_errors_are_one_line(info: Run, args: tuple[str, ...]) -> None:
    code, out, err = info(*args)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_no_heavy_library_is_loaded() -> None:
    code = (
        "import sys; sys.argv = ['placer', 'info', 'jetty', '--json']\n"
        "from placer.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit:\n    print(sorted({'torch', 'ray', 'matplotlib'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "[]"
