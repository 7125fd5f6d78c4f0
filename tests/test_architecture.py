"""The house rules that tools do not check: who imports whom, module sizes, what tracked files may not hold."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests import ROOT

MAY_IMPORT: dict[str, set[str]] = {
    "netlists": set(),
    "placer": {"netlists"},
    "dse": {"netlists"},
    "plots": {"netlists"},
}
WIRING = {"cli.py", "__main__.py"}  # these and commands may join all packages
MAX_LINES = 400
HEAVY = {"torch", "torch_geometric", "ray", "tensorboard", "mtkahypar", "matplotlib.pyplot"}
LONGER: set[str] = set()  # modules that may exceed it, as paths from the root

MODULES = sorted(file.relative_to(ROOT).as_posix() for package in MAY_IMPORT for file in (ROOT / package).rglob("*.py"))
TEST_MODULES = sorted(file.relative_to(ROOT).as_posix() for file in (ROOT / "tests").rglob("*.py"))

MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:home|root|work)/\w")
# Split, so that this file does not hold what it looks for.
REGISTRY = re.compile(
    "|".join(["py" + r"pi\.", "python" + r"hosted\.org", "index" + "-url", r"download\.py" + "torch"])
)


def imports(source: str, module: str) -> Iterator[str]:
    """Full names of what a module imports anywhere in it, relative imports resolved."""
    parents = module.removesuffix(".py").removesuffix("/__init__").split("/")
    if not module.endswith("__init__.py"):
        parents = parents[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = parents[: len(parents) - node.level + 1] if node.level else []
            yield ".".join([*base, node.module or ""])


def forbidden(source: str, module: str) -> set[str]:
    """First-party packages that a module imports though it may not."""
    package, name = module.split("/")[0], module.split("/")[-1]
    if name in WIRING or "commands" in module.split("/"):
        return set()
    found = {imported.split(".")[0] for imported in imports(source, module)} & {*MAY_IMPORT, "tests"}
    return found - MAY_IMPORT[package] - {package}


@pytest.mark.parametrize("module", MODULES)
def test_packages_import_only_downward(module: str) -> None:
    wrong = forbidden((ROOT / module).read_text(encoding="utf-8"), module)
    package = module.split("/")[0]
    allowed = ", ".join(sorted(MAY_IMPORT[package])) or "no other package"
    assert not wrong, f"{module} imports {', '.join(sorted(wrong))}; {package} may import {allowed}"


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("netlists/formats/files.py", "from placer.cost import proxy", {"placer"}),
        ("plots/report.py", "def f():\n    import dse.model.cost as c, netlists", {"dse"}),
        ("placer/cost/proxy.py", "from .. import incumbent\nfrom netlists import load", set()),
        ("placer/cost/proxy.py", "from ...plots import style", {"plots"}),
        ("placer/cli.py", "from plots import report", set()),
        ("placer/environment/env.py", "import tests.twins", {"tests"}),
    ],
)
def test_wrong_imports_are_found(module: str, source: str, wrong: set[str]) -> None:
    assert forbidden(source, module) == wrong


def after_import(package: str, expression: str) -> str:
    """What an expression says in a fresh process that has imported a package."""
    code = (
        "import sys, numba.core.event as events\n"
        "compiled = events.RecordingListener()\n"
        "events.register('numba:compile', compiled)\n"
        f"import {package}\n"
        f"print({expression})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("package", "heavy"), [("netlists", HEAVY | {"matplotlib"}), ("plots", HEAVY), ("dse", HEAVY | {"matplotlib"})]
)
def test_light_packages_load_no_heavy_library(package: str, heavy: set[str]) -> None:
    loaded = after_import(package, f"sorted({heavy!r} & set(sys.modules))")
    assert loaded == "[]", f"`import {package}` loads {loaded}"


def test_evaluation_loads_no_heavy_library() -> None:
    heavy = HEAVY | {"matplotlib", "onnx"}
    loaded = after_import("dse", f"dse.evaluate and sorted({heavy!r} & set(sys.modules))")
    assert loaded == "[]", f"`dse.evaluate` loads {loaded}"


def test_netlists_compiles_nothing() -> None:
    assert after_import("netlists", "len(compiled.buffer)") == "0", "`import netlists` compiles numba functions"


@pytest.mark.parametrize("module", MODULES + TEST_MODULES)
def test_every_module_says_what_it_is_for(module: str) -> None:
    source = (ROOT / module).read_text(encoding="utf-8")
    assert not source or ast.get_docstring(ast.parse(source)), (
        f"{module} has no docstring; its first lines must say its job"
    )


@pytest.mark.parametrize("module", MODULES)
def test_modules_are_short(module: str) -> None:
    lines = len((ROOT / module).read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_LINES or module in LONGER, f"{module} has {lines} lines; expected at most {MAX_LINES}: split it"


def tracked() -> list[str]:
    """Text files of the repository; skips outside a git checkout."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: cannot tell which files are tracked")
    binary = (".gz", ".png", ".safetensors")
    return [name for name in listed.split("\0") if name and not name.endswith(binary) and (ROOT / name).is_file()]


@pytest.mark.parametrize(
    ("pattern", "what"),
    [(MACHINE_PATH, "an absolute path of one machine"), (REGISTRY, "the host of a package registry")],
)
def test_tracked_files_name_no_machine(pattern: re.Pattern[str], what: str) -> None:
    found = [
        f"{name}:{number}: {line.strip()[:80]}"
        for name in tracked()
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), start=1)
        if pattern.search(line)
    ]
    assert not found, f"{what}, in\n" + "\n".join(found)


@pytest.mark.parametrize("text", ["open('/{}/ann/x')", "cd /{}/main", "PATH=/{}/bin"])
@pytest.mark.parametrize("folder", ["home", "root", "work"])
def test_machine_paths_are_found(text: str, folder: str) -> None:
    assert MACHINE_PATH.search(text.format(folder))


@pytest.mark.parametrize("text", ["run/{}/x", "../{}/x", "at {}/x", "/{}", "a.b/{}/c", "~/{}/x"])
@pytest.mark.parametrize("folder", ["home", "root", "work"])
def test_other_paths_are_not(text: str, folder: str) -> None:
    assert not MACHINE_PATH.search(text.format(folder))
