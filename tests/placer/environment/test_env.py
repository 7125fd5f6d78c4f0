"""Episodes: Gymnasium's interface, exact rewards, legal results, and no dependence on how episodes are batched."""

from __future__ import annotations

import time

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

from netlists import load
from netlists.errors import LegalizationError, SettingsError
from netlists.netlist import Floats, Ints, Kind, Netlist
from netlists.placement import Placement
from netlists.synthetic.generate import generate, random_case
from placer.cost import evaluate
from placer.environment.env import (
    FAILED,
    PATIENCE,
    EnvSettings,
    EpisodeBatch,
    MacroPlacementEnv,
    Observation,
    placing_order,
)
from placer.incumbent import Incumbent
from tests.placer.legalization.test_legalize import blocks, overlaps


def play(episodes: EpisodeBatch, seeds: list[int]) -> tuple[list[Observation], list[Ints], Floats]:
    """Play with random actions, with one seed per episode; returns observations, actions and rewards [T, B]."""
    randoms = [np.random.default_rng(seed) for seed in seeds]
    observation: Observation | None = episodes.reset()
    observations, actions, rewards = [], [], []
    while observation is not None:
        observations.append(observation)
        cells = [random.choice(np.flatnonzero(m)) for random, m in zip(randoms, observation.mask, strict=True)]
        actions.append(np.array(cells))
        observation, reward = episodes.step(actions[-1])
        rewards.append(reward)
    return observations, actions, np.array(rewards)


def test_gymnasium_accepts_the_environment() -> None:
    check_env(MacroPlacementEnv(load("jetty")), skip_render_check=True)


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_a_batch_equals_its_episodes_one_by_one(threads: int) -> None:
    netlist, seeds = load("jetty"), list(range(8))
    together = EpisodeBatch(netlist, 8, threads=threads)
    observations, _, rewards = play(together, seeds)
    for b, seed in enumerate(seeds):
        alone = EpisodeBatch(netlist, 1, threads=1)
        expected, _, reward = play(alone, [seed])
        for seen, other in zip(observations, expected, strict=True):
            np.testing.assert_array_equal(seen.maps[b], other.maps[0])
            np.testing.assert_array_equal(seen.scalars[b], other.scalars[0])
            np.testing.assert_array_equal(seen.mask[b], other.mask[0])
        np.testing.assert_array_equal(rewards[:, b], reward[:, 0])
        np.testing.assert_array_equal(together.placement(b).position_um, alone.placement(0).position_um)
        assert together.costs[b] == alone.costs[0]


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_parts_equal_the_whole_and_share_its_results(threads: int) -> None:
    netlist, seeds = load("jetty"), list(range(5))
    expected = EpisodeBatch(netlist, 5, threads=1)
    _, _, rewards = play(expected, seeds)
    whole = EpisodeBatch(netlist, 5, threads=threads)
    for first, last in ((3, 5), (0, 3)):
        _, _, reward = play(whole.part(first, last, threads), seeds[first:last])
        np.testing.assert_array_equal(reward, rewards[:, first:last])
    whole.tally()
    assert whole.costs == expected.costs
    assert whole.stuck.tolist() == expected.stuck.tolist()
    for b in range(5):
        np.testing.assert_array_equal(whole.placement(b).position_um, expected.placement(b).position_um)


def test_failures_of_parts_are_counted_together() -> None:
    crowded = EpisodeBatch(blocks([(5.1, 4.9)] * 3, (10.0, 10.0)), PATIENCE)
    for first in range(0, PATIENCE, PATIENCE // 2):
        play(crowded.part(first, first + PATIENCE // 2), list(range(PATIENCE // 2)))
    assert crowded.failed.all()
    with pytest.raises(LegalizationError, match="no legal placement found"):
        crowded.tally()


@pytest.mark.parametrize("shaping", [0.0, 1.0, 7.0])
def test_rewards_sum_to_minus_the_exact_proxy(shaping: float) -> None:
    episodes = EpisodeBatch(load("jetty"), 3, EnvSettings(shaping=shaping))
    _, _, rewards = play(episodes, [1, 2, 3])
    for b in range(3):
        assert episodes.costs[b] == evaluate(episodes.placement(b))
        assert rewards[:, b].sum() == pytest.approx(-episodes.costs[b].proxy, rel=1e-12)
    assert rewards[:-1].any() == (shaping > 0)


@pytest.mark.parametrize("seed", range(40))
def test_any_actions_end_in_a_legal_placement(seed: int) -> None:
    netlist = generate(random_case(seed, low=0.1, high=0.6), seed)
    if netlist.movable_hard.size == 0:
        with pytest.raises(SettingsError, match="no hard macro that may be moved"):
            EpisodeBatch(netlist, 1)
        return
    episodes = EpisodeBatch(netlist, 2, EnvSettings(soft_rounds=5))
    observations, _, _ = play(episodes, [seed, seed + 1])
    for seen in observations:
        assert np.isfinite(seen.maps).all()
        assert (seen.maps >= 0).all()
        assert (seen.scalars >= 0).all()
    for b in range(2):
        placement = episodes.placement(b)
        assert not placement.violations()
        assert overlaps(placement) == 0
        assert episodes.costs[b] == evaluate(placement)


def in_the_way() -> Netlist:
    """A macro that leaves no room for the other one in the middle, but does in a corner."""
    return blocks([(3.0, 3.0), (6.0, 6.0)], (10.0, 10.0))


def test_a_dead_end_is_counted_and_resolved() -> None:
    episodes = EpisodeBatch(in_the_way(), 2)
    assert episodes.order.tolist() == [1, 0]
    middle, corner = 5 * 10 + 5, 3 * 10 + 3
    assert episodes.reset().mask[:, [middle, corner]].all()
    observation, _ = episodes.step(np.array([middle, corner]))
    assert observation is not None
    assert episodes.stuck.tolist() == [1, 0]
    assert observation.mask[0].sum() > observation.mask[1].sum() > 0
    episodes.step(np.array([middle, np.flatnonzero(observation.mask[1])[0]]))
    assert episodes.stuck.tolist() == [1, 0]
    for b in range(2):
        assert overlaps(episodes.placement(b)) == 0
        assert episodes.costs[b] == evaluate(episodes.placement(b))
    episodes.reset()
    assert episodes.stuck.tolist() == [0, 0]


def test_the_info_of_the_last_step_has_the_dead_ends() -> None:
    env = MacroPlacementEnv(in_the_way())
    env.reset(seed=0)
    env.step(np.int64(55))
    *_, terminated, truncated, info = env.step(np.int64(0))
    assert terminated
    assert not truncated
    assert info["stuck"] == 1
    assert info["proxy"] == evaluate(env.placement()).proxy


def test_a_step_outside_an_episode_raises() -> None:
    env = MacroPlacementEnv(blocks([(1.0, 1.0)], (10.0, 10.0)))
    with pytest.raises(ResetNeeded):
        env.step(np.int64(0))
    env.reset()
    env.step(np.int64(0))
    with pytest.raises(ResetNeeded):
        env.step(np.int64(0))


def no_room(placement: Placement, **_: object) -> Placement:
    raise LegalizationError("no room")


def test_an_episode_that_cannot_be_legalized_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("placer.environment.env.legalize", no_room)
    episodes = EpisodeBatch(in_the_way(), 2)
    middle, corner = 5 * 10 + 5, 3 * 10 + 3
    for _ in range(PATIENCE):  # failures do not matter as long as other episodes end legally
        episodes.reset()
        observation, _ = episodes.step(np.array([middle, corner]))
        assert observation is not None
        _, reward = episodes.step(np.array([middle, np.flatnonzero(observation.mask[1])[0]]))
        assert episodes.failed.tolist() == [True, False]
    ended = [evaluate(episodes.placement(b)) for b in range(2)]
    assert episodes.costs[1] == ended[1]
    assert episodes.costs[0].proxy == pytest.approx(ended[0].proxy + FAILED)
    assert reward[0] < reward[1] - FAILED / 2
    search = Incumbent("random", 1.0, time.perf_counter())
    search.offer(episodes)
    assert search.best == ended[1].proxy
    assert search.placement is not None
    np.testing.assert_array_equal(search.placement.position_um, episodes.placement(1).position_um)
    episodes.reset()
    observation, _ = episodes.step(np.array([corner, corner]))
    assert observation is not None
    episodes.step(observation.mask.argmax(axis=1))
    assert not episodes.failed.any()


def test_a_failed_episode_is_never_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("placer.environment.env.legalize", no_room)
    episodes, search = EpisodeBatch(in_the_way(), 1), Incumbent("random", 1.0, time.perf_counter())
    episodes.reset()
    for _ in range(2):
        episodes.step(np.array([55]))
    search.offer(episodes)
    assert search.placement is None
    assert str(search.error) == "no room"
    assert episodes.error is search.error


def test_many_failed_episodes_without_a_legal_one_are_an_error() -> None:
    episodes = EpisodeBatch(blocks([(5.1, 4.9)] * 3, (10.0, 10.0)), PATIENCE // 2)
    play(episodes, list(range(PATIENCE // 2)))
    assert episodes.failed.all()
    with pytest.raises(
        LegalizationError, match=r"no legal placement found: hard macros cover 75\.0% .* room for 'm\d'"
    ):
        play(episodes, list(range(PATIENCE // 2)))


def test_macros_that_cannot_fit_are_an_error_at_once() -> None:
    with pytest.raises(LegalizationError, match="'m0', 'm1' fit neither side by side nor one above the other"):
        EpisodeBatch(blocks([(6.0, 6.0), (6.0, 6.0)], (10.0, 10.0)), 2)
    full = blocks([(10.0, 10.0), (1.0, 1.0)], (10.0, 10.0))
    full = full.with_(fixed=np.array([True, False]), position_um=np.array([(5.0, 5.0), (np.nan, np.nan)]))
    with pytest.raises(LegalizationError, match="only 0 µm² of the canvas are free"):
        EpisodeBatch(full, 1)


def test_fixed_macros_are_obstacles_and_stay() -> None:
    netlist = blocks([(4.0, 4.0)] * 3, (10.0, 10.0))
    place = np.array([(1.0, 1.0), (np.nan, np.nan), (np.nan, np.nan)])  # partly outside the canvas
    netlist = netlist.with_(fixed=np.array([True, False, False]), position_um=place)
    for seed in range(10):
        episodes = EpisodeBatch(netlist, 1)
        play(episodes, [seed])
        assert overlaps(episodes.placement(0)) == 0
        np.testing.assert_array_equal(episodes.placement(0).position_um[0], (1.0, 1.0))


def test_positions_of_movable_macros_in_the_netlist_do_not_matter() -> None:
    netlist = load("jetty")
    unplaced = np.where(netlist.fixed[:, None], netlist.position_um, np.nan)
    episodes = [EpisodeBatch(n, 1) for n in (netlist, netlist.with_(position_um=unplaced))]
    (first, _, _), (second, _, _) = (play(e, [0]) for e in episodes)
    for seen, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(seen.maps, other.maps)
    assert episodes[0].costs == episodes[1].costs


def test_a_second_reset_equals_the_first() -> None:
    episodes = EpisodeBatch(load("jetty"), 2)
    first, _, rewards = play(episodes, [4, 5])
    again, _, more_rewards = play(episodes, [4, 5])
    for seen, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(seen.maps, other.maps)
        np.testing.assert_array_equal(seen.scalars, other.scalars)
        np.testing.assert_array_equal(seen.mask, other.mask)
    np.testing.assert_array_equal(rewards, more_rewards)


def test_a_masked_action_is_replaced_by_the_nearest_allowed() -> None:
    # A macro of 5 by 5 fits with its center in rows and columns 2 (from 2.5 on) to 7 (up to 7.5) only.
    netlist = blocks([(5.0, 5.0), (1.0, 1.0)], (10.0, 10.0))
    env, same = MacroPlacementEnv(netlist), MacroPlacementEnv(netlist)
    env.reset()
    same.reset()
    seen, reward, *_, info = env.step(np.int64(4 * 10 + 9))
    expected, same_reward, *_, same_info = same.step(np.int64(4 * 10 + 7))
    assert (info["invalid"], same_info["invalid"]) == (True, False)
    assert reward == same_reward
    np.testing.assert_array_equal(seen["maps"], expected["maps"])
    np.testing.assert_array_equal(env.placement().position_um[0], (7.5, 4.5))


def test_a_netlist_without_movable_hard_macros_is_an_error() -> None:
    netlist = load("jetty")
    fixed = netlist.fixed | (netlist.kind == Kind.HARD)
    with pytest.raises(SettingsError, match="jetty has no hard macro that may be moved"):
        MacroPlacementEnv(netlist.with_(fixed=fixed))


def test_placements_leave_the_types_of_arrays_as_they_are() -> None:
    """Kernels are compiled by type, and read-only arrays have one of their own."""
    episodes = EpisodeBatch(load("jetty"), 1)
    before = episodes.arrays.orientation.flags.writeable
    episodes.placement(0)
    assert episodes.arrays.orientation.flags.writeable == before


def test_macros_are_ordered_by_area_then_by_wires_then_by_node() -> None:
    netlist = blocks([(1.0, 1.0), (2.0, 2.0), (1.0, 1.0), (4.0, 1.0), (1.0, 1.0)], (10.0, 10.0))
    assert placing_order(netlist).tolist() == [1, 3, 0, 2, 4]
    wired = netlist.with_(
        pin_node=np.array([2, 3, 4]), pin_offset_um=np.zeros((3, 2)), net_start=np.array([0, 2, 4]),
        net_pin=np.array([0, 1, 1, 2]), net_weight=np.array([1.0, 3.0]),
    )  # fmt: skip
    assert placing_order(wired).tolist() == [3, 1, 4, 2, 0]
