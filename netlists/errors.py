"""The error classes: every error that Chipscape raises on purpose is a `ChipscapeError`.

    ChipscapeError
    ├── NetlistError         a netlist file or the arrays of a netlist are wrong
    ├── PlacementError       a placement does not fit its netlist
    │   └── LegalizationError    no legal placement was found
    ├── SettingsError        an option is out of range, or two options contradict each other
    ├── CheckpointError      weights are missing or do not fit
    │   └── DivergedError        a policy or what it learns from is no longer finite
    └── DesignError          an accelerator design or design space is invalid

A command prints the message as `error: MESSAGE` and exits with 2.  Messages state what is wrong, what was expected and,
if it is not obvious, what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class ChipscapeError(Exception):
    """The base class of all errors that Chipscape raises on purpose."""


class NetlistError(ChipscapeError):
    """A netlist file or the arrays of a netlist are wrong."""


class PlacementError(ChipscapeError):
    """A placement does not fit its netlist."""


class LegalizationError(PlacementError):
    """No legal placement was found."""


class SettingsError(ChipscapeError):
    """An option is out of range, or two options contradict each other."""


class CheckpointError(ChipscapeError):
    """Weights are missing or do not fit."""


class DivergedError(CheckpointError):
    """A policy, or what it learns from, is no longer finite."""


class DesignError(ChipscapeError):
    """An accelerator design or a design space is invalid."""


def at(file: str | Path, line: int | None, message: str) -> str:
    """`FILE:LINE: message`, the form of every message about a file; lines are counted from 1."""
    return f"{file}:{line}: {message}" if line else f"{file}: {message}"


def first_line(error: BaseException) -> str:
    """The first line of the message of an exception, or its type if it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


MOST_CHARACTERS = 2_000
"""Characters of a line that are printed; the middle of a longer one is left out."""


def printable(text: str, most: int = MOST_CHARACTERS) -> str:
    """A text in one line that a terminal or a log shows as it is, of at most about `most` characters.

    Names come from files of others: characters that control a terminal, change the direction of writing, break lines or
    have no encoding are written as Python escapes them.
    """
    if len(text) > most:
        text = f"{text[: most * 2 // 3]} … {text[len(text) - most // 3 :]}"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


MAX_SEED = 2**31 - 1
"""The largest seed that all random number generators accept."""


def demand_seed(seed: int) -> None:
    """Raise `SettingsError` for a seed that some random number generator does not accept."""
    if not 0 <= seed <= MAX_SEED:
        raise SettingsError(f"seed is {seed}; expected 0 to {MAX_SEED}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the known name that is nearest to a name, or an empty string if none is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
