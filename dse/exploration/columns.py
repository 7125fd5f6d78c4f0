"""Names of the columns of a store, as SQL takes them."""

from __future__ import annotations

from dse.space.space import DesignSpace

FLAGS = ("on_front", "best", "sampled")  # of a design


def column_names(space: DesignSpace) -> tuple[list[str], list[str]]:
    """Columns of the parameters and of the metrics; a metric that is named as a parameter is METRIC_found."""
    taken = {"id", "feasible", *FLAGS, *(name.lower() for name in space.parameters)}
    return list(space.parameters), [f"{name}_found" if name.lower() in taken else name for name in space.metrics]


def quoted(name: str) -> str:
    """A name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'
