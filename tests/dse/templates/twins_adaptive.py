"""A slow twin of the adaptive template: its counts by loops over kernel groups, maps, kernel pieces and lanes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dse.templates.base import Count
from dse.workloads.layers import Layer
from tests.dse.templates.twins_spatial import parts, strips_of
from tests.dse.twin import dram_cycles, switched, traffic_only, words


def steps_of(layer: Layer, tin: int, scheme: str) -> list[int]:
    """Inputs that the lanes take in each cycle of one pixel."""
    channels, area = layer.in_channels // layer.groups, layer.kernel_h * layer.kernel_w
    if scheme == "inter_kernel":
        return [lanes for _ in range(area) for lanes in parts(channels, tin)]
    if scheme == "intra_kernel":
        return [lanes for _ in range(channels) for lanes in parts(area, tin)]
    high, wide = min(layer.stride_h, layer.kernel_h), min(layer.stride_w, layer.kernel_w)
    pieces = len(parts(layer.kernel_h, high)) * len(parts(layer.kernel_w, wide))  # the last ones filled with zeros
    return [lanes for _ in range(channels * pieces) for lanes in parts(high * wide, tin)]


def unrolled_strips(layer: Layer, room: int) -> list[int]:
    """Pixels of each strip if each window has its own copy of its inputs."""
    window = layer.in_channels // layer.groups * layer.kernel_h * layer.kernel_w
    strips, _ = strips_of(layer, room)
    if not strips:
        return []
    image = layer.out_h * layer.out_w
    if max(strips) * window <= room:
        return strips
    images = room // (image * window)
    if images > 0:
        return [n * image for n in parts(layer.batch, images)]
    rows = room // (layer.out_w * window)
    if rows > 0 and max(strips) >= layer.out_w:
        return [n * layer.out_w for n in parts(layer.out_h, rows)] * layer.batch
    columns = min(room // window, max(strips), layer.out_w)
    return parts(layer.out_w, columns) * layer.out_h * layer.batch if columns > 0 else []


def count(design: Mapping[str, Any], layer: Layer, scheme: str, keep: str, stay: str) -> dict[Count, int] | str:
    """Counts of a layer, or what does not fit: "inputs", "kernels" or "sums"."""
    if not layer.has_macs:
        return traffic_only(design, layer)
    weight_bits, input_bits, output_bits = words(design, layer)
    psum_bits = int(design["psum_bits"])
    room = {x: int(design[f"{x}_kb"] * 1024 * 8 / 2) for x in ("input", "weight", "output")}
    kernels = layer.out_channels // layer.groups
    window = layer.in_channels // layer.groups * layer.kernel_h * layer.kernel_w
    steps = steps_of(layer, int(design["tin"]), scheme)
    strips, elements = strips_of(layer, room["input"] // input_bits)
    pixels = layer.batch * layer.out_h * layer.out_w
    filled = elements
    if scheme == "intra_kernel":
        strips, filled = unrolled_strips(layer, room["input"] // input_bits), pixels * window
    if not strips:
        return "inputs"
    cells = min(int(design["tout"]), kernels)
    fit = room["weight"] // (window * weight_bits)
    passes = 1
    worked = strips
    if stay == "kernels":
        if fit < cells:
            return "kernels"
        if len(strips) > 1:
            passes = len(parts(kernels, kernels if fit >= kernels else fit // cells * cells))
        worked = [pixels]
    at_once = room["output"] // (cells * psum_bits)
    if at_once == 0:
        return "sums"
    loads = sum(len(parts(strip, at_once)) for strip in worked) if keep == "weights" else pixels
    weights = kernels * window
    if stay == "inputs" and fit < kernels:
        weights *= len(strips) if fit >= cells else loads

    out = dict.fromkeys(Count, 0)
    out.update(switched(design, layer))
    out[Count.FILL] = 3
    for _ in parts(kernels, cells):
        out[Count.COMPUTE] += layer.groups * pixels * len(steps)
        out[Count.BUFFER_INPUT] += layer.groups * pixels * sum(steps) * input_bits
    lanes_read = out[Count.BUFFER_INPUT]
    out[Count.DRAM_INPUT] = layer.groups * elements * passes * input_bits
    out[Count.DRAM_WEIGHT] = layer.groups * weights * weight_bits
    out[Count.DRAM_OUTPUT] = layer.outputs * output_bits
    out[Count.BUFFER_INPUT] += layer.groups * filled * passes * input_bits
    taken = layer.groups * loads * kernels * window * weight_bits
    out[Count.BUFFER_WEIGHT] = taken + out[Count.DRAM_WEIGHT]
    written, back = (len(steps), len(steps) - 1) if keep == "weights" else (1, 0)
    out[Count.BUFFER_OUTPUT] = layer.outputs * ((written + back) * psum_bits + output_bits)
    channels = layer.in_channels // layer.groups
    first = min(min(layer.kernel_h, layer.in_h) * layer.in_w * channels, -(-elements // len(strips)))
    begin = first * input_bits + cells * min(window, int(design["tin"])) * weight_bits
    end = cells * output_bits
    moved = out[Count.DRAM_INPUT] + out[Count.DRAM_WEIGHT] + out[Count.DRAM_OUTPUT]
    waits = max(0, dram_cycles(design, moved - begin - end) - out[Count.COMPUTE] - out[Count.FILL])
    out[Count.STALL] = dram_cycles(design, begin) + waits + dram_cycles(design, end)
    out[Count.NETWORK_INPUT] = layer.macs * input_bits
    out[Count.NETWORK_WEIGHT] = taken
    out[Count.NETWORK_OUTPUT] = layer.outputs * len(steps) * psum_bits
    out[Count.REGISTER_INPUT] = 2 * lanes_read
    out[Count.REGISTER_WEIGHT] = layer.macs * weight_bits + taken
    out[Count.REGISTER_OUTPUT] = 2 * out[Count.NETWORK_OUTPUT]
    return out
