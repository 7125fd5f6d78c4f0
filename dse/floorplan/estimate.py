"""Wires before there is a placement: the lengths of plain evaluation, and lengths fitted to placed designs.

The fitted model says that the logarithm of the mean length of each class and operand, and of the longest wire of each
class, is linear in the logarithms of four lengths of a design: the side of a square chip, of its array, of the SRAMs of
the operand (of all SRAMs, for the longest wire), and of one bank of it.  So it is a product of powers, with its own
exponents for each class and operand of a template.  Slopes are held back by a ridge, as they can hardly be told apart
if designs differ little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dse.floorplan.loop import ClosedLoop
from dse.floorplan.naive import estimate_wires, make_machine
from dse.model.cost import Machine
from dse.model.technology import SRAM_OVER_CELLS, element_um2
from dse.model.wires import TRAFFIC, Traffic, Wires
from dse.templates.base import Floats
from netlists.errors import SettingsError

RIDGE = 0.1  # weight of the squares of the slopes, beside the sum of squared errors
LONGEST = 3  # column of the coefficients for the longest wire, after those of the means of the operands
FEWEST = 5  # designs to fit
FOLDS = 5  # of a cross-validation


def describe_sizes(machine: Machine) -> Floats:
    """What lengths follow from [S, LONGEST + 1, 5], for each operand and for all: 1, and logarithms of mm."""
    hardware, cell_um2 = machine.hardware, machine.technology.cell_um2
    element = element_um2(machine.technology, hardware, machine.designs)
    array_mm = np.sqrt(hardware.elements * element) / 1e3
    memory = np.concatenate([hardware.buffer_bytes, hardware.buffer_bytes.sum(axis=1, keepdims=True)], axis=1)
    banks = np.concatenate([hardware.buffer_banks, hardware.buffer_banks.sum(axis=1, keepdims=True)], axis=1)
    memory_mm = np.sqrt(8 * np.maximum(memory, 1.0) * cell_um2 * SRAM_OVER_CELLS) / 1e3
    sizes = np.ones((len(element), LONGEST + 1, 5))
    sizes[..., 1] = np.sqrt(machine.area_mm2)[:, None]
    sizes[..., 2] = array_mm[:, None]
    sizes[..., 3] = memory_mm
    sizes[..., 4] = memory_mm / np.sqrt(np.maximum(banks, 1.0))
    sizes[..., 1:] = np.log(sizes[..., 1:])
    return sizes


@dataclass(frozen=True, eq=False)
class WireModel:
    """A fitted model of the wires of one template."""

    template: str
    coefficients: Floats  # [TRAFFIC, LONGEST + 1, 5]; nan if there are no such wires

    def estimate(self, machine: Machine) -> Wires:
        """The wires of S designs; raises `SettingsError` for designs of another template."""
        if machine.template.name != self.template:
            raise SettingsError(
                f"wires were fitted to {self.template}; expected its designs, not {machine.template.name}"
            )
        length = np.exp(np.einsum("sxf,cxf->scx", describe_sizes(machine), self.coefficients))
        length = np.nan_to_num(length)
        plain = estimate_wires(machine)
        hops = length[:, Traffic.ARRAY]
        length[:, Traffic.ARRAY] = np.where(hops > 0, np.maximum(hops, plain.pitch_mm[:, None]), 0.0)
        return replace(plain, mean_mm=length[..., :LONGEST], longest_mm=length[..., LONGEST])


def fit_wires(loops: Sequence[ClosedLoop]) -> WireModel:
    """Fit the model to placed designs of one template.

    Raises `SettingsError` for too few designs, or for several templates.
    """
    templates = {loop.design.template for loop in loops}
    if len(loops) < FEWEST or len(templates) != 1:
        raise SettingsError(
            f"{len(loops)} designs of {len(templates)} templates; expected at least {FEWEST} of one to fit their wires"
        )
    sizes = np.concatenate([describe_sizes(make_machine(loop.design)) for loop in loops])
    wires = [loop.after.wires for loop in loops]
    lengths = np.concatenate(
        [np.concatenate([each.mean_mm, each.longest_mm[..., None]], axis=2) for each in wires]
    )  # [S, TRAFFIC, LONGEST + 1]
    coefficients = np.full((TRAFFIC, LONGEST + 1, sizes.shape[2]), np.nan)
    for each in Traffic:
        for x in range(LONGEST + 1):
            if (lengths[:, each, x] > 0).all():
                coefficients[each, x] = _fit(sizes[:, x], np.log(lengths[:, each, x]))
    return WireModel(templates.pop(), coefficients)


def _fit(features: Floats, values: Floats) -> Floats:
    """Coefficients [F] of values [S] in features [S, F], the first of which is 1 and takes no part in the ridge."""
    center = features[:, 1:].mean(axis=0)
    spread = features[:, 1:] - center
    slopes = np.linalg.solve(spread.T @ spread + RIDGE * np.eye(spread.shape[1]), spread.T @ (values - values.mean()))
    return np.concatenate([[values.mean() - center @ slopes], slopes])


def cross_validate(loops: Sequence[ClosedLoop], folds: int = FOLDS) -> list[Wires]:
    """The wires of each design, estimated by a model that was fitted to the designs of the other folds.

    Design k is in fold k modulo `folds`.  Raises `SettingsError` as `fit_wires` does.
    """
    estimates = []
    for k, loop in enumerate(loops):
        others = [other for j, other in enumerate(loops) if j % folds != k % folds]
        estimates.append(fit_wires(others).estimate(make_machine(loop.design)))
    return estimates


def wire_energy_mj(loop: ClosedLoop, wires: Wires) -> Floats:
    """[TRAFFIC] energy in mJ of the wires alone, without the FIFOs of hops, that a design would have with `wires`."""
    pj_mm = make_machine(loop.design).technology.wire_pj_mm
    return np.asarray((loop.after.bits * wires.mean_mm[0]).sum(axis=1) * pj_mm * 1e-9)
