"""FPGA parts: the counts of the vendors' product tables."""

from __future__ import annotations

import pytest

from dse.model.devices import ALIASES, DEVICES, RESOURCES, device
from netlists.errors import DesignError


# What the published designs state about their parts: dsp, bram (36 Kb), lut, ff.
@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("VX485T", (2800, 1030, 303_600, 607_200)),  # Zhang FPGA'15: 2060 half blocks
        ("XC7Z045", (900, 545, 218_600, 437_200)),  # Qiu FPGA'16
        ("XC7Z020", (220, 140, 53_200, 106_400)),
        ("K26", (1248, 144, 117_120, 234_240)),  # AMD's KV260 application notes
    ],
)
def test_counts(name: str, counts: tuple[int, ...]) -> None:
    assert tuple(getattr(device(name), resource) for resource in RESOURCES) == counts


def test_all_parts() -> None:
    assert {"VX485T", "XC7Z045", "ZU9EG", "VU9P", "GX1150", "U50", "U250", "ZU7EV", "K26", "VCK190"} <= set(DEVICES)
    for name, part in DEVICES.items():
        assert part.name == name
        assert part.ff == pytest.approx(2 * part.lut, rel=0.01)  # holds in all these families
        assert part.fabric.fpga
        assert part.fabric.name == name
        assert 1 < part.dram_gb_s < 500
        assert part.board


def test_m20k_as_blocks_of_36_kb() -> None:
    assert device("GX1150").bram == 2713 * 20 // 36


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(DesignError, match=r"device 'XC7Z44' is unknown.*XC7Z045"):
        device("XC7Z44")


@pytest.mark.parametrize(("board", "part"), [("KV260", "K26"), ("ZCU104", "ZU7EV"), ("ZC706", "XC7Z045")])
def test_a_board_stands_for_its_part(board: str, part: str) -> None:
    assert device(board) == DEVICES[part]


def test_aliases_name_parts() -> None:
    assert set(ALIASES.values()) <= set(DEVICES)
    assert not set(ALIASES) & set(DEVICES)
