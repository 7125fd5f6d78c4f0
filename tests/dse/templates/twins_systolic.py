"""Slow twins of the systolic template: its counts by loops over tiles, and an array stepped cycle by cycle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dse.templates.base import Count
from dse.workloads.layers import Layer
from tests.dse.twin import dram_cycles, switched, traffic_only, words


def lines(outputs: int, kernel: int, stride: int, dilation: int) -> int:
    """Number of different lines under a row of outputs."""
    return len({i * stride + j * dilation for i in range(outputs) for j in range(kernel)})


def most_touched(size: int, unit: int) -> int:
    """Units under `size` neighbors: of a part that begins with a unit if all parts do, otherwise at the worst start."""
    starts = [0] if size % unit == 0 else range(unit)
    return max((start + size - 1) // unit + 1 for start in starts)


def tiles(full: int, size: int) -> list[int]:
    """The sizes of the parts of a loop."""
    return [min(size, full - start) for start in range(0, full, size)]


def count(design: Mapping[str, Any], layer: Layer, order: str, block: int) -> dict[Count, int] | str:
    """Counts of a layer, or what does not fit: "input" or "weight"; `dataflow` is a name."""
    if not layer.has_macs:
        return traffic_only(design, layer)
    weight_bits, input_bits, output_bits = words(design, layer)
    psum_bits = int(design["psum_bits"])
    rows, columns, flow = int(design["rows"]), int(design["columns"]), str(design["dataflow"])
    room = {x: int(design[f"{x}_kb"] * 1024 * 8 / 2) for x in ("input", "weight", "output")}

    area, channels = layer.kernel_h * layer.kernel_w, layer.in_channels // layer.groups
    image = layer.out_h * layer.out_w
    full = {"p": layer.batch * image, "w": area * channels, "k": layer.out_channels // layer.groups}
    streamed = {"ws": "p", "os": "w", "is": "k"}[flow]
    tile = {"ws": {"w": rows, "k": columns}, "os": {"p": rows, "k": columns}, "is": {"w": rows, "p": columns}}[flow]
    tile[streamed] = full[streamed] if order[2] == streamed else block
    size = {loop: min(tile[loop], full[loop]) for loop in "pwk"}
    parts = {loop: tiles(full[loop], size[loop]) for loop in "pwk"}
    outside: Callable[[str, str], bool] = lambda a, b: order.index(a) < order.index(b)  # noqa: E731

    # Input lines: all of the layer, under one block of pixels, and read again between blocks.
    def column_lines(outputs: int) -> int:
        return lines(outputs, layer.kernel_h, layer.stride_h, layer.dilation_h)

    many = layer.kernel_h * layer.dilation_h * layer.stride_h + 1
    each = column_lines(many + 1) - column_lines(many)
    shared = 2 * column_lines(many) - column_lines(2 * many)
    all_lines = layer.batch * min(column_lines(layer.out_h), layer.in_h)
    width = min(lines(layer.out_w, layer.kernel_w, layer.stride_w, layer.dilation_w), layer.in_w) * input_bits

    def lines_under(pixels: int) -> int:
        images = min(layer.batch, most_touched(pixels, image))
        return min(each * min(full["p"], most_touched(pixels, layer.out_w)) + shared * images, all_lines)

    thin = min(channels, most_touched(size["w"], area))
    block_lines = lines_under(size["p"])

    given = all_lines * width * channels
    if given > room["input"]:
        deep, flat = block_lines * width * channels, all_lines * width * thin
        inner = [loop for loop in order[order.index("p") + 1 :] if len(parts[loop]) > 1]
        if inner and (deep if outside("p", "w") else block_lines * width * thin) > room["input"]:
            for boundary in range(size["p"], full["p"], size["p"]):
                again = (boundary % layer.out_w > 0) * each + (boundary % image > 0) * shared
                given += again * width * channels
        inner = [loop for loop in order[order.index("w") + 1 :] if len(parts[loop]) > 1]
        if inner and (flat if outside("w", "p") else block_lines * width * thin) > room["input"]:
            given += sum(all_lines * width for boundary in range(size["w"], full["w"], size["w"]) if boundary % area)
        held = (block_lines if outside("p", "k") else all_lines) * (thin if outside("w", "k") else channels)
        if held * width > room["input"]:
            given *= len(parts["k"])

    weights = full["w"] * full["k"] * weight_bits
    held = (size["w"] if outside("w", "p") else full["w"]) * (size["k"] if outside("k", "p") else full["k"])
    if held * weight_bits > room["weight"]:
        weights *= len(parts["p"])

    results = full["p"] * full["k"] * output_bits
    held = (size["p"] if outside("p", "w") else full["p"]) * (size["k"] if outside("k", "w") else full["k"])
    if held * psum_bits > room["output"]:
        results += 2 * (len(parts["w"]) - 1) * full["p"] * full["k"] * psum_bits

    # What the array needs to begin, and what leaves it last.
    pixels = min(size["p"], layer.out_w) if flow == "ws" else size["p"]
    begin_input = lines_under(pixels) * width * (1 if flow == "os" else thin)
    begin_weight = (1 if flow == "os" else size["w"]) * (1 if flow == "is" else size["k"]) * weight_bits
    end = pixels * (1 if flow == "is" else size["k"]) * output_bits
    if begin_input > room["input"]:
        return "input"
    if begin_weight > room["weight"]:
        return "weight"

    out = dict.fromkeys(Count, 0)
    out.update(switched(design, layer))
    for p in parts["p"]:
        for window in parts["w"]:
            for k in parts["k"]:
                out[Count.COMPUTE] += {"p": p, "w": window, "k": k}[streamed]
                out[Count.FILL] += (rows if flow == "os" else 2 * rows) + columns - 2
                out[Count.BUFFER_INPUT] += p * window * input_bits
                out[Count.BUFFER_WEIGHT] += window * k * weight_bits
                out[Count.BUFFER_OUTPUT] += p * k * psum_bits
                if flow == "ws":  # row after row of weights moves down to its place
                    out[Count.NETWORK_WEIGHT] += sum(range(1, window + 1)) * k * weight_bits
                elif flow == "is":
                    out[Count.NETWORK_INPUT] += sum(range(1, window + 1)) * p * input_bits
                else:
                    out[Count.NETWORK_OUTPUT] += sum(range(1, p + 1)) * k * psum_bits
    for p in parts["p"]:  # sums of all but the first part of the window come back from the buffer
        for _ in parts["w"][1:]:
            for k in parts["k"]:
                out[Count.BUFFER_OUTPUT] += p * k * psum_bits
                if flow == "os":
                    out[Count.NETWORK_OUTPUT] += sum(range(1, p + 1)) * k * psum_bits
    out[Count.DRAM_INPUT], out[Count.DRAM_WEIGHT], out[Count.DRAM_OUTPUT] = given, weights, results
    for first, moved in ((Count.BUFFER_INPUT, given), (Count.BUFFER_WEIGHT, weights), (Count.BUFFER_OUTPUT, results)):
        out[first] += moved
    for key in Count:
        if key not in (Count.MACS, Count.MULTIPLY, Count.ADD):
            out[key] *= layer.groups
    macs = layer.macs
    still = {"ws": "WEIGHT", "is": "INPUT", "os": "OUTPUT"}[flow]
    for name, bits in (("INPUT", input_bits), ("WEIGHT", weight_bits), ("OUTPUT", psum_bits)):
        network, register = Count["NETWORK_" + name], Count["REGISTER_" + name]
        if name != still:
            out[network] = macs * bits
            out[register] = 2 * macs * bits
        else:
            out[register] = (2 if name == "OUTPUT" else 1) * macs * bits + out[network]
    busy = out[Count.COMPUTE] + out[Count.FILL]
    begin = begin_input + begin_weight
    moved = out[Count.DRAM_INPUT] + out[Count.DRAM_WEIGHT] + out[Count.DRAM_OUTPUT]
    waits = max(0, dram_cycles(design, moved - begin - end) - busy)
    out[Count.STALL] = dram_cycles(design, begin) + waits + dram_cycles(design, end)
    return out


def step_stationary(held: np.ndarray, stream: np.ndarray, rows: int, columns: int) -> tuple[np.ndarray, int]:
    """Load `held` [r, c] into an array of rows × columns and stream [T, r] through it: (stream @ held, cycles).

    Numbers move right by one column per cycle, sums down by one row; row i gets its inputs i cycles late.
    """
    length = len(stream)
    weights = np.zeros((rows, columns), np.int64)
    weights[: held.shape[0], : held.shape[1]] = held
    cycle = rows  # one row of weights enters per cycle
    right, down = np.zeros((rows, columns), np.int64), np.zeros((rows, columns), np.int64)
    result = np.zeros((length, columns), np.int64)
    taken = 0
    while taken < length * columns:
        now = cycle - rows
        entering = [
            stream[now - row, row] if 0 <= now - row < length and row < stream.shape[1] else 0 for row in range(rows)
        ]
        right = np.concatenate([np.array(entering)[:, None], right[:, :-1]], axis=1)
        down = np.concatenate([np.zeros((1, columns), np.int64), down[:-1]]) + right * weights
        for column in range(columns):
            row = now - (rows - 1) - column
            if 0 <= row < length:
                result[row, column] = down[-1, column]
                taken += 1
        cycle += 1
    return result[:, : held.shape[1]], cycle


def step_output(left: np.ndarray, top: np.ndarray, rows: int, columns: int) -> tuple[np.ndarray, int]:
    """Multiply left [r, T] and top [T, c] with the sums staying in an array of rows × columns: (left @ top, cycles)."""
    length = left.shape[1]
    a, b = np.zeros((rows, length), np.int64), np.zeros((length, columns), np.int64)
    a[: len(left)], b[:, : top.shape[1]] = left, top
    right, down, sums = (np.zeros((rows, columns), np.int64) for _ in range(3))
    worked = np.zeros((rows, columns), np.int64)
    cycle = 0
    while worked.min() < length:
        west = [a[row, cycle - row] if 0 <= cycle - row < length else 0 for row in range(rows)]
        north = [b[cycle - column, column] if 0 <= cycle - column < length else 0 for column in range(columns)]
        right = np.concatenate([np.array(west)[:, None], right[:, :-1]], axis=1)
        down = np.concatenate([np.array(north)[None], down[:-1]])
        sums += right * down
        behind = cycle - np.add.outer(np.arange(rows), np.arange(columns))
        worked += (behind >= 0) & (behind < length)
        cycle += 1
    return sums[: len(left), : top.shape[1]], cycle


def step_product(a: np.ndarray, b: np.ndarray, rows: int, columns: int, flow: str) -> tuple[np.ndarray, int]:
    """a [pixels, window] @ b [window, filters] fold by fold: the product, and the cycles of all folds."""
    out, cycles = np.zeros((a.shape[0], b.shape[1]), np.int64), 0
    if flow == "os":
        for p in range(0, a.shape[0], rows):
            for k in range(0, b.shape[1], columns):
                done, took = step_output(a[p : p + rows], b[:, k : k + columns], rows, columns)
                out[p : p + rows, k : k + columns] = done
                cycles += took
        return out, cycles
    if flow == "is":
        done, cycles = step_product(b.T, a.T, rows, columns, "ws")
        return done.T, cycles
    for window in range(0, a.shape[1], rows):
        for k in range(0, b.shape[1], columns):
            part, took = step_stationary(
                b[window : window + rows, k : k + columns], a[:, window : window + rows], rows, columns
            )
            out[:, k : k + columns] += part
            cycles += took
    return out, cycles
