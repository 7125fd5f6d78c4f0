"""Nothing in the packages unpickles or evaluates what it reads, except where the table below says why."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests import ROOT
from tests.test_architecture import MODULES

ALLOWED = {
    ("dse/exploration/tasks.py", "pickle.loads"): "answers of the workers that the exploration started itself",
    ("dse/quantization/inputs.py", "torch.export.load"): "programs that the user trusts by --trust",
    ("dse/quantization/inputs.py", "exec_module"): "FILE.py:FUNCTION, which the user gives as code to run",
    ("netlists/runtime/yaml_file.py", "yaml.load"): "with a subclass of yaml.SafeLoader",
}
CALLS = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "pickle.load", "pickle.loads", "yaml.load",
    "yaml.load_all", "yaml.full_load", "yaml.unsafe_load", "torch.export.load", "torch.jit.load", "torch.hub.load",
}  # fmt: skip
"""Functions that run code or can be made to."""
METHODS = {"exec_module", "load_module", "Unpickler", "read_pickle", "from_pickle"}
"""Such functions whatever they are called on."""
LIBRARIES = {"marshal", "shelve", "dill", "cloudpickle", "joblib", "jsonpickle"}
"""Libraries whose only purpose this is."""
GUARDS = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
}
"""Functions that are safe with an argument only."""


def dangers(source: str) -> Iterator[str]:
    """What a module calls or imports of the above."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (name for name in names if name.split(".")[0] in LIBRARIES)
            if isinstance(node, ast.ImportFrom) and node.module in ("pickle", "yaml", "torch.export"):
                yield from (f"from {node.module} import {alias.name}" for alias in node.names)
        if not isinstance(node, ast.Call):
            continue
        name, arguments = ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}
        last = name.rpartition(".")[2]
        if name in CALLS:
            yield name
        elif last in METHODS:
            yield last
        elif name in GUARDS and arguments.get(GUARDS[name][0]) != str(GUARDS[name][1]):
            yield name
        elif arguments.get("shell", "False") != "False":
            yield f"{name}(shell)"


def test_nothing_is_unpickled_or_evaluated() -> None:
    found = {(module, name) for module in MODULES for name in dangers((ROOT / module).read_text(encoding="utf-8"))}
    assert found == set(ALLOWED)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import pickle\npickle.loads(x)", "pickle.loads"), ("from pickle import loads", "from pickle import loads"),
        ("eval(x)", "eval"), ("torch.load(f)", "torch.load"), ("torch.load(f, weights_only=False)", "torch.load"),
        ("np.load(f)", "np.load"), ("np.load(f, allow_pickle=True)", "np.load"), ("yaml.load(f, Loader)", "yaml.load"),
        ("import joblib", "joblib"), ("subprocess.run(x, shell=True)", "subprocess.run(shell)"),
        ("spec.loader.exec_module(m)", "exec_module"), ("def f():\n    import dill.session", "dill.session"),
    ],
)  # fmt: skip
def test_dangers_are_found(source: str, name: str) -> None:
    assert list(dangers(source)) == [name]


@pytest.mark.parametrize(
    "source", ["module.eval()", "re.compile(x)", "torch.load(f, weights_only=True)", "np.load(f, allow_pickle=False)",
               "yaml.safe_load(f)", "json.loads(x)", "subprocess.run(x, shell=False)"],
)  # fmt: skip
def test_what_is_safe_is_not(source: str) -> None:
    assert not list(dangers(source))
