"""Load and save netlists and placements; the format follows from the suffix of the file.

netlists     NAME.pb.txt[.gz]  Circuit Training protobuf, with a .plc beside it or a canvas of its own
             NAME.aux          Bookshelf
             a folder with one of these, or the name of a bundled design
placements   NAME.plc          Circuit Training
             NAME.pl           Bookshelf
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from netlists.errors import NetlistError, SettingsError, did_you_mean
from netlists.formats.bookshelf import reader as bookshelf
from netlists.formats.circuit_training import reader as protobuf
from netlists.formats.textfile import bad
from netlists.formats.unfix import unfix as free
from netlists.legality.room import demand_room
from netlists.netlist import Netlist
from netlists.placement import Placement
from netlists.rows.derived import noted

DESIGNS = Path(__file__).parents[1] / "designs"
_BUNDLED = ".pb.txt.gz"
_PROTOBUF, _BOOKSHELF = (".pb.txt", ".pb.txt.gz"), (".aux", ".aux.gz")
_EXPECTED = "expected a file ending in .pb.txt, .pb.txt.gz or .aux, a folder with one, or a bundled design"


def catalog() -> list[str]:
    """Names of the bundled designs."""
    return sorted(path.name.removesuffix(_BUNDLED) for path in DESIGNS.glob("*" + _BUNDLED))


def load(
    path: str | Path, plc: str | Path | None = None, *, unfix: Sequence[str] = (), **options: Any
) -> Netlist:  # fmt: skip
    """Load a netlist from a file, a folder that has one, or by the name of a bundled design.

    `plc` replaces the `.plc` beside a protobuf netlist; fixed macros whose names match one of the shell globs `unfix`
    become movable; `options` are those of `bookshelf.read`.  Raises `NetlistError` when there is no such netlist,
    something in it is wrong or it can never be placed (`netlists.legality.room`), `SettingsError` for an option the
    format does not have and for a glob that frees nothing.
    """
    file = _find(Path(path))
    if file.name.lower().endswith(_PROTOBUF):
        if options:
            raise SettingsError(f"{file}: options {', '.join(options)} are for Bookshelf netlists only; leave them out")
        return _placeable(protobuf.read_netlist(file, plc), unfix, file)
    if plc is not None:
        raise SettingsError(f"{file}: a .plc is for protobuf netlists only; leave it out")
    return _placeable(bookshelf.read(file, **options), unfix, file)


def _placeable(netlist: Netlist, globs: Sequence[str], file: Path) -> Netlist:
    """The netlist with a note on rows derived from its cells, after the checks of `netlists.legality.room`."""
    netlist = free(netlist, globs)
    try:
        demand_room(netlist)
    except NetlistError as error:
        raise bad(file, None, str(error)) from None
    return noted(netlist)


def is_bundled(path: Path) -> bool:
    """Whether a bundled design is meant: its name, unless a file or a folder with a netlist has the same."""
    return str(path) in catalog() and not path.is_file() and not (path.is_dir() and _netlists_in(path))


def _find(path: Path) -> Path:
    """The netlist file that is meant."""
    try:
        if is_bundled(path):
            return DESIGNS / f"{path}{_BUNDLED}"
        if path.is_dir():
            return _only_netlist(path)
        is_netlist = path.name.lower().endswith(_PROTOBUF + _BOOKSHELF)
        if is_netlist or path.exists():
            if not is_netlist:
                raise NetlistError(f"{path}: unknown kind of netlist, {_EXPECTED} ({', '.join(catalog())})")
            return path
    except (OSError, ValueError) as error:
        raise NetlistError(f"{path}: {error}; {_EXPECTED}") from None
    names = catalog()
    raise NetlistError(f"{path}: no such netlist, {_EXPECTED} ({', '.join(names)}){did_you_mean(str(path), names)}")


def _only_netlist(folder: Path) -> Path:
    found = _netlists_in(folder)
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "no netlist"
        raise NetlistError(
            f"{folder}: the folder has {names}, expected exactly one file ending in .pb.txt[.gz] or .aux"
        )
    return found[0]


def _netlists_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.name.lower().endswith(_PROTOBUF + _BOOKSHELF))


def save(netlist: Netlist, path: str | Path) -> None:
    """Save a netlist as protobuf (with its `.plc`) or Bookshelf (with the files its `.aux` names).

    Raises `NetlistError` for another suffix, or when a file cannot be written.
    """
    path = Path(path)
    if path.name.lower().endswith(_PROTOBUF):
        protobuf.write_netlist(netlist, path)
    elif path.name.lower().endswith(_BOOKSHELF):
        bookshelf.write(netlist, path)
    else:
        raise NetlistError(f"{path}: unknown kind of netlist, expected a name ending in .pb.txt, .pb.txt.gz or .aux")


def load_placement(netlist: Netlist, path: str | Path, **options: Any) -> Placement:
    """Load a placement of the netlist; `options` are those of `bookshelf.read_pl`.

    Fixed nodes within 1e-3 µm of their place lie there.  Raises `NetlistError` when the file is wrong or another
    netlist's, `PlacementError` naming file, line and node when it moves a fixed node or lacks a movable one.
    """
    path = Path(path)
    if _is_plc(path):
        if options:
            raise SettingsError(f"{path}: options {', '.join(options)} are for .pl files only; leave them out")
        return protobuf.read_plc(netlist, path)
    return bookshelf.read_pl(netlist, path, **options)


def save_placement(placement: Placement, path: str | Path, costs: Mapping[str, float] | None = None) -> None:
    """Save a placement; `costs` (`wirelength`, `density`, `congestion`) go to the header of a `.plc`.

    Raises `NetlistError` for another suffix, or when the file cannot be written.
    """
    path = Path(path)
    if _is_plc(path):
        protobuf.write_plc(placement, path, costs)
    else:
        bookshelf.write_pl(placement, path)


def _is_plc(path: Path) -> bool:
    name = path.name.lower().removesuffix(".gz")
    if not name.endswith((".plc", ".pl")):
        raise NetlistError(f"{path}: unknown kind of placement, expected a name ending in .plc or .pl")
    return name.endswith(".plc")
