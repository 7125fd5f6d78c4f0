"""Coarse designs: clusters have the area of their cells, and their wirelength tells good places of macros from bad."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from netlists.errors import SettingsError
from netlists.netlist import Kind
from netlists.placement import Placement
from placer.cells.global_placement import place_globally
from placer.cost import evaluate
from tests.benchmarks.coarse import CELLS_PER_CLUSTER, coarsen
from tests.placer.cells.test_place import apart, flat


def test_clusters_take_the_places_of_cells() -> None:
    n = flat()
    design = coarsen(n, 20, threads=1)
    clusters = design.netlist.cells
    assert 15 <= len(clusters) <= 20
    assert design.netlist.size_um[clusters].prod(axis=1).sum() == pytest.approx(n.size_um[n.cells].prod(axis=1).sum())
    assert (design.netlist.size_um[clusters, 0] == design.netlist.size_um[clusters, 1]).all()
    assert [design.netlist.node_names[v] for v in design.kept_as] == [n.node_names[v] for v in design.kept]
    assert design.kept.tolist() == np.flatnonzero(n.kind != Kind.CELL).tolist()


def test_few_cells_make_few_clusters_and_none_are_refused() -> None:
    n = flat(cells=40)
    assert len(coarsen(n, threads=1).netlist.cells) <= 40 // CELLS_PER_CLUSTER
    with pytest.raises(SettingsError, match="0 clusters"):
        coarsen(n, 0, threads=1)


def test_wirelength_ranks_places_of_macros_as_all_cells_do() -> None:
    """Macros exchanged with each other, in all 24 orders; nets with macros or ports weigh more than others."""
    n = flat(seed=2)
    n = n.with_(net_weight=np.where(np.diff(n.net_start) == 4, 10.0, 1.0))
    design, start = coarsen(n, 60, threads=1), apart(n)
    coarse, whole = [], []
    orders = [(a, b, c, 6 - a - b - c) for a in range(4) for b in range(4) for c in range(4) if len({a, b, c}) == 3]
    for order in orders:
        position = start.position_um.copy()
        position[:4] = start.position_um[list(order)]
        placement = Placement(n, position, start.orientation)
        coarse.append(design.wirelength_um(placement))
        whole.append(evaluate(place_globally(placement, n.cells, seed=0)).hpwl_um)
    assert spearmanr(coarse, whole).statistic > 0.7
    assert coarse[0] == design.wirelength_um(start)
