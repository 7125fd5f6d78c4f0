"""Load and save netlists and placements in any of the formats in `registry`, and load bundled designs by name.

A netlist is given as a file, as a folder with exactly one netlist file, or as the name of a bundled design.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from netlists.errors import NetlistError, SettingsError, did_you_mean
from netlists.formats.registry import (
    CIRCUIT_TRAINING,
    LEFDEF,
    Format,
    netlist_endings,
    netlist_format,
    placement_format,
)
from netlists.formats.textfile import file_error
from netlists.formats.unfix import unfix as free
from netlists.legality.room import demand_room
from netlists.netlist import Netlist
from netlists.placement import Placement
from netlists.rows.derived import add_note

DESIGNS = Path(__file__).parents[1] / "designs"
"""The folder of the bundled designs."""

BUNDLED_SUFFIX = f"{CIRCUIT_TRAINING.netlist_suffix}.gz"
"""The suffix of the bundled designs."""

NETLIST_HELP = f"{netlist_endings()} file, a folder with one, or a bundled design"
"""What stands for a netlist, for help texts and messages."""


def catalog() -> list[str]:
    """Names of the bundled designs, in alphabetical order."""
    return sorted(path.name.removesuffix(BUNDLED_SUFFIX) for path in DESIGNS.glob(f"*{BUNDLED_SUFFIX}"))


def load(path: str | Path, plc: str | Path | None = None, *, unfix: Sequence[str] = (), **options: Any) -> Netlist:
    """Load a netlist from a file, from a folder that has one, or by the name of a bundled design.

    `plc` replaces the `.plc` beside a protobuf netlist.  Fixed macros whose names match one of the shell globs `unfix`
    become movable.  `options` are those of the reader of the format (`Format.read_options`).  Raises `NetlistError` if
    there is no such netlist, if something in it is wrong, or if it can never be placed (`netlists.legality.room`);
    `SettingsError` for an option that the format does not have and for a glob that frees nothing.
    """
    file, entry = _find(Path(path))
    if plc is not None:
        options["plc"] = plc
    _demand_options(file, entry, "netlists", options, entry.read_options)
    netlist = free(entry.read(file, **options), unfix)
    try:
        demand_room(netlist)
    except NetlistError as error:
        raise file_error(file, None, str(error)) from None
    return add_note(netlist)


def _demand_options(file: Path, entry: Format, what: str, options: Mapping[str, Any], known: frozenset[str]) -> None:
    """Raise `SettingsError` for options that the format does not have."""
    wrong = sorted(options.keys() - known)
    if wrong:
        expected = f"which have {', '.join(sorted(known)) or 'no options'}"
        raise SettingsError(
            f"{file}: {', '.join(wrong)} cannot be set for {entry.name} {what}, {expected}; leave it out"
        )


def is_bundled(path: Path) -> bool:
    """Whether a path is the name of a bundled design, and no file or folder with a netlist has the same name."""
    return str(path) in catalog() and not path.is_file() and not (path.is_dir() and _netlists_in(path))


def _find(path: Path) -> tuple[Path, Format]:
    """The netlist file that a path stands for, and its format."""
    try:
        if is_bundled(path):
            return DESIGNS / f"{path}{BUNDLED_SUFFIX}", CIRCUIT_TRAINING
        if path.is_dir():
            path = _only_netlist(path)
        entry = netlist_format(path)
        if entry is not None:
            return path, entry
        if path.exists():
            raise NetlistError(f"{path}: unknown kind of netlist, expected a {NETLIST_HELP} ({', '.join(catalog())})")
    except (OSError, ValueError) as error:
        raise NetlistError(f"{path}: {error}; expected a {NETLIST_HELP}") from None
    names = catalog()
    raise NetlistError(
        f"{path}: no such netlist, expected a {NETLIST_HELP} ({', '.join(names)}){did_you_mean(str(path), names)}"
    )


def _only_netlist(folder: Path) -> Path:
    """The only netlist file in a folder."""
    netlists = _netlists_in(folder)
    if len(netlists) != 1:
        names = ", ".join(file.name for file in netlists) or "no netlist"
        raise NetlistError(f"{folder}: the folder has {names}, expected exactly one file ending in {netlist_endings()}")
    return netlists[0]


def _netlists_in(folder: Path) -> list[Path]:
    """The netlist files in a folder, in alphabetical order; DEF files, maybe placements, if there are no others."""
    files = sorted(file for file in folder.iterdir() if netlist_format(file))
    return [file for file in files if netlist_format(file) is not LEFDEF] or files


def save(netlist: Netlist, path: str | Path) -> None:
    """Save a netlist in the format of the suffix: as protobuf with its `.plc`, or as Bookshelf with all its files.

    Raises `NetlistError` for an unknown suffix, or if a file cannot be written.
    """
    path = Path(path)
    entry = netlist_format(path)
    if entry is None:
        raise NetlistError(f"{path}: unknown kind of netlist, expected a name ending in {netlist_endings()}")
    entry.write(netlist, path)


def load_placement(netlist: Netlist, path: str | Path, **options: Any) -> Placement:
    """Load a placement of a netlist; `options` are those of the reader (`Format.read_placement_options`).

    Fixed nodes within 1e-3 µm of their position in the netlist are placed exactly there.  Raises `NetlistError` if the
    file is wrong or that of another netlist, `PlacementError` naming file, line and node if it moves a fixed node or
    lacks a movable one, and `SettingsError` for an option that the format does not have.
    """
    path = Path(path)
    entry = placement_format(path)
    _demand_options(path, entry, "placements", options, entry.read_placement_options)
    return entry.read_placement(netlist, path, **options)


def save_placement(placement: Placement, path: str | Path, costs: Mapping[str, float] | None = None) -> None:
    """Save a placement in the format of the suffix.

    `costs` (`wirelength`, `density`, `congestion`) are written to the header of a `.plc`; other formats have no place
    for them.  Raises `NetlistError` for an unknown suffix, or if the file cannot be written.
    """
    path = Path(path)
    placement_format(path).write_placement(placement, path, costs)
