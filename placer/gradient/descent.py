"""Global placement from scratch by gradient: hard and soft macros together, several starts side by side.

Adam (Kingma and Ba, ICLR 2015) descends the differentiable proxy cost from the middle of the canvas, wirelength first:
density, congestion and the overlap of hard macros gain weight as it goes on.  Every start is then legalized, its soft
macros are settled, and the exact cost picks the best.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from netlists.errors import LegalizationError
from netlists.netlist import Floats, Netlist
from netlists.placement import Placement
from netlists.runtime.device import room_bytes
from placer.cost import ProxyCost
from placer.gradient.smooth_proxy import Routes, Smoothing, SmoothProxy
from placer.incumbent import Incumbent
from placer.legalization.legalize import legalize
from placer.soft.detailed import with_soft_placed
from placer.soft.force_directed import soft_arrays

Span = tuple[float, float]
"""A value at the first and at the last step, changing geometrically between."""
FIRST_STEPS = 5  # which tell how many the budget allows
SETTLE_ROUNDS, SETTLE_SWEEPS = 100, 10
FINISH_S = 0.5  # kept for legalizing and settling each start on one thread, until it was measured
GPU_STARTS = 64  # side by side on a GPU, which hardly notices more than the CPU's four
FINISH_SHARE = 0.5  # of the time at most, for finishing so many
CPU = torch.device("cpu")
SPANS = ("rate", "wire", "top", "density", "congestion", "energy", "overlap", "wall")


@dataclass(frozen=True)
class GradientSettings:
    """The schedule."""

    starts: int = 4
    steps: int = 250  # of a round of starts; fewer where the budget is short
    rate: Span = (0.02, 0.001)  # of Adam, in parts of the canvas
    wire: Span = (1.0, 0.3)  # smoothing of wirelength, in grid cells
    top: Span = (0.1, 0.1)  # smoothing of the means of the worst cells
    density: Span = (0.001, 0.5)  # weights; that of wirelength is 1
    congestion: Span = (1e-4, 1.0)
    energy: Span = (0.1, 10.0)
    overlap: Span = (1e-3, 4.0)
    wall: Span = (0.03, 0.3)
    jitter: float = 0.2  # deviation of the logarithms of all of those, from start to start
    scatter: float = 0.05  # of the first positions, in parts of the canvas
    decay: Span = (0.9, 0.99)  # of Adam's means of gradients and of their squares
    retrace: int = 4  # steps between two traces of the routes
    merge: float = 0.25  # pins of a node nearer than this, in grid cells, count as one


class Descent:
    """B starts on their way down; `step` moves them."""

    def __init__(self, proxy: SmoothProxy, netlist: Netlist, settings: GradientSettings, rng: np.random.Generator):
        n, b = netlist, settings.starts
        self.proxy, self.settings = proxy, settings
        self.moves = torch.tensor(np.flatnonzero(~n.fixed), device=proxy.device)
        self.canvas = proxy.tensor(n.canvas_um)
        margin = (proxy.tensor(n.size_um)[self.moves] / 2 / self.canvas).clamp(max=0.5)
        self.low, self.high = margin, 1 - margin
        self.fixed = proxy.tensor(np.where(n.fixed[:, None], n.position_um, 0.0)).repeat(b, 1, 1)
        scattered = 0.5 + settings.scatter * rng.normal(size=(b, len(self.moves), 2))
        self.at = proxy.tensor(scattered).clamp(self.low, self.high)  # [B, moved, 2] in parts of the canvas
        self.at.requires_grad_()
        self.mean, self.square = torch.zeros_like(self.at), torch.zeros_like(self.at)
        factor = np.exp(settings.jitter * rng.normal(size=(len(SPANS), 2, b)))
        self.spans = {name: proxy.tensor(getattr(settings, name))[:, None] * proxy.tensor(f)
                      for name, f in zip(SPANS, factor, strict=True)}  # fmt: skip
        self.steps = 0
        self.routes: Routes | None = None

    def position(self) -> Tensor:
        """[B, V, 2] centers in µm."""
        return self.fixed.index_copy(1, self.moves, self.at * self.canvas)

    def value(self, name: str, done: float) -> Tensor:
        """[B] what a setting is when a part `done` of the descent is over."""
        first, last = self.spans[name]
        value: Tensor = first ** (1 - done) * last**done
        return value

    def step(self, done: float) -> None:
        """One step of Adam, when a part `done` of the descent is over."""
        loss = self.loss(done).sum()
        (slope,) = torch.autograd.grad(loss, self.at)
        self.steps += 1
        with torch.no_grad():
            for state, gradient, decay in zip(
                (self.mean, self.square), (slope, slope**2), self.settings.decay, strict=True
            ):
                state.lerp_(gradient, 1 - decay)
            mean, square = (
                state / (1 - decay**self.steps)
                for state, decay in zip((self.mean, self.square), self.settings.decay, strict=True)
            )
            move = self.value("rate", done)[:, None, None] * mean / (square.sqrt() + 1e-12)
            self.at.copy_((self.at - move).clamp(self.low, self.high))

    def loss(self, done: float) -> Tensor:
        """[B] the smooth cost with the weights of the moment."""
        proxy, position = self.proxy, self.position()
        smoothing = Smoothing(self.value("wire", done), self.value("top", done))
        if self.routes is None or self.steps % self.settings.retrace == 0:
            self.routes = proxy.routes(position)
        cover = proxy.cover(position, smoothing)
        return (
            proxy.wirelength(position, smoothing)
            + self.value("density", done) * proxy.density(cover, smoothing)
            + self.value("energy", done) * proxy.energy(cover)
            + self.value("congestion", done) * proxy.congestion(position, self.routes, smoothing)
            + self.value("overlap", done) * proxy.overlap(position)
            + self.value("wall", done) * proxy.wall(position)
        )


def gradient(
    netlist: Netlist, search: Incumbent, seed: int, threads: int, iterations: int | None,
    settings: GradientSettings | None = None, device: torch.device = CPU,
) -> None:  # fmt: skip
    """Rounds of starts until the budget of the search is used, or a number of them whatever the time.

    Without settings there are more starts on a GPU than on the CPU.
    """
    torch.set_num_threads(threads)
    rng, merge_um = np.random.default_rng(seed), (settings or GradientSettings()).merge * min(netlist.cell_um)
    proxy, finish = SmoothProxy(netlist, device, merge_um, threads), Finish(netlist, search, threads)
    if settings is None:
        seconds = np.inf if iterations else search.left_s
        settings = replace(GradientSettings(), starts=fitting_starts(proxy, FINISH_SHARE * seconds / finish.seconds))
    if device.type == "cuda":
        Descent(proxy, netlist, settings, np.random.default_rng(0)).step(0.0)  # loads what is needed
    rounds, took = 0, 0.0
    while rounds < iterations if iterations else rounds < 1 or search.left_s > took:
        began = time.perf_counter()
        descent = Descent(proxy, netlist, settings, rng)
        try:
            descend(descent, search, np.inf if iterations else search.left_s - settings.starts * finish.seconds)
        except KeyboardInterrupt:
            finish(descent.position()[:1])
            raise
        finish(descent.position())
        rounds, took = rounds + 1, time.perf_counter() - began


def fitting_starts(proxy: SmoothProxy, most: float) -> int:
    """Starts side by side: more on a GPU, where its memory holds them, but not more than `most`."""
    usual = GradientSettings().starts
    if proxy.device.type == "cpu":
        return usual
    return max(usual, int(min(GPU_STARTS, most, room_bytes(proxy.device, 0) // (4 * proxy.floats))))


def descend(descent: Descent, search: Incumbent, seconds: float) -> None:
    """Steps for all of the schedule in the settings, or for as much of one as fits the time."""
    began, steps = time.perf_counter(), descent.settings.steps
    while descent.steps < steps:
        descent.step(descent.steps / steps)
        if descent.steps == FIRST_STEPS and descent.proxy.device.type == "cuda":
            torch.cuda.synchronize(descent.proxy.device)  # steps that were only asked for tell no time
        search.note(search.best, "gradient", search.left_s)
        used = time.perf_counter() - began
        if used > seconds:
            break
        if descent.steps == FIRST_STEPS and np.isfinite(seconds):
            steps = min(steps, int(seconds / used * FIRST_STEPS))


class Finish:
    """Legalizes starts, settles their soft macros, and offers them to the search; one start a thread at a time."""

    def __init__(self, netlist: Netlist, search: Incumbent, threads: int = 1) -> None:
        self.netlist, self.search, self.threads = netlist, search, threads
        self.soft, self.cost = soft_arrays(netlist), ProxyCost(netlist)
        self.seconds = FINISH_S / threads  # a start, as last measured

    def __call__(self, position: Tensor) -> None:
        """Finish placements [B, V, 2]."""
        began = time.perf_counter()
        with ThreadPoolExecutor(self.threads) as pool:
            for found in pool.map(self._finished, position.detach().cpu().double().numpy()):
                if isinstance(found, LegalizationError):
                    self.search.error = found
                else:
                    self.search.keep(found[0], Placement(self.netlist, found[1], self.netlist.orientation))
        self.seconds = (time.perf_counter() - began) / len(position)

    def _finished(self, found: Floats) -> tuple[float, Floats] | LegalizationError:
        """The proxy and the centers [V, 2] of a start whose centers were `found`, or why it cannot be legalized."""
        n = self.netlist
        found[n.fixed] = n.position_um[n.fixed]
        deadline = max(self.search.last, self.search.half)
        try:
            legal = legalize(Placement(n, found, n.orientation.copy()), deadline=deadline)
        except LegalizationError as error:
            return error
        settled = with_soft_placed(self.soft, legal.position_um, SETTLE_ROUNDS, SETTLE_SWEEPS, deadline)
        both = [(self.cost(p, legal.orientation).proxy, p) for p in (legal.position_um, settled)]
        return min(both, key=lambda scored: scored[0])
