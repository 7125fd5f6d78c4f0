"""What places of macros are worth on the flat design, in a second: clusters of cells are placed around them.

Placing all cells tells it exactly and takes a minute.  The same global placement of a thousand clusters, each of cells
that belong together, takes a second.  `python -m tests.benchmarks.objective` shows how well its wirelength ranks places
of macros.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlists.connectivity.cluster import Clustering, cluster
from netlists.netlist import Ints, Kind, Netlist
from netlists.placement import Placement
from netlists.rows.derived import cell_rows
from placer.cells.global_placement import place_globally
from placer.cost import evaluate

CLUSTERS = 1000
"""Clusters of cells, at most."""

CELLS_PER_CLUSTER = 4
"""Cells per cluster, at least, on average."""


@dataclass(frozen=True, eq=False)
class CoarseDesign:
    """The netlist in which square clusters take the places of the movable cells of a flat one."""

    netlist: Netlist
    kept: Ints  # nodes of the flat netlist that are nodes of this one too
    kept_as: Ints  # these nodes there

    def wirelength_um(self, placement: Placement, *, seed: int = 0) -> float:
        """HPWL in µm of the nets between clusters, placed globally around the macros of a flat placement."""
        n = self.netlist
        start = carry(placement, self.kept, n, self.kept_as)
        return evaluate(place_globally(start, n.movable_cells, seed=seed)).hpwl_um


def carry(placement: Placement, kept: Ints, netlist: Netlist, kept_as: Ints) -> Placement:
    """A placement of another netlist: the nodes `kept` [K] are `kept_as` [K] there, all others in the middle."""
    position = np.tile(np.array(netlist.canvas_um) / 2, (netlist.num_nodes, 1))
    orientation = netlist.orientation.copy()
    position[kept_as] = placement.position_um[kept]
    orientation[kept_as] = placement.orientation[kept]
    return Placement(netlist, position, orientation)


def coarsen(netlist: Netlist, clusters: int = CLUSTERS, *, seed: int = 0, threads: int | None = None) -> CoarseDesign:
    """The coarse design of a flat netlist with rows and movable cells; `threads` is the number of all cores by default.

    Raises `SettingsError` for a number of clusters below 1 and a seed out of range.
    """
    cells = netlist.movable_cells
    count = max(min(clusters, len(cells) // CELLS_PER_CLUSTER), 1) if clusters > 0 else clusters
    clustering = cluster(netlist, count, seed=seed, threads=threads)
    kept = np.setdiff1d(np.arange(netlist.num_nodes), cells)
    return CoarseDesign(_squared(clustering), kept, clustering.cluster_of[kept])


def _squared(clustering: Clustering) -> Netlist:
    """The clustered netlist with its clusters as square cells, on the rows of the flat one."""
    n, source = clustering.netlist, clustering.source
    clusters = np.unique(clustering.cluster_of[source.movable_cells])
    kind, size = n.kind.copy(), n.size_um.copy()
    kind[clusters] = Kind.CELL
    size[clusters] = np.sqrt(size[clusters].prod(axis=1))[:, None]
    return n.with_(kind=kind, size_um=size, rows=cell_rows(source))
