"""What to build: analytic models of CNN accelerators, and the search for the best of them.

Imports netlists.  Begin with `model.evaluation` for one design, `exploration.run` for the search, `cli` for commands.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dse.exploration.run import explore
    from dse.exploration.selection import select_design
    from dse.model.evaluation import Evaluation, evaluate
    from dse.space.file import load_space

__all__ = ["Evaluation", "evaluate", "explore", "load_space", "select_design"]

MODULES = {
    "Evaluation": "dse.model.evaluation",
    "evaluate": "dse.model.evaluation",
    "explore": "dse.exploration.run",
    "load_space": "dse.space.file",
    "select_design": "dse.exploration.selection",
}
"""The module of each public name.  No submodule of dse may share one of these names: its import would replace it."""


def __getattr__(name: str) -> Any:
    # Modules are loaded on first use, as numba takes a second.
    if name in MODULES:
        return getattr(import_module(MODULES[name]), name)
    raise AttributeError(f"module 'dse' has no attribute {name!r}")
