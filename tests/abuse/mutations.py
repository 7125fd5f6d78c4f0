"""Mutations of files: what a disk, an editor or somebody with bad intentions may do to them."""

from __future__ import annotations

import copy
import json
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

NUMBERS = (
    "0", "-1", "1", "-0", "0.5", "1e-320", "1e308", "-1e308", "1e999", "nan", "inf", "-inf", "2147483648", "4294967296",
    "9223372036854775807", "9223372036854775808", "-9223372036854775809", "1e18", "9" * 400, "9" * 5000, "0x10", "1_0",
    "٣", "1000001",
)  # fmt: skip
"""Numbers as texts: at the limits of types, out of range, and what Python takes for a number."""
TEXTS = (
    "", " ", "\x1b[31mred\x1b[0m", "\x00", "[bold]x[/bold]", "[/]", "a\nb", "\u202e", "<script>alert(1)</script>",
    "../../etc/passwd", "x" * 10_000, "$\\frac{", "'\"`", "%s{0}", "ⅷ",
)  # fmt: skip
"""Texts that escape from where they are printed."""
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63, -(2**63), 10**30, 0.5, -0.0, 1e308, -1e308, float("inf"),
    float("nan"), "", "x", [], {}, [[]], [None], {"": None}, [1, 2, 3], *TEXTS,
)  # fmt: skip
"""Values of JSON."""

Mutation = Callable[[Path, random.Random], None]


def mutate_text(file: Path, rng: random.Random) -> None:
    """One to three edits of a text: numbers, words and lines replaced, doubled, left out; or of its bytes."""
    data = file.read_bytes()
    for _ in range(rng.randint(1, 3)):
        data = rng.choice((_edit_words, _edit_words, _edit_lines, _edit_bytes))(data, rng)
    file.write_bytes(data)


def _edit_words(data: bytes, rng: random.Random) -> bytes:
    lines = data.split(b"\n")
    number = rng.randrange(len(lines))
    words = lines[number].split(b" ")
    place = rng.randrange(len(words))
    new = rng.choice((*NUMBERS, *NUMBERS, *TEXTS)).encode()
    old = words[place]
    words[place] = new if rng.random() < 0.8 else old + new
    lines[number] = b" ".join(words)
    return b"\n".join(lines)


def _edit_lines(data: bytes, rng: random.Random) -> bytes:
    lines = data.split(b"\n")
    first = rng.randrange(len(lines))
    last = min(len(lines), first + rng.randint(1, 4))
    block = lines[first:last]
    kind = rng.randrange(4)
    if kind == 0:
        del lines[first:last]
    elif kind == 1:
        lines[first:first] = block
    elif kind == 2:
        place = rng.randrange(len(lines))
        lines[place:place] = block
    else:
        del lines[first:]
    return b"\n".join(lines)


def _edit_bytes(data: bytes, rng: random.Random) -> bytes:
    if not data:
        return b"\xff"
    place = rng.randrange(len(data))
    kind = rng.randrange(4)
    if kind == 0:
        return data[:place] + bytes([rng.randrange(256)]) + data[place + 1 :]
    if kind == 1:
        return data[:place] + rng.randbytes(rng.randint(1, 8)) + data[place:]
    if kind == 2:
        return data[:place] + data[place + rng.randint(1, 40) :]
    return data[:place]


def mutate_bytes(file: Path, rng: random.Random) -> None:
    """One to four edits of bytes."""
    data = file.read_bytes()
    for _ in range(rng.randint(1, 4)):
        data = _edit_bytes(data, rng)
    file.write_bytes(data)


def mutate_json(file: Path, rng: random.Random) -> None:
    """One or two values of a JSON file replaced, renamed, nested or removed; now and then its bytes."""
    if rng.random() < 0.1:
        return mutate_text(file, rng)
    content = json.loads(file.read_text())
    for _ in range(rng.randint(1, 2)):
        content = edit_value(content, rng)
    file.write_text(json.dumps(content))
    return None


def edit_value(content: Any, rng: random.Random) -> Any:
    """JSON data with one value, at any depth, that is another one."""
    content = copy.deepcopy(content)
    places = list(_places(content, 0))
    if not places:
        return rng.choice(VALUES)
    holder, key = rng.choice(places)
    kind = rng.randrange(8)
    if kind == 0:
        del holder[key]
    elif kind == 1:
        holder[key] = [holder[key]]
    elif kind == 2 and isinstance(holder, dict):
        holder[rng.choice(TEXTS)] = holder.pop(key)
    else:
        holder[key] = copy.deepcopy(rng.choice(VALUES))
    return content


def _places(content: Any, depth: int) -> Any:
    """Every holder and key of nested data; only the first entries of long lists."""
    if isinstance(content, dict):
        keys: list[Any] = list(content)
    elif isinstance(content, list):
        keys = list(range(min(len(content), 3)))
    else:
        return
    for key in keys:
        yield content, key
        yield from _places(content[key], depth + 1)


def mutate_database(file: Path, rng: random.Random) -> None:
    """One or two values or rows of an SQLite database changed; now and then its bytes."""
    if rng.random() < 0.1:
        return mutate_bytes(file, rng)
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for _ in range(rng.randint(1, 2)):
            table = rng.choice([*tables, "meta", "designs"])
            columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
            rows = [row for (row,) in db.execute(f"SELECT rowid FROM {table}")]
            if not rows:
                continue
            row, column = rng.choice(rows), rng.choice(columns)
            (old,) = db.execute(f'SELECT "{column}" FROM {table} WHERE rowid = {row}').fetchone()
            try:
                if rng.random() < 0.1:
                    db.execute(f"DELETE FROM {table} WHERE rowid = {row}")
                else:
                    db.execute(f'UPDATE {table} SET "{column}" = ? WHERE rowid = {row}', (_stored(old, rng),))
            except (sqlite3.Error, OverflowError):  # a constraint keeps the old value
                continue
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return None


def _stored(old: Any, rng: random.Random) -> Any:
    if isinstance(old, str) and rng.random() < 0.6:
        try:
            return json.dumps(edit_value(json.loads(old), rng))
        except ValueError:
            lines = old.split("\n")
            place = rng.randrange(len(lines))
            lines[place] = rng.choice(
                (lines[place].partition(":")[0] + ": " + rng.choice(NUMBERS), "", rng.choice(TEXTS))
            )
            return "\n".join(lines)
    if isinstance(old, bytes) and rng.random() < 0.6:
        return rng.choice((old[:-3], old[:-8], old + old, b"", b"\xff" * len(old), b"\x00" * len(old)))
    plain = [value for value in VALUES if isinstance(value, None | bool | float | str | int)]
    return rng.choice([*plain, b"", b"\xff\xfe", "9" * 5000])


def mutate_tensors(file: Path, rng: random.Random) -> None:
    """A tensor of a safetensors file replaced, removed or renamed, its header changed; now and then its bytes."""
    if rng.random() < 0.15:
        return mutate_bytes(file, rng)
    tensors = load_file(file)
    with safe_open(file, framework="pt") as opened:
        header = dict(opened.metadata() or {})
    name = rng.choice(sorted(tensors))
    old = tensors[name]
    if header and rng.random() < 0.3:
        header["policy"] = json.dumps(edit_value(json.loads(header["policy"]), rng))
    elif rng.random() < 0.2:
        del tensors[name]
    else:
        changes: list[Callable[[], torch.Tensor]] = [
            lambda: old.reshape(-1)[:0], lambda: old.to(torch.float64), lambda: old.to(torch.int64),
            lambda: torch.full_like(old, 255 if old.dtype == torch.uint8 else -1),
            lambda: torch.full_like(old, 2**62 if old.dtype == torch.int64 else 0),
            lambda: old[None], lambda: torch.full(old.shape, float("nan")), lambda: torch.full(old.shape, float("inf")),
            lambda: torch.full(old.shape, 1e30), lambda: torch.cat([old.reshape(-1), old.reshape(-1)]),
        ]  # fmt: skip
        tensors[name] = rng.choice(changes)().clone().contiguous()
    if rng.random() < 0.1:
        tensors[rng.choice(TEXTS)] = old.clone()
    save_file(tensors, file, header or None)
    return None
