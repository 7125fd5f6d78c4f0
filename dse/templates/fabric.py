"""What FPGA fabric a datapath and its memories take: DSP blocks, block RAM in 18 Kb halves, LUTs, flip-flops.

Memories and multipliers follow the data sheets (Xilinx UG473, UG474, UG479, 7 series).  Operators built from logic and
the system around an accelerator vary with tool and settings: those constants are typical figures, accurate to 30%.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from dse.templates.base import Floats, ceil_div
from netlists.runtime.kernel import kernel

# Shapes of an 18 Kb block RAM, width × depth, with parity bits used as data (UG473, simple dual port).
BLOCK_SHAPES = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))
# Small memories lie in LUTs (UG474): four LUTs hold 32 × 6 bits with separate read and write ports.
LUT_DEPTH = 64  # words of the deepest memory that lies in LUTs
LUT_WORDS = 32  # words of one such group of LUTs
LUT_BITS = 6  # bits of a word of one such group
LUT_COUNT = 4  # LUTs of one such group

# Single precision at 100 to 200 MHz, one multiplier of 3 cycles and one adder of 4 cycles, both with full use of DSP
# blocks (Xilinx Floating-Point Operator, PG060; LUTs and flip-flops after implementation).
FLOAT_DSP = 3 + 2  # DSP blocks of multiplier and adder
FLOAT_LUT = 80 + 220  # LUTs of multiplier and adder
FLOAT_FF = 140 + 205  # flip-flops of multiplier and adder
LUT_PER_BIT_BIT = 1.1  # LUTs per bit × bit of a multiplier in logic: one full adder, and 10% for the ends of its rows

# A DSP block multiplies signed numbers of these lengths in bits (DSP48E1, UG479).
DSP_LONG = 25
DSP_SHORT = 18


@kernel
def block_ram(depth: int, width: int) -> tuple[int, int]:
    """Halves of block RAM that a memory of depth words × width bits takes, and the number of words that fit them."""
    halves = words = 0
    for bits, deep in BLOCK_SHAPES:
        rows = ceil_div(depth, deep)
        needed = ceil_div(width, bits) * rows
        if halves == 0 or needed < halves or (needed == halves and rows * deep > words):
            halves, words = needed, rows * deep
    return halves, words


@kernel
def memory(depth: int, width: int) -> tuple[int, int, int]:
    """Halves of block RAM, LUTs, and words that fit, for depth words × width bits; small memories lie in LUTs."""
    if depth > LUT_DEPTH:
        halves, words = block_ram(depth, width)
        return halves, 0, words
    words = ceil_div(depth, LUT_WORDS) * LUT_WORDS
    return 0, words // LUT_WORDS * ceil_div(width, LUT_BITS) * LUT_COUNT, words


@njit(cache=True)
def memories(depths: Floats, widths: Floats) -> tuple[Floats, Floats]:
    """Numbers [S, X] of block RAM halves and LUTs of memories of depths [S, X] in words and widths [S, X] in bits."""
    halves, luts = np.empty(depths.shape), np.empty(depths.shape)
    for s in range(depths.shape[0]):
        for x in range(depths.shape[1]):
            halves[s, x], luts[s, x], _ = memory(int(depths[s, x]), int(widths[s, x]))
    return halves, luts


@njit(cache=True)
def block_rams(depths: Floats, widths: Floats) -> Floats:
    """Numbers [S, X] of block RAM halves of memories that are block RAM even if small.

    Depths [S, X] are in words, widths [S, X] in bits.
    """
    halves = np.empty(depths.shape)
    for s in range(depths.shape[0]):
        for x in range(depths.shape[1]):
            halves[s, x], _ = block_ram(int(depths[s, x]), int(widths[s, x]))
    return halves


def dsp_blocks(weight_bits: Floats, input_bits: Floats) -> Floats:
    """Number of DSP blocks [S] of one multiplier of signed numbers of these lengths [S]."""
    one = np.ceil(weight_bits / DSP_LONG) * np.ceil(input_bits / DSP_SHORT)
    other = np.ceil(weight_bits / DSP_SHORT) * np.ceil(input_bits / DSP_LONG)
    return np.asarray(np.minimum(one, other))
