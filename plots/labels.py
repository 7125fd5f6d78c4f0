"""Short labels for long hierarchical names: the parts that tell one name from the others."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

SEPARATOR = re.compile(r"[/.]")
INDEXED = re.compile(r"(?P<stem>.+?)(?:\[(?P<bracketed>\d+)\]|_(?P<plain>\d+)_?)")

Path = tuple[str, ...]


def short_labels(names: Sequence[str]) -> list[str]:
    """A label for each name, different for different names.

    A last part (between `/` or `.`) that no other name has is the label.  Else, read from its beginning, a name keeps
    the parts at which it leaves others that begin alike; a part in which they differ by the index alone becomes that
    index: `icache/bank[1].data/mem[3].ram` is `icache[1]/data[3]` among others of the kind.
    """
    paths = [tuple(SEPARATOR.split(name)) for name in names]
    last = Counter(path[-1] for path in paths)
    nexts: defaultdict[Path, set[str]] = defaultdict(set)  # beginning: the parts that follow it
    for path in paths:
        for k, part in enumerate((*path, "")):
            nexts[path[:k]].add(part)
    stems = {beginning: _stem(parts) for beginning, parts in nexts.items() if len(parts) > 1}
    labels = [path[-1] if last[path[-1]] == 1 else _label(path, stems) for path in paths]
    times = Counter(labels)
    shortened = [label if times[label] == 1 else name for label, name in zip(labels, names, strict=True)]
    return shortened if len(set(shortened)) == len(set(names)) else list(names)


def _stem(parts: set[str]) -> str:
    """What parts that differ in their index alone have in common; empty for others."""
    stems = {match["stem"] if (match := INDEXED.fullmatch(part)) else "" for part in parts}
    return stems.pop() if len(stems) == 1 else ""


def _label(path: Path, stems: dict[Path, str]) -> str:
    """The parts of a name at which others with the same beginning differ, joined."""
    label = ""
    for k, part in enumerate(path):
        if path[:k] not in stems:
            continue
        match = INDEXED.fullmatch(part) if label and stems[path[:k]] else None
        label += f"[{match['bracketed'] or match['plain']}]" if match else f"/{part}" if label else part
    return label or path[-1]
