"""Counts stay exact: a design on a network whose counts could leave 64 bits is refused before anything is counted.

Kernels count in int64.  `most_counts` is above every count of a layer, and above every product on the way to it, from
the layer's bounds and the design's parameters alone: each template's worst mapping, in which nothing is kept.  It
exceeds what real mappings count by two to five orders of magnitude, so what is refused is far from what is built:
layers of 1e13 MACs and more run on all arrays of usual size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

from dse.templates.base import Template
from dse.workloads.layers import Layer, Network
from netlists.errors import DesignError

LIMIT = 2.0**62  # half of int64: the bound is a float, and sums of a few counts are taken
Range = tuple[float, float]
"""The lowest and the highest value of a parameter."""

# What a template computes though no layer asks for it: lanes that input and output channels are padded to.
PADDED = {"convolver_fpga": ("convolvers", "pes"), "row_stationary": ("input_words", "psum_words")}
# How far a word travels in the array, or for how many cycles one step of a mapping fills or drains it.
HOPS = {
    "systolic": ("rows", "columns"),
    "row_stationary": ("rows", "columns", "psum_words"),
    "tiled_fpga": ("depth",),
    "convolver_fpga": ("depth",),
}
SIZES = ("in_channels", "out_channels", "groups", "in_h", "in_w", "batch", "operands", "repeat")
SHARES = ("port_share", "tile_share", "stream_share")  # of the bandwidth, or of a port's


def demand_exact(template: Template, values: Mapping[str, Range], network: Network) -> None:
    """Raise `DesignError` where counts of a network's layers could exceed 64 bits on designs with such values."""
    total = 0.0
    for layer in network.layers:
        for name in SIZES:
            if getattr(layer, name) >= LIMIT:
                raise DesignError(f"{network.name}: layer {layer.name}: {name} is too large; expected less than 2^62")
        most = most_counts(template, values, layer) * layer.repeat
        total += most
        if total >= LIMIT:
            worst = f"up to {most:.1g}" if most >= LIMIT else f"with those before it up to {total:.1g}"
            raise DesignError(
                f"{network.name}: layer {layer.name} of {_short(layer.macs * layer.repeat)} MACs is too large for exact"
                f" counts on {template.name} ({worst} of one kind, in bits or cycles); expected less than 2^62, so a"
                " smaller batch or size"
            )


def _short(number: int) -> str:
    return f"{float(number):.3g}"


def corner(template: Template, row: Sequence[float]) -> dict[str, Range]:
    """The values of one design's row [D]."""
    return {parameter.name: (value, value) for parameter, value in zip(template.parameters, row, strict=True)}


def most_counts(template: Template, values: Mapping[str, Range], layer: Layer) -> float:
    """An upper bound of every count of one occurrence of a layer."""
    bits = max(*(values[name][1] for name in ("weight_bits", "input_bits", "psum_bits")), *own_bits(layer))
    slow = max(1.0, _cycles_per_bit(values))
    if not layer.has_macs:
        return float(layer.inputs + layer.outputs) * bits * slow
    pad_in, pad_out = (values[name][1] for name in PADDED[template.name]) if template.name in PADDED else (0.0, 0.0)
    c, m = layer.in_channels / layer.groups + pad_in, layer.out_channels / layer.groups + pad_out
    pairs, images = layer.groups * c * m, float(layer.batch)
    pixels, window = float(layer.out_h) * layer.out_w, float(layer.kernel_h) * layer.kernel_w
    work = images * pairs * pixels * window
    moved = images * pairs * _read(template, layer) + 8 * work
    hops = 4 + 2 * sum(values[name][1] for name in HOPS.get(template.name, ()))
    most = moved * bits * slow + work * (bits * bits + 4 * bits * hops)
    if template.name == "row_stationary":  # weights of all elements, once
        most += layer.weights * bits * values["rows"][1] * values["columns"][1]
    if template.name == "convolver_fpga":
        again = 1 + values["pes"][1] / values["channels"][0]  # phases with fewer maps than elements
        most = (most + images * pairs * pixels * _streamed(values, layer) * bits) * again
    return most


def own_bits(layer: Layer) -> tuple[int, int, int]:
    """Word lengths that the layer says itself; 0: as the design."""
    return layer.weight_bits, layer.input_bits, layer.output_bits


def _read(template: Template, layer: Layer) -> float:
    """Input pixels of one channel that are read at most for one output channel: whole windows, or whole lines."""
    if template.name == "systolic":  # blocks of pixels, each with its lines, or of the window
        pixels, window = float(layer.out_h) * layer.out_w, layer.kernel_h * layer.kernel_w
        return (layer.in_h * (1 + window) + pixels * layer.kernel_h * layer.dilation_h) * float(layer.in_w)
    high, wide = layer.kernel_h * (1 + layer.dilation_h), layer.kernel_w * (1 + layer.dilation_w)
    touched_h = layer.in_h + layer.out_h * (high + layer.stride_h)
    touched_w = layer.in_w + layer.out_w * (wide + layer.stride_w)
    return float(touched_h) * touched_w


def _streamed(values: Mapping[str, Range], layer: Layer) -> float:
    """Pixels that a convolver takes for an output, a whole tile at worst, times its line buffers' reads and writes."""
    high, wide = ((size - 1) * step + 1 for size, step in (
        (layer.kernel_h, layer.dilation_h), (layer.kernel_w, layer.dilation_w)))  # fmt: skip
    tile = values["tile"][1] if layer.kernel_h * layer.kernel_w > 1 else 1.0
    passes = ceil(high / values["kernel"][0]) * ceil(wide / values["kernel"][0])
    return tile * tile * passes * 2 * values["kernel"][1]


def _cycles_per_bit(values: Mapping[str, Range]) -> float:
    """Cycles for one bit from or to memory, through the narrowest way."""
    share = min([values[name][0] for name in SHARES if name in values], default=1.0)
    memory = values["clock_mhz"][1] / (values["dram_gb_s"][0] * 8e3)
    port = 1 / values["port_bits"][0] if "port_bits" in values else 0.0
    return max(memory, port) / share
