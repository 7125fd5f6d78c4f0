"""FPGA parts: what they hold, from the vendors' product tables, and the memory bandwidth of a usual board.

Xilinx: DS180 (7 series), DS190 (Zynq-7000), DS890 (UltraScale and UltraScale+), DS891 (Zynq UltraScale+).
Intel: Arria 10 device overview.  A block RAM counts as 36 Kb.  Of the Arria 10 a DSP block counts as its two 18×19
multipliers, an adaptive logic module as two LUTs, and the 2713 M20K of 20 Kb as 1507 blocks of 36 Kb: equal in bits,
though not in ports.
"""

from __future__ import annotations

from dataclasses import dataclass

from netlists.errors import DesignError, did_you_mean

RESOURCES = ("dsp", "bram", "lut", "ff")


@dataclass(frozen=True)
class Device:
    """One part."""

    name: str
    technology: str  # name of its fabric in `dse.technology`
    dsp: int
    bram: int  # blocks of 36 Kb
    lut: int
    ff: int
    dram_gb_s: float  # peak of the board's off-chip memory, 1e9 bytes a second
    board: str


DEVICES = {
    device.name: device
    for device in (
        Device("VX485T", "VX485T", 2800, 1030, 303_600, 607_200, 12.8, "VC707, DDR3-1600, 64 bit"),
        Device("XC7Z020", "XC7Z020", 220, 140, 53_200, 106_400, 4.2, "ZedBoard, DDR3-1066, 32 bit"),
        Device("XC7Z045", "XC7Z045", 900, 545, 218_600, 437_200, 4.2, "ZC706, DDR3-1066, 32 bit (processor side)"),
        Device("KU060", "KU060", 2760, 1080, 331_680, 663_360, 25.6, "ADM-PCIE-KU3, two DDR3-1600, 64 bit"),
        Device("VX690T", "VX690T", 3600, 1470, 433_200, 866_400, 29.8, "VC709, two DDR3-1866, 64 bit"),
        Device("ZU9EG", "ZU9EG", 2520, 912, 274_080, 548_160, 17.0, "ZCU102, DDR4-2133, 64 bit (processor side)"),
        Device("VU9P", "VU9P", 6840, 2160, 1_182_240, 2_364_480, 76.8, "VCU1525, four DDR4-2400, 64 bit"),
        Device("GX1150", "GX1150", 3036, 1507, 854_400, 1_708_800, 17.0, "Arria 10 kit, DDR4-2133, 64 bit"),
    )
}


def device(name: str) -> Device:
    """The part of a name; raises `DesignError` with the nearest one."""
    if name not in DEVICES:
        raise DesignError(
            f"device {name!r} is unknown{did_you_mean(name, DEVICES)}; expected one of {', '.join(DEVICES)}"
        )
    return DEVICES[name]
