"""Observations agree with their definitions at any step of any episode."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from netlists import load
from netlists.netlist import Netlist
from placer.environment.env import EpisodeBatch, Observation
from placer.environment.features import MAP_NAMES, SCALAR_NAMES
from tests.netlists.chips import chips
from tests.placer.cost import slow_cost
from tests.placer.environment.slow_features import Seen


def at_step(netlist: Netlist, step: int, seed: int) -> tuple[EpisodeBatch, Observation]:
    """An episode that has reached a step by random actions."""
    random = np.random.default_rng(seed)
    episodes = EpisodeBatch(netlist, 1, threads=1)
    observation: Observation | None = episodes.reset()
    for _ in range(step):
        assert observation is not None
        observation, _ = episodes.step(random.choice(np.flatnonzero(observation.mask[0]), 1))
    assert observation is not None
    return episodes, observation


def assert_observed(netlist: Netlist, step: int, seed: int) -> None:
    episodes, observation = at_step(netlist, step, seed)
    seen = Seen(episodes, observation.mask[0].reshape(netlist.grid))
    maps = seen.maps()
    assert set(maps) == set(MAP_NAMES)
    for name, actual in zip(MAP_NAMES, observation.maps[0], strict=True):
        np.testing.assert_allclose(actual, maps[name], rtol=1e-5, atol=1e-5, err_msg=name)
    scalars = dict(zip(SCALAR_NAMES, observation.scalars[0].tolist(), strict=True))
    column, row = scalars.pop("pull_x") * netlist.grid[1], scalars.pop("pull_y") * netlist.grid[0]
    assert scalars == pytest.approx(seen.scalars(), rel=1e-5, abs=1e-5)
    assert maps["wire_all"][round(row), round(column)] < 1e-6
    assert episodes.state.estimate[0] == pytest.approx(slow_cost.wirelength(seen.placement), rel=1e-9)


@settings(deadline=None, max_examples=60)
@given(
    chips(soft_offsets=True), st.sampled_from([(1, 1), (1, 5), (4, 1), (5, 7), (8, 6)]), st.floats(0, 0.999),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_an_observation_agrees_with_its_definition(
    netlist: Netlist, grid: tuple[int, int], fraction: float, seed: int
) -> None:
    steps = len(netlist.movable_hard)
    assume(steps > 0)
    # Without rows: those of a random chip leave no room for macros (those of `test_bare_canvas` do).
    assert_observed(netlist.with_(grid=grid, rows=None), int(fraction * steps), seed)


def test_macros_without_area_between_two_cells() -> None:
    """The only free places in some cells are then very near their right edges, beside a fixed macro."""
    n = load("jetty")
    fixed, size, position = n.fixed.copy(), n.size_um.copy(), n.position_um.copy()
    big = n.hard[0]
    fixed[big], size[n.hard] = True, 0.0
    size[big] = 3 * n.cell_um[0] - 2e-6 * max(n.canvas_um), 0.7 * n.canvas_um[1]
    position[big] = size[big] / 2
    assert_observed(n.with_(fixed=fixed, size_um=size, position_um=position), 0, 0)


@pytest.mark.parametrize("step", [0, 5, 11])
def test_an_observation_of_a_bundled_design_agrees_with_its_definition(step: int) -> None:
    assert_observed(load("jetty"), step, step)


def test_maps_of_a_real_sized_design_are_near_0_to_1() -> None:
    for step in (0, 70, 143):
        _, observation = at_step(load("harbor"), step, 0)
        assert (observation.maps >= 0).all()
        assert observation.maps.max() < 3
        assert (observation.scalars >= 0).all()
        assert observation.scalars.max() < 3
