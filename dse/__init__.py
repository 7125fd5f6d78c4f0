"""What to build: analytic models of CNN accelerators, and the search for the best of them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dse.exploration.chosen import chosen_design
    from dse.exploration.run import explore
    from dse.model.evaluation import Evaluation, evaluate
    from dse.space.file import load_space

__all__ = ["Evaluation", "chosen_design", "evaluate", "explore", "load_space"]

MODULES = {  # where each name is; no submodule of dse may have one of these names, as its import would replace it
    "Evaluation": "dse.model.evaluation",
    "chosen_design": "dse.exploration.chosen",
    "evaluate": "dse.model.evaluation",
    "explore": "dse.exploration.run",
    "load_space": "dse.space.file",
}


def __getattr__(name: str) -> Any:
    # On first use: numba takes a second to load.
    if name in MODULES:
        return getattr(import_module(MODULES[name]), name)
    raise AttributeError(f"module 'dse' has no attribute {name!r}")
