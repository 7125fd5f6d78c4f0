"""Do the tests notice wrong operators in the cost code?  `python -m tests.benchmarks.mutation [--mutants N] [--seed N]`

Draws comparisons and arithmetic operators of the modules of FOLDERS by `--seed`, swaps one at a time in a temporary
copy of the checkout, and runs the tests of its folder there until one fails.  Prints each mutant, the test that noticed
it, and the fraction that was noticed; ends with 1 if it is below LEAST.

Kernels are interpreted, and tests that need them compiled are left out (marker `compiled`).  With `--compiled` a mutant
that survives this meets all tests of its folder, compiled anew.  `--results` keeps what is known: a run that was
stopped goes on there.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import ROOT

FOLDERS = ("placer/cost", "dse/model", "dse/templates")
LEAST = 0.9
"""Fraction of the mutants that has to be noticed."""

SLOWER = 5.0
"""A run of tests that takes this many times as long as without a mutant, and START_S more, hangs: that is noticed."""

START_S = 120.0
COPIED = ("netlists", "placer", "dse", "plots", "tests", "pyproject.toml")

SWAPS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div, ast.Add),
    ast.Div: (ast.Mult, ast.Sub),
    ast.FloorDiv: (ast.Mult, ast.Mod),
    ast.Mod: (ast.FloorDiv, ast.Mult),
    ast.Pow: (ast.Mult,),
    ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,),
}
"""What each operator may become: a boundary or the opposite, the inverse or another."""

# Failures end at once instead of being shrunk to small examples, and every run tries the same ones.
CONFTEST = """
from hypothesis import Phase, settings
settings.register_profile("mutants", phases=[Phase.explicit, Phase.generate], derandomize=True, database=None)
settings.load_profile("mutants")
"""


class Mutant(NamedTuple):
    """One operator of a module, and what takes its place."""

    module: str  # path from the root
    operator: int  # its number in the module, in the order of `operators`
    swap: int  # index into `SWAPS`

    @property
    def key(self) -> str:
        return f"{self.module}:{self.operator}:{self.swap}"

    @property
    def folder(self) -> str:
        return self.module.rpartition("/")[0]


class Operator(NamedTuple):
    """One operator in a syntax tree: the node that holds it, and its place there."""

    node: ast.BinOp | ast.AugAssign | ast.Compare
    place: int  # in `ops` of a comparison

    @property
    def kind(self) -> type[ast.AST]:
        return type(self.node.ops[self.place] if isinstance(self.node, ast.Compare) else self.node.op)

    def become(self, kind: type[ast.AST]) -> None:
        """Swap the operator for one of another kind."""
        if isinstance(self.node, ast.Compare):
            self.node.ops[self.place] = kind()  # type: ignore[call-overload]
        else:
            self.node.op = kind()  # type: ignore[assignment]


def operators(tree: ast.AST) -> list[Operator]:
    """The operators of a module that may be swapped, in a fixed order."""
    return [operator for operator in _all_operators(tree) if operator.kind in SWAPS]


def _all_operators(tree: ast.AST) -> Iterator[Operator]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            yield from (Operator(node, place) for place in range(len(node.ops)))
        elif isinstance(node, ast.BinOp | ast.AugAssign):
            yield Operator(node, 0)


def mutated(source: str, mutant: Mutant) -> tuple[str, str]:
    """The source of a module with a mutant in it, and a line that says what has become of what."""
    tree = ast.parse(source)
    operator = operators(tree)[mutant.operator]
    before, line = ast.unparse(operator.node), operator.node.lineno
    operator.become(SWAPS[operator.kind][mutant.swap])
    return ast.unparse(tree), f"{mutant.module}:{line}: {before}  ->  {ast.unparse(operator.node)}"


def draw(root: Path, folders: list[str], count: int, seed: int) -> list[Mutant]:
    """Different operators of all modules of some folders, each with a random swap."""
    everything = []
    for folder in folders:
        for file in sorted((root / folder).glob("*.py")):
            kinds = [operator.kind for operator in operators(ast.parse(file.read_text(encoding="utf-8")))]
            everything += [(f"{folder}/{file.name}", index, len(SWAPS[kind])) for index, kind in enumerate(kinds)]
    rng = random.Random(seed)
    chosen = rng.sample(everything, min(count, len(everything)))
    return [Mutant(module, index, rng.randrange(swaps)) for module, index, swaps in chosen]


def test_files(copy: Path, module: str) -> list[str]:
    """The test files of a module's folder, the module's own first."""
    tests = f"tests/{module.rpartition('/')[0]}"
    files = sorted(file.relative_to(copy).as_posix() for file in (copy / tests).glob("test_*.py"))
    return sorted(files, key=lambda file: file != f"{tests}/test_{Path(module).name}")


def run_tests(copy: Path, files: list[str], compiled: bool, limit_s: float | None = None) -> str:
    """The first test that fails, `hang` after a time limit, the signal that ended them, or nothing if all pass."""
    with tempfile.TemporaryDirectory() as caches:
        environment = os.environ | {
            "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "NUMBA_CACHE_DIR": caches,
            "NUMBA_DISABLE_JIT": "0" if compiled else "1",
        }  # fmt: skip
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-rfE", "-p", "no:cacheprovider", *files]
        command += [] if compiled else ["-m", "not compiled"]
        try:
            done = subprocess.run(
                command, cwd=copy, env=environment, capture_output=True, text=True, timeout=limit_s, check=False
            )
        except subprocess.TimeoutExpired:
            return "hang"
    if done.returncode == pytest.ExitCode.OK:
        return ""
    ends = [line.split(" - ")[0] for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    if ends:
        return ends[0]
    if done.returncode < 0:
        return f"signal {-done.returncode}"
    raise SystemExit(f"error: the tests do not run:\n{done.stdout}{done.stderr}")


def judge(copy: Path, mutant: Mutant, usual_s: float, compiled: bool) -> dict[str, object]:
    """Whether the tests notice a mutant in the copy of the checkout, which is whole again afterwards."""
    file, begin = copy / mutant.module, time.monotonic()
    source = file.read_text(encoding="utf-8")
    text, what = mutated(source, mutant)
    file.write_text(text, encoding="utf-8")
    try:
        files = test_files(copy, mutant.module)
        by = run_tests(copy, files, False, SLOWER * usual_s + START_S)
        if compiled and not by:
            by = run_tests(copy, files, True)
    finally:
        file.write_text(source, encoding="utf-8")
    return {"mutant": mutant.key, "what": what, "by": by, "seconds": round(time.monotonic() - begin, 1)}


def usual_seconds(copy: Path, folders: set[str]) -> dict[str, float]:
    """How long the interpreted tests of each folder take without a mutant; they have to pass."""
    seconds = {}
    for folder in sorted(folders):
        begin = time.monotonic()
        if by := run_tests(copy, test_files(copy, f"{folder}/__init__.py"), False):
            raise SystemExit(f"error: without a mutant: {by}")
        seconds[folder] = time.monotonic() - begin
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folders", default=",".join(FOLDERS), help="separated by commas")
    parser.add_argument("--mutants", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=Path("run/mutants.jsonl"), help="one line of JSON per mutant")
    parser.add_argument("--compiled", action="store_true", help="try survivors with compiled kernels and all tests")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after that long; the next run goes on")
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    mutants = draw(ROOT, options.folders.split(","), options.mutants, options.seed)
    options.results.parent.mkdir(parents=True, exist_ok=True)
    lines = options.results.read_text(encoding="utf-8").splitlines() if options.results.is_file() else []
    known = {line["mutant"]: line for line in map(json.loads, lines)}
    left = [mutant for mutant in mutants if mutant.key not in known]
    with tempfile.TemporaryDirectory() as top:
        copy = Path(top)
        for name in COPIED:
            whole = ROOT / name
            if whole.is_dir():
                shutil.copytree(whole, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(whole, copy / name)
        (copy / "conftest.py").write_text(CONFTEST, encoding="utf-8")
        usual_s = usual_seconds(copy, {mutant.folder for mutant in left})
        for mutant in left:
            if time.monotonic() > end:
                break
            known[mutant.key] = judge(copy, mutant, usual_s[mutant.folder], options.compiled)
            with options.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(known[mutant.key]) + "\n")
            print(known[mutant.key]["what"], "  by", known[mutant.key]["by"] or "NOTHING", flush=True)
    report([known[mutant.key] for mutant in mutants if mutant.key in known])


def report(results: list[dict[str, object]]) -> None:
    """Print what survived and the fraction that was noticed; exit with 1 if it is too small."""
    survivors = [result for result in results if not result["by"]]
    for survivor in survivors:
        print(f"survived: {survivor['what']}")
    noticed = len(results) - len(survivors)
    print(f"{noticed} of {len(results)} mutants noticed, {100 * noticed / max(len(results), 1):.0f}%")
    raise SystemExit(0 if noticed >= LEAST * len(results) else 1)


if __name__ == "__main__":
    main()
