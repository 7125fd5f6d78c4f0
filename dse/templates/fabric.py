"""What FPGA fabric a datapath and its memories take: DSP blocks, block RAM in 18 Kb halves, LUTs, flip-flops.

Memories and multipliers follow the data sheets (Xilinx UG473, UG474, UG479, 7 series).  Operators of logic and the
system around an accelerator vary with tool and settings: those constants are typical figures, good to 30%.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from dse.templates.base import Floats, ceil_div
from netlists.runtime.kernel import kernel

# Shapes of an 18 Kb block RAM, width × depth, with parity bits used as data (UG473, simple dual port).
BLOCK_SHAPES = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))
# Memories of up to 64 words are put into LUTs (UG474): four LUTs hold 32 × 6 bits with separate read and write ports.
LUT_DEPTH, LUT_WORDS, LUT_BITS, LUT_COUNT = 64, 32, 6, 4

# Single precision at 100 to 200 MHz: multiplier of 3 cycles that uses DSP blocks to the full, adder of 4 cycles that
# does (Xilinx Floating-Point Operator, PG060: 3 and 2 DSP blocks; the LUTs and flip-flops after implementation).
FLOAT_DSP = 3 + 2
FLOAT_LUT = 80 + 220
FLOAT_FF = 140 + 205
# A multiplier built from LUTs: a bit × bit takes one full adder, and the rows' ends a tenth more.
LUT_A_BIT_BIT = 1.1


@kernel
def block_ram(depth: int, width: int) -> tuple[int, int]:
    """Halves of block RAM that a memory of depth words × width bits takes, and the words that they really hold."""
    halves = words = 0
    for bits, deep in BLOCK_SHAPES:
        rows = ceil_div(depth, deep)
        needed = ceil_div(width, bits) * rows
        if halves == 0 or needed < halves or (needed == halves and rows * deep > words):
            halves, words = needed, rows * deep
    return halves, words


@kernel
def memory(depth: int, width: int) -> tuple[int, int, int]:
    """Halves of block RAM, LUTs and words held of a memory that lies in LUTs when it is small."""
    if depth > LUT_DEPTH:
        halves, words = block_ram(depth, width)
        return halves, 0, words
    words = ceil_div(depth, LUT_WORDS) * LUT_WORDS
    return 0, words // LUT_WORDS * ceil_div(width, LUT_BITS) * LUT_COUNT, words


@njit(cache=True)
def memories(depths: Floats, widths: Floats) -> tuple[Floats, Floats]:
    """Block RAM halves and LUTs [S, N] of `memory` for each."""
    halves, luts = np.empty(depths.shape), np.empty(depths.shape)
    for s in range(depths.shape[0]):
        for x in range(depths.shape[1]):
            halves[s, x], luts[s, x], _ = memory(int(depths[s, x]), int(widths[s, x]))
    return halves, luts


@njit(cache=True)
def block_rams(depths: Floats, widths: Floats) -> Floats:
    """Block RAM halves [S, N] of memories that are block RAM however small."""
    halves = np.empty(depths.shape)
    for s in range(depths.shape[0]):
        for x in range(depths.shape[1]):
            halves[s, x], _ = block_ram(int(depths[s, x]), int(widths[s, x]))
    return halves


def dsp_blocks(weight_bits: Floats, input_bits: Floats) -> Floats:
    """DSP blocks [S] of one multiplier of signed numbers: 25 × 18 bits each (DSP48E1, UG479)."""
    one = np.ceil(weight_bits / 25) * np.ceil(input_bits / 18)
    other = np.ceil(weight_bits / 18) * np.ceil(input_bits / 25)
    return np.asarray(np.minimum(one, other))
