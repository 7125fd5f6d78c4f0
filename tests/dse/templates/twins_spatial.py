"""A slow twin of the spatial template: its counts by loops over strips, kernel groups and stripes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dse.templates.base import Count
from dse.workloads.layers import Layer
from tests.dse.twin import dram_cycles, switched, traffic_only, words

STRIPE = 32


def parts(full: int, size: int) -> list[int]:
    """The sizes of the parts of a loop."""
    return [min(size, full - start) for start in range(0, full, size)]


def strips_of(layer: Layer, room: int) -> tuple[list[int], int]:
    """Pixels of each strip of a group that fits a room, and input elements of all strips; no strip if none fits."""
    channels = layer.in_channels // layer.groups
    line = layer.in_w * channels
    high = layer.dilation_h * (layer.kernel_h - 1) + 1
    wide = layer.dilation_w * (layer.kernel_w - 1) + 1
    image = min(layer.in_h, (layer.out_h - 1) * layer.stride_h + high)  # lines

    def lines_of(rows: int) -> int:
        return (rows - 1) * layer.stride_h + high

    images = max((n for n in range(1, layer.batch + 1) if n * image * line <= room), default=0)
    if images > 0:
        return [n * layer.out_h * layer.out_w for n in parts(layer.batch, images)], layer.batch * image * line
    rows = max((n for n in range(1, layer.out_h + 1) if lines_of(n) * line <= room), default=0)
    if rows > 0:
        cut = parts(layer.out_h, rows)
        read = image + (len(cut) - 1) * max(0, high - layer.stride_h)
        return [n * layer.out_w for n in cut] * layer.batch, layer.batch * read * line

    def columns_of(columns: int) -> int:
        return (columns - 1) * layer.stride_w + wide

    columns = max((n for n in range(1, layer.out_w + 1) if columns_of(n) * high * channels <= room), default=0)
    if columns == 0:
        return [], 0
    cut = parts(layer.out_w, columns)
    read = layer.in_w + (len(cut) - 1) * max(0, wide - layer.stride_w)
    return cut * layer.out_h * layer.batch, layer.batch * image * read * channels


def cycles_a_pixel(design: Mapping[str, Any], layer: Layer) -> int:
    """Positions of the kernel × vectors of channels, with channel extension for images."""
    vector, channels = int(design["atomic_c"]), layer.in_channels // layer.groups
    plain = layer.kernel_h * layer.kernel_w * -(-channels // vector)
    image = layer.in_channels <= 4 and layer.groups == 1 and layer.dilation_h == layer.dilation_w == 1
    if not image or design["image_mode"] == "off":
        return plain
    result = [plain, layer.kernel_h * -(-channels * layer.kernel_w // vector)]
    for joined in (2, 4):
        if channels * layer.kernel_w <= vector // joined and channels * layer.stride_w <= vector // joined:
            result.append(-(-layer.kernel_h // joined))
    return min(result)


def count(design: Mapping[str, Any], layer: Layer, keep: str) -> dict[Count, int] | str:
    """Counts of a layer, or what does not fit: "inputs" or "kernel"."""
    if not layer.has_macs:
        return traffic_only(design, layer)
    weight_bits, input_bits, output_bits = words(design, layer)
    size_bits = design["buffer_kb"] * 1024 * 8
    room_input = int(size_bits * (1 - design["weight_share"]) / 2) // input_bits
    strips, elements = strips_of(layer, room_input)
    if not strips:
        return "inputs"
    kernels = layer.out_channels // layer.groups
    window = layer.in_channels // layer.groups * layer.kernel_h * layer.kernel_w
    fit = int(size_bits * design["weight_share"] / 2) // (window * weight_bits)
    cells = min(int(design["atomic_k"]), kernels)
    if keep == "weights":
        if fit == 0:
            return "kernel"
        cells = min(cells, fit)
    pixels = [sum(strips)] if keep == "weights" else strips
    steps = cycles_a_pixel(design, layer)
    out = dict.fromkeys(Count, 0)
    out.update(switched(design, layer))
    stripes = 0
    for strip in pixels:
        stripes += len(parts(strip, STRIPE))
        for _ in parts(kernels, cells):
            out[Count.COMPUTE] += layer.groups * steps * strip
            out[Count.FILL] += layer.groups * steps * max(0, -(-cells // 2) - strip)
            out[Count.BUFFER_INPUT] += layer.groups * strip * window * input_bits
    loaded = layer.groups * kernels * window * stripes * weight_bits
    # Passes over what does not fit.
    inputs, weights = elements, kernels * window
    if keep == "weights":
        block = kernels if fit >= kernels else fit // cells * cells
        if len(strips) > 1:
            inputs *= len(parts(kernels, block))
    elif fit < kernels:
        weights *= len(strips) if fit >= cells else stripes
    out[Count.DRAM_INPUT] = layer.groups * inputs * input_bits
    out[Count.DRAM_WEIGHT] = layer.groups * weights * weight_bits
    out[Count.DRAM_OUTPUT] = layer.outputs * output_bits
    channels = layer.in_channels // layer.groups
    first = min(min(layer.kernel_h, layer.in_h) * layer.in_w * channels, -(-elements // len(strips)))
    begin = first * input_bits + cells * window * weight_bits
    end = min(pixels[0], STRIPE) * cells * output_bits
    moved = out[Count.DRAM_INPUT] + out[Count.DRAM_WEIGHT] + out[Count.DRAM_OUTPUT]
    waits = max(0, dram_cycles(design, moved - begin - end) - out[Count.COMPUTE] - out[Count.FILL])
    out[Count.STALL] = dram_cycles(design, begin) + waits + dram_cycles(design, end)
    out[Count.BUFFER_INPUT] += out[Count.DRAM_INPUT]
    out[Count.BUFFER_WEIGHT] = loaded + out[Count.DRAM_WEIGHT]
    out[Count.NETWORK_INPUT] = layer.macs * input_bits
    out[Count.NETWORK_WEIGHT] = loaded
    out[Count.NETWORK_OUTPUT] = layer.outputs * steps * int(design["psum_bits"])
    out[Count.REGISTER_INPUT] = 2 * layer.macs * input_bits
    out[Count.REGISTER_WEIGHT] = layer.macs * weight_bits + loaded
    out[Count.REGISTER_OUTPUT] = 2 * out[Count.NETWORK_OUTPUT]
    return out
