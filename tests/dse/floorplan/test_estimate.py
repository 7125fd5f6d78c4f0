"""Fitted wires: laws that are recovered, folds, and what cannot be fitted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dse.floorplan import close_loop
from dse.floorplan.estimate import FEWEST, cross_validate, estimate, fit_wires, wire_energy_mj
from dse.floorplan.loop import ClosedLoop
from dse.floorplan.naive import estimate_wires, make_machine
from dse.model.wires import TRAFFIC, Traffic, Wires
from dse.templates.base import INPUT, OUTPUT
from netlists.errors import SettingsError
from tests.dse.floorplan import NETWORK, make_design, place_in_rows

SIZES = ((8, 32), (8, 128), (12, 64), (16, 32), (16, 256), (24, 64), (24, 512), (32, 128), (32, 1024), (20, 96))
"""Rows and columns of an array, and KiB of each of its buffers."""


def loop_with(side: int, kb: float, law: float) -> ClosedLoop:
    """A systolic array whose wires are `law` sides of a square chip long, without an accumulator."""
    design = make_design("systolic", rows=side, columns=side, input_kb=kb, weight_kb=kb, output_kb=kb)
    loop = close_loop(design, place_in_rows, workload=[(NETWORK, 1.0)])
    length = law * float(np.sqrt(make_machine(design).area_mm2[0]))
    mean, longest = np.full((1, TRAFFIC, 3), length), np.full((1, TRAFFIC), 2 * length)
    mean[0, Traffic.ACCUMULATOR] = 0.0
    return replace(loop, after=replace(loop.after, wires=Wires(mean, longest, loop.after.wires.pitch_mm)))


@pytest.fixture(scope="module")
def loops() -> list[ClosedLoop]:
    """Designs whose wires are as long as 0.4 sides of their chips."""
    return [loop_with(side, kb, 0.4) for side, kb in SIZES]


def test_a_power_law_is_recovered(loops: list[ClosedLoop]) -> None:
    design = make_design("systolic", rows=28, columns=28, input_kb=192, weight_kb=192, output_kb=192)
    machine = make_machine(design)
    expected = 0.4 * float(np.sqrt(machine.area_mm2[0]))
    wires = estimate(fit_wires(loops), machine)
    assert wires.mean_mm[0, Traffic.BUFFER, INPUT] == pytest.approx(expected, rel=0.05)
    assert wires.mean_mm[0, Traffic.DRAM, OUTPUT] == pytest.approx(expected, rel=0.05)
    assert wires.longest_mm[0, Traffic.DRAM] == pytest.approx(2 * expected, rel=0.05)
    assert not wires.mean_mm[0, Traffic.ACCUMULATOR].any()  # there were no such wires
    assert wires.pitch_mm[0] == estimate_wires(machine).pitch_mm[0]


def test_each_design_is_predicted_by_the_others(loops: list[ClosedLoop]) -> None:
    odd = loop_with(*SIZES[-1], law=4.0)
    wrong = [*loops[:-1], odd]
    estimates = cross_validate(wrong, folds=len(wrong))
    truth = 0.4 * float(np.sqrt(make_machine(odd.design).area_mm2[0]))
    assert estimates[-1].mean_mm[0, Traffic.BUFFER, INPUT] == pytest.approx(truth, rel=0.05)  # it does not know itself
    first = estimate(fit_wires(wrong[1:]), make_machine(wrong[0].design))
    assert np.array_equal(estimates[0].mean_mm, first.mean_mm)
    halves = cross_validate(wrong, folds=2)
    last = estimate(fit_wires(wrong[0::2]), make_machine(odd.design))
    assert np.array_equal(halves[-1].mean_mm, last.mean_mm)


def test_energy_of_wires_alone(loops: list[ClosedLoop]) -> None:
    loop = loops[0]
    energy = wire_energy_mj(loop, loop.after.wires)
    bits = loop.after.bits[Traffic.DRAM].sum()
    assert energy[Traffic.DRAM] == pytest.approx(bits * loop.after.wires.mean_mm[0, Traffic.DRAM, 0] * 0.12e-9)
    assert energy[Traffic.ACCUMULATOR] == 0


def test_hops_are_at_least_a_pitch(loops: list[ClosedLoop]) -> None:
    short = []
    for each in loops:
        wires = replace(each.after.wires, mean_mm=each.after.wires.mean_mm / 1e4)
        short.append(replace(each, after=replace(each.after, wires=wires)))
    machine = make_machine(loops[0].design)
    assert (estimate(fit_wires(short), machine).mean_mm[0, Traffic.ARRAY] == estimate_wires(machine).pitch_mm[0]).all()


def test_what_cannot_be_fitted(loops: list[ClosedLoop]) -> None:
    with pytest.raises(SettingsError, match=f"expected at least {FEWEST} of one"):
        fit_wires(loops[: FEWEST - 1])
    other = close_loop(make_design("spatial"), place_in_rows, workload=[(NETWORK, 1.0)])
    with pytest.raises(SettingsError, match="of 2 templates"):
        fit_wires([*loops, other])
    with pytest.raises(SettingsError, match="wires were fitted to systolic"):
        estimate(fit_wires(loops), make_machine(make_design("spatial")))
