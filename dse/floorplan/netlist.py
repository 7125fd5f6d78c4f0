"""The netlist of a design: what a placer works on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from dse.floorplan.arrays import build_chip
from dse.floorplan.chip import Chip
from dse.floorplan.settings import FloorplanSettings
from dse.model.custom_parts import find_technology
from dse.model.design import Design
from dse.templates import template
from netlists.errors import DesignError
from netlists.netlist import Netlist


def plan_chip(design: Design, settings: FloorplanSettings) -> Chip:
    """The nodes and nets of a design; raises `DesignError` for a design that is not valid or not an ASIC."""
    family = template(design.template)
    if design.technology is None:
        raise DesignError(f"template {family.name} has no technology here; a floorplan needs an ASIC node")
    return build_chip(family.name, family, np.array([design.row()]), find_technology(design.technology), settings.level)


def to_netlist(design: Design, settings: FloorplanSettings | None = None, **options: Any) -> Netlist:
    """The netlist of an ASIC design: its SRAMs as hard macros, its array in soft macros, ports on the boundary.

    Nets are buses, and the weight of a net is the number of its bits.  The areas of the macros add up to that of the
    area model.  `options` are fields of `FloorplanSettings`; the same design and settings give the same netlist.
    Raises `DesignError` for a design that is not valid or not an ASIC, `SettingsError` for a bad option.
    """
    settings = replace(settings or FloorplanSettings(), **options)
    return plan_chip(design, settings).make_netlist(settings.utilization)
