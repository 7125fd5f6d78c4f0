"""What the readers and writers of text formats share: files as text, numbers, and placements of fixed nodes."""

from __future__ import annotations

import gzip
import math
import zlib
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from errno import EISDIR
from os import strerror
from pathlib import Path

import numpy as np
import numpy.typing as npt

from netlists.errors import NetlistError, PlacementError, at, did_you_mean
from netlists.netlist import Floats, Ints, Netlist
from netlists.placement import Placement
from netlists.runtime.output import replaced

LIMIT = 1e12
"""Larger numbers than this are no lengths, weights or counts of a chip; sums of products stay finite below it."""

SNAP_UM = 1e-3
"""A fixed node this close to its place in the netlist lies there: placement files are often rounded to 3 decimals."""


def bad(file: str | Path, line: int | None, message: str) -> NetlistError:
    """The error for a line of a file."""
    return NetlistError(at(file, line, message))


def read_text(path: Path, may_be_empty: bool = False) -> str:
    """The text of a UTF-8 file, gunzipped when it is gzip, with `\\n` line ends and without a byte-order mark.

    Raises `NetlistError` when it cannot be read, is empty (unless it may be), is not UTF-8 or is a broken gzip file.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise bad(path, None, "no such file, expected a readable file") from None
    except OSError as error:
        raise bad(path, None, f"cannot be read ({error.strerror}), expected a readable file") from None
    except ValueError as error:  # a NUL in the name
        raise bad(path, None, f"{error}, expected the name of a file") from None
    if path.suffix == ".gz" or data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise bad(path, None, f"broken gzip data ({error}), expected a complete gzip file") from None
    data = data.removeprefix(BOM_UTF8)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise bad(path, line, f"byte 0x{data[error.start]:02x} is not UTF-8, expected a text file") from None
    if not text.strip() and not may_be_empty:
        raise bad(path, 1, "the file is empty, expected text")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def write_texts(files: Mapping[Path, str]) -> None:
    """Write files, gzipped where their names end in `.gz`: when one cannot be written, none.

    When all are there they get their names one after another, the first one last; only what ends the process or fails
    in between leaves new files beside old ones.  Raises `NetlistError` when one cannot be written.
    """
    path = Path()
    try:
        with ExitStack() as unfinished:
            for path, text in files.items():
                if path.is_dir():  # found out now, not when others have their names
                    raise IsADirectoryError(EISDIR, strerror(EISDIR))
                data = text.encode()
                part = unfinished.enter_context(replaced(path))
                part.write_bytes(gzip.compress(data, compresslevel=6, mtime=0) if path.suffix == ".gz" else data)
    except OSError as error:
        file = error.filename2 or path
        raise bad(file, None, f"cannot be written ({error.strerror}), expected a folder to write to") from None


def write_text(path: Path, text: str) -> None:
    """Write one file as `write_texts` does."""
    write_texts({path: text})


def number(token: str) -> float:
    """A finite number of at most `LIMIT`; raises `ValueError` with what was found and expected."""
    try:
        value = float(token)
    except ValueError:
        value = math.nan
    if not abs(value) <= LIMIT:
        raise ValueError(f"found {token[:40]!r}, expected a number within ±{LIMIT:g}")
    return value


def whole(token: str, low: int, high: int) -> int:
    """A whole number from low to high; raises `ValueError` with what was found and expected."""
    try:
        value = int(token)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise ValueError(f"found {token[:40]!r}, expected a whole number from {low} to {high}")
    return value


def decimal(value: float) -> str:
    """The shortest digits that read back as the same float64, without an exponent (some parsers know none)."""
    text = repr(float(value))
    return np.format_float_positional(value, trim="0") if "e" in text else text


def hint(name: str, known: Sequence[str]) -> str:
    """`did_you_mean`, where there are few enough names to look through."""
    return did_you_mean(name, known) if len(known) <= 20_000 else ""


def settled(
    netlist: Netlist, path: Path, node: Ints, line: Ints, center_um: Floats, orientation: npt.NDArray[np.int8]
) -> Placement:
    """The placement that puts node[k] at center_um[k] ([K, 2]), as line[k] of a file says.

    Fixed nodes keep the netlist's place.  Raises `PlacementError` where the file has one elsewhere, by more than
    `SNAP_UM`, or lacks a movable node.
    """
    n = netlist
    moved = n.fixed[node] & (np.abs(center_um - n.position_um[node]) > SNAP_UM).any(axis=1)
    if moved.any():
        k = int(np.flatnonzero(moved)[0])
        name, found, expected = n.node_names[node[k]], center_um[k], n.position_um[node[k]]
        message = (
            f"fixed node {name!r} has its center at {found[0]:g} {found[1]:g} µm, "
            f"expected {expected[0]:g} {expected[1]:g} as in the netlist"
        )
        raise PlacementError(at(path, int(line[k]), message))
    listed = n.fixed.copy()
    listed[node] = True
    if not listed.all():
        lost = np.flatnonzero(~listed)
        last = int(line[-1]) if len(line) else None
        raise PlacementError(
            at(path, last, f"no line for {lost.size} of {n.num_nodes} nodes, the first is {n.node_names[lost[0]]!r}; "
               "expected every movable node: is this a placement of another netlist?")
        )  # fmt: skip
    position_um, turned = n.position_um.copy(), n.orientation.copy()
    movable = ~n.fixed[node]
    position_um[node[movable]] = center_um[movable]
    turned[node[movable]] = orientation[movable]
    return Placement(n, position_um, turned)
