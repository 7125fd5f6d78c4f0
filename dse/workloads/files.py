"""Networks by name or file: built in, ONNX, or SCALE-Sim; and the options of a space for each of its networks.

`sizes`, `skip` and `counts` of a space hold for those of its ONNX files that have such a size or operator; one that
no file has is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from dse.workloads.builtin import network as built_in
from dse.workloads.layers import Network
from netlists.errors import DesignError

ONNX = ".onnx"
TOPOLOGY = ".csv"  # of SCALE-Sim


class Options(NamedTuple):
    """The options of one ONNX file, as `load_network` takes them."""

    sizes: dict[str, int]  # values of symbolic sizes, by name
    skip: list[str]  # unsupported operators to leave out
    counts: str | None  # the size or `input.axis` that counts inputs


def load_network(
    name: str,
    batch: int,
    sizes: Mapping[str, int] | None = None,
    skip: Collection[str] = (),
    counts: str | None = None,
) -> Network:
    """A built-in network, an ONNX file, or a SCALE-Sim topology (.csv), for a batch of inputs.

    `sizes`, `skip` and `counts` hold for ONNX files: values of symbolic sizes by name, unsupported operators to leave
    out, and the size or axis that counts inputs.  Raises `DesignError` if the network cannot be read or the options do
    not fit it.
    """
    suffix = Path(name).suffix
    if suffix == ONNX:
        from dse.workloads.onnx.importer import load_onnx

        return load_onnx(name, batch, sizes, skip, counts)
    if sizes or skip or counts:
        raise DesignError(
            f"network {name} is not an .onnx file; sizes, batch axes and operators to skip apply to .onnx files only"
        )
    if suffix == TOPOLOGY:
        from dse.workloads.scalesim import load_topology

        return load_topology(name).with_batch(batch)
    return built_in(name).with_batch(batch)


def load_networks(
    names: Sequence[str], batch: int, sizes: Mapping[str, int], skip: Collection[str], counts: str | None = None
) -> list[Network]:
    """Networks by name or file; raises `DesignError` for a size or operator that none of the files has."""
    own = all_options(names, sizes, skip, counts)
    return [load_network(name, batch, *each) for name, each in zip(names, own, strict=True)]


def all_options(
    names: Sequence[str], sizes: Mapping[str, int], skip: Collection[str], counts: str | None = None
) -> list[Options]:
    """The options that hold for each network of a space; raises `DesignError` for one that holds for none."""
    own = [options(name, names, sizes, skip, counts) for name in names]
    for field, entries, used in (
        ("sizes", list(sizes), [each.sizes for each in own]),
        ("skip", list(skip), [each.skip for each in own]),
        ("counts", [counts] if counts else [], [[each.counts] for each in own]),
    ):
        for entry in entries:
            if not any(entry in each for each in used):
                raise DesignError(
                    f"{field}: none of the networks has {entry!r}; expected a name that one of the .onnx files has"
                )
    return own


def options(
    name: str, names: Sequence[str], sizes: Mapping[str, int], skip: Collection[str], counts: str | None = None
) -> Options:
    """The options that hold for one network of a space; a single file gets all, and its reader checks them."""
    if Path(name).suffix != ONNX or not (sizes or skip or counts is not None):
        return Options({}, [], None)
    if [Path(each).suffix for each in names].count(ONNX) == 1:
        return Options(dict(sizes), list(skip), counts)
    symbols, operators = _names_in(name)
    own_sizes = {key: size for key, size in sizes.items() if key in symbols}
    own_skip = [key for key in skip if key in operators]
    return Options(own_sizes, own_skip, counts if not counts or counts in symbols else None)


@lru_cache
def _names_in(file: str) -> tuple[frozenset[str], frozenset[str]]:
    """Names of the open sizes and of the operators of an ONNX file, including those of its subgraphs."""
    from dse.workloads.onnx.graph import all_nodes, read_model
    from dse.workloads.onnx.operators import operator
    from dse.workloads.onnx.sizes import axes_of

    model = read_model(file)
    opened = [axis for axis in axes_of(model, file) if axis.size is None]
    symbols = frozenset(name for axis in opened for name in (axis.symbol, axis.place))
    return symbols, frozenset(operator(node) for node in all_nodes(model.graph))
