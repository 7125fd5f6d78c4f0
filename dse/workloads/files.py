"""The networks that a space names: files beside it, their symbolic sizes, operators to leave out, what counts inputs.

`sizes`, `skip` and `counts` of a space hold for those of its ONNX files that have such a size or operator; one that
none of them has is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from dse.model.evaluation import load_network
from dse.workloads.layers import Network
from netlists.errors import DesignError


class Options(NamedTuple):
    """What is said of one ONNX file, as `dse.model.evaluation.evaluate` takes it."""

    sizes: dict[str, int]
    skip: list[str]
    counts: str | None


def load_networks(
    names: Sequence[str], batch: int, sizes: Mapping[str, int], skip: Collection[str], counts: str | None = None
) -> list[Network]:
    """Networks by name or file; raises `DesignError` for a size or operator that none of the files has."""
    own = all_options(names, sizes, skip, counts)
    return [load_network(name, batch, *each) for name, each in zip(names, own, strict=True)]


def all_options(
    names: Sequence[str], sizes: Mapping[str, int], skip: Collection[str], counts: str | None = None
) -> list[Options]:
    """What of a space holds for each of its networks; raises `DesignError` for what holds for none."""
    own = [options(name, names, sizes, skip, counts) for name in names]
    for field, given, used in (
        ("sizes", list(sizes), [each.sizes for each in own]),
        ("skip", list(skip), [each.skip for each in own]),
        ("counts", [counts] if counts else [], [[each.counts] for each in own]),
    ):
        for wanted in given:
            if not any(wanted in each for each in used):
                raise DesignError(f"{field}: none of the networks has {wanted!r}; expected a name that one of the .onnx"
                                  " files has")  # fmt: skip
    return own


def options(
    name: str, names: Sequence[str], sizes: Mapping[str, int], skip: Collection[str], counts: str | None = None
) -> Options:
    """What of a space holds for one of its networks; a single file gets all, and says what is wrong."""
    if Path(name).suffix != ".onnx" or not (sizes or skip or counts is not None):
        return Options({}, [], None)
    if [Path(each).suffix for each in names].count(".onnx") == 1:
        return Options(dict(sizes), list(skip), counts)
    symbols, operators = _names_in(name)
    kept = [key for key in skip if key in operators]
    own = {key: size for key, size in sizes.items() if key in symbols}
    return Options(own, kept, counts if not counts or counts in symbols else None)


@lru_cache
def _names_in(file: str) -> tuple[frozenset[str], frozenset[str]]:
    """The open sizes and the operators of an ONNX file, those of its subgraphs too."""
    from dse.workloads.onnx.graph import all_nodes, read_model
    from dse.workloads.onnx.operators import operator
    from dse.workloads.onnx.sizes import axes_of

    model = read_model(file)
    opened = [axis for axis in axes_of(model, file) if axis.size is None]
    symbols = frozenset(name for axis in opened for name in (axis.symbol, axis.place))
    return symbols, frozenset(operator(node) for node in all_nodes(model.graph))
