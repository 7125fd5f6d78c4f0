"""The `.aux` of a Bookshelf design: the files that it names, and notes on those that Chipscape does not use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from os.path import exists, isfile, realpath
from pathlib import Path

from netlists.errors import NetlistError
from netlists.formats.bookshelf.lines import word_lines
from netlists.formats.textfile import MAX_QUOTED, file_error, read_text

SUFFIXES = (".nodes", ".nets", ".wts", ".pl", ".scl")
"""The files of a design; all except `.wts` are required."""

SIDECAR = ".chipscape.json"
"""The file with what the others cannot express."""

_COUNT = re.compile(r"(?im)^[ \t]*(Num\w+)\s*:\s*(\d{1,15})\b")
_GRID = re.compile(r"(?im)^[ \t]*Grid\s*:\s*\d+\s+\d+\s+(\d+)")
_CONTENT = {
    ".reg": "regions", ".region": "regions", ".regions": "regions", ".fence": "regions", ".halo": "halos",
    ".halos": "halos", ".blk": "blockages", ".blockage": "blockages", ".blockages": "blockages",
}  # fmt: skip
"""What the lines of an unused file are, by its suffix."""


def list_files(aux: Path, notes: list[str], follow_outside: bool = False) -> dict[str, Path]:
    """The file that the `.aux` names for each suffix.

    A note is added for each other file, with the count of its content, and for a `.wts` that does not exist.  Raises
    `NetlistError` naming the line if another file does not exist, or, unless `follow_outside`, if one is outside of the
    folder of the `.aux`, by its name or by a link: a design of others has no reason to read files elsewhere.
    """
    files: dict[str, Path] = {}
    for line, name in _names(read_text(aux)):
        plain = name.removesuffix(".gz").lower()
        suffix = next((s for s in (*SUFFIXES, SIDECAR) if plain.endswith(s)), None)
        path = _packed(aux.parent / name)
        if not (follow_outside or _is_inside(path, aux.parent)):
            message = (f"{name[:MAX_QUOTED]} is outside of {aux.parent}, expected a file beside the .aux or below: "
                       "copy it there, or give --follow-outside if you trust the design")  # fmt: skip
            raise file_error(aux, line, message)
        if suffix is None:
            notes.append(_unused(path, name))
        elif suffix in files:
            raise file_error(aux, line, f"{name} is a second {suffix} file, expected one")
        elif suffix == ".wts" and not exists(path):
            notes.append(f"{name} is named in {aux.name}, but does not exist: all nets have weight 1")
        elif not isfile(path):  # os.path.isfile is false for impossible names, too
            raise file_error(aux, line, f"{name[:MAX_QUOTED]} is not in {aux.parent}, expected a file beside the .aux")
        else:
            files[suffix] = path
    for suffix in SUFFIXES:
        if suffix not in files and suffix != ".wts":
            raise file_error(
                aux, 1, f"no {suffix} file is named, expected 'RowBasedPlacement : a.nodes a.nets a.wts a.pl a.scl'"
            )
    return files


def _names(text: str) -> Iterator[tuple[int, str]]:
    """Line number and name of each file in an `.aux`, which may extend over several lines, with or without a `\\`."""
    for line, row in enumerate(text.split("\n"), 1):
        words = row.partition("#")[0]
        for word in words.rpartition(":")[2].replace("\\", " ").split():
            if "." in word:  # not RowBasedPlacement if its colon is on the next line
                yield line, word


def _is_inside(path: Path, folder: Path) -> bool:
    """Whether a file is in a folder or below, links followed; also if its name is impossible, as none is there."""
    try:
        return Path(realpath(path)).is_relative_to(realpath(folder))
    except ValueError:  # a NUL in the name
        return True


def _packed(path: Path) -> Path:
    """The file, or the same name with `.gz` if only that exists."""
    packed = path.with_name(path.name + ".gz")
    return packed if not isfile(path) and isfile(packed) else path


def _unused(path: Path, name: str) -> str:
    """The note on a file that is not used."""
    if not exists(path):
        return f"{name[:MAX_QUOTED]} is named in the .aux, but does not exist; it would not be used"
    try:
        text = read_text(path, may_be_empty=True)
    except NetlistError:
        return f"{name[:MAX_QUOTED]} is not used"
    suffix = "." + name.removesuffix(".gz").lower().rpartition(".")[2]
    counts = {key.lower(): int(count) for key, count in _COUNT.findall(text)}
    if suffix == ".shapes":
        several = counts.get("numnonrectangularnodes", len(re.findall(r"(?m)^\s*\S+\s*:\s*\d+\s*$", text)))
        return f"{name}: {several} nodes that are not rectangles are replaced by their bounding boxes"
    if suffix == ".route":
        layers = _GRID.search(text)
        return (
            f"{name}: the capacities of {layers[1] if layers else 0} routing layers, "
            f"{counts.get('numniterminals', 0)} NI terminals on layers and {counts.get('numblockagenodes', 0)} "
            "routing blockages are not used"
        )
    lines = sum(1 for _, fields in word_lines(text) if not fields[0].lower().startswith("num"))
    count = next(iter(counts.values()), lines) if suffix in _CONTENT else lines
    return f"{name}: {count} {_CONTENT.get(suffix, 'lines')} are not used"
