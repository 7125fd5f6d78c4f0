"""Generated netlists are valid, have the required properties, and are reproducible."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlists.errors import SettingsError
from netlists.formats import files
from netlists.netlist import Kind, Netlist
from netlists.placement import Placement
from netlists.synthetic.generate import BUNDLED, GeneratorSettings, generate, random_case, write_bundled
from netlists.synthetic.known_optimum import known_optimum
from netlists.synthetic.wiring import nets_and_pins


def coverage(netlist: Netlist) -> float:
    return float(netlist.size_um[netlist.hard].prod(axis=1).sum() / np.prod(netlist.canvas_um))


def hpwl_um(place: np.ndarray, connection_node: np.ndarray, net_start: np.ndarray) -> float:
    at = place[connection_node]
    extent = np.maximum.reduceat(at, net_start[:-1]) - np.minimum.reduceat(at, net_start[:-1])
    return float(extent.sum())


@pytest.mark.parametrize("seed", range(40))
def test_random_cases_match_their_settings_and_start_legal(seed: int) -> None:
    wanted = random_case(seed)
    netlist = generate(wanted, seed)
    assert len(netlist.hard) == wanted.hard_macros
    assert len(netlist.soft) == wanted.soft_macros
    assert len(netlist.ports) == wanted.ports
    assert netlist.num_nets == wanted.nets
    assert len(netlist.hard) - len(netlist.movable_hard) == wanted.fixed_macros
    assert coverage(netlist) == pytest.approx(wanted.hard_coverage, abs=0.02)
    assert len(np.unique(netlist.size_um[netlist.hard], axis=0)) == wanted.macro_sizes
    quarter = np.prod(netlist.canvas_um) / 4
    assert (netlist.size_um[netlist.hard].prod(axis=1) > quarter).sum() >= wanted.big_macros
    assert not Placement.given(netlist).violations()


@settings(max_examples=60, deadline=None)
@given(
    hard=st.integers(1, 60),
    sizes=st.integers(1, 60),
    share=st.floats(0.01, 0.8),
    fixed=st.integers(0, 60),
    soft=st.integers(0, 40),
    ports=st.integers(0, 40),
    nets=st.integers(0, 200),
    aspect=st.floats(1, 10),
    seed=st.integers(0, 1000),
)
def test_any_settings_in_range_give_a_valid_netlist(
    hard: int, sizes: int, share: float, fixed: int, soft: int, ports: int, nets: int, aspect: float, seed: int
) -> None:
    wanted = GeneratorSettings(
        hard_macros=hard, macro_sizes=min(sizes, hard), hard_coverage=share, fixed_macros=min(fixed, hard),
        soft_macros=soft, ports=ports, nets=nets if hard + soft + ports > 1 else 0, max_aspect=aspect,
    )  # fmt: skip
    netlist = generate(wanted, seed)
    assert netlist.num_nets == wanted.nets
    assert (np.diff(netlist.net_start) >= 2).all()
    assert coverage(netlist) == pytest.approx(share, abs=0.02)
    assert not Placement.given(netlist).violations()


def test_random_cases_cover_the_range_that_placement_must_handle() -> None:
    cases = [random_case(seed) for seed in range(500)]
    assert min(case.hard_macros for case in cases) == 1
    assert max(case.hard_macros for case in cases) > 350
    assert min(case.hard_coverage for case in cases) < 0.06
    assert max(case.hard_coverage for case in cases) > 0.69
    assert 0.2 < np.mean([case.fixed_macros > 0 for case in cases]) < 0.6
    assert sum(case.big_macros > 0 for case in cases) > 25
    assert all(0.1 <= random_case(seed, low=0.1, high=0.6).hard_coverage <= 0.6 for seed in range(50))


def test_the_result_depends_on_the_seed() -> None:
    wanted = random_case(11)
    assert generate(wanted, 5).same_as(generate(wanted, 5))
    assert not generate(wanted, 5).same_as(generate(wanted, 6))


def test_the_structure_resembles_real_designs() -> None:
    netlist = generate(GeneratorSettings(), 0)
    fan_out = np.diff(netlist.net_start) - 1
    assert 0.4 < (fan_out == 1).mean() < 0.7  # ariane133: 0.50
    assert 3 < len(netlist.net_pin) / netlist.num_nets < 4.2  # 3.6
    assert fan_out.max() > 20
    driver = netlist.connection_node[netlist.net_start[:-1]]
    buses = netlist.net_weight > 1
    assert (netlist.kind[driver[buses]] == Kind.SOFT).all()
    assert netlist.net_weight.max() == 64
    assert 1.4 < netlist.net_weight.mean() < 2.2  # 1.8
    assert 0.1 < netlist.size_um[netlist.soft].prod(axis=1).sum() / np.prod(netlist.canvas_um) < 0.3
    np.testing.assert_allclose(netlist.size_um[netlist.soft, 0], netlist.cell_um[0])


def test_pins_and_drivers_follow_the_rules_of_the_file_format() -> None:
    netlist = generate(GeneratorSettings(), 1)
    driver_pin = netlist.net_pin[netlist.net_start[:-1]]
    assert len(np.unique(driver_pin)) == netlist.num_nets  # a pin drives one net
    ports = np.bincount(netlist.connection_node[np.isin(netlist.connection_node, netlist.ports)])
    assert ports.max() == 1
    on_hard = netlist.kind[netlist.pin_node] == Kind.HARD
    half = netlist.size_um[netlist.pin_node[on_hard]] / 2
    offset = netlist.pin_offset_um[on_hard]
    np.testing.assert_allclose(np.abs(offset[:, 0]), half[:, 0], atol=6e-4)
    assert (np.abs(offset[:, 1]) <= half[:, 1]).all()
    assert not netlist.pin_offset_um[~on_hard].any()
    edge = netlist.position_um[netlist.ports]
    assert ((edge == 0) | (edge == netlist.canvas_um)).any(axis=1).all()


def test_nets_are_local_by_rents_rule() -> None:
    random = np.random.default_rng(0)
    place = random.uniform(0, 1, (1000, 2))
    nets = nets_and_pins(8000, 0.1, place, 50, np.ones((100, 2)), random)
    node = nets["pin_node"][nets["net_pin"]]
    near = hpwl_um(place, node, nets["net_start"])
    assert near < 0.4 * hpwl_um(random.permutation(place), node, nets["net_start"])


def test_bundled_designs_are_big_enough_and_connected() -> None:
    netlist = generate(*BUNDLED["harbor"])
    assert len(netlist.hard) >= 120
    assert len(np.unique(netlist.size_um[netlist.hard], axis=0)) >= 10
    assert len(netlist.soft) >= 700
    assert netlist.num_nets >= 10_000
    assert coverage(netlist) == pytest.approx(0.5, abs=0.02)
    graph = nx.Graph()
    graph.add_nodes_from(range(netlist.num_nodes))
    driver = np.repeat(netlist.connection_node[netlist.net_start[:-1]], np.diff(netlist.net_start))
    graph.add_edges_from(zip(driver.tolist(), netlist.connection_node.tolist(), strict=True))
    assert nx.is_connected(graph)


def test_bundled_files_are_what_the_generator_makes(tmp_path: Path) -> None:
    write_bundled(tmp_path)
    assert set(BUNDLED) <= set(files.catalog())
    for name, (wanted, seed) in BUNDLED.items():
        assert files.load(name).same_as(generate(wanted, seed)), "run `python -m netlists.synthetic.generate`"
        written, kept = tmp_path / f"{name}.plc", files.DESIGNS / f"{name}.plc"
        assert written.read_text() == kept.read_text()
        assert files.load(tmp_path / f"{name}.pb.txt.gz").same_as(files.load(name))
        assert (files.DESIGNS / f"{name}.pb.txt.gz").stat().st_size < 1_500_000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hard_macros": 0}, "hard_macros is 0; expected 1 to 2000"),
        ({"hard_coverage": 0.9}, "hard_coverage is 0.9; expected 0.01 to 0.8"),
        ({"macro_sizes": 200}, "macro_sizes is 200; expected 1 to 133"),
        ({"grid": (21, 129)}, "grid is 129"),
        ({"canvas_um": (10.0, 100.0)}, "canvas_um is 10"),
        ({"big_macros": 2}, "2 macros of more than a quarter"),
        ({"big_macros": 1, "macro_sizes": 1}, "more sizes"),
        ({"hard_macros": 1, "macro_sizes": 1, "soft_macros": 0, "ports": 0}, "at least 2 nodes"),
    ],
)
def test_settings_out_of_range_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        replace(GeneratorSettings(), **changes)


@pytest.mark.parametrize("macros", [3, 4])
@pytest.mark.parametrize("seed", range(4))
def test_known_optimum_is_legal_and_of_least_wirelength(macros: int, seed: int) -> None:
    netlist, best = known_optimum(macros, seed=seed)
    assert len(netlist.movable_hard) == macros
    assert not best.violations()
    at_best = hpwl_um(best.position_um, netlist.connection_node, netlist.net_start)
    assert at_best == pytest.approx(macros * 2 * sum(netlist.canvas_um) / 2)  # a straight net has half of W or H
    for macro in netlist.movable_hard:
        for step in ((100, 0), (-100, 0), (0, 100), (0, -100)):
            moved = best.position_um.copy()
            moved[macro] += step
            assert hpwl_um(moved, netlist.connection_node, netlist.net_start) > at_best + 199
    # In separate rows and columns, straight nets share no edge of the grid.
    assert len(np.unique(best.position_um[netlist.movable_hard, 0])) == macros
    assert len(np.unique(best.position_um[netlist.movable_hard, 1])) == macros


def test_known_optimum_has_no_other_sizes() -> None:
    with pytest.raises(SettingsError, match="expected 3 or 4"):
        known_optimum(5)
