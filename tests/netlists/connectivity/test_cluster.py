"""Clusters: nodes, areas and the nets between them are preserved, and placements expand to the flat netlist."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from netlists import load, save
from netlists.connectivity.cluster import MAX_SINKS, cluster
from netlists.errors import SettingsError
from netlists.netlist import Kind, Netlist
from netlists.placement import Placement
from netlists.synthetic.generate import GeneratorSettings, generate


def flat(seed: int = 0, **changes: object) -> Netlist:
    """A flat netlist: a generated one whose soft macros are replaced by small cells."""
    settings = GeneratorSettings(hard_macros=6, macro_sizes=2, soft_macros=600, ports=20, nets=1500)
    netlist = generate(settings, seed)
    soft = netlist.kind == Kind.SOFT
    kind = np.where(soft, Kind.CELL, netlist.kind).astype(np.int8)
    size = np.where(soft[:, None], netlist.size_um / 10, netlist.size_um)
    return netlist.with_(kind=kind, size_um=size, **changes)


def by_hand(nets: list[tuple[float, list[int]]], kinds: list[Kind], fixed: list[int] | None = None) -> Netlist:
    """Nodes at (10 i, 10 i) of size 2 by 1; every connection has a pin of its own, at (i / 10, 0)."""
    count = len(kinds)
    nodes = np.array([node for _, members in nets for node in members], dtype=np.int64)
    immovable = np.array([kind == Kind.PORT for kind in kinds])
    immovable[fixed or []] = True
    return Netlist(
        name="by_hand",
        node_names=tuple(f"n{i}" for i in range(count)),
        kind=np.array(kinds, dtype=np.int8),
        size_um=np.tile([2.0, 1.0], (count, 1)),
        fixed=immovable,
        position_um=np.column_stack([10.0 * np.arange(count)] * 2),
        orientation=np.arange(count, dtype=np.int8) % 4,
        pin_node=nodes,
        pin_offset_um=np.column_stack([nodes / 10, np.zeros(len(nodes))]),
        net_start=np.concatenate([[0], np.cumsum([len(members) for _, members in nets])]).astype(np.int64),
        net_pin=np.arange(len(nodes)),
        net_weight=np.array([weight for weight, _ in nets]),
        canvas_um=(200.0, 100.0),
        grid=(5, 10),
    )


CELL, HARD, PORT = Kind.CELL, Kind.HARD, Kind.PORT


def test_cells_become_soft_macros_and_other_nodes_are_kept() -> None:
    source = flat()
    grouped = cluster(source, 20, seed=3, threads=1)
    clustered = grouped.netlist
    stay = source.kind != Kind.CELL
    names = tuple(np.array(source.node_names)[stay])
    assert clustered.node_names == (*names, *(f"Grp_{i}" for i in range(20)))
    for field in ("kind", "size_um", "fixed", "position_um", "orientation"):
        np.testing.assert_array_equal(getattr(clustered, field)[: stay.sum()], getattr(source, field)[stay])
    assert clustered.canvas_um == source.canvas_um
    assert clustered.grid == source.grid
    area = np.bincount(grouped.cluster_of, source.size_um.prod(axis=1), clustered.num_nodes)
    np.testing.assert_allclose(clustered.size_um.prod(axis=1), area)
    np.testing.assert_allclose(clustered.size_um[clustered.soft, 0], clustered.cell_um[0])
    assert area[clustered.soft].max() <= 1.11 * area[clustered.soft].mean()


def test_nets_are_those_between_clusters_with_their_weight() -> None:
    source = flat(1)
    grouped = cluster(source, 15, threads=1)

    def ends(netlist: Netlist, net: int, node_of: np.ndarray) -> tuple[int, frozenset[int]]:
        nodes = node_of[netlist.connection_node[netlist.net_start[net] : netlist.net_start[net + 1]]]
        return int(nodes[0]), frozenset(nodes.tolist())

    expected: Counter[tuple[int, frozenset[int]]] = Counter()
    for net in range(source.num_nets):
        key = ends(source, net, grouped.cluster_of)
        if len(key[1]) > 1:
            expected[key] += source.net_weight[net]
    result: Counter[tuple[int, frozenset[int]]] = Counter()
    itself = np.arange(grouped.netlist.num_nodes)
    for net in range(grouped.netlist.num_nets):
        result[ends(grouped.netlist, net, itself)] += grouped.netlist.net_weight[net]
    assert result == expected


def test_the_cut_is_far_below_that_of_a_random_partition() -> None:
    source = flat(2)
    grouped = cluster(source, 12, threads=1)
    cells = source.cells
    shuffled = grouped.cluster_of.copy()
    shuffled[cells] = np.random.default_rng(0).permutation(shuffled[cells])

    def connectivity(node_of: np.ndarray) -> float:
        pairs = {(net, node_of[node]) for net, node in zip(source.connection_net, source.connection_node, strict=True)}
        return len(pairs) - source.num_nets

    assert connectivity(grouped.cluster_of) < 0.5 * connectivity(shuffled)


def test_the_result_depends_on_the_seed_and_not_on_threads() -> None:
    source = flat()
    first = cluster(source, 30, seed=1, threads=1)
    np.testing.assert_array_equal(cluster(source, 30, seed=1, threads=2).cluster_of, first.cluster_of)
    assert not np.array_equal(cluster(source, 30, seed=2, threads=1).cluster_of, first.cluster_of)


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    cluster(flat(), 40, threads=1)
    assert capfd.readouterr() == ("", "")


def test_merged_pins_and_dropped_nets() -> None:
    nets = [
        (1.0, [1, 2, 3]),  # inside the cluster
        (2.0, [1, 0, 2]),  # cluster to macro
        (4.0, [3, 0, 3]),  # the same after merging
        (8.0, [0, 1, 3, 4]),  # macro to cluster and port
        (16.0, [4, 0, 2]),
        (32.0, [2, 0, 4]),
    ]
    source = by_hand(nets, [HARD, CELL, CELL, CELL, PORT])
    clustered = cluster(source, 1).netlist
    assert clustered.node_names == ("n0", "n4", "Grp_0")
    np.testing.assert_array_equal(clustered.net_weight, [6, 8, 16, 32])
    parts = np.split(clustered.connection_node, clustered.net_start[1:-1])
    assert [part.tolist() for part in parts] == [[2, 0], [0, 1, 2], [1, 0, 2], [2, 0, 1]]
    offset = np.where(clustered.connection_node == 1, 0.4, 0.0)  # that of the port; cluster pins are at the center
    np.testing.assert_array_equal(clustered.connection_offset_um[:, 0], offset)


def test_nets_with_very_many_sinks_are_dropped() -> None:
    kinds = [HARD] * (MAX_SINKS + 2) + [CELL] * 2
    many, few = list(range(MAX_SINKS + 2)), list(range(MAX_SINKS + 1))
    clustered = cluster(by_hand([(1.0, many), (1.0, few)], kinds), 2).netlist
    assert np.diff(clustered.net_start).tolist() == [MAX_SINKS + 1]


def test_fixed_cells_stay_as_fixed_soft_macros(tmp_path: Path) -> None:
    source = by_hand([(1.0, [0, 1, 2])], [CELL, CELL, CELL], fixed=[1])
    grouped = cluster(source, 1)
    assert grouped.netlist.node_names == ("n1", "Grp_0")
    assert grouped.netlist.kind.tolist() == [Kind.SOFT, Kind.SOFT]
    assert grouped.netlist.fixed.tolist() == [True, False]
    assert grouped.cluster_of.tolist() == [1, 0, 1]
    assert source.connection_offset_um[1].any()
    assert not grouped.netlist.connection_offset_um.any()
    save(grouped.netlist, tmp_path / "a.pb.txt")
    assert load(tmp_path / "a.pb.txt").same_as(grouped.netlist)


def test_clusters_start_at_the_mean_of_known_positions() -> None:
    source = by_hand([(1.0, [0, 1, 2])], [CELL, CELL, CELL])
    position = np.array([(20.0, 30.0), (60.0, 40.0), (np.nan, np.nan)])
    size = np.array([(3.0, 1.0), (1.0, 1.0), (50.0, 50.0)])
    clustered = cluster(source.with_(position_um=position, size_um=size), 1).netlist
    assert clustered.size_um[0] == pytest.approx((2504 / 100, 100))  # too high for the width of one column
    assert clustered.position_um[0] == pytest.approx((30.0, 50.0))  # and therefore moved into the canvas in y
    unknown = cluster(source.with_(position_um=np.full((3, 2), np.nan)), 1).netlist
    assert np.isnan(unknown.position_um).all()


def test_expand_places_cells_at_their_cluster() -> None:
    source = by_hand([(1.0, [0, 1, 2]), (1.0, [3, 1, 4])], [HARD, CELL, CELL, PORT, CELL], fixed=[4])
    grouped = cluster(source, 1)
    position = grouped.netlist.position_um.copy()
    position[grouped.netlist.node_names.index("n0")] = (77, 66)
    position[grouped.netlist.node_names.index("Grp_0")] = (55, 44)
    orientation = np.full(grouped.netlist.num_nodes, 7, dtype=np.int8)
    back = grouped.expand(Placement(grouped.netlist, position, orientation))
    assert back.netlist is source
    np.testing.assert_array_equal(back.position_um, [(77, 66), (55, 44), (55, 44), (30, 30), (40, 40)])
    assert back.orientation.tolist() == [7, 1, 2, 7, 0]


def test_seeds_out_of_range() -> None:
    for wrong in (-1, 2**31):
        with pytest.raises(SettingsError, match="expected 0 to 2147483647"):
            cluster(flat(), seed=wrong)


def test_default_count_and_its_limits() -> None:
    source = flat()
    assert len(cluster(source, threads=1).netlist.soft) in range(95, 101)
    assert len(cluster(by_hand([], [CELL] * 7)).netlist.soft) == 7
    for wrong in (0, 601):
        with pytest.raises(SettingsError, match="expected 1 to 600"):
            cluster(source, wrong)


def test_without_cells_there_is_nothing_to_do() -> None:
    source = by_hand([(1.0, [0, 1])], [HARD, HARD])
    grouped = cluster(source)
    assert grouped.netlist is source
    given = Placement.given(source)
    np.testing.assert_array_equal(grouped.expand(given).position_um, given.position_um)
