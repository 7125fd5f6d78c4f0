"""The networks that a space names: files beside it, their symbolic sizes, operators to leave out, what counts inputs.

`sizes`, `skip` and `counts` of a space hold for those of its ONNX files that have such a size or operator; one that
none of them has is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from dse.evaluation import load_network
from dse.workload import Network
from netlists.errors import DesignError


class Options(NamedTuple):
    """What is said of one ONNX file, as `dse.evaluation.evaluate` takes it."""

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
    kept = [key for key in skip if key in operators or key.removesuffix("3D") in operators]
    own = {key: size for key, size in sizes.items() if key in symbols}
    return Options(own, kept, counts if not counts or counts in symbols else None)


@lru_cache
def _names_in(file: str) -> tuple[frozenset[str], frozenset[str]]:
    """The open sizes and the operators of an ONNX file, those of its functions and subgraphs too."""
    from dse.onnx_graph import read_model

    model = read_model(file)
    nodes = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    operators = set[str]()
    while nodes:
        node = nodes.pop()
        operators.add(node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}")
        nodes += [inner for attribute in node.attribute for inner in attribute.g.node]
    return frozenset(_symbols(model.graph.input)), frozenset(operators)


def _symbols(inputs: Any) -> Iterator[str]:
    """Names of open sizes: as the file has them, and INPUT.AXIS."""
    for info in inputs:
        for axis, dim in enumerate(info.type.tensor_type.shape.dim):
            if dim.dim_value <= 0:
                yield f"{info.name}.{axis}"
                if dim.dim_param:
                    yield dim.dim_param
