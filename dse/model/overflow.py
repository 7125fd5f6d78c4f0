"""Refuses a design on a network whose counts could overflow 64 bits, before anything is counted.

Kernels count in int64.  `most_counts` is an upper bound of every count of a layer and of every product on the way to
it.  It follows from the layer's bounds and the design's parameters alone, for the template's worst mapping, in which
nothing is kept on chip.  It exceeds the counts of real mappings by two to five orders of magnitude, so designs that are
refused are far from practical ones: layers of 1e13 MACs and more run on all arrays of usual size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

from dse.templates.base import BITS_PER_CYCLE, Template
from dse.workloads.layers import Layer, Network
from netlists.errors import DesignError

LIMIT = 2.0**62  # half of the range of int64, as the bound is a float and a few counts are added up
Range = tuple[float, float]
"""The lowest and the highest value of a parameter."""

SIZES = ("in_channels", "out_channels", "groups", "in_h", "in_w", "batch", "operands", "repeat")  # fields of a layer
FRACTIONS = ("port_share", "tile_share", "stream_share")  # parameters: fractions of a bandwidth that are reached


def demand_exact(template: Template, values: Mapping[str, Range], network: Network) -> None:
    """Raise `DesignError` if counts of a network could exceed 64 bits on designs with values in these ranges."""
    total = 0.0
    for layer in network.layers:
        for name in SIZES:
            if getattr(layer, name) >= LIMIT:
                raise DesignError(f"{network.name}: layer {layer.name}: {name} is too large; expected less than 2^62")
        most = most_counts(template, values, layer) * layer.repeat
        total += most
        if total >= LIMIT:
            worst = f"up to {most:.1g}" if most >= LIMIT else f"with the layers before it up to {total:.1g}"
            raise DesignError(
                f"{network.name}: layer {layer.name} of {_short(layer.macs * layer.repeat)} MACs is too large for exact"
                f" counts on {template.name} ({worst} bits or cycles); expected less than 2^62: take a smaller batch"
                " or size"
            )


def _short(number: int) -> str:
    return f"{float(number):.3g}"


def corner(template: Template, row: Sequence[float]) -> dict[str, Range]:
    """The parameter values of one design's row [D], as ranges."""
    return {parameter.name: (value, value) for parameter, value in zip(template.parameters, row, strict=True)}


def most_counts(template: Template, values: Mapping[str, Range], layer: Layer) -> float:
    """An upper bound of every count of one occurrence of a layer, in bits or cycles."""
    bits = max(*(values[name][1] for name in ("weight_bits", "input_bits", "psum_bits")), *own_bits(layer))
    slow = max(1.0, _cycles_per_bit(values))
    if not layer.has_macs:
        return float(layer.inputs + layer.outputs) * bits * slow
    pad_in, pad_out = (values[name][1] for name in template.padding) if template.padding else (0.0, 0.0)
    c, m = layer.in_channels / layer.groups + pad_in, layer.out_channels / layer.groups + pad_out
    pairs, images = layer.groups * c * m, float(layer.batch)
    pixels, window = float(layer.out_h) * layer.out_w, float(layer.kernel_h) * layer.kernel_w
    work = images * pairs * pixels * window
    moved = images * pairs * _read(template, layer) + 8 * work
    hops = 4 + 2 * sum(values[name][1] for name in template.hops)
    most = moved * bits * slow + work * (bits * bits + 4 * bits * hops)
    if template.name == "row_stationary":  # weights of all elements, once
        most += layer.weights * bits * values["rows"][1] * values["columns"][1]
    if template.name == "convolver_fpga":
        again = 1 + values["pes"][1] / values["channels"][0]  # phases may have fewer maps than elements
        most = (most + images * pairs * pixels * _streamed(values, layer) * bits) * again
    return most


def own_bits(layer: Layer) -> tuple[int, int, int]:
    """The layer's own word lengths in bits; 0: as the design has it."""
    return layer.weight_bits, layer.input_bits, layer.output_bits


def _read(template: Template, layer: Layer) -> float:
    """Most input pixels of one channel that are read for one output channel: whole windows, or whole lines."""
    if template.name == "systolic":  # blocks of pixels, each with its lines, or of the window
        pixels, window = float(layer.out_h) * layer.out_w, layer.kernel_h * layer.kernel_w
        return (layer.in_h * (1 + window) + pixels * layer.kernel_h * layer.dilation_h) * float(layer.in_w)
    high, wide = layer.kernel_h * (1 + layer.dilation_h), layer.kernel_w * (1 + layer.dilation_w)
    touched_h = layer.in_h + layer.out_h * (high + layer.stride_h)
    touched_w = layer.in_w + layer.out_w * (wide + layer.stride_w)
    return float(touched_h) * touched_w


def _streamed(values: Mapping[str, Range], layer: Layer) -> float:
    """Most pixels that a convolver takes for an output, a whole tile, times its line buffers' reads and writes."""
    high, wide = ((size - 1) * step + 1 for size, step in (
        (layer.kernel_h, layer.dilation_h), (layer.kernel_w, layer.dilation_w)))  # fmt: skip
    tile = values["tile"][1] if layer.kernel_h * layer.kernel_w > 1 else 1.0
    passes = ceil(high / values["kernel"][0]) * ceil(wide / values["kernel"][0])
    return tile * tile * passes * 2 * values["kernel"][1]


def _cycles_per_bit(values: Mapping[str, Range]) -> float:
    """Most cycles for one bit from or to memory."""
    fraction = min([values[name][0] for name in FRACTIONS if name in values], default=1.0)
    memory = values["clock_mhz"][1] / (values["dram_gb_s"][0] * BITS_PER_CYCLE)
    port = 1 / values["port_bits"][0] if "port_bits" in values else 0.0
    return max(memory, port) / fraction
