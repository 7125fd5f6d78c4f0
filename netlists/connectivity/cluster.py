"""Group standard cells into soft macros by a hypergraph partition with mt-kahypar, and expand placements again.

Clusters minimize the connectivity of the cut, the sum over nets of weight * (clusters on the net - 1), with areas
balanced within `IMBALANCE`.  The partitioner is that of Gottesbüren, Heuer, Maas, Sanders and Schlag, "Scalable
high-quality hypergraph partitioning", ACM Trans. Algorithms 20(1), 2024, in its deterministic mode: the result depends
on the seed alone, not on the number of threads.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count as counting
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from netlists.errors import SettingsError, demand_seed
from netlists.formats.circuit_training.writer import SOFT_PREFIX
from netlists.netlist import Floats, Ints, Kind, Netlist, TrackGrid, freeze
from netlists.placement import Placement

MAX_SINKS = 500
"""Nets with more sinks are dropped, as in Circuit Training's grouping: clocks and resets do not attract cells."""

CELLS_PER_CLUSTER = 200
"""Cells per cluster by default, within `MIN_CLUSTERS` and `MAX_CLUSTERS`."""

MIN_CLUSTERS = 100
"""Fewest clusters by default."""

MAX_CLUSTERS = 800
"""Most clusters by default."""

IMBALANCE = 0.1
"""Fraction by which the area of a cluster may exceed the mean."""

WEIGHT_STEPS = 1_000_000
"""Sum of the integer weights that represent the areas of the cells."""

MIN_AREA_UM2 = 1e-12
"""Least weight of a cell in the mean position of its cluster, in µm², so that cells without an area count."""

# The deterministic preset of mt-kahypar, except for the coarsest hypergraph (20 nodes per block instead of 160) and 4
# initial partitions instead of 20: with hundreds of blocks it is 4 times as fast, and the cut is no worse.
PARTITIONER = """
mode=direct
preset-type=deterministic
deterministic=true
p-enable-community-detection=true
p-louvain-edge-weight-function=hybrid
p-num-sub-rounds=16
c-type=deterministic_multilevel_coarsener
c-resolve-swaps=true
c-max-shrink-factor=2.5
c-s=1
c-t=20
c-num-sub-rounds=3
c-rating-score=heavy_edge
c-rating-heavy-node-penalty=no_penalty
c-rating-acceptance-criterion=best_prefer_unmatched
i-mode=rb
i-runs=4
i-fm-refinement-rounds=3
i-r-rebalancer-type=deterministic
i-r-lp-type=deterministic
i-r-fm-type=do_nothing
i-population-size=64
r-rebalancer-type=deterministic
r-lp-type=do_nothing
r-jet-type=deterministic
r-jet-num-iterations=8
r-jet-relative-improvement-threshold=0.001
r-jet-dynamic-rounds=3
r-jet-initial-negative-gain=0.75
r-jet-final-negative-gain=0.0
r-fm-type=do_nothing
r-flow-algo=do_nothing
"""


@dataclass(frozen=True, eq=False)
class Clustering:
    """A netlist whose standard cells have become soft macros, and the flat netlist that it was made from."""

    netlist: Netlist  # the clustered netlist
    source: Netlist  # the flat netlist, of V nodes
    cluster_of: Ints  # [V] the node of `netlist` that each node of `source` became or joined

    def expand(self, placement: Placement) -> Placement:
        """The flat placement: cells at the center of their cluster, all other nodes as in `placement`."""
        position = placement.position_um[self.cluster_of]
        orientation = placement.orientation[self.cluster_of]
        cells = self.source.cells
        orientation[cells] = self.source.orientation[cells]
        return Placement(self.source, position, orientation)


def cluster(netlist: Netlist, clusters: int | None = None, *, seed: int = 0, threads: int | None = None) -> Clustering:
    """Group the movable standard cells into `clusters` soft macros named `Grp_0`, `Grp_1`, ... (except names in use).

    Nodes: hard macros, ports and soft macros are kept in their order; so are fixed cells, each as a fixed soft macro;
    the clusters follow.  A cluster has the area of its cells and the width of a grid column (more if it would be higher
    than the canvas).  Its position is the mean of those of its cells that have one, weighted by area.  Empty clusters
    are left out.

    Nets: the pins of a soft macro on a net become one pin at its center, where the protobuf format has it.  Nets inside
    one cluster and nets of more than `MAX_SINKS` sinks are dropped, the latter with a note.  Nets with the same driver
    and the same sinks become one with the sum of their weights.

    Rows are kept, as hard macros are placed on them.  `threads` is the number of all cores by default.  Raises
    `SettingsError` unless 1 <= clusters <= movable cells, and for a seed out of range.
    """
    demand_seed(seed)
    cells = netlist.movable_cells
    if not cells.size and clusters is None:
        return Clustering(netlist, netlist, freeze(np.arange(netlist.num_nodes)))
    if clusters is None:
        clusters = min(max(MIN_CLUSTERS, min(MAX_CLUSTERS, len(cells) // CELLS_PER_CLUSTER)), len(cells))
    if not 1 <= clusters <= len(cells):
        raise SettingsError(f"{clusters} clusters of {len(cells)} movable standard cells; expected 1 to {len(cells)}")
    block = _partition(netlist, cells, clusters, seed, threads or os.cpu_count() or 1)
    _, block = np.unique(block, return_inverse=True)  # renumber, without empty clusters
    stay = np.setdiff1d(np.arange(netlist.num_nodes), cells)
    cluster_of = np.empty(netlist.num_nodes, dtype=np.int64)
    cluster_of[stay] = np.arange(len(stay))
    cluster_of[cells] = len(stay) + block
    return Clustering(_clustered(netlist, stay, cells, block, cluster_of), netlist, freeze(cluster_of))


def _partition(netlist: Netlist, cells: Ints, clusters: int, seed: int, threads: int) -> Ints:
    """[cells] the cluster of each cell."""
    if clusters == 1 or clusters == len(cells):
        return np.arange(len(cells)) % clusters
    nets, weights = _hyperedges(netlist, cells)
    area = netlist.size_um[cells].prod(axis=1)
    fraction = area / max(area.sum(), np.finfo(float).tiny)
    node_weights = (1 + np.round(fraction * WEIGHT_STEPS).astype(np.int64)).tolist()
    return partition_hypergraph(nets, weights, node_weights, clusters, IMBALANCE, f"seed={seed}{PARTITIONER}", threads)


def partition_hypergraph(
    nets: list[list[int]], net_weights: list[int], node_weights: list[int], blocks: int, imbalance: float,
    settings: str, threads: int,
) -> Ints:  # fmt: skip
    """[V] the block of each node, with the least connectivity of the cut that mt-kahypar finds.

    `nets` lists the indices of the nodes on each net; `settings` is the text of a file of mt-kahypar's; the weight of a
    block exceeds the mean by at most a fraction `imbalance`.
    """
    import mtkahypar  # slow to load, and needed only here

    partitioner = mtkahypar.initialize(threads, print_warnings=False)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "settings.ini"
        file.write_text(settings)
        context = partitioner.context_from_file(str(file))
    context.logging = False
    context.set_partitioning_parameters(blocks, imbalance, mtkahypar.Objective.KM1)
    hypergraph = partitioner.create_hypergraph(context, len(node_weights), len(nets), nets, node_weights, net_weights)
    return np.array(hypergraph.partition(context).get_partition(), dtype=np.int64)


def _hyperedges(netlist: Netlist, cells: Ints) -> tuple[list[list[int]], list[int]]:
    """The cells, as indices into `cells`, and the weight of each net of 2 to MAX_SINKS + 1 connections and 2 cells."""
    index = np.full(netlist.num_nodes, -1)
    index[cells] = np.arange(len(cells))
    cell = index[netlist.connection_node]
    usable = (cell >= 0) & (np.diff(netlist.net_start) <= MAX_SINKS + 1)[netlist.connection_net]
    pairs = np.unique(np.column_stack([netlist.connection_net[usable], cell[usable]]), axis=0)
    count = np.bincount(pairs[:, 0], minlength=netlist.num_nets)
    pairs = pairs[count[pairs[:, 0]] >= 2]
    nets, first = np.unique(pairs[:, 0], return_index=True)
    members = [part.tolist() for part in np.split(pairs[:, 1], first[1:])] if nets.size else []
    return members, np.maximum(1, np.round(netlist.net_weight[nets])).astype(np.int64).tolist()


def _clustered(netlist: Netlist, stay: Ints, cells: Ints, block: Ints, cluster_of: Ints) -> Netlist:
    """The clustered netlist; `stay` are the nodes that are kept, `block` [cells] is the cluster of each cell."""
    count = int(block.max()) + 1
    kind = np.concatenate([netlist.kind[stay], np.full(count, Kind.SOFT)]).astype(np.int8)
    kind[kind == Kind.CELL] = Kind.SOFT  # fixed cells
    area = np.bincount(block, netlist.size_um[cells].prod(axis=1), count)
    height = np.minimum(area / netlist.cell_um[0], netlist.canvas_um[1])
    width = np.where(height < netlist.canvas_um[1], netlist.cell_um[0], area / netlist.canvas_um[1])
    size = np.column_stack([width, height])
    start, pins, weight = _merged_nets(netlist, cluster_of, kind)
    names = [netlist.node_names[i] for i in stay]
    return Netlist(
        name=netlist.name,
        node_names=(*names, *_unused_names(names, count)),
        kind=kind,
        size_um=np.vstack([netlist.size_um[stay], size]),
        fixed=np.concatenate([netlist.fixed[stay], np.zeros(count, dtype=bool)]),
        position_um=np.vstack([netlist.position_um[stay], _mean_position(netlist, cells, block, size)]),
        orientation=np.concatenate([netlist.orientation[stay], np.zeros(count)]).astype(np.int8),
        net_start=start,
        net_weight=weight,
        canvas_um=netlist.canvas_um,
        grid=netlist.grid,
        routing=netlist.routing,
        rows=None if netlist.def_file else netlist.rows,  # macros of a DEF design need not be on rows
        origin_um=netlist.origin_um,
        masters=tuple(netlist.masters[i] for i in stay) + ("",) * count if netlist.masters else (),
        constraints=netlist.constraints,
        tracks=_tracks_of(netlist, stay, count),
        notes=(*netlist.notes, *_dropped_nets_note(netlist)),
        **pins,
    )


def _tracks_of(netlist: Netlist, stay: Ints, count: int) -> TrackGrid | None:
    """The track grid of the nodes that are kept; clusters may be anywhere."""
    if netlist.tracks is None:
        return None
    pitch, offset = netlist.tracks.pitch_um[stay], netlist.tracks.offset_um[stay]
    return TrackGrid(np.vstack([pitch, np.zeros((count, 2))]), np.concatenate([offset, np.zeros((count, 8, 2))]))


def _unused_names(taken: list[str], count: int) -> list[str]:
    """Names for clusters by which Circuit Training recognizes soft macros, and that no other node has."""
    used = set(taken)
    return list(islice((name for i in counting() if (name := f"{SOFT_PREFIX}_{i}") not in used), count))


def _dropped_nets_note(netlist: Netlist) -> list[str]:
    """A note on the nets that clustering drops, if there are any."""
    many = int(np.sum(np.diff(netlist.net_start) > MAX_SINKS + 1))
    nets = "1 net" if many == 1 else f"{many:,} nets"
    return [f"{nets} of more than {MAX_SINKS} sinks left out of the clustered netlist"] if many else []


def _mean_position(netlist: Netlist, cells: Ints, block: Ints, size: Floats) -> Floats:
    """[clusters, 2] mean position of the cells that have one, weighted by area and moved into the canvas; else NaN."""
    known = np.isfinite(netlist.position_um[cells]).all(axis=1)
    weight = np.maximum(netlist.size_um[cells[known]].prod(axis=1), MIN_AREA_UM2)
    total = np.bincount(block[known], weight, len(size))
    position = netlist.position_um[cells[known]]
    sums = np.column_stack([np.bincount(block[known], weight * position[:, axis], len(size)) for axis in (0, 1)])
    mean = np.full((len(size), 2), np.nan)
    mean[total > 0] = sums[total > 0] / total[total > 0, None]
    inside: Floats = np.clip(mean, size / 2, np.maximum(np.array(netlist.canvas_um) - size / 2, size / 2))
    return inside


def _merged_nets(netlist: Netlist, cluster_of: Ints, kind: npt.NDArray[np.int8]) -> tuple[Ints, dict[str, Any], Floats]:
    """net_start, the pin arrays and net_weight of the clustered netlist, in the order of the first of the merged nets.

    `kind` has the kinds of the nodes of the clustered netlist.
    """
    node = cluster_of[netlist.connection_node]
    offset = np.where((kind[node] == Kind.SOFT)[:, None], 0.0, netlist.connection_offset_um)
    pins, pin = np.unique(np.column_stack([node, offset]), axis=0, return_inverse=True)
    pin_of = pin.ravel().tolist()
    merged: dict[tuple[int, ...], float] = {}
    starts = netlist.net_start.tolist()
    for start, end, weight in zip(starts, starts[1:], netlist.net_weight.tolist(), strict=False):
        if end - start > MAX_SINKS + 1:
            continue
        ends = dict.fromkeys(pin_of[start:end])  # distinct, the driver first
        if len(ends) > 1:
            driver, *sinks = ends
            key = (driver, *sorted(sinks))
            merged[key] = merged.get(key, 0.0) + weight
    lengths = _array(len(net) for net in merged)
    return (
        np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64),
        {
            "pin_node": pins[:, 0].astype(np.int64),
            "pin_offset_um": np.ascontiguousarray(pins[:, 1:]),
            "net_pin": _array(p for net in merged for p in net),
        },
        np.array(list(merged.values()), dtype=np.float64),
    )


def _array(values: Iterable[int]) -> Ints:
    """An array of the values."""
    return np.fromiter(values, dtype=np.int64)
