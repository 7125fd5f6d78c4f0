"""The `.aux` of a Bookshelf design: the files that it names, and what those hold that Chipscape does not use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from os.path import exists, isfile
from pathlib import Path

from netlists.errors import NetlistError
from netlists.formats.bookshelf.lines import word_lines
from netlists.formats.textfile import bad, read_text

SUFFIXES = (".nodes", ".nets", ".wts", ".pl", ".scl")
SIDECAR = ".chipscape.json"

_COUNT = re.compile(r"(?im)^[ \t]*(Num\w+)\s*:\s*(\d+)")
_GRID = re.compile(r"(?im)^[ \t]*Grid\s*:\s*\d+\s+\d+\s+(\d+)")
_HOLDS = {
    ".reg": "regions", ".region": "regions", ".regions": "regions", ".fence": "regions", ".halo": "halos",
    ".halos": "halos", ".blk": "blockages", ".blockage": "blockages", ".blockages": "blockages",
}  # fmt: skip
"""What the lines of a file are, by its suffix."""


def listed_files(aux: Path, notes: list[str]) -> dict[str, Path]:
    """The file of each suffix that the `.aux` names; the others are noted with the count of what they hold.

    Of a `.wts`, which need not be there, too.  Raises `NetlistError` naming the line for another missing file.
    """
    files: dict[str, Path] = {}
    for line, name in _names(read_text(aux)):
        plain = name.removesuffix(".gz").lower()
        suffix = next((s for s in (*SUFFIXES, SIDECAR) if plain.endswith(s)), None)
        path = _packed(aux.parent / name)
        if suffix is None:
            notes.append(_unused(path, name))
        elif suffix in files:
            raise bad(aux, line, f"{name} is a second {suffix} file, expected one")
        elif suffix == ".wts" and not exists(path):
            notes.append(f"{name} is named in {aux.name}, but is not there: all nets have weight 1")
        elif not isfile(path):  # of os.path: false, too, for names that no file can have
            raise bad(aux, line, f"{name[:80]} is not in {aux.parent}, expected a file beside the .aux")
        else:
            files[suffix] = path
    for suffix in SUFFIXES:
        if suffix not in files and suffix != ".wts":
            raise bad(
                aux, 1, f"no {suffix} file is named, expected 'RowBasedPlacement : a.nodes a.nets a.wts a.pl a.scl'"
            )
    return files


def _names(text: str) -> Iterator[tuple[int, str]]:
    """Line number and name of each file in an `.aux`, which may go on over several lines, with or without a `\\`."""
    for line, row in enumerate(text.split("\n"), 1):
        words = row.partition("#")[0]
        for word in words.rpartition(":")[2].replace("\\", " ").split():
            if "." in word:  # not the RowBasedPlacement before a colon that stands on the next line
                yield line, word


def _packed(path: Path) -> Path:
    """The file, or the one with `.gz` after its name where only that is there."""
    packed = path.with_name(path.name + ".gz")
    return packed if not isfile(path) and isfile(packed) else path


def _unused(path: Path, name: str) -> str:
    """The note for a file that is not used."""
    if not exists(path):
        return f"{name[:80]} is named in the .aux, but is not there; it would not be used"
    try:
        text = read_text(path, may_be_empty=True)
    except NetlistError:
        return f"{name[:80]} is not used"
    suffix = "." + name.removesuffix(".gz").lower().rpartition(".")[2]
    counts = {key.lower(): int(count) for key, count in _COUNT.findall(text)}
    if suffix == ".shapes":
        several = counts.get("numnonrectangularnodes", len(re.findall(r"(?m)^\s*\S+\s*:\s*\d+\s*$", text)))
        return f"{name}: {several} nodes that are no rectangles are taken as their bounding boxes"
    if suffix == ".route":
        layers = _GRID.search(text)
        return (
            f"{name}: the capacities of {layers[1] if layers else 0} routing layers, "
            f"{counts.get('numniterminals', 0)} NI terminals on layers and {counts.get('numblockagenodes', 0)} "
            "routing blockages are not used"
        )
    lines = sum(1 for _, fields in word_lines(text) if not fields[0].lower().startswith("num"))
    held = next(iter(counts.values()), lines) if suffix in _HOLDS else lines
    return f"{name}: {held} {_HOLDS.get(suffix, 'lines')} are not used"
