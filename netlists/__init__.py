"""Chip netlists: what a chip is, and the files it comes in."""

from netlists.errors import (
    CheckpointError,
    ChipscapeError,
    DesignError,
    LegalizationError,
    NetlistError,
    PlacementError,
    SettingsError,
)
from netlists.formats.files import load, load_placement, save, save_placement
from netlists.netlist import Kind, Netlist
from netlists.placement import Placement

__all__ = [
    "CheckpointError",
    "ChipscapeError",
    "DesignError",
    "Kind",
    "LegalizationError",
    "Netlist",
    "NetlistError",
    "Placement",
    "PlacementError",
    "SettingsError",
    "load",
    "load_placement",
    "save",
    "save_placement",
]
