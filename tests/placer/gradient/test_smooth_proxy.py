"""The smooth proxy: the exact cost in the limit, the order of placements on the way there, exact gradients."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor

from netlists import load
from netlists.netlist import Floats, Netlist, Routing
from netlists.placement import Placement
from netlists.synthetic.generate import GeneratorSettings, generate
from placer.cost import evaluate
from placer.gradient.routes import merged_nets, trace
from placer.gradient.smooth_proxy import Smoothing, SmoothProxy

SHARP = Smoothing(wire=1e-3, top=1e-6, edge=1e-3, stretch=0.0)
SETTINGS = GeneratorSettings(hard_macros=12, soft_macros=40, nets=300, ports=20, grid=(9, 11))


@cache
def chip(seed: int = 0, smoothing: int = 0) -> Netlist:
    netlist = generate(SETTINGS, seed)
    # Macros are larger than cells: the smooth proxy differs if one lies within a single row or column.
    return netlist.with_(routing=Routing(smoothing=smoothing), size_um=with_large_macros(netlist))


def with_large_macros(netlist: Netlist) -> Floats:
    size = netlist.size_um.copy()
    size[netlist.hard] = np.maximum(size[netlist.hard], 1.05 * np.array(netlist.cell_um))
    return size


def anywhere(netlist: Netlist, seed: int) -> Placement:
    """Movable nodes at random inside the canvas."""
    half = np.minimum(netlist.size_um, netlist.canvas_um) / 2
    place = half + np.random.default_rng(seed).random(half.shape) * (np.array(netlist.canvas_um) - 2 * half)
    position = np.where(netlist.fixed[:, None], netlist.position_um, place).astype(np.float32).astype(np.float64)
    return Placement(netlist, np.where(netlist.fixed[:, None], netlist.position_um, position), netlist.orientation)


def terms(proxy: SmoothProxy, position: Tensor, smoothing: Smoothing) -> Tensor:
    """[B, 3] wirelength, density, congestion."""
    density = proxy.density(proxy.cover(position, smoothing), smoothing)
    congestion = proxy.congestion(position, proxy.routes(position), smoothing)
    return torch.stack([proxy.wirelength(position, smoothing), density, congestion], 1)


def both(netlist: Netlist, smoothing: Smoothing, merge_um: float = 0.0, seeds: int = 6) -> tuple[Floats, Floats]:
    """The terms [B, 3] of the smooth and of the exact cost of random placements."""
    placements = [anywhere(netlist, seed) for seed in range(seeds)]
    proxy = SmoothProxy(netlist, merge_um=merge_um)
    smooth = terms(proxy, proxy.tensor([p.position_um for p in placements]), smoothing)
    exact = [(c.wirelength, c.density, c.congestion) for c in map(evaluate, placements)]
    return smooth.double().numpy(), np.array(exact)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("reach", [0, 2])
def test_it_converges_to_the_exact_cost(seed: int, reach: int) -> None:
    smooth, exact = both(chip(seed, reach), SHARP)
    np.testing.assert_allclose(smooth[:, :2], exact[:, :2], rtol=2e-5)
    # Pins nearer to the edge of a cell than the resolution of float32 and of the ramp count on both sides of it.
    np.testing.assert_allclose(smooth[:, 2], exact[:, 2], rtol=5e-3)


def test_less_smoothing_is_nearer() -> None:
    smoothing = Smoothing()
    far, exact = both(chip(), smoothing)
    near, _ = both(chip(), replace(smoothing, wire=0.2, top=0.02, edge=0.2, stretch=0.2))
    assert (np.abs(near - exact).mean(0) < 0.5 * np.abs(far - exact).mean(0)).all()


def test_the_order_of_placements_is_that_of_the_exact_cost() -> None:
    n = chip()
    positions = [anywhere(n, seed).position_um for seed in range(30)]
    middle = np.array(n.canvas_um) / 2
    # Contracted more and more, so that all terms differ.
    contracted = [
        np.where(n.fixed[:, None], p, middle + (p - middle) * (0.6 + 0.4 * k / 29)) for k, p in enumerate(positions)
    ]
    proxy = SmoothProxy(n)
    smooth = terms(proxy, proxy.tensor(contracted), Smoothing()).numpy()
    exact = np.array([[c.wirelength, c.density, c.congestion] for c in
                      (evaluate(Placement(n, p, n.orientation)) for p in contracted)])  # fmt: skip
    for k in range(3):
        assert spearmanr(smooth[:, k], exact[:, k]).statistic > 0.9


def test_merged_pins_change_little() -> None:
    n = chip()
    merge_um = 0.25 * min(n.cell_um)
    assert len(merged_nets(n, merge_um).point) <= len(merged_nets(n).point)
    assert merged_nets(n, merge_um).weight.sum() <= n.net_weight.sum()
    smooth, exact = both(n, SHARP, merge_um)
    np.testing.assert_allclose(smooth, exact, rtol=0.05)


@pytest.mark.parametrize("term", range(5))
def test_gradients_are_slopes(term: int) -> None:
    n = chip(1)
    proxy = SmoothProxy(n)
    start, smoothing = proxy.tensor([anywhere(n, 0).position_um]), Smoothing(top=0.3)
    routes = proxy.routes(start)

    def value(position: Tensor) -> Tensor:
        cover = proxy.cover(position, smoothing)
        if term == 0:
            return proxy.wirelength(position, smoothing)
        if term == 1:
            return proxy.density(cover, smoothing)
        if term == 2:
            return proxy.energy(cover)
        return proxy.overlap(position) if term == 3 else proxy.congestion(position, routes, smoothing)

    position = start.clone().requires_grad_()
    (slope,) = torch.autograd.grad(value(position).sum(), position)
    assert slope.abs().max() > 0
    way = slope / slope.norm()
    step = 2e-3 * min(n.cell_um) / float(way.abs().max())
    rise = (value(start + step * way) - value(start - step * way)) / (2 * step)
    assert float(rise) == pytest.approx(float(slope.norm()), rel=0.03)


def test_energy_and_overlap_fall_as_macros_spread() -> None:
    n = chip()
    proxy, middle = SmoothProxy(n), np.array(n.canvas_um) / 2
    spread = Placement.given(n).position_um
    position = proxy.tensor([np.where(n.fixed[:, None], spread, middle + s * (spread - middle)) for s in (0.1, 0.4, 1)])
    energy, overlap = proxy.energy(proxy.cover(position, Smoothing())), proxy.overlap(position)
    assert energy[0] > energy[1] > energy[2]
    assert overlap[0] > overlap[1] > overlap[2]


def test_overlap_is_the_area_shared() -> None:
    n = chip()
    proxy = SmoothProxy(n)
    position = anywhere(n, 0).position_um.copy()
    low, high = position[n.hard] - n.size_um[n.hard] / 2, position[n.hard] + n.size_um[n.hard] / 2
    area = sum(
        float(np.maximum(np.minimum(high[a], high[b]) - np.maximum(low[a], low[b]), 0).prod())
        for a, b in combinations(range(len(n.hard)), 2)
    )
    assert area > 0
    expected = area / n.size_um[n.hard].prod(1).sum()
    assert float(proxy.overlap(proxy.tensor([position]))[0]) == pytest.approx(expected, rel=1e-4)
    a, b = n.hard[:2]
    position[n.hard] = 1e6 * (1 + np.arange(len(n.hard)))[:, None]  # far apart, except these two at the same place
    position[b] = position[a]
    shared = np.minimum(n.size_um[a], n.size_um[b]).prod() / n.size_um[n.hard].prod(1).sum()
    assert float(proxy.overlap(proxy.tensor([position]))[0]) == pytest.approx(shared, rel=1e-4)


def test_each_placement_of_a_batch_has_its_own_smoothing() -> None:
    n = chip()
    proxy = SmoothProxy(n)
    position = proxy.tensor([anywhere(n, 0).position_um] * 2)
    values = Smoothing(wire=torch.tensor([0.5, 2.0]), top=torch.tensor([0.05, 0.3]))
    together = terms(proxy, position, values)
    for b, (wire, top) in enumerate([(0.5, 0.05), (2.0, 0.3)]):
        alone = terms(proxy, position[:1], Smoothing(wire=wire, top=top))
        np.testing.assert_allclose(together[b].numpy(), alone[0].numpy(), rtol=1e-5)


def test_a_bundled_design() -> None:
    n = load("jetty")
    proxy, exact = SmoothProxy(n), evaluate(Placement.given(n))
    smooth = terms(proxy, proxy.tensor([n.position_um]), SHARP)[0]
    assert float(smooth[0]) == pytest.approx(exact.wirelength, rel=1e-4)
    assert float(smooth[1]) == pytest.approx(exact.density, rel=1e-4)
    assert float(smooth[2]) == pytest.approx(exact.congestion, rel=0.05)


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_threads_trace_the_same_segments(threads: int) -> None:
    n = chip()
    nets = merged_nets(n)
    rng = np.random.default_rng(0)
    cell = np.stack([rng.integers(0, count, (5, len(nets.node))) for count in n.grid[::-1]], axis=2)
    with ThreadPoolExecutor(threads) as pool:
        together = trace(nets, cell, pool.map)
    alone = [trace(nets, cell[b : b + 1]) for b in range(len(cell))]
    for name in ("across", "up"):
        segments = np.concatenate([getattr(s, name) + b * len(nets.node) for b, s in enumerate(alone)], axis=1)
        np.testing.assert_array_equal(getattr(together, name), segments)
    np.testing.assert_array_equal(together.tracks, np.concatenate([s.tracks for s in alone]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_agrees_with_the_cpu() -> None:
    n = chip()
    values = [terms(p, p.tensor([anywhere(n, 0).position_um]), Smoothing()).cpu().numpy()
              for p in (SmoothProxy(n), SmoothProxy(n, "cuda"))]  # fmt: skip
    np.testing.assert_allclose(values[0], values[1], rtol=1e-4)
