"""Lengths of wires: a chip whose nets are known, and placements of netlists of designs."""

from __future__ import annotations

import numpy as np
import pytest

from dse.floorplan import FloorplanSettings, to_netlist, wire_lengths
from dse.floorplan.arrays import BUILDERS
from dse.floorplan.chip import Chip, Pin, Range
from dse.floorplan.measurement import measure_wires
from dse.floorplan.sram import Sram
from dse.model.wires import Traffic
from dse.templates.base import INPUT, OUTPUT, WEIGHT
from netlists.errors import DesignError
from netlists.netlist import ORIENTATIONS, Floats
from netlists.placement import Placement
from tests.dse.floorplan import make_design, place_in_rows


def small_chip() -> Chip:
    """Two tiles of 2 × 2 elements with a side of 100 µm, and a square SRAM of 192.9 µm that feeds both."""
    chip = Chip("small", elements=8)
    chip.add_dram_ports(2)
    tiles = [chip.add_tile(f"tile_{k}", 100.0**2) for k in range(2)]
    memory = chip.add_memory("buffer", Sram(4096, 32, 0.127), 1)
    takers = [Range(tiles[0], 0, 1), Range(tiles[1], 1, 4)]
    chip.feed(memory, takers, 8, Traffic.BUFFER, INPUT)
    chip.connect("link", [Pin(tiles[0]), Pin(tiles[1])], 16, Traffic.ARRAY, WEIGHT, hops=2.0)
    chip.load(memory, INPUT)
    return chip


def place_small(chip: Chip, x_um: list[float], orientation: str = "N") -> Placement:
    """The tiles and the SRAM on one line, at 300 µm."""
    netlist = chip.make_netlist(utilization=0.1)
    position = np.where(netlist.fixed[:, None], netlist.position_um, 300.0)
    position[~netlist.fixed, 0] = x_um
    turned = netlist.orientation.copy()
    turned[netlist.hard] = ORIENTATIONS.index(orientation)
    return Placement(netlist, position, turned)


def test_lengths_of_a_small_chip() -> None:
    chip = small_chip()
    placement = place_small(chip, [100.0, 450.0, 250.0])
    side = float(placement.netlist.size_um[placement.netlist.hard[0], 0])
    # Two nets leave the bottom of the SRAM, their pins a fifth of its side to the left and right of its middle.
    near, far = 150 - 0.2 * side + side / 2, 200 - 0.2 * side + side / 2
    wires = measure_wires(chip, placement)
    assert wires.mean_mm[0, Traffic.BUFFER, INPUT] == pytest.approx((near + 3 * far) / 4 / 1e3, rel=1e-4)
    assert wires.longest_mm[0, Traffic.BUFFER] == pytest.approx(far / 1e3, rel=1e-4)
    assert wires.mean_mm[0, Traffic.ARRAY].tolist() == pytest.approx([0.05, 0.175, 0.05])  # others: within a tile
    assert wires.longest_mm[0, Traffic.ARRAY] == pytest.approx(0.3)  # one of the two is 0.05
    assert not wires.mean_mm[0, Traffic.ACCUMULATOR].any()


def test_a_turned_macro_has_its_pins_on_the_other_side() -> None:
    chip = small_chip()
    lower, upper = (
        wire_means(place_small(chip, [100.0, 400.0, 250.0], orientation), chip)[Traffic.DRAM, INPUT]
        for orientation in ("N", "S")
    )
    assert lower != upper


def wire_means(placement: Placement, chip: Chip) -> Floats:
    """[TRAFFIC, 3] mean lengths in mm."""
    return np.asarray(measure_wires(chip, placement).mean_mm[0])


def test_neighbors_are_never_nearer_than_their_pitch() -> None:
    chip = small_chip()
    assert wire_means(place_small(chip, [100.0, 110.0, 250.0]), chip)[Traffic.ARRAY, WEIGHT] == pytest.approx(0.05)


@pytest.mark.parametrize("template", BUILDERS)
def test_all_traffic_of_a_template_has_wires(template: str) -> None:
    design = make_design(template)
    wires = wire_lengths(design, place_in_rows(to_netlist(design), seed=1))
    mean = wires.mean_mm[0]
    for operand in (INPUT, WEIGHT, OUTPUT):
        assert mean[Traffic.ARRAY, operand] > 0
        assert mean[Traffic.DRAM, operand] > 0
    assert (mean[Traffic.BUFFER] > 0).tolist() == [True, True, False]
    assert (mean[Traffic.ACCUMULATOR] > 0).tolist() == [False, False, template != "spatial"]
    assert (wires.longest_mm[0] >= mean.max(axis=1) - 1e-12).all()


def test_the_mean_is_weighted_by_bits() -> None:
    design = make_design("systolic")
    placement = place_in_rows(to_netlist(design), seed=2)
    netlist, length = placement.netlist, placement.net_lengths_um() / 1e3
    mine = np.array([name.startswith("input_buffer/read") for name in netlist.net_names])
    expected = (length * netlist.net_weight)[mine].sum() / netlist.net_weight[mine].sum()
    assert wire_lengths(design, placement).mean_mm[0, Traffic.BUFFER, INPUT] == pytest.approx(expected)


def test_a_placement_of_another_netlist_is_refused() -> None:
    placement = place_in_rows(to_netlist(make_design("systolic")), seed=0)
    for design, settings in (
        (make_design("spatial"), FloorplanSettings()),
        (make_design("systolic", input_bits=8), FloorplanSettings()),
        (make_design("systolic"), FloorplanSettings("coarse")),
    ):
        with pytest.raises(DesignError, match="was it made with other settings"):
            wire_lengths(design, placement, settings)
