"""Short labels for long hierarchical names: the parts that distinguish a name from the others."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

SEPARATOR = re.compile(r"[/.]")
"""What separates the parts of a name."""

INDEXED = re.compile(r"(?P<stem>.+?)(?:\[(?P<bracketed>\d+)\]|_(?P<plain>\d+)_?)")
"""A part that ends with an index: `bank[3]`, `bank_3` or `bank_3_`."""

Path = tuple[str, ...]


def short_labels(names: Sequence[str]) -> list[str]:
    """A label for each name; different names have different labels.

    Parts are separated by `/` or `.`.  If the last part of a name is unique, it is the label.  Otherwise the label
    consists of the parts, from the first to the last, in which the name differs from others with the same beginning.
    A part that differs from theirs only in its index is reduced to the index: `icache/bank[1].data/mem[3].ram` becomes
    `icache[1]/data[3]` among names of the same form.
    """
    paths = [tuple(SEPARATOR.split(name)) for name in names]
    last = Counter(path[-1] for path in paths)
    nexts: defaultdict[Path, set[str]] = defaultdict(set)  # the parts that follow each beginning
    for path in paths:
        for k, part in enumerate((*path, "")):
            nexts[path[:k]].add(part)
    stems = {beginning: _stem(parts) for beginning, parts in nexts.items() if len(parts) > 1}
    labels = [path[-1] if last[path[-1]] == 1 else _label(path, stems) for path in paths]
    times = Counter(labels)
    shortened = [label if times[label] == 1 else name for label, name in zip(labels, names, strict=True)]
    return shortened if len(set(shortened)) == len(set(names)) else list(names)


def _stem(parts: set[str]) -> str:
    """The common stem of parts that differ only in their index; empty for others."""
    stems = {match["stem"] if (match := INDEXED.fullmatch(part)) else "" for part in parts}
    return stems.pop() if len(stems) == 1 else ""


def _label(path: Path, stems: dict[Path, str]) -> str:
    """The parts of a name in which names with the same beginning differ, joined."""
    label = ""
    for k, part in enumerate(path):
        if path[:k] not in stems:
            continue
        match = INDEXED.fullmatch(part) if label and stems[path[:k]] else None
        label += f"[{match['bracketed'] or match['plain']}]" if match else f"/{part}" if label else part
    return label or path[-1]
