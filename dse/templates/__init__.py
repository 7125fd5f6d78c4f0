"""Accelerator families, one a file; each module holds a `TEMPLATE`."""

from __future__ import annotations

from importlib import import_module

from dse.templates.base import Template
from netlists.errors import DesignError, did_you_mean

NAMES = ("tiled_fpga", "convolver_fpga", "systolic", "row_stationary", "adaptive", "spatial")


def template(name: str) -> Template:
    """The template of a name; raises `DesignError` with the nearest one."""
    if name not in NAMES:
        raise DesignError(
            f"template {name!r} is unknown{did_you_mean(name, NAMES)}; expected one of {', '.join(NAMES)}"
        )
    found: Template = import_module(f"dse.templates.{name}").TEMPLATE
    return found
