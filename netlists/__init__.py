"""Chip netlists: the data of a chip, the files it is stored in, and what every command needs.

Imports none of `placer`, `dse` and `plots`, and loads no torch and no numba.  Begin with `netlist` and `placement`; the
functions and classes below are those that users of the library need.
"""

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
from netlists.runtime.kernel_cache import find_cache

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

find_cache()  # before numba is loaded
