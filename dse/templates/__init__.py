"""Accelerator families: each module holds one `TEMPLATE`, which counts the activity of designs on layers.

`families` is the table of them, `base` the interface, `strips` and `fabric` what several share.  Imports
`dse.workloads.layers` and the kernels' decorator.  Begin with `base`, then read `spatial`, the simplest family.
"""

from __future__ import annotations

from importlib import import_module

from dse.templates.base import Template
from dse.templates.families import FAMILIES
from netlists.errors import DesignError, did_you_mean

NAMES = tuple(FAMILIES)


def template(name: str) -> Template:
    """The template of that name; raises `DesignError` with the nearest name if there is none."""
    if name not in NAMES:
        raise DesignError(
            f"template {name!r} is unknown{did_you_mean(name, NAMES)}; expected one of {', '.join(NAMES)}"
        )
    family: Template = import_module(f"dse.templates.{name}").TEMPLATE
    return family
