"""Slow twin of the row-stationary template: every pass of every tile as a loop, in plain Python integers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from math import ceil

from dse.templates.base import Count
from dse.workloads.layers import PPM, Layer


def row_stationary(design: Mapping[str, float], layer: Layer, mapping: Mapping[str, int]) -> list[int]:
    """The counts of one layer with multiplications under a mapping that fits."""
    weight = layer.weight_bits or int(design["weight_bits"])
    given = layer.input_bits or int(design["input_bits"])
    result = layer.output_bits or int(design["input_bits"])
    psum = int(design["psum_bits"])
    channels, filters = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    parts = -(-layer.kernel_h // int(design["rows"]))
    high = -(-layer.kernel_h // parts)
    p, q, r, t = (mapping[name] for name in "pqrt")
    columns = len(
        {x * layer.stride_w + s * layer.dilation_w for x in range(layer.out_w) for s in range(layer.kernel_w)}
    )
    window = min((layer.kernel_w - 1) * layer.dilation_w + 1, columns)
    whole_group = filters <= p * t and channels <= q * r and parts == 1
    filter_bits = filters * channels * layer.kernel_h * layer.kernel_w * weight
    padding = max(len(_rows(layer, range(layer.out_h), range(layer.kernel_h))) - layer.in_h, 0)
    counts = [0] * len(Count)
    dram_words, loaded = 0, 0

    for _group in range(layer.groups):
        held: object = None  # the filters in the register files
        first_tile = True
        for images in _tiles(layer.batch, mapping["n"]):
            for strip in _tiles(layer.out_h, mapping["e"]):
                rows = len(_rows(layer, strip, range(layer.kernel_h)))
                blocks = list(_tiles(filters, mapping["m"]))
                slices = list(_tiles(channels, q * r))
                for number, block in enumerate(blocks):
                    for piece in slices:
                        if number == 0 or len(slices) > 1:  # otherwise the inputs of the strip are still in the buffer
                            dram_words += len(images) * len(piece) * rows * min(columns, layer.in_w)
                        for kernel_rows in _tiles(layer.kernel_h, high):
                            for start in range(0, len(block), p * t):
                                some = block[start : start + p * t]
                                fresh = not whole_group or held is None
                                held = some
                                _one_pass(
                                    design, layer, images, strip, some, piece, kernel_rows, (p, q, r, t), fresh,
                                    columns, window, (weight, given, psum), counts,
                                )  # fmt: skip
                if first_tile or not whole_group:
                    loaded += filter_bits
                    if first_tile or filter_bits > int(design["filter_kb"]) * 8192:  # else the buffer still has them
                        counts[Count.DRAM_WEIGHT] += filter_bits
                first_tile = False
    # Every load of a whole input skips its padding.
    again = len(list(_tiles(filters, mapping["m"]))) if channels > q * r else 1
    dram_words -= padding * again * layer.batch * layer.in_channels * min(columns, layer.in_w)

    counts[Count.DRAM_INPUT] = dram_words * given
    if design["compress"]:
        values = dram_words - dram_words * round(layer.input_zeros * PPM) // PPM
        counts[Count.DRAM_INPUT] = min(dram_words * given, -(-values // 3) * (3 * given + 16))
    counts[Count.DRAM_OUTPUT] = layer.outputs * result
    counts[Count.BUFFER_INPUT] += dram_words * given
    counts[Count.BUFFER_WEIGHT] = counts[Count.DRAM_WEIGHT] + loaded
    _arithmetic(design, layer, (weight, given, psum), counts)
    _stall(design, layer, mapping, given, columns, counts)
    return counts


def _one_pass(
    design: Mapping[str, float], layer: Layer, images: range, strip: range, filters: range, channels: range,
    kernel_rows: range, sets: tuple[int, int, int, int], fresh: bool, columns: int, window: int,
    bits: tuple[int, int, int], counts: list[int],
) -> None:  # fmt: skip
    """One pass, with the filters of each of t sets and the channels of each of r sets spread evenly."""
    weight, given, psum = bits
    p, q = -(-len(filters) // sets[3]), -(-len(channels) // sets[2])
    t_used, r_used = len(list(_tiles(len(filters), p))), len(list(_tiles(len(channels), q)))
    lines = len(_rows(layer, strip, kernel_rows))
    steps = sum(p * q * layer.kernel_w for _ in images for _ in range(layer.out_w))
    inputs = len(images) * len(channels) * lines * columns
    sums = len(images) * len(filters) * len(strip) * layer.out_w
    words = len(filters) * len(channels) * len(kernel_rows) * layer.kernel_w
    counts[Count.COMPUTE] += max(steps, _up(inputs, design["input_bus"]), _up(sums, design["psum_bus"]))
    if fresh:
        counts[Count.FILL] += _up(words, design["filter_bus"])
        counts[Count.NETWORK_WEIGHT] += words * len(strip) * weight
    chain = len(kernel_rows) * r_used
    counts[Count.FILL] += _up(lines * len(channels) * window, design["input_bus"])
    counts[Count.FILL] += _up(len(filters) * len(strip), design["psum_bus"]) + p + chain - 1
    counts[Count.BUFFER_INPUT] += inputs * given
    counts[Count.BUFFER_OUTPUT] += 2 * sums * psum
    for _image in images:
        for _row in strip:
            counts[Count.NETWORK_INPUT] += len(kernel_rows) * t_used * len(channels) * columns * given
    counts[Count.NETWORK_OUTPUT] += sums * (chain + 1) * psum


def _arithmetic(design: Mapping[str, float], layer: Layer, bits: tuple[int, int, int], counts: list[int]) -> None:
    weight, given, psum = bits
    active = layer.macs
    if design["gate_zeros"]:
        active -= layer.macs * round(layer.input_zeros * PPM) // PPM
    counts[Count.MACS] = layer.macs
    counts[Count.MULTIPLY] = active * weight * given
    counts[Count.ADD] = active * psum
    counts[Count.REGISTER_INPUT] = layer.macs * given + counts[Count.NETWORK_INPUT]
    counts[Count.REGISTER_WEIGHT] = active * weight + counts[Count.NETWORK_WEIGHT]
    counts[Count.REGISTER_OUTPUT] = 2 * active * psum


def _stall(
    design: Mapping[str, float], layer: Layer, mapping: Mapping[str, int], given: int, columns: int, counts: list[int]
) -> None:
    channels = min(layer.in_channels // layer.groups, mapping["q"] * mapping["r"])
    lines = len(_rows(layer, range(mapping["e"]), range(layer.kernel_h)))
    first = min(mapping["n"] * channels * lines * columns * given, counts[Count.DRAM_INPUT])
    fetched = _dram(design, counts[Count.DRAM_INPUT] + counts[Count.DRAM_WEIGHT])
    hidden = fetched - counts[Count.COMPUTE] - counts[Count.FILL]
    counts[Count.STALL] = _dram(design, counts[Count.DRAM_OUTPUT]) + max(_dram(design, first), hidden)


def _dram(design: Mapping[str, float], bits: int) -> int:
    """Cycles; the bandwidth of the tests is a power of two bits per cycle, so this is exact."""
    return ceil(bits / Fraction(design["dram_gb_s"] * 8e3 / design["clock_mhz"]))


def _rows(layer: Layer, outputs: range, kernel_rows: range) -> set[int]:
    return {i * layer.stride_h + j * layer.dilation_h for i in outputs for j in kernel_rows}


def _tiles(size: int, step: int) -> Iterator[range]:
    for start in range(0, size, step):
        yield range(start, min(start + step, size))


def _up(words: int, bus: float) -> int:
    return -(-words // int(bus))
