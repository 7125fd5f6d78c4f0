"""Free fixed macros, as contest files often fix every macro although the macros are to be placed; or fix free ones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import translate

import numpy as np

from netlists.errors import SettingsError
from netlists.formats.textfile import hint
from netlists.netlist import Bools, Kind, Netlist


def unfix(netlist: Netlist, globs: Sequence[str]) -> Netlist:
    """The netlist with the fixed nodes whose names match one of the shell globs made movable, and a note on it.

    Only macros and cells with an area are freed, never ports.  They keep their kind, and their position becomes a
    suggestion.  A glob is also taken as a plain name, so that `ram[3]` frees `ram[3]`.  Raises `SettingsError` for a
    glob that frees nothing, and `NetlistError` if a freed macro is larger than the canvas.
    """
    if not globs:
        return netlist
    n = netlist
    freeable = n.fixed & (n.kind != Kind.PORT) & (n.size_um > 0).all(axis=1)
    freed = np.zeros(n.num_nodes, dtype=bool)
    stay = np.zeros(n.num_nodes, dtype=bool)
    for glob in globs:
        named = _named(n.node_names, glob)
        if not (named & freeable).any():
            raise _frees_nothing(n, glob, named, freeable)
        freed |= named & freeable
        stay |= named & n.fixed & ~freeable
    note = f"{int(freed.sum())} of {int(n.fixed[n.kind != Kind.PORT].sum())} fixed nodes are freed"
    note += f" ({', '.join(globs)})"
    if stay.any():
        note += f"; {int(stay.sum())} ports that match stay fixed"
    return n.with_(fixed=n.fixed & ~freed, notes=(*n.notes, note))


def fix(netlist: Netlist, globs: Sequence[str]) -> Netlist:
    """The netlist with the hard macros whose names match one of the shell globs fixed where they are.

    Raises `SettingsError` for a glob that matches no hard macro, or one without a position.
    """
    if not globs:
        return netlist
    n, hard = netlist, netlist.kind == Kind.HARD
    fixed = n.fixed.copy()
    for glob in globs:
        named = _named(n.node_names, glob) & hard
        lost = np.flatnonzero(named & ~np.isfinite(n.position_um).all(axis=1))
        if not named.any():
            known = [n.node_names[v] for v in np.flatnonzero(hard).tolist()]
            raise SettingsError(f"fix {glob!r} matches no hard macro; expected one of {len(known)}{hint(glob, known)}")
        if lost.size:
            raise SettingsError(
                f"fix {glob!r} matches {n.node_names[lost[0]]!r}, which has no position in the input; expected macros "
                "that have one"
            )
        fixed |= named
    return n.with_(fixed=fixed)


def _named(names: Sequence[str], glob: str) -> Bools:
    """[V] whether each name matches a glob."""
    match = re.compile(translate(glob)).match
    return np.array([name == glob or match(name) is not None for name in names], dtype=bool)


def _frees_nothing(n: Netlist, glob: str, named: Bools, freeable: Bools) -> SettingsError:
    """The error for a glob that matches no node that can be freed."""
    if named.any():
        ports, movable = int((named & (n.kind == Kind.PORT)).sum()), int((named & ~n.fixed).sum())
        matches = f"matches {ports} ports and {movable} movable nodes, but no fixed macro"
        count = int(freeable.sum())
        return SettingsError(f"unfix {glob!r} {matches}; expected a glob of fixed macros (there are {count})")
    known = [n.node_names[v] for v in np.flatnonzero(freeable).tolist()]
    expected = f"expected a glob of fixed macros, of which {n.name} has {len(known)}"
    return SettingsError(f"unfix {glob!r} matches no node; {expected}{hint(glob, known)}")
