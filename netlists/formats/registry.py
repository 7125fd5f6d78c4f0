"""The table of file formats: everything that chooses among formats, or lists them, reads it from here.

The format of a file follows from the end of its name, in any case, with or without `.gz`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from netlists.errors import NetlistError
from netlists.formats.bookshelf import reader as bookshelf_reader
from netlists.formats.bookshelf import writer as bookshelf_writer
from netlists.formats.circuit_training import plc
from netlists.formats.circuit_training import reader as circuit_training_reader
from netlists.formats.circuit_training import writer as circuit_training_writer
from netlists.formats.lefdef import reader as lefdef_reader
from netlists.formats.lefdef import writer as lefdef_writer
from netlists.netlist import Netlist
from netlists.placement import Placement

Costs = Mapping[str, float] | None
"""`wirelength`, `density` and `congestion`, each optional, for formats whose placements have a place for them."""


@dataclass(frozen=True)
class Format:
    """A file format for netlists and their placements."""

    name: str
    netlist_suffix: str  # of the file that stands for a netlist, without .gz
    placement_suffix: str  # of a placement, without .gz
    help: str  # one line: the files that are read
    read: Callable[..., Netlist]  # read(path, **options)
    write: Callable[[Netlist, Path], None]
    read_placement: Callable[..., Placement]  # read_placement(netlist, path, **options)
    write_placement: Callable[[Placement, Path, Costs], None]
    read_options: frozenset[str] = frozenset()  # keyword arguments of `read`
    read_placement_options: frozenset[str] = frozenset()  # keyword arguments of `read_placement`


CIRCUIT_TRAINING = Format(
    name="Circuit Training protobuf",
    netlist_suffix=".pb.txt",
    placement_suffix=".plc",
    help="netlist.pb.txt[.gz] with the .plc beside it, the one given by --plc, or # lines of its own",
    read=circuit_training_reader.read_netlist,
    write=circuit_training_writer.write_netlist,
    read_placement=plc.read_plc,
    write_placement=plc.write_plc,
    read_options=frozenset({"plc"}),
)

BOOKSHELF = Format(
    name="Bookshelf",
    netlist_suffix=".aux",
    placement_suffix=".pl",
    help=".aux[.gz] and the files that it names (ISPD 2005/2006, ICCAD 2004)",
    read=bookshelf_reader.read,
    write=bookshelf_writer.write,
    read_placement=bookshelf_reader.read_pl,
    write_placement=lambda placement, path, _: bookshelf_writer.write_pl(placement, path),
    read_options=frozenset({"units_per_um", "grid", "routing", "follow_outside"}),
    read_placement_options=frozenset({"units_per_um"}),
)

LEFDEF = Format(
    name="LEF/DEF",
    netlist_suffix=".def",
    placement_suffix=".def",
    help=".def[.gz] with the .lef files given by --lef, or those beside it (LEF 5.5 to 5.8, DEF 5.6 to 5.8)",
    read=lefdef_reader.read,
    write=lefdef_reader.write,
    read_placement=lefdef_reader.read_placement,
    write_placement=lambda placement, path, _: lefdef_writer.write_placement(placement, path),
    read_options=frozenset({"lef", "grid"}),
)

FORMATS = (CIRCUIT_TRAINING, BOOKSHELF, LEFDEF)


def netlist_format(path: Path) -> Format | None:
    """The format of a netlist file by the end of its name; None if no format has such files."""
    name = _plain_name(path)
    return next((f for f in FORMATS if name.endswith(f.netlist_suffix)), None)


def placement_format(path: Path) -> Format:
    """The format of a placement file by the end of its name; raises `NetlistError` if no format has such files."""
    name = _plain_name(path)
    for entry in FORMATS:
        if name.endswith(entry.placement_suffix):
            return entry
    raise NetlistError(f"{path}: unknown kind of placement, expected a name ending in {placement_endings()}")


def native_format(netlist: Netlist) -> Format:
    """The format in which placements of a netlist are written: that of the file it came from, if there is one."""
    if netlist.def_file:
        return LEFDEF
    return CIRCUIT_TRAINING if netlist.file_index is not None else BOOKSHELF


def netlist_endings() -> str:
    """The endings of netlist files, for help texts and messages: `.pb.txt[.gz], .aux[.gz] or .def[.gz]`."""
    return _alternatives([f"{entry.netlist_suffix}[.gz]" for entry in FORMATS])


def placement_endings() -> str:
    """The endings of placement files, for help texts and messages: `.plc[.gz], .pl[.gz] or .def[.gz]`."""
    return _alternatives([f"{entry.placement_suffix}[.gz]" for entry in FORMATS])


def _alternatives(words: list[str]) -> str:
    """Words as an enumeration: `a, b or c`."""
    return " or ".join([", ".join(words[:-1]), words[-1]])


def _plain_name(path: Path) -> str:
    """The name of a file in lower case, without `.gz`."""
    return path.name.lower().removesuffix(".gz")
