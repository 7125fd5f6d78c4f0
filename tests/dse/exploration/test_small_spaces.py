"""Small explorations run in the process itself, with the result of Ray; Ctrl-C at any time; tables."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dse.exploration import run as module
from dse.exploration.results import load_results
from dse.exploration.run import IN_PROCESS, ExplorationProgress, explore, fits_in_process
from dse.reports import tables
from dse.space.file import load_space, make_space
from dse.space.space import DesignSpace
from netlists.runtime.ray_connection import LOCAL
from tests import ROOT
from tests.dse import Command
from tests.dse.fake_space import FakeSpace, true_front

TWELVE = """
template: systolic
technology: 28nm
networks: {alexnet: 1}
parameters: {rows: [8, 16, 32], columns: [8, 16], weight_bits: [8, 16]}
objectives: [{latency_ms: min}, {energy_mj: min}]
"""


def test_when_ray_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    assert fits_in_process(LOCAL, None, IN_PROCESS)
    assert not fits_in_process(LOCAL, None, IN_PROCESS + 1)
    assert not fits_in_process(LOCAL, 1, 10)
    assert not fits_in_process("auto", None, 10)


def small() -> DesignSpace:
    """Part of a ready-made space, small enough for all searches."""
    content = load_space("qiu_xc7z045").content
    few = content["parameters"] | {"pes": [2, 4], "tile": [14, 28], "channels": [64, 128]}
    return make_space(content | {"parameters": few}, "small")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("search", ["exhaustive", "random", "nsga2"])
def test_the_result_is_that_of_ray(tmp_path: Path, search: str) -> None:
    spaces = [(small(), 600)] if search == "nsga2" else [(small(), 600), (FakeSpace(1000), None)]
    for space, budget in spaces:
        here = explore(space, tmp_path / f"{space.name}_here", search=search, budget=budget, seed=3)
        ray = explore(space, tmp_path / f"{space.name}_ray", search=search, budget=budget, seed=3, workers=1)
        assert here.complete
        assert [here.front, here.evaluated, here.reasons] == [ray.front, ray.evaluated, ray.reasons]
        assert [row["id"] for row in here.sample] == [row["id"] for row in ray.sample]
        assert here.knee == ray.knee
    if search == "exhaustive":
        assert [row["id"] for row in load_results(tmp_path / "fake_here").front] == true_front(FakeSpace(1000))


def test_ray_is_not_loaded(tmp_path: Path) -> None:
    file = tmp_path / "twelve.yaml"
    file.write_text(TWELVE)
    code = (
        "import sys; sys.argv = ['dse', 'explore', sys.argv[1], '--out', sys.argv[2]]\n"
        "from dse.cli import main\n"
        "try:\n    main()\nexcept SystemExit as left:\n    assert not left.code\n"
        "assert 'ray' not in sys.modules and 'torch' not in sys.modules"
    )
    command = [sys.executable, "-c", code, str(file), str(tmp_path / "out")]
    started = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "12 designs evaluated" in done.stdout
    assert time.monotonic() - started < 120  # 3 s if kernels are compiled already and nothing else runs


@pytest.mark.parametrize("search", ["exhaustive", "nsga2"])
def test_ctrl_c_after_the_last_chunk_leaves_a_complete_exploration(tmp_path: Path, search: str) -> None:
    def interrupt(progress: ExplorationProgress) -> None:
        if progress.evaluated >= 500:
            raise KeyboardInterrupt

    space = small() if search == "nsga2" else FakeSpace(500)
    result = explore(space, tmp_path, search=search, budget=500, chunk=100, on_progress=interrupt)
    assert result.complete
    assert result.evaluated == 500


def test_ctrl_c_before_the_last_chunk_does_not(tmp_path: Path) -> None:
    def interrupt(progress: ExplorationProgress) -> None:
        if progress.evaluated >= 300:
            raise KeyboardInterrupt

    result = explore(FakeSpace(500), tmp_path, chunk=100, on_progress=interrupt)
    assert (result.complete, result.evaluated) == (False, 300)
    again = explore(FakeSpace(500), tmp_path, chunk=100, resume=True, on_progress=interrupt)
    assert (again.complete, again.evaluated) == (False, 400)  # stopped after its first chunk
    assert explore(FakeSpace(500), tmp_path, chunk=100, resume=True).complete


@pytest.mark.parametrize(
    "where",
    [
        "dse.commands.pages.write_exploration",
        "dse.validation.baselines.evaluate_baselines",
        "dse.exploration.run.write_front",
    ],
)
def test_ctrl_c_after_the_search_says_that_it_is_complete(
    dse: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:  # fmt: skip
    file = tmp_path / "twelve.yaml"
    file.write_text(TWELVE)

    def interrupt(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(where, interrupt)
        code, _, err = dse("explore", file, "--out", tmp_path / "out")
    assert code == 130
    assert f"complete; without its report, which `dse report {tmp_path / 'out'}` writes" in err
    assert load_results(tmp_path / "out").complete
    assert dse("explore", file, "--out", tmp_path / "out", "--resume")[0] == 0


def test_an_interrupt_while_ray_shuts_down_is_harmless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_and_interrupt(self: Any, listener: Any) -> None:
        original(self, listener)
        raise KeyboardInterrupt

    original = module._Exploration.run_in_process
    monkeypatch.setattr(module._Exploration, "run_in_process", run_and_interrupt)
    assert explore(FakeSpace(50), tmp_path).complete


@pytest.mark.parametrize("width", ["20", "60", "100", "300"])
@pytest.mark.parametrize(
    "command", [("evaluate", "eyeriss_jssc17"), ("networks", "resnet18"), ("templates", "systolic"), ("devices",)]
)
def test_piped_tables_are_never_cut(
    dse: Command, command: tuple[str, ...], width: str, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setenv("COLUMNS", width)
    code, out, _ = dse(*command)
    assert code == 0
    assert "…" not in out
    widest = dse(*command)[1]
    assert out.split() == widest.split()


@pytest.mark.parametrize("width", [10, 40, 80, 200])
def test_tables_on_terminals_are_never_cut(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(Console):
        def __init__(self) -> None:
            super().__init__(force_terminal=True, width=width, color_system=None)

    monkeypatch.setattr(tables, "Console", Terminal)
    words = ["a_rather_long_name_of_a_layer_without_blanks", "×µ²", "some text that can be wrapped at blanks"]
    rows: list[list[Any]] = [
        [words[0], 1_234_567_890, 0.000123, words[2]],
        [words[1], None, 12.5, "pes 16, convolvers 16, tile 28"],
    ]
    tables.print_table(tables.Table("a title", ["layer", "cycles", "energy mJ", "design"], rows, 3))
    out = capsys.readouterr().out
    assert "…" not in out
    found = "".join(out.split())
    for text in (words[0], words[1], "1,234,567,890", "12.50"):
        assert text in out
    assert all(word in out or word in found for row in rows for word in str(row[3]).split())
