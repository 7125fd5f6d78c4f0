"""Constraints on where hard macros may stand: one frozen class, whatever the file or option that they come from.

Nodes are named by shell globs over their names, as `u_core/*ram*`, or over their masters, as `master:fakeram45_*`.
If several entries name a node, the last one counts.  Boxes are (low x, low y, high x, high y) in µm on the canvas.
`netlists.legality.rules` says what they mean for a pair of macros, `netlists.rows.cover` for the free area.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from math import inf, isfinite

from netlists.errors import NetlistError, did_you_mean

Box = tuple[float, float, float, float]

MASTER = "master:"
"""Prefix of a glob over masters."""
BLOCKAGE_KINDS = ("hard", "soft", "partial")
"""Hard macros keep out of all three; standard cells keep out of hard and soft ones."""
REGION_KINDS = ("fence", "guide")
"""A macro stays in its fence; it stays in its guide if all macros can do so, otherwise guides are given up."""
ABUT = ("pinless", "any", "never")
"""Which sides of macros may touch another macro or the canvas edge: those without pins, all, or none."""
SNAP = ("grid", "tracks", "none")
"""Where corners of macros go: on the manufacturing grid, so that pins are on routing tracks, or anywhere."""
ORIENTATION_NAMES = ("N", "S", "FN", "FS", "E", "W", "FE", "FW")


@dataclass(frozen=True)
class Halo:
    """Space beside the sides of macros, for orientation N, that turns with them; in µm."""

    nodes: str
    left_um: float
    bottom_um: float
    right_um: float
    top_um: float


@dataclass(frozen=True)
class Blockage:
    """An area in which nodes may not be placed, see `BLOCKAGE_KINDS`."""

    box_um: Box
    kind: str = "hard"


@dataclass(frozen=True)
class Region:
    """Boxes, in one of which each of the nodes must be (a fence) or should be (a guide)."""

    nodes: tuple[str, ...]
    boxes_um: tuple[Box, ...]
    kind: str = "fence"


@dataclass(frozen=True)
class Turns:
    """The orientations that nodes may have."""

    nodes: str
    orientations: tuple[str, ...]


@dataclass(frozen=True)
class Constraints:
    """What the hard macros of a netlist must keep to; the default asks for nothing.

    Two macros touch, where `abut` allows that, or are a channel apart: at least `channel_um` and the sum of their
    halos.  The same holds for a macro and the canvas edge, with its own halo.  Raises `NetlistError` for a value that
    makes no sense.
    """

    halos: tuple[Halo, ...] = ()
    channel_um: float = 0.0
    boundary_um: float = 0.0  # least distance from the canvas edge
    io_depth_um: float = 0.0  # of the strip along ports at the canvas edge that macros keep free
    abut: str = "pinless"
    blockages: tuple[Blockage, ...] = ()
    regions: tuple[Region, ...] = ()
    turns: tuple[Turns, ...] = ()
    snap: str = "grid"
    grid_um: float = 0.0  # manufacturing grid; 0 if there is none

    def __post_init__(self) -> None:
        for name in ("channel_um", "boundary_um", "io_depth_um", "grid_um"):
            _demand_length(getattr(self, name), name)
        for halo in self.halos:
            for side in ("left_um", "bottom_um", "right_um", "top_um"):
                _demand_length(getattr(halo, side), f"halo of {halo.nodes!r}: {side}")
        _demand_one_of(self.abut, ABUT, "abut")
        _demand_one_of(self.snap, SNAP, "snap")
        for blockage in self.blockages:
            _demand_one_of(blockage.kind, BLOCKAGE_KINDS, "kind of a blockage")
            _demand_box(blockage.box_um, "blockage")
        for region in self.regions:
            _demand_one_of(region.kind, REGION_KINDS, "kind of a region")
            if not region.boxes_um or not region.nodes:
                raise NetlistError("a region has no box or no nodes; expected at least one of each")
            for box in region.boxes_um:
                _demand_box(box, f"{region.kind} of {region.nodes[0]!r}")
        for turns in self.turns:
            if not turns.orientations:
                raise NetlistError(f"orientations of {turns.nodes!r} are empty; expected at least one")
            for name in turns.orientations:
                _demand_one_of(name, ORIENTATION_NAMES, f"orientation of {turns.nodes!r}")

    def then(self, later: Constraints) -> Constraints:
        """These constraints and later ones, which count where both say something."""
        default = Constraints()
        scalars = {name: getattr(later, name) for name in ("channel_um", "boundary_um", "io_depth_um", "abut", "snap",
                                                           "grid_um")
                   if getattr(later, name) != getattr(default, name)}  # fmt: skip
        entries = ("halos", "blockages", "regions", "turns")
        lists = {name: getattr(self, name) + getattr(later, name) for name in entries}
        return replace(self, **scalars, **lists)

    def without_guides(self) -> Constraints:
        """The constraints without guides."""
        return replace(self, regions=tuple(region for region in self.regions if region.kind != "guide"))

    @property
    def has_guides(self) -> bool:
        """Whether there are guides."""
        return any(region.kind == "guide" for region in self.regions)

    @property
    def summary(self) -> str:
        """What they ask for, in words, for messages."""
        parts = [
            f"halos of up to {max(max(h.left_um, h.bottom_um, h.right_um, h.top_um) for h in self.halos):g} µm"
            if self.halos else "",
            f"channels of {self.channel_um:g} µm" if self.channel_um else "",
            f"{self.boundary_um:g} µm to the canvas edge" if self.boundary_um else "",
            f"{self.io_depth_um:g} µm along ports" if self.io_depth_um else "",
            f"{len(self.blockages)} blockages" if self.blockages else "",
            f"{len(self.regions)} regions" if self.regions else "",
            f"orientations of {len(self.turns)} kinds of macros" if self.turns else "",
        ]  # fmt: skip
        return ", ".join(part for part in parts if part) or "none"


def matches(glob: str, name: str, master: str) -> bool:
    """Whether a glob fits a node's name or, after `master:`, its master."""
    if glob.startswith(MASTER):
        pattern = glob.removeprefix(MASTER)
        return bool(master) and (master == pattern or fnmatchcase(master, pattern))
    return fnmatchcase(name, glob)


def _demand_length(value: float, what: str) -> None:
    if not 0 <= value < inf:
        raise NetlistError(f"{what} is {value}; expected a finite number of µm of at least 0")


def _demand_one_of(value: str, known: Sequence[str], what: str) -> None:
    if value not in known:
        raise NetlistError(f"{what} is {value!r}; expected one of {', '.join(known)}{did_you_mean(value, known)}")


def _demand_box(box: Box, what: str) -> None:
    low_x, low_y, high_x, high_y = box
    if not all(isfinite(value) for value in box) or low_x >= high_x or low_y >= high_y:
        raise NetlistError(f"{what} has the box {box}; expected low x, low y, high x, high y in µm, low below high")
