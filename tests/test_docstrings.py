"""Public docstrings are complete: shapes and units of array arguments, the errors that a function raises."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import pytest

from tests import ROOT

PACKAGES = ("netlists", "placer", "dse", "plots")
MODULES = sorted(file.relative_to(ROOT).as_posix() for package in PACKAGES for file in (ROOT / package).rglob("*.py"))

ARRAY = re.compile(r"\b(Floats|Ints|Bools|Bytes|NDArray|Tensor|ArrayLike)\b")
SHAPE = re.compile(r"\[(?:\w+|\d+)(?:\s*[,×+*-]\s*(?:\w+|\d+|\.\.\.))*\]")
# What values stand for: a unit in the name of the argument (`position_um`), or a word in the docstring.
UNIT = re.compile(
    r"µm|\bum\b|mm|mJ|pJ|MHz|Hz|seconds?\b|\bs\b|cycles?|bits?\b|bytes?\b|KiB|index|indices|numbers?\b|whether|mask|"
    r"counts?\b|fractions?\b|weights?\b|orientations?\b|kinds?\b|costs?\b|prox(?:y|ies)|unit|grid cells?|pixels?|"
    r"logits|probabilit|rewards?|advantages?|returns?\b|objectives?|metrics?|parameters?|values?\b|"
    r"rows? of|columns? of|steps?\b|density|densities|demand|congestion|features?|gradient|"
    r"permutation|offsets|style|seeds?|names?\b",
    re.IGNORECASE,
)
SUFFIX = re.compile(r"_(?:um|um2|pj|cycles|bits|bytes|mhz|s|mm2|db)$")


class Function(NamedTuple):
    """A public function or method, and the docstring of the class that it belongs to."""

    module: str
    name: str
    node: ast.FunctionDef
    owner: str

    @property
    def where(self) -> str:
        return f"{self.module}:{self.node.lineno} {self.name}"

    @property
    def text(self) -> str:
        """Its docstring and, as methods share the arrays of their class, that of the class."""
        return f"{ast.get_docstring(self.node) or ''}\n{self.owner}"

    def arrays(self) -> list[str]:
        """Names of the arguments that are arrays by their annotations."""
        arguments = [*self.node.args.posonlyargs, *self.node.args.args, *self.node.args.kwonlyargs]
        return [a.arg for a in arguments if a.annotation and ARRAY.search(ast.unparse(a.annotation))]

    def raised(self) -> set[str]:
        """Names of the errors that its own statements raise, nested functions left out."""
        names = set()
        stack: list[ast.AST] = list(self.node.body)
        while stack:
            node = stack.pop()
            if isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef):
                continue
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
                names.add(node.exc.func.id)
            stack.extend(ast.iter_child_nodes(node))
        return {name for name in names if name.endswith("Error")}


def public_functions(module: str, source: str) -> Iterator[Function]:
    """Public functions and methods of a module, overrides of the standard protocols left out."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield Function(module, node.name, node, "")
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            owner = ast.get_docstring(node) or ""
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                    yield Function(module, f"{node.name}.{method.name}", method, owner)


@cache
def functions(module: str) -> tuple[Function, ...]:
    return tuple(public_functions(module, (ROOT / module).read_text(encoding="utf-8")))


def incomplete(function: Function) -> list[str]:
    """What the docstring of a function lacks."""
    if not ast.get_docstring(function.node):
        return ["what it is for: it has no docstring"]
    lacks = []
    text, arrays = function.text, function.arrays()
    if arrays and not SHAPE.search(text):
        lacks.append(f"the shapes of {', '.join(arrays)}")
    if arrays and not UNIT.search(text) and not all(SUFFIX.search(name) for name in arrays):
        lacks.append(f"the units of {', '.join(arrays)}")
    lacks += [f"that it raises {error}" for error in sorted(function.raised()) if error not in text]
    return lacks


@pytest.mark.parametrize("module", MODULES)
def test_public_docstrings_are_complete(module: str) -> None:
    wrong = [f"{f.where} does not state {'; '.join(lacks)}" for f in functions(module) if (lacks := incomplete(f))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("source", "lacks"),
    [
        ("def f(x: Floats) -> float:\n    'The mean of x.'", ["the shapes of x", "the units of x"]),
        ("def f(x_um: Floats) -> float:\n    'The mean of `x_um` [V].'", []),
        ("def f(x: Floats) -> float:\n    'The mean of distances [V, 2] in µm.'", []),
        ("def f() -> None:\n    'Fail.'\n    raise NetlistError('no')", ["that it raises NetlistError"]),
        ("def f() -> None:\n    'Fail: raises `NetlistError`.'\n    raise NetlistError('no')", []),
        ("class A:\n    'Holds centers [V, 2] in µm.'\n    def f(self, x: Floats) -> None: 'Take x.'", []),
        ("def f() -> None: pass", ["what it is for: it has no docstring"]),
        ("def _f(x: Floats) -> float: return 0.0", None),
    ],
)
def test_incomplete_docstrings_are_found(source: str, lacks: list[str] | None) -> None:
    found = list(public_functions("m.py", source))
    assert [incomplete(f) for f in found] == ([] if lacks is None else [lacks])
