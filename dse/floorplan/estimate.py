"""Lengths of wires fitted to placed designs: the model of `dse.model.wires.WireModel`.

Slopes are held back by a ridge, as they can hardly be told apart if designs differ little: those of the sizes, which
explain most, less than those of the bits per cycle of DRAM and of the parameters, which tell what sizes do not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dse.floorplan.loop import ClosedLoop
from dse.floorplan.naive import make_machine
from dse.model.cost import Machine
from dse.model.wires import LONGEST, TRAFFIC, Traffic, WireModel, Wires, describe_sizes
from dse.templates.base import Floats
from netlists.errors import SettingsError

RIDGE = 0.03  # weight of the squares of the slopes of sizes, beside the sum of squared errors
OTHER_RIDGE = 2.0  # the same of all others
SIZES = 4  # features that are sizes; they follow the first, which is 1
FEWEST = 5  # designs to fit
FOLDS = 5  # of a cross-validation


def fit_wires(loops: Sequence[ClosedLoop]) -> WireModel:
    """Fit the model to placed designs of one template.

    Raises `SettingsError` for too few designs, or for several templates.
    """
    templates = {loop.design.template for loop in loops}
    if len(loops) < FEWEST or len(templates) != 1:
        raise SettingsError(
            f"{len(loops)} designs of {len(templates)} templates; expected at least {FEWEST} of one to fit their wires"
        )
    sizes = np.concatenate([_describe(make_machine(loop.design)) for loop in loops])
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


def _describe(machine: Machine) -> Floats:
    """The features [S, LONGEST + 1, F] of the designs of a machine."""
    return describe_sizes(machine.template, machine.technology, machine.hardware, machine.designs, machine.area_mm2)


def estimate(model: WireModel, machine: Machine) -> Wires:
    """The wires of S designs by a model; raises `SettingsError` for designs of another template."""
    if machine.template.name != model.template:
        raise SettingsError(f"wires were fitted to {model.template}; expected its designs, not {machine.template.name}")
    return model.estimate(machine.technology, machine.hardware, machine.designs, machine.area_mm2)


def _fit(features: Floats, values: Floats) -> Floats:
    """Coefficients [F] of values [S] in features [S, F], the first of which is 1 and takes no part in the ridge."""
    center = features[:, 1:].mean(axis=0)
    spread = features[:, 1:] - center
    ridge = np.where(np.arange(spread.shape[1]) < SIZES, RIDGE, OTHER_RIDGE)
    slopes = np.linalg.solve(spread.T @ spread + np.diag(ridge), spread.T @ (values - values.mean()))
    return np.concatenate([[values.mean() - center @ slopes], slopes])


def cross_validate(loops: Sequence[ClosedLoop], folds: int = FOLDS) -> list[Wires]:
    """The wires of each design, estimated by a model that was fitted to the designs of the other folds.

    Design k is in fold k modulo `folds`.  Raises `SettingsError` as `fit_wires` does.
    """
    models = [fit_wires([loop for j, loop in enumerate(loops) if j % folds != k]) for k in range(folds)]
    return [estimate(models[k % folds], make_machine(loop.design)) for k, loop in enumerate(loops)]


def wire_energy_mj(loop: ClosedLoop, wires: Wires) -> Floats:
    """[TRAFFIC] energy in mJ of the wires alone, without the FIFOs of hops, that a design would have with `wires`."""
    pj_mm = make_machine(loop.design).technology.wire_pj_mm
    return np.asarray((loop.after.bits * wires.mean_mm[0]).sum(axis=1) * pj_mm * 1e-9)
