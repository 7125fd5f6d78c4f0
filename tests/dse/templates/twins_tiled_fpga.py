"""Slow twin of `dse.templates.tiled_fpga`: it walks all steps of a layer, each a tile and a fold of channels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from itertools import groupby, pairwise

from dse.templates.base import Count
from dse.workloads.layers import Kind, Layer
from tests.dse.twin import dram_cycles, switched, traffic_only, words

Values = dict[str, float]
Part = tuple[int, int]  # first and how many
Step = tuple[Part, Part, Part, Part]  # rows, columns, output channels, input channels
LOOPS = ("rcmn", "rcnm", "mnrc")  # of what stays: output, input, weight
TOUCHED = {"input": "rcn", "weight": "mn", "output": "rcm"}  # loops that change the tile of an operand


def held_words(depth: int, width: int) -> int:
    """Words of a memory of depth × width bits in LUTs or in the fewest 18 Kb block RAMs."""
    if depth <= 64:
        return -(-depth // 32) * 32
    shapes = [(36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384)]
    result = [(math.ceil(width / w) * math.ceil(depth / d), -math.ceil(depth / d) * d) for w, d in shapes]
    return -min(result)[1]


def parts(total: int, size: int) -> list[Part]:
    return [(first, min(size, total - first)) for first in range(0, total, size)]


def side(layer: Layer, axis: str, outputs: int) -> int:
    """Input rows or columns under that many outputs."""
    reach = (getattr(layer, f"kernel_{axis}") - 1) * getattr(layer, f"dilation_{axis}") + 1
    return int((outputs - 1) * getattr(layer, f"stride_{axis}") + reach)


def packs(design: Values, layer: Layer) -> list[int]:
    """Numbers of groups that run side by side, pack after pack in one image: as many as the lanes hold."""
    sizes, left = [], layer.groups
    while left:
        size = 1
        while (
            size < left
            and (size + 1) * (layer.out_channels // layer.groups) <= design["tm"]
            and (size + 1) * (layer.in_channels // layer.groups) <= design["tn"]
        ):
            size += 1
        sizes.append(size)
        left -= size
    return sizes


def steps(design: Values, layer: Layer, mapping: list[int], pack: int) -> Iterator[Step]:
    """One image and pack of groups."""
    ranges = {
        "r": parts(layer.out_h, mapping[0]),
        "c": parts(layer.out_w, mapping[1]),
        "m": parts(layer.out_channels // layer.groups * pack, int(design["tm"])),
        "n": parts(layer.in_channels // layer.groups * pack, int(design["tn"])),
    }
    order = LOOPS[mapping[2]]
    for a in ranges[order[0]]:
        for b in ranges[order[1]]:
            for c in ranges[order[2]]:
                for d in ranges[order[3]]:
                    at = dict(zip(order, (a, b, c, d), strict=True))
                    yield at["r"], at["c"], at["m"], at["n"]


def tile_of(step: Step, operand: str) -> tuple[Part, ...]:
    return tuple(step["rcmn".index(loop)] for loop in TOUCHED[operand])


def tiled_fpga(design: Values, layer: Layer, mapping: list[int]) -> tuple[dict[Count, int], str]:
    """Counts of one layer, and why it does not fit."""
    if layer.kind > Kind.MATMUL:
        return traffic_only(design, layer), ""
    weight_bits, input_bits, output_bits = words(design, layer)
    psum_bits, depth = int(design["psum_bits"]), int(design["depth"])
    area = layer.kernel_h * layer.kernel_w
    mapping = [max(1, min(mapping[0], layer.out_h)), max(1, min(mapping[1], layer.out_w)), mapping[2]]
    reason = misfit(design, layer, mapping)
    out = dict.fromkeys(Count, 0)
    if reason:
        return out, reason
    out |= switched(design, layer)

    def cycles(read: int, written: int) -> int:
        port = math.ceil(max(read, written) / (design["port_bits"] * design["port_share"]))
        return max(port, dram_cycles(design, read + written))

    def bits(step: Step, operand: str, pack: int) -> int:
        """Bits of the tile that a step needs; between the groups of a pack there are no weights."""
        rows, columns, outputs, inputs = (size for _, size in step)
        if operand == "input":
            return inputs * side(layer, "h", rows) * side(layer, "w", columns) * input_bits
        return inputs * outputs // pack * area * weight_bits if operand == "weight" else outputs * rows * columns

    first = last = None
    for pack in packs(design, layer):  # nothing stays on chip between them
        one = list(steps(design, layer, mapping, pack))
        first, last = first or (one[0], pack), (one[-1], pack)
        loads = {operand: len(list(groupby(tile_of(step, operand) for step in one))) for operand in TOUCHED}
        stays = min(loads, key=lambda operand: loads[operand])
        last_inputs = one[-1][3]
        following = dict(pairwise(one))  # no two steps are equal
        held: dict[str, tuple[Part, ...]] = {}
        for _, block in groupby(one, partial(tile_of, operand=stays)):
            busy = read = written = 0
            for step in block:
                rows, columns, outputs, inputs = (size for _, size in step)
                work = rows * columns * area
                busy += work + depth
                out[Count.COMPUTE] += work
                out[Count.FILL] += depth
                for operand, count in (("input", Count.DRAM_INPUT), ("weight", Count.DRAM_WEIGHT)):
                    if held.get(operand) != tile_of(step, operand):
                        held[operand] = tile_of(step, operand)
                        out[count] += bits(step, operand, pack)
                        read += bits(step, operand, pack)
                if held.get("output") != tile_of(step, "output"):
                    held["output"] = tile_of(step, "output")
                    if step[3][0] > 0:
                        read += bits(step, "output", pack) * psum_bits
                        out[Count.DRAM_OUTPUT] += bits(step, "output", pack) * psum_bits
                after = following.get(step)
                if after is None or tile_of(after, "output") != tile_of(step, "output"):
                    stored = bits(step, "output", pack) * (output_bits if step[3] == last_inputs else psum_bits)
                    written += stored
                    out[Count.DRAM_OUTPUT] += stored
                out[Count.BUFFER_INPUT] += work * inputs * input_bits
                out[Count.BUFFER_WEIGHT] += bits(step, "weight", pack)
                out[Count.BUFFER_OUTPUT] += 2 * work * outputs * psum_bits
            out[Count.STALL] += max(0, cycles(read, written) - busy)
    for count in Count:  # images are equal
        if count not in (Count.MACS, Count.MULTIPLY, Count.ADD):
            out[count] *= layer.batch
    assert first is not None
    assert last is not None
    out[Count.FILL] += cycles(bits(first[0], "input", first[1]) + bits(first[0], "weight", first[1]), 0)
    out[Count.FILL] += cycles(0, bits(last[0], "output", last[1]) * output_bits)
    out[Count.REGISTER_WEIGHT] = out[Count.BUFFER_WEIGHT] + layer.macs * weight_bits
    for x in range(3):
        out[Count(Count.BUFFER_INPUT + x)] += out[Count(Count.DRAM_INPUT + x)]
    return out, ""


def misfit(design: Values, layer: Layer, mapping: list[int]) -> str:
    """Why a tile does not fit."""
    weight_bits, input_bits, _ = words(design, layer)
    kernel, stride = int(design["kernel"]), int(design["stride"])
    rows, columns = int(design["tr"]), int(design["tc"])
    if layer.kernel_h * layer.kernel_w * weight_bits > held_words(kernel**2, int(design["weight_bits"])) * int(
        design["weight_bits"]
    ):
        return "the weight buffer is made for smaller kernels"
    pixels = ((rows - 1) * stride + kernel) * ((columns - 1) * stride + kernel)
    room = held_words(pixels, int(design["input_bits"])) * int(design["input_bits"])
    if side(layer, "h", mapping[0]) * side(layer, "w", mapping[1]) * input_bits > room:
        return "the input buffer does not hold the pixels of the tile"
    if mapping[0] * mapping[1] > held_words(rows * columns, int(design["psum_bits"])):
        return "the output buffer does not hold the tile"
    return ""
