"""The lengths with which plain evaluation prices wires: what it knows without a placement."""

from __future__ import annotations

import numpy as np

from dse.model.cost import Machine, build
from dse.model.custom_parts import find_technology
from dse.model.design import Design
from dse.model.technology import element_um2
from dse.model.wires import TRAFFIC, Traffic, Wires
from dse.templates import template


def make_machine(design: Design) -> Machine:
    """An ASIC design, ready for evaluation; raises `DesignError` if it is not valid or not an ASIC."""
    return build(template(design.template), np.array([design.row()]), find_technology(design.technology or ""))


def estimate_wires(machine: Machine) -> Wires:
    """The wires of S designs as `dse.model.technology` has them, by class.

    Half the side of a square chip outside of the array, the side of a square element for a hop inside.
    """
    half_mm = np.sqrt(machine.area_mm2) / 2
    pitch_mm = np.sqrt(element_um2(machine.technology, machine.hardware, machine.designs)) / 1e3
    longest = np.repeat(half_mm[:, None], TRAFFIC, axis=1)
    longest[:, Traffic.ARRAY] = pitch_mm
    return Wires(np.repeat(longest[:, :, None], 3, axis=2), longest, pitch_mm)
