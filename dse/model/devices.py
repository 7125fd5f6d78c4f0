"""FPGA parts: their resources, from the vendors' product tables, and the memory bandwidth of a common board.

Xilinx: DS180 (7 series), DS190 (Zynq-7000), DS890 (UltraScale and UltraScale+), DS891 (Zynq UltraScale+).
Alveo cards: DS962 (U200, U250), DS963 (U280), DS965 (U50): the whole part, including what a shell takes.  Kria K26:
DS987 and AMD's KV260 application notes.  Versal: DS950; the AI engines of the VC1902 are not modeled, so a design uses
only its logic, block RAM and DSP58, each as one multiplier of 27 × 24 bits.  UltraRAM is not counted, because the
templates build their banks from block RAM.  For ZU3EG, ZU7EV, K26, Alveo and VCK190 only the K26's LUTs, DSPs and block
RAMs, the VC1902's 1968 DSPs (AM004) and the cards' bandwidths (UG1393) were taken from a text; the other numbers are
recalled from the data sheets.
Intel: Arria 10 device overview.  A block RAM counts as 36 Kb.  For the Arria 10 a DSP block counts as its two 18×19
multipliers, an adaptive logic module as two LUTs, and the 2713 M20K of 20 Kb as 1507 blocks of 36 Kb: equal in bits,
though not in ports.
"""

from __future__ import annotations

from dataclasses import dataclass

from dse.model.technology import Technology, technology
from netlists.errors import DesignError, did_you_mean

RESOURCES = ("dsp", "bram", "lut", "ff")


@dataclass(frozen=True)
class Device:
    """One part."""

    name: str
    fabric: Technology
    dsp: int  # DSP blocks
    bram: int  # block RAMs of 36 Kb
    lut: int  # look-up tables
    ff: int  # flip-flops
    dram_gb_s: float  # peak of the board's off-chip memory, 1e9 bytes per second
    board: str


def _part(name: str, dsp: int, bram: int, lut: int, ff: int, dram_gb_s: float, board: str) -> Device:
    """A part; its fabric has the same name."""
    return Device(name, technology(name), dsp, bram, lut, ff, dram_gb_s, board)


DEVICES = {
    device.name: device
    for device in (
        _part("VX485T", 2800, 1030, 303_600, 607_200, 12.8, "VC707, DDR3-1600, 64 bit"),
        _part("XC7Z020", 220, 140, 53_200, 106_400, 4.2, "ZedBoard, DDR3-1066, 32 bit"),
        _part("XC7Z045", 900, 545, 218_600, 437_200, 4.2, "ZC706, DDR3-1066, 32 bit (processor side)"),
        _part("KU060", 2760, 1080, 331_680, 663_360, 25.6, "ADM-PCIE-KU3, two DDR3-1600, 64 bit"),
        _part("VX690T", 3600, 1470, 433_200, 866_400, 29.8, "VC709, two DDR3-1866, 64 bit"),
        _part("ZU9EG", 2520, 912, 274_080, 548_160, 17.0, "ZCU102, DDR4-2133, 64 bit (processor side)"),
        _part("ZU3EG", 360, 216, 70_560, 141_120, 4.3, "Ultra96, LPDDR4-1066, 32 bit (processor side)"),
        _part("ZU7EV", 1728, 312, 230_400, 460_800, 17.0, "ZCU104, DDR4-2133, 64 bit (processor side)"),
        _part("K26", 1248, 144, 117_120, 234_240, 19.2, "KV260, DDR4-2400, 64 bit (processor side)"),
        _part("VU9P", 6840, 2160, 1_182_240, 2_364_480, 76.8, "VCU1525, four DDR4-2400, 64 bit"),
        _part("U50", 5952, 1344, 872_000, 1_743_000, 316.0, "Alveo U50, HBM2"),
        _part("U200", 6840, 2160, 1_182_000, 2_364_000, 77.0, "Alveo U200, four DDR4-2400, 64 bit"),
        _part("U250", 12_288, 2688, 1_728_000, 3_456_000, 77.0, "Alveo U250, four DDR4-2400, 64 bit"),
        _part("U280", 9024, 2016, 1_304_000, 2_607_000, 460.0, "Alveo U280, HBM2 (and two DDR4-2400)"),
        _part("VCK190", 1968, 967, 899_840, 1_799_680, 25.6, "VCK190 (VC1902), DDR4-3200, 64 bit"),
        _part("GX1150", 3036, 1507, 854_400, 1_708_800, 17.0, "Arria 10 kit, DDR4-2133, 64 bit"),
    )
}
# Boards and dies that stand for a part above.
ALIASES = {
    "VC707": "VX485T", "ZedBoard": "XC7Z020", "ZC706": "XC7Z045", "VC709": "VX690T", "ZCU102": "ZU9EG",
    "ZCU104": "ZU7EV", "KV260": "K26", "VC1902": "VCK190",
}  # fmt: skip


def device(name: str) -> Device:
    """The part of that name, or on that board; raises `DesignError` with the nearest name if there is none."""
    name = ALIASES.get(name, name)
    if name not in DEVICES:
        known = f"{', '.join(DEVICES)}, or a .yaml file"
        raise DesignError(f"device {name!r} is unknown{did_you_mean(name, DEVICES)}; expected one of {known}")
    return DEVICES[name]
