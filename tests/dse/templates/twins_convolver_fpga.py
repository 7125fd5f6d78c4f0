"""Slow twin of `dse.templates.convolver_fpga`: it walks all phases of a layer one by one."""

from __future__ import annotations

import math

from dse.templates.base import Count
from dse.workloads.layers import Kind, Layer
from tests.dse.twin import dram_cycles, switched, traffic_only, words

Values = dict[str, float]


def parts(total: int, size: int) -> list[int]:
    """Sizes of the parts that a loop with that step visits."""
    return [min(size, total - first) for first in range(0, total, size)]


class Map:
    """A layer's map as the accelerator processes it: a row of pixels if the kernel is one pixel."""

    def __init__(self, design: Values, layer: Layer) -> None:
        tile, window = int(design["tile"]), int(design["kernel"])
        self.pointwise = layer.kernel_h * layer.kernel_w == 1
        pixels = layer.out_h * layer.out_w
        self.out = [1, pixels] if self.pointwise else [layer.out_h, layer.out_w]
        self.size = [1, pixels] if self.pointwise else [layer.in_h, layer.in_w]
        self.stride = [1, 1] if self.pointwise else [layer.stride_h, layer.stride_w]
        self.reach = [
            (layer.kernel_h - 1) * layer.dilation_h + 1,
            (layer.kernel_w - 1) * layer.dilation_w + 1,
        ]
        self.passes = math.ceil(self.reach[0] / window) * math.ceil(self.reach[1] / window)
        if self.pointwise:
            self.most = [1, min(pixels, tile * tile)]
        else:
            self.most = [self.fitting(axis, tile, tile + window - 1) for axis in range(2)]
        self.vector = pixels == 1

    def fitting(self, axis: int, tile: int, held: int) -> int:
        """The most outputs whose kernel positions lie in a tile, and whose input lies in the buffer."""
        number = 0
        while (
            number < self.out[axis]
            and number * self.stride[axis] < tile
            and number * self.stride[axis] + self.reach[axis] <= held
        ):
            number += 1
        return number

    def input_pixels(self, rows: int, columns: int) -> int:
        sides = [(n - 1) * self.stride[axis] + self.reach[axis] for axis, n in enumerate((rows, columns))]
        return min(sides[0], self.size[0]) * min(sides[1], self.size[1])


def convolver_fpga(design: Values, layer: Layer, mapping: list[int]) -> tuple[dict[Count, int], str]:
    """Counts of one layer, and why it does not fit."""
    if layer.kind > Kind.MATMUL:
        return traffic_only(design, layer), ""
    out = dict.fromkeys(Count, 0)
    seen = Map(design, layer)
    if 0 in seen.most:
        return out, "the input buffer does not hold the pixels under one output"
    rows, columns = (max(1, min(mapping[axis], seen.out[axis])) for axis in range(2))
    if rows > seen.most[0] or columns > seen.most[1]:
        return out, "the tile does not fit the buffers"
    out |= switched(design, layer)
    weight_bits, input_bits, output_bits = words(design, layer)
    pes, convolvers, tile = int(design["pes"]), int(design["convolvers"]), int(design["tile"])
    psum_bits, depth = int(design["psum_bits"]), int(design["depth"])
    share = design["stream_share"] if seen.vector else design["tile_share"]

    def cycles(read: int, written: int) -> int:
        alone = math.ceil(max(read, written) / (design["dram_gb_s"] * 8e3 / design["clock_mhz"] * share))
        return max(alone, dram_cycles(design, read + written))

    def bundle(high: int, wide: int) -> int:
        return convolvers * seen.input_pixels(high, wide) * input_bits

    n, m = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    kernels = pes * convolvers * layer.kernel_h * layer.kernel_w * weight_bits
    groups = parts(layer.groups, min(layer.groups, max(1, convolvers // n)))
    tiles = [(high, wide) for high in parts(seen.out[0], rows) for wide in parts(seen.out[1], columns)]
    for high, wide in tiles:
        stream = (high * wide if seen.pointwise else tile * tile) * seen.passes
        for together in groups:
            for maps in parts(together * m, int(design["channels"])):
                busy = read = 0
                for fold in range(math.ceil(n / convolvers)):
                    read += bundle(high, wide)
                    out[Count.DRAM_INPUT] += bundle(high, wide)
                    for number, made in enumerate(parts(maps, pes)):
                        read += kernels
                        out[Count.DRAM_WEIGHT] += kernels
                        drain = depth if number == 0 or not seen.pointwise else 0
                        busy += stream + drain
                        out[Count.COMPUTE] += stream
                        out[Count.FILL] += drain
                        streamed = stream * convolvers * input_bits
                        out[Count.BUFFER_INPUT] += streamed
                        if not seen.pointwise:
                            out[Count.REGISTER_INPUT] += streamed * pes * 2 * (int(design["kernel"]) - 1)
                        sums = made * high * wide * psum_bits
                        out[Count.BUFFER_OUTPUT] += sums if fold == 0 else 2 * sums
                written = maps * high * wide * output_bits
                out[Count.DRAM_OUTPUT] += written
                out[Count.STALL] += max(0, cycles(read, written) - busy)
    for count in Count:  # images are equal, and nothing stays on chip between them
        if count not in (Count.MACS, Count.MULTIPLY, Count.ADD):
            out[count] *= layer.batch
    final = min(pes, groups[-1] * m) * tiles[-1][0] * tiles[-1][1] * output_bits
    out[Count.FILL] += cycles(bundle(*tiles[0]) + kernels, 0) + cycles(0, final)
    out[Count.BUFFER_INPUT] += out[Count.DRAM_INPUT]
    out[Count.BUFFER_WEIGHT] = 2 * out[Count.DRAM_WEIGHT]
    out[Count.BUFFER_OUTPUT] += out[Count.DRAM_OUTPUT]
    out[Count.REGISTER_WEIGHT] = out[Count.DRAM_WEIGHT] + layer.macs * weight_bits
    return out, ""
