"""Fixes the open sizes of an ONNX model's inputs, and determines which of them counts inputs: the batch.

Nothing is guessed.  The only open size is the batch if it is the first axis of every input that has it, if its name
contains "batch", or if `--batch` is given; if there are several, `--batch NAME=N` names it.  A model with all sizes
fixed is one input as it stands, whatever its axes mean, and a batch of N runs it N times at once, unless an axis is
named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from onnx import ModelProto, ValueInfoProto

from dse.workloads.onnx.graph import inputs
from netlists.errors import DesignError, did_you_mean


@dataclass(frozen=True)
class Axis:
    """One axis of one input: its symbol (`input.axis` if it has none), and its size if the file fixes it."""

    tensor: str
    index: int
    rank: int
    symbol: str
    size: int | None

    @property
    def place(self) -> str:
        """The axis as `input.axis`."""
        return f"{self.tensor}.{self.index}"


@dataclass(frozen=True)
class Sizes:
    """The sizes of every input, and what they mean."""

    values: Mapping[str, int]  # by symbol, for open axes
    counts: str | None  # the symbol or `input.axis` that counts inputs; None: the model as it stands is one input
    images: int  # number of inputs in one run of the model
    times: int  # number of runs at once
    axes: tuple[Axis, ...]

    @property
    def opened(self) -> bool:
        """Whether the file leaves any size open."""
        return bool(self.values)

    def an_input(self) -> str:
        """What one input is, in words."""
        shapes: dict[str, list[str]] = {}
        for axis in self.axes:
            size = self.values.get(axis.symbol, axis.size) if axis.size is None else axis.size
            counts = self.counts in (axis.symbol, axis.place)
            shapes.setdefault(axis.tensor, []).append("N" if counts else str(size))
        text = ", ".join(f"{name} [{', '.join(sizes)}]" for name, sizes in shapes.items())
        return f"one of N along {self.counts!r}: {text}" if self.counts else f"one run of the model: {text}"


def settle(model: ModelProto, name: str, batch: int | None, sizes: Mapping[str, int], counts: str | None) -> Sizes:
    """Give every open size a value; raises `DesignError` that names what is missing, unknown or impossible.

    `batch` is the number of inputs at once, `sizes` are values of symbols, and `counts` is the symbol or `input.axis`
    that the batch replaces; an empty `counts` means the only open size, on any axis.
    """
    axes = axes_of(model, name)
    opened: dict[str, Axis] = {}  # the first axis of each symbol
    for axis in axes:
        if axis.size is None:
            opened.setdefault(axis.symbol, axis)
    places = {axis.place: axis.symbol for axis in axes if axis.size is None}
    values = {places.get(symbol, symbol): size for symbol, size in sizes.items()}
    _check(name, values, opened)
    if counts:
        return _settle_batch(name, batch, values, places.get(counts, counts), opened, axes)
    rest = [symbol for symbol in opened if symbol not in values]
    if not rest:
        return Sizes(values, None, 1, 1 if batch is None else batch, axes)
    if len(rest) > 1 or (counts is None and not _may_count(axes, rest[0])):
        text = ", ".join(f"{symbol!r} (axis {opened[symbol].index} of input {opened[symbol].tensor!r})"
                         for symbol in rest)  # fmt: skip
        raise DesignError(
            f"{name}: symbolic sizes without a value: {text}; give each a value with --size NAME=N, or name the one"
            " that counts inputs with --batch NAME=N"
        )
    return _settle_batch(name, batch, values, rest[0], opened, axes)


def _settle_batch(
    name: str,
    batch: int | None,
    values: Mapping[str, int],
    counted: str,
    opened: Mapping[str, Axis],
    axes: tuple[Axis, ...],
) -> Sizes:
    """The sizes if the symbol or `input.axis` `counted` is the batch; raises `DesignError` if it cannot be."""
    images = 1 if batch is None else batch
    fixed = {axis.place: axis.size for axis in axes if axis.size}
    missing = [symbol for symbol in opened if symbol not in (*values, counted)]
    if counted in fixed and not missing:
        return _fixed_batch(name, batch or fixed[counted], values, counted, fixed[counted], axes)
    if counted not in opened and counted not in fixed:
        known = [*opened, *fixed]
        raise DesignError(
            f"{name}: no axis {counted!r} for the batch{did_you_mean(counted, known)}; the model's inputs have:"
            f" {', '.join(known) or 'none'}"
        )
    if counted in values:
        raise DesignError(f"{name}: size {counted} is given twice, by --size and --batch; expected one of them")
    if missing:
        raise DesignError(
            f"{name}: symbolic sizes without a value: {', '.join(map(repr, missing))}; give each a value with"
            " --size NAME=N"
        )
    return Sizes({**values, counted: images}, counted, images, 1, axes)


def axes_of(model: ModelProto, name: str) -> tuple[Axis, ...]:
    """The axes of all inputs of a model; raises `DesignError` for an input without a shape."""
    return tuple(axis for info in inputs(model) for axis in _axes(info, name))


def _axes(info: ValueInfoProto, name: str) -> list[Axis]:
    if not info.type.HasField("tensor_type"):
        return []
    if not info.type.tensor_type.HasField("shape"):
        raise DesignError(f"{name}: input {info.name!r} has no shape; expected a tensor of known rank")
    dims = info.type.tensor_type.shape.dim
    axes = []
    for index, dim in enumerate(dims):
        # Old exporters write an open first axis as 0; elsewhere 0 is a size, for example of an empty cache.
        fixed = dim.HasField("dim_value") and (dim.dim_value > 0 or (dim.dim_value == 0 and index > 0))
        symbol = dim.dim_param or f"{info.name}.{index}"
        axes.append(Axis(info.name, index, len(dims), symbol, dim.dim_value if fixed else None))
    return axes


def _may_count(axes: tuple[Axis, ...], symbol: str) -> bool:
    """Whether the only open size is the batch by its place or its name."""
    its = [axis for axis in axes if axis.size is None and axis.symbol == symbol]
    return "batch" in symbol.lower() or all(axis.index == 0 and axis.rank > 1 for axis in its)


def _check(name: str, values: Mapping[str, int], opened: Mapping[str, Axis]) -> None:
    for symbol, size in values.items():
        if symbol not in opened:
            known = ", ".join(opened) or "none"
            raise DesignError(
                f"{name}: no symbolic size {symbol!r}{did_you_mean(symbol, opened)}; the model's inputs have: {known}"
            )
        if size < 0:
            raise DesignError(f"{name}: size {symbol} is {size}; expected at least 0")


def _fixed_batch(
    name: str, images: int, values: Mapping[str, int], counted: str, size: int, axes: tuple[Axis, ...]
) -> Sizes:
    times, rest = divmod(images, size)
    if rest or not times:
        raise DesignError(
            f"{name}: batch is {images}, but axis {counted} is fixed at {size}; expected a multiple of it, as in"
            f" --batch {counted}={size}, or a model exported with that axis open"
        )
    return Sizes(values, counted, size, times, axes)


def fix(model: ModelProto, sizes: Sizes, times: int = 1) -> ModelProto:
    """A copy of the model with the sizes of its inputs fixed, for `times` as many inputs as settled.

    Other names of sizes are dropped, because only shape inference knows them.
    """
    result = ModelProto()
    result.CopyFrom(model)
    by_place = {axis.place: axis for axis in sizes.axes}
    for info in inputs(result):
        for index, dim in enumerate(info.type.tensor_type.shape.dim):
            axis = by_place[f"{info.name}.{index}"]
            size = sizes.values[axis.symbol] if axis.size is None else axis.size
            dim.dim_value = size * (times if sizes.counts in (axis.symbol, axis.place) else 1)
    for info in (*result.graph.value_info, *result.graph.output):
        for dim in info.type.tensor_type.shape.dim:
            if dim.dim_param in sizes.values:
                dim.dim_value = sizes.values[dim.dim_param] * (times if dim.dim_param == sizes.counts else 1)
            elif dim.HasField("dim_param"):
                dim.ClearField("dim_param")
    return result
