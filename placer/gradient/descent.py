"""Global placement from scratch by gradient descent: hard and soft macros together, several starts in one batch.

Adam (Kingma and Ba, ICLR 2015) descends the smooth proxy cost from the middle of the canvas, wirelength first: density,
congestion and the overlap of hard macros gain weight over the descent.  Each start is then legalized, its soft macros
are placed again, and the exact cost decides which one is best.
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
from netlists.runtime.command import warn
from netlists.runtime.device import room_bytes
from placer.cost import ProxyCost
from placer.gradient.smooth_proxy import Routes, Smoothing, SmoothProxy
from placer.incumbent import Incumbent
from placer.legalization.legalize import legalize
from placer.soft.detailed import place_soft_detailed
from placer.soft.force_directed import soft_arrays

Span = tuple[float, float]
"""A value at the first and at the last step, with geometric interpolation in between."""

FIRST_STEPS = 5
"""Steps after which their time decides how many steps the budget allows."""

SOFT_ROUNDS = 100
"""Rounds of the force-directed placement of soft macros that finishes a start."""

SOFT_SWEEPS = 10
"""Sweeps of the detailed placement of soft macros that finishes a start."""

FINISH_S = 0.5
"""Seconds reserved for finishing one start on one thread, until this has been measured."""

GPU_STARTS = 64
"""Starts in a batch on a GPU, at most, which takes hardly longer for them than for four."""

FINISH_FRACTION = 0.5
"""Largest fraction of the time for finishing the starts of a GPU."""

FLOAT_BYTES = 4
"""Bytes per float32."""

CPU = torch.device("cpu")
"""The device by default."""

SPANS = ("rate", "wire", "top", "density", "congestion", "energy", "overlap", "wall")
"""The fields of `GradientSettings` that change over a descent."""


@dataclass(frozen=True)
class GradientSettings:
    """The schedule of a descent."""

    starts: int = 4  # in a batch
    steps: int = 250  # of a batch; fewer if the budget is short
    rate: Span = (0.02, 0.001)  # step size of Adam, as a fraction of the canvas
    wire: Span = (1.0, 0.3)  # smoothing of wirelength, in grid cells
    top: Span = (0.1, 0.1)  # smoothing of the means of the worst cells, as a fraction of their level
    density: Span = (0.001, 0.5)  # weight of the density; that of the wirelength is 1
    congestion: Span = (1e-4, 1.0)  # weight of the congestion
    energy: Span = (0.1, 10.0)  # weight of the electrostatic energy
    overlap: Span = (1e-3, 4.0)  # weight of the overlap of hard macros
    wall: Span = (0.03, 0.3)  # weight of the distance of hard macros from the walls
    jitter: float = 0.2  # standard deviation over the starts of the logarithm of each of the values above
    scatter: float = 0.05  # standard deviation of the first positions, as a fraction of the canvas
    decay: Span = (0.9, 0.99)  # of Adam's running means of gradients and of their squares
    retrace: int = 4  # steps between two traces of the routes
    merge: float = 0.25  # distance in grid cells below which pins of a node count as one


class Descent:
    """A descent of B starts; `step` moves them.

    Throughout, `done` is the fraction of the descent that is over, from 0 to 1.
    """

    def __init__(self, proxy: SmoothProxy, netlist: Netlist, settings: GradientSettings, rng: np.random.Generator):
        n, b = netlist, settings.starts
        self.proxy, self.settings = proxy, settings
        self.moves = torch.tensor(np.flatnonzero(~n.fixed), device=proxy.device)
        self.canvas = proxy.tensor(n.canvas_um)
        margin = (proxy.tensor(n.size_um)[self.moves] / 2 / self.canvas).clamp(max=0.5)
        self.low, self.high = margin, 1 - margin
        self.fixed = proxy.tensor(np.where(n.fixed[:, None], n.position_um, 0.0)).repeat(b, 1, 1)
        start = 0.5 + settings.scatter * rng.normal(size=(b, len(self.moves), 2))
        # [B, K, 2] centers of the K movable nodes as fractions of the canvas.
        self.at = proxy.tensor(start).clamp(self.low, self.high)
        self.at.requires_grad_()
        self.mean, self.square = torch.zeros_like(self.at), torch.zeros_like(self.at)
        factor = np.exp(settings.jitter * rng.normal(size=(len(SPANS), 2, b)))
        self.spans = {name: proxy.tensor(getattr(settings, name))[:, None] * proxy.tensor(f)
                      for name, f in zip(SPANS, factor, strict=True)}  # fmt: skip
        self.lost = torch.zeros(b, dtype=torch.bool, device=proxy.device)  # [B] whether a gradient was not finite
        self.steps = 0
        self.routes: Routes | None = None

    def position(self) -> Tensor:
        """[B, V, 2] centers in µm."""
        return self.fixed.index_copy(1, self.moves, self.at * self.canvas)

    def value(self, name: str, done: float) -> Tensor:
        """[B] the value of the setting `name` after the fraction `done`."""
        first, last = self.spans[name]
        value: Tensor = first ** (1 - done) * last**done
        return value

    def step(self, done: float) -> None:
        """One step of Adam after the fraction `done`."""
        loss = self.loss(done).sum()
        (slope,) = torch.autograd.grad(loss, self.at)
        finite = slope.isfinite().flatten(1).all(dim=1)
        self.lost |= ~finite  # read once per batch, so as not to wait for a GPU
        slope = slope.masked_fill(~finite[:, None, None], 0.0)  # infinity would lead to indices out of range
        self.steps += 1
        decay_mean, decay_square = self.settings.decay
        with torch.no_grad():
            self.mean.lerp_(slope, 1 - decay_mean)
            self.square.lerp_(slope**2, 1 - decay_square)
            mean, square = self.mean / (1 - decay_mean**self.steps), self.square / (1 - decay_square**self.steps)
            move = self.value("rate", done)[:, None, None] * mean / (square.sqrt() + 1e-12)
            self.at.copy_((self.at - move).clamp(self.low, self.high))

    def loss(self, done: float) -> Tensor:
        """[B] the smooth cost with the weights after the fraction `done`."""
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
    """Run batches of starts until the budget of the search is used up, or `iterations` of them regardless of the time.

    Without `settings` there are more starts on a GPU than on the CPU.
    """
    torch.set_num_threads(threads)
    rng, merge_um = np.random.default_rng(seed), (settings or GradientSettings()).merge * min(netlist.cell_um)
    proxy, finish = SmoothProxy(netlist, device, merge_um, threads), Finisher(netlist, search, threads)
    if settings is None:
        seconds = np.inf if iterations else search.left_s
        settings = replace(GradientSettings(), starts=fitting_starts(proxy, FINISH_FRACTION * seconds / finish.seconds))
    if device.type == "cuda":
        Descent(proxy, netlist, settings, np.random.default_rng(0)).step(0.0)  # loads the kernels
    batches, batch_s = 0, 0.0
    while batches < iterations if iterations else batches < 1 or search.left_s > batch_s:
        began = time.perf_counter()
        descent = Descent(proxy, netlist, settings, rng)
        try:
            descend(descent, search, np.inf if iterations else search.left_s - settings.starts * finish.seconds)
        except KeyboardInterrupt:
            finish(descent.position()[:1])
            raise
        if lost := int(descent.lost.sum()):
            warn(f"warning: gradients of {lost} of {settings.starts} starts were not finite and left out")
        finish(descent.position())
        batches, batch_s = batches + 1, time.perf_counter() - began


def fitting_starts(proxy: SmoothProxy, most: float) -> int:
    """Starts in a batch: on a GPU more than usual if its memory holds them, but not more than `most`."""
    usual = GradientSettings().starts
    if proxy.device.type == "cpu":
        return usual
    return max(usual, int(min(GPU_STARTS, most, room_bytes(proxy.device, 0) // (FLOAT_BYTES * proxy.floats))))


def descend(descent: Descent, search: Incumbent, seconds: float) -> None:
    """Take the steps of the settings, or as many as fit into `seconds`, over which the schedule is then compressed."""
    began, steps = time.perf_counter(), descent.settings.steps
    while descent.steps < steps:
        descent.step(descent.steps / steps)
        if descent.steps == FIRST_STEPS and descent.proxy.device.type == "cuda":
            torch.cuda.synchronize(descent.proxy.device)  # steps that are only queued say nothing about time
        search.note(search.best, "gradient", search.left_s)
        used = time.perf_counter() - began
        if used > seconds:
            break
        if descent.steps == FIRST_STEPS and np.isfinite(seconds):
            steps = min(steps, int(seconds / used * FIRST_STEPS))


class Finisher:
    """Legalizes starts, places their soft macros, and adds them to the search, one start per thread at a time."""

    def __init__(self, netlist: Netlist, search: Incumbent, threads: int = 1) -> None:
        self.netlist, self.search, self.threads = netlist, search, threads
        self.soft, self.cost = soft_arrays(netlist), ProxyCost(netlist)
        self.seconds = FINISH_S / threads  # per start, as last measured

    def __call__(self, position: Tensor) -> None:
        """Finish placements whose centers are `position` [B, V, 2] in µm."""
        began = time.perf_counter()
        with ThreadPoolExecutor(self.threads) as pool:
            for result in pool.map(self._finish_one, position.detach().cpu().double().numpy()):
                if isinstance(result, LegalizationError):
                    self.search.error = result
                else:
                    self.search.keep(result[0], Placement(self.netlist, result[1], self.netlist.orientation))
        self.seconds = (time.perf_counter() - began) / len(position)

    def _finish_one(self, position: Floats) -> tuple[float, Floats] | LegalizationError:
        """The proxy and the centers [V, 2] of the start with the centers `position` [V, 2], or why it is not legal."""
        n = self.netlist
        position[n.fixed] = n.position_um[n.fixed]
        deadline = max(self.search.last, self.search.half)
        try:
            legal = legalize(Placement(n, position, n.orientation.copy()), deadline=deadline)
        except LegalizationError as error:
            return error
        placed = place_soft_detailed(self.soft, legal.position_um, SOFT_ROUNDS, SOFT_SWEEPS, deadline)
        scored = [(self.cost(p, legal.orientation).proxy, p) for p in (legal.position_um, placed)]
        return min(scored, key=lambda each: each[0])
