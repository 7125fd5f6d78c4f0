"""The error family: everything Chipscape raises on purpose is a `ChipscapeError`.

    ChipscapeError
    ├── NetlistError         a netlist file or array that is not what it should be
    ├── PlacementError       a placement that does not fit its netlist
    │   └── LegalizationError    no legal placement was found
    ├── SettingsError        an option out of range or options that contradict each other
    ├── CheckpointError      weights that are missing or do not fit
    └── DesignError          an accelerator design or design space that makes no sense

A command prints the message as `error: MESSAGE` and exits with 2.  Messages say what was found, what was
expected and, where it is not obvious, what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class ChipscapeError(Exception):
    """Base of all errors that Chipscape raises on purpose."""


class NetlistError(ChipscapeError):
    """A netlist file, or the arrays of a netlist, break a rule."""


class PlacementError(ChipscapeError):
    """A placement does not fit its netlist."""


class LegalizationError(PlacementError):
    """No placement without overlap was found."""


class SettingsError(ChipscapeError):
    """An option is out of range, or two options contradict each other."""


class CheckpointError(ChipscapeError):
    """Weights are missing or do not fit the policy."""


class DesignError(ChipscapeError):
    """An accelerator design or a design space makes no sense."""


def at(file: str | Path, line: int | None, message: str) -> str:
    """`FILE:LINE: message`, the form of every complaint about a file (lines count from 1)."""
    return f"{file}:{line}: {message}" if line else f"{file}: {message}"


def first_line(error: BaseException) -> str:
    """The first line of an exception's message, or its type if it has none: for messages of one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


MAX_SEED = 2**31 - 1


def demand_seed(seed: int) -> None:
    """Raise `SettingsError` for a seed that some generator of random numbers does not take."""
    if not 0 <= seed <= MAX_SEED:
        raise SettingsError(f"seed is {seed}; expected 0 to {MAX_SEED}")


def did_you_mean(wanted: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest known name, or an empty string."""
    near = difflib.get_close_matches(wanted, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
