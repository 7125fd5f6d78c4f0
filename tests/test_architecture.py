"""The rules of the house that no linter checks: levels of packages and folders, lengths, what files may hold."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping

import networkx
import pytest

from tests import ROOT

MAY_IMPORT: dict[str, set[str]] = {
    "netlists": set(),
    "placer": {"netlists"},
    "dse": {"netlists"},
    "plots": {"netlists"},
}
WIRING = {"cli.py", "__main__.py"}  # these and commands may join all packages
HEAVY = {"torch", "torch_geometric", "ray", "tensorboard", "mtkahypar", "matplotlib.pyplot"}
LEVELS: dict[str, list[str]] = {  # of each package, from the bottom: modules and folders import from those before them
    "netlists": ["errors", "tolerance", "constraints", "netlist", "rows", "placement", "runtime", "legality", "formats",
                 "connectivity", "synthetic"],
    "placer": ["cost", "routing", "legalization", "soft", "incumbent", "environment", "annealing", "gradient", "cells",
               "agent", "runs", "commands", "cli", "__main__"],
    "dse": ["workloads", "templates", "model", "floorplan", "space", "search", "exploration", "validation",
            "quantization", "reports", "commands", "cli", "__main__"],
}  # fmt: skip
MOST_LINES = 60  # of a function
MOST_ENTRIES = 12  # of a folder, beside `__init__.py` and the like
MANY_ENTRIES = {  # a need, family, step, quantity or figure each
    "dse", "dse/templates", "netlists/runtime", "placer", "placer/cost", "plots",
}  # fmt: skip

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
def test_functions_are_short(module: str) -> None:
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.end_lineno]
    lines = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions}
    long = {name: count for name, count in lines.items() if count > MOST_LINES}
    assert not long, f"{module}: expected functions of at most {MOST_LINES} lines, {long} have more: split them"


def folders() -> list[str]:
    """Folders of the packages that hold modules, as paths from the root."""
    return sorted({module.rpartition("/")[0] for module in MODULES})


@pytest.mark.parametrize("folder", folders())
def test_folders_are_short_and_say_what_they_hold(folder: str) -> None:
    entries = [path.name for path in (ROOT / folder).iterdir() if not path.name.startswith(("__", "py.typed"))]
    assert len(entries) <= MOST_ENTRIES or folder in MANY_ENTRIES, f"{folder} holds {len(entries)}: {sorted(entries)}"
    first = (ROOT / folder / "__init__.py").read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(first)), f"{folder}/__init__.py has no docstring; it says what the folder holds"


def dotted(module: str) -> str:
    """The name by which a module is imported, of its path from the root."""
    return module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def import_graph(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """By dotted names, which of the modules each one imports anywhere in it, of sources by path."""
    names = {dotted(module) for module in sources}
    graph: dict[str, set[str]] = {}
    for module, source in sources.items():
        found = set()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom) and not node.level and node.module:
                submodules = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= submodules & names or {node.module} & names
            elif isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names} & names
        graph[dotted(module)] = found - {dotted(module)}
    return graph


def cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other in a circle."""
    directed = networkx.DiGraph([(name, other) for name, others in graph.items() for other in others])
    return [sorted(group) for group in networkx.strongly_connected_components(directed) if len(group) > 1]


def climbs(graph: Mapping[str, set[str]], levels: Mapping[str, list[str]]) -> list[str]:
    """Imports of a module or folder from one that is not below it, and modules that have no level."""
    wrong = []
    for name, others in graph.items():
        package, _, rest = name.partition(".")
        unit = rest.partition(".")[0]
        if package not in levels or not unit:
            continue
        if unit not in levels[package]:
            wrong += [f"{name} has no level"] if others else []
            continue
        below = levels[package][: levels[package].index(unit)]
        for other in others:
            target = other.removeprefix(f"{package}.").partition(".")[0]
            if other.startswith(f"{package}.") and target != unit and target not in below:
                wrong.append(f"{name} imports {other}")
    return sorted(wrong)


def house() -> dict[str, set[str]]:
    """The import graph of the four packages; what an `__init__` gives to the outside counts as nothing inside."""
    return import_graph({module: (ROOT / module).read_text(encoding="utf-8") for module in MODULES})


def test_no_imports_go_in_circles() -> None:
    packages = set(MAY_IMPORT)
    graph = {name: others - packages for name, others in house().items() if name not in packages}
    assert cycles(graph) == []


def test_folders_import_only_from_lower_ones() -> None:
    assert climbs(house(), LEVELS) == []


def test_circles_and_climbs_are_found() -> None:
    graph = import_graph(
        {
            "placer/cost/a.py": "def f():\n    from placer.cost import b",
            "placer/cost/b.py": "import placer.cost.a\nfrom placer.runs.c import f",
            "placer/runs/c.py": "from netlists import load",
        }
    )
    assert cycles(graph) == [["placer.cost.a", "placer.cost.b"]]
    assert climbs(graph, LEVELS) == ["placer.cost.b imports placer.runs.c"]
    assert climbs({"placer.odd": {"placer.cost.a"}}, LEVELS) == ["placer.odd has no level"]


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
