"""Macro placement: `place` a netlist, `evaluate` a placement.

Imports `netlists`; only `cli` and `commands` also import `plots`.  Begin with `runs.pipeline`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from placer.cost import evaluate
    from placer.runs.pipeline import Result, place
    from placer.runs.settings import PlaceSettings

__all__ = ["PlaceSettings", "Result", "evaluate", "place"]


def __getattr__(name: str) -> Any:
    # On first use: the commands, and users of `placer.cost` alone, should not wait until the rest is loaded.
    if name == "evaluate":
        from placer.cost import evaluate

        return evaluate
    if name in __all__:
        from placer.runs import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module 'placer' has no attribute {name!r}")
