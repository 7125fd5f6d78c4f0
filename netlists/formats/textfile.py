"""What the readers and writers of all text formats share.

Files as text, numbers, the check of a placement against its netlist, the default grid, and notes on rotated macros.
"""

from __future__ import annotations

import gzip
import io
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
from netlists.netlist import ORIENTATIONS, Floats, Ints, Kind, Netlist
from netlists.placement import Placement
from netlists.runtime.output import replaced
from netlists.runtime.stored_files import read_bytes

LIMIT = 1e12
"""Numbers larger than this are not lengths, weights or counts of a chip; below it sums of products stay finite."""

MAX_BYTES = 16 * 2**30
"""The largest file, and the largest content of a compressed one."""

PIECE_BYTES = 2**24
"""Bytes that are decompressed at once."""

PACKED_BYTES, PACKED_FACTOR = 50_000_000, 100
"""A compressed file holds at most so many bytes, and so many times its own size; netlists shrink by 5 to 40."""

SNAP_UM = 1e-3
"""A fixed node that a file places this close to its position in the netlist is placed exactly there, in µm.

Placement files are often rounded to three decimals.
"""

MAX_QUOTED = 60
"""Characters of a file that are quoted in a message."""

MAX_HINT_NAMES = 20_000
"""Among more names than this the nearest one is not looked for, as that would take too long."""

DEFAULT_GRID_ROWS = 32
"""Rows of the grid if the file has none."""

MAX_DEFAULT_GRID = 128
"""Most columns of the grid if the file has none."""

ROTATED = [ORIENTATIONS.index(name) for name in ("E", "W", "FE", "FW")]
"""Orientations that rotate a node by 90 degrees."""


def file_error(file: str | Path, line: int | None, message: str) -> NetlistError:
    """The error for a line of a file, or for the whole file if `line` is None."""
    return NetlistError(at(file, line, message))


def unexpected(file: str | Path, line: int, text: str, expected: str) -> NetlistError:
    """The error for other text than expected on a line of a file."""
    return file_error(file, line, f"found {text[:MAX_QUOTED]!r}, expected {expected}")


def read_text(path: Path, may_be_empty: bool = False) -> str:
    """The text of a UTF-8 file, decompressed if it is gzip, with `\\n` line ends and without a byte-order mark.

    Raises `NetlistError` if it cannot be read, is empty (unless it may be), is not UTF-8 or is a broken gzip file.
    """
    try:
        data = read_bytes(path, MAX_BYTES)
    except FileNotFoundError:
        raise file_error(path, None, "no such file, expected a readable file") from None
    except OSError as error:
        raise file_error(path, None, f"cannot be read ({error.strerror}), expected a readable file") from None
    except ValueError as error:  # a NUL in the name
        raise file_error(path, None, f"{error}, expected the name of a file") from None
    if path.suffix == ".gz" or data[:2] == b"\x1f\x8b":
        try:
            data = _decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise file_error(path, None, f"broken gzip data ({error}), expected a complete gzip file") from None
    data = data.removeprefix(BOM_UTF8)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise file_error(path, line, f"byte 0x{data[error.start]:02x} is not UTF-8, expected a text file") from None
    if not text.strip() and not may_be_empty:
        raise file_error(path, 1, "the file is empty, expected text")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _decompress(data: bytes) -> bytes:
    """The content of gzip data; raises `OSError` if it is far more than a text becomes smaller by compression."""
    most = min(MAX_BYTES, PACKED_BYTES + PACKED_FACTOR * len(data))
    parts, size = [], 0
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
        while part := packed.read(PIECE_BYTES):
            parts.append(part)
            size += len(part)
            if size > most:
                raise OSError(f"its {len(data):,} bytes stand for more than {most:,}")
    return b"".join(parts)


def write_texts(files: Mapping[Path, str]) -> None:
    """Write files, compressed if their names end in `.gz`; if one cannot be written, none is.

    After all have been written under temporary names they are renamed one after another, the first one last; only a
    failure between two renames leaves new files beside old ones.  Raises `NetlistError` if one cannot be written.
    """
    path = Path()
    try:
        with ExitStack() as unfinished:
            for path, text in files.items():
                _demand_no_folder(path)  # before any file is renamed
                data = text.encode()
                part = unfinished.enter_context(replaced(path))
                part.write_bytes(gzip.compress(data, compresslevel=6, mtime=0) if path.suffix == ".gz" else data)
    except OSError as error:
        file = error.filename or path
        raise file_error(file, None, f"cannot be written ({error.strerror}), expected a folder to write to") from None


def _demand_no_folder(path: Path) -> None:
    """Raise `IsADirectoryError` if a folder has the name of a file that is to be written."""
    if path.is_dir():
        raise IsADirectoryError(EISDIR, strerror(EISDIR))


def write_text(path: Path, text: str) -> None:
    """Write one file as `write_texts` does."""
    write_texts({path: text})


def number(token: str) -> float:
    """A finite number of at most `LIMIT`; raises `ValueError` naming the token and what was expected."""
    try:
        value = float(token)
    except ValueError:
        value = math.nan
    if not abs(value) <= LIMIT:
        raise ValueError(f"found {token[:MAX_QUOTED]!r}, expected a number within ±{LIMIT:g}")
    return value


def whole(token: str, low: int, high: int) -> int:
    """A whole number from low to high; raises `ValueError` naming the token and what was expected."""
    try:
        value = int(token)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise ValueError(f"found {token[:MAX_QUOTED]!r}, expected a whole number from {low} to {high}")
    return value


def decimal(value: float) -> str:
    """The shortest digits that read back as the same float64, without an exponent (some parsers accept none)."""
    text = repr(float(value))
    return np.format_float_positional(value, trim="0") if "e" in text else text


def hint(name: str, known: Sequence[str]) -> str:
    """`did_you_mean`, or an empty string if there are more than `MAX_HINT_NAMES` names."""
    return did_you_mean(name, known) if len(known) <= MAX_HINT_NAMES else ""


def default_grid(canvas_um: tuple[float, float]) -> tuple[int, int]:
    """Rows and columns of a grid of about square cells, for a file that has no grid.

    It has `DEFAULT_GRID_ROWS` rows, or fewer if there were more than `MAX_DEFAULT_GRID` columns.
    """
    rows = max(1, min(DEFAULT_GRID_ROWS, round(MAX_DEFAULT_GRID * canvas_um[1] / canvas_um[0])))
    return rows, max(1, min(MAX_DEFAULT_GRID, round(rows * canvas_um[0] / canvas_um[1])))


def rotated_notes(file: str, kind: npt.NDArray[np.int8], orientation: npt.NDArray[np.int8]) -> list[str]:
    """A note on the hard macros of a file that are rotated by 90 degrees, if there are any.

    `kind` and `orientation` are those of the nodes [V].
    """
    count = int(np.isin(orientation[kind == Kind.HARD], ROTATED).sum())
    if not count:
        return []
    return [
        f"{file}: {count:,} hard macro{'' if count == 1 else 's'} rotated by 90 degrees: width and height are used as "
        "they are, only pins are rotated, as in the reference evaluator"
    ]


def build_placement(
    netlist: Netlist, path: Path, node: Ints, line: Ints, center_um: Floats, orientation: npt.NDArray[np.int8]
) -> Placement:
    """The placement in a file of K lines: line number line[k] places node[k] at center_um[k] ([K, 2], in µm).

    Fixed nodes keep their position in the netlist.  Raises `PlacementError` if the file places one elsewhere, by more
    than `SNAP_UM`, or lacks a movable node.
    """
    n = netlist
    moved = n.fixed[node] & (np.abs(center_um - n.position_um[node]) > SNAP_UM).any(axis=1)
    if moved.any():
        k = int(np.flatnonzero(moved)[0])
        name, center, expected = n.node_names[node[k]], center_um[k], n.position_um[node[k]]
        message = (
            f"fixed node {name!r} has its center at {center[0]:g} {center[1]:g} µm, "
            f"expected {expected[0]:g} {expected[1]:g} as in the netlist"
        )
        raise PlacementError(at(path, int(line[k]), message))
    has_position = n.fixed.copy()
    has_position[node] = True
    if not has_position.all():
        missing = np.flatnonzero(~has_position)
        last = int(line[-1]) if len(line) else None
        message = (
            f"no line for {missing.size} of {n.num_nodes} nodes, the first is {n.node_names[missing[0]]!r}; "
            "expected every movable node: is this a placement of another netlist?"
        )
        raise PlacementError(at(path, last, message))
    position_um, orientations = n.position_um.copy(), n.orientation.copy()
    movable = ~n.fixed[node]
    position_um[node[movable]] = center_um[movable]
    orientations[node[movable]] = orientation[movable]
    return Placement(n, position_um, orientations)
