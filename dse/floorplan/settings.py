"""How finely a design is cut into macros, and how much of the canvas they cover."""

from __future__ import annotations

from dataclasses import dataclass

from netlists.errors import SettingsError, did_you_mean


@dataclass(frozen=True)
class Granularity:
    """How finely memories and arrays are cut into macros."""

    name: str
    summary: str
    macros: int  # most hard macros of one buffer; neighboring banks are merged into one macro beyond that
    macro_bytes: float  # capacity above which a bank is built of several macros
    tiles: int  # most soft macros along one side of an array; of an array with a single side, the square of that


KIB = 1024
GRANULARITIES = {
    level.name: level
    for level in (
        Granularity("fine", "every bank, in SRAMs of at most 4 KiB, and up to 16 x 16 tiles", 1024, 4.0 * KIB, 16),
        Granularity("medium", "up to 32 SRAMs per buffer, and up to 8 x 8 tiles", 32, float("inf"), 8),
        Granularity("coarse", "up to 8 SRAMs per buffer, and up to 4 x 4 tiles", 8, float("inf"), 4),
    )
}
"""The levels by name, from the finest on."""
UTILIZATIONS = (0.1, 0.9)
"""Least and greatest fraction of the canvas that macros may cover."""


@dataclass(frozen=True)
class FloorplanSettings:
    """How a design becomes a netlist.  Raises `SettingsError` if a value is out of range."""

    granularity: str = "medium"  # a name in GRANULARITIES
    utilization: float = 0.65  # fraction of the canvas that macros cover

    def __post_init__(self) -> None:
        if self.granularity not in GRANULARITIES:
            raise SettingsError(
                f"granularity is {self.granularity!r}; expected one of {', '.join(GRANULARITIES)}"
                f"{did_you_mean(self.granularity, GRANULARITIES)}"
            )
        low, high = UTILIZATIONS
        if not low <= self.utilization <= high:
            raise SettingsError(f"utilization is {self.utilization:g}; expected {low:g} to {high:g}")

    @property
    def level(self) -> Granularity:
        """The entry of the granularity in the table."""
        return GRANULARITIES[self.granularity]
