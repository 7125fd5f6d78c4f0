"""What to build: analytic models of CNN accelerators, and the search for the best of them."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dse.evaluation import Evaluation, evaluate

__all__ = ["Evaluation", "evaluate"]


def __getattr__(name: str) -> Any:
    # On first use: numba takes a second to load.
    if name in __all__:
        from dse import evaluation

        return getattr(evaluation, name)
    raise AttributeError(f"module 'dse' has no attribute {name!r}")
