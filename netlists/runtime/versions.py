"""Versions of the programs that a result depends on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

PROGRAMS = ("chipscape", "torch", "numba", "numpy", "mtkahypar")
"""Distributions whose versions are written beside results."""


def read_versions() -> dict[str, str]:
    """The versions of Python and of those PROGRAMS that are installed, by name."""
    versions = {"Python": platform.python_version()}
    for name in PROGRAMS:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
