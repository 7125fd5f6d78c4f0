"""The placement of `known_optimum` compared with all others, by the exact proxy cost."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from netlists.placement import Placement
from netlists.synthetic.known_optimum import known_optimum
from placer.cost.proxy import ProxyCost


@pytest.mark.parametrize("seed", [0, 1])
def test_no_placement_on_grid_cells_is_as_good(seed: int) -> None:
    netlist, best = known_optimum(3, seed=seed)
    cost = ProxyCost(netlist)
    least = cost(best.position_um, best.orientation).proxy
    taken = set(map(tuple, netlist.position_um[netlist.hard[netlist.fixed[netlist.hard]]].tolist()))
    centers = (np.arange(netlist.grid[0]) + 0.5) * netlist.cell_um[0]
    cells = [cell for cell in itertools.product(centers.tolist(), repeat=2) if cell not in taken]
    position = best.position_um.copy()
    as_good = 0
    for places in itertools.permutations(cells, 3):
        position[netlist.movable_hard] = places
        proxy = cost(position, best.orientation).proxy
        assert proxy > least - 1e-12
        as_good += proxy < least + 0.01
    assert as_good == 1


@pytest.mark.parametrize("macros", [3, 4])
def test_no_legal_placement_off_the_grid_is_better(macros: int) -> None:
    netlist, best = known_optimum(macros)
    cost = ProxyCost(netlist)
    least = cost(best.position_um, best.orientation).proxy
    random = np.random.default_rng(0)
    room = np.array(netlist.canvas_um) - netlist.size_um[netlist.movable_hard] / 2
    for _ in range(3000):
        position = best.position_um.copy()
        step = random.normal(0, 10 ** random.uniform(-6, 2), (macros, 2))
        position[netlist.movable_hard] = np.clip(
            position[netlist.movable_hard] + step, netlist.size_um[netlist.movable_hard] / 2, room
        )
        if not Placement(netlist, position, best.orientation).violations():
            assert cost(position, best.orientation).proxy > least - 1e-12
