"""A differentiable twin of the exact proxy cost, in torch, for gradients only: nothing here is ever reported.

Wirelength is the weighted average of Hsu, Chang and Balabanov, "TSV-aware analytical placement for 3D IC designs",
DAC 2011; the density of a cell is the covered area, as in the exact cost; congestion is laid down along the routes of
the exact cost, which are traced anew now and then and held fixed between.  The means of the worst cells are softened,
and what jumps at the edges of grid cells becomes a ramp.  Meant for clustered netlists: of V nodes and grids of R×C
cells it takes V (R + C) numbers for each of B placements.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from netlists.netlist import ORIENTATION_MATRIX, Netlist
from placer.cost.definition import CONGESTION_FRACTION, DENSITY_FACTOR, DENSITY_FRACTION
from placer.gradient.overlap import shared_areas
from placer.gradient.routes import MergedNets, merged_nets, trace
from placer.soft.force_directed import cosines

HALVINGS = 20  # of the interval in which the level of the worst cells is sought


@dataclass(frozen=True)
class Smoothing:
    """How far the twin is from the exact cost, in grid cells but for `top`; a tensor [B] has one value a placement."""

    wire: float | Tensor = 1.0  # extreme pins share their pull with pins nearer than this
    top: float | Tensor = 0.1  # cells below the worst ones by this part of their level still count
    edge: float = 1.0  # width of the ramp at the edge of a cell, at most 1
    stretch: float = 1.0  # nodes are at least so wide and high, their area kept: small ones feel neighbors early


class Routes(NamedTuple):
    """The segments of the routes of B placements, as tensors; see `trace`."""

    across: Tensor  # [3, L]
    up: Tensor  # [3, L]
    tracks: Tensor  # [L]


class SmoothProxy:
    """The parts of the proxy cost of B placements of one netlist at a time, each [B], with gradients.

    Positions are float32 centers [B, V, 2] in µm on `device`.  Nodes keep the orientation of the netlist.  Pins of a
    node nearer to each other than about `merge_um` count as one, and nets that are then alike are joined: faster by far
    where buses are wide.  Routes are traced on the CPU, by `threads` threads.
    """

    def __init__(
        self, netlist: Netlist, device: str | torch.device = "cpu", merge_um: float = 0.0, threads: int = 1
    ) -> None:
        n, self.device = netlist, torch.device(device)
        self._pool = ThreadPoolExecutor(threads)
        self.rows, self.cols = n.grid
        self.nets: MergedNets = merged_nets(n, merge_um)
        self.cell = self.tensor(n.cell_um)
        self.canvas = self.tensor(n.canvas_um) / self.cell
        self.size = self.tensor(n.size_um) / self.cell
        self.solid, self.hard = self._ints(np.flatnonzero(n.kind != 2)), self._ints(n.hard)
        turned = ORIENTATION_MATRIX[n.orientation[self.nets.node]]
        self.offset = self.tensor(np.einsum("sij,sj->si", turned, self.nets.offset_um)) / self.cell
        self.node, self.spot = self._ints(self.nets.node), self._ints(self.nets.spot)
        degree = np.diff(self.nets.start)
        self.net, self.degree = self._ints(np.repeat(np.arange(len(degree)), degree)), self._ints(degree)
        scale = sum(n.canvas_um) * max(n.net_weight.sum(), 1e-9)
        self.wire_price = self.tensor(self.nets.weight / scale)[:, None] * self.cell  # [K, 2]
        r = n.routing
        self.capacity = self.tensor(
            (n.cell_um[1] * r.horizontal_per_um, n.cell_um[0] * r.vertical_per_um)
        )  # tracks of an edge
        self.blocking = (r.macro_horizontal_per_um / r.horizontal_per_um, r.macro_vertical_per_um / r.vertical_per_um)
        self.spread = [self.tensor(spreading(count, r.smoothing)) for count in n.grid]
        self.cosines = [self.tensor(cosines(count)) for count in n.grid]
        k = [torch.pi * torch.arange(count, device=self.device) / count for count in n.grid]
        waves = k[0][:, None] ** 2 + k[1][None, :] ** 2
        self.potential = torch.where(waves > 0, 1 / waves.clamp(min=1e-9), 0.0) / (self.rows * self.cols)

    @property
    def floats(self) -> int:
        """About how many numbers a placement takes while its gradient is computed."""
        nodes, hard = len(self.size), len(self.hard)
        return 10 * (nodes * (self.rows + self.cols) + 4 * hard * hard + 14 * len(self.spot))

    def tensor(self, values: object) -> Tensor:
        """Numbers as float32 where this computes."""
        return torch.tensor(np.asarray(values), dtype=torch.float32, device=self.device)

    def _ints(self, values: object) -> Tensor:
        return torch.tensor(np.asarray(values), dtype=torch.int64, device=self.device)

    def spots(self, position: Tensor) -> Tensor:
        """[B, S, 2] places of the pins, in grid cells."""
        return position[:, self.node] / self.cell + self.offset

    def wirelength(self, position: Tensor, smoothing: Smoothing) -> Tensor:
        """[B] smooth HPWL, normalized as the exact one."""
        batch = len(position)
        if not len(self.spot):
            return position.new_zeros(batch)
        pin = self.spots(position).transpose(0, 1).reshape(-1, 2 * batch).index_select(0, self.spot)  # [P, 2B]
        wire = torch.as_tensor(smoothing.wire, device=self.device).expand(batch).repeat_interleave(2)
        return self._extent(pin, wire).view(-1, batch, 2).mul(self.wire_price[:, None]).sum((0, 2))

    def _extent(self, pin: Tensor, wire: Tensor) -> Tensor:
        """[K, 2B] smooth difference of the highest and the lowest coordinate of each net."""
        length = torch.zeros((len(self.degree), pin.shape[1]), device=self.device)
        for sign in (1.0, -1.0):
            with torch.no_grad():
                # Without the check of the lengths, which a GPU would have to be waited for.
                most = torch.segment_reduce(sign * pin, "max", lengths=self.degree, unsafe=True)
                most = most.index_select(0, self.net)
            share = torch.exp((sign * pin - most) / wire)
            total = torch.zeros_like(length).index_add(0, self.net, share)
            length = length + sign * torch.zeros_like(length).index_add(0, self.net, share * pin) / total
        return length

    def cover(self, position: Tensor, smoothing: Smoothing) -> Tensor:
        """[B, R, C] part of each cell that macros cover."""
        size = self.size[self.solid]
        shape = size.clamp(min=max(smoothing.stretch, 1e-6))
        charge = (size / shape).prod(-1)
        center = position[:, self.solid] / self.cell
        low, high = center - shape / 2, center + shape / 2
        wide, tall = (lengths(low[..., d], high[..., d], count) for d, count in ((0, self.cols), (1, self.rows)))
        return torch.einsum("bvr,bvc->brc", tall * charge[:, None], wide)

    def density(self, cover: Tensor, smoothing: Smoothing) -> Tensor:
        """[B] half the mean of the fullest tenth of the cells of `cover` [B, R, C]."""
        return DENSITY_FACTOR * mean_of_worst(cover.flatten(1), DENSITY_FRACTION, smoothing.top)

    def energy(self, cover: Tensor) -> Tensor:
        """[B] electrostatic energy of `cover` [B, R, C] as charge, a cell: it falls as nodes spread over the canvas.

        Lu et al., ePlace, ACM TODAES 20(2), 2015, section 4.
        """
        wave = self.cosines[0] @ cover @ self.cosines[1].T
        return 0.5 * (wave**2 * self.potential).mean((1, 2))

    def overlap(self, position: Tensor) -> Tensor:
        """[B] area in which pairs of hard macros overlap, in parts of the area of all hard macros."""
        center, size = position[:, self.hard] / self.cell, self.size[self.hard]
        if self.device.type == "cpu":
            return shared_areas(center, size) / size.prod(-1).sum().clamp(min=1e-9)
        apart = (center[:, :, None] - center[:, None]).abs()  # [B, M, M, 2]
        reach = (size[:, None] + size[None]) / 2
        most = torch.minimum(size[:, None], size[None])
        both = torch.minimum(reach - apart, most).clamp(min=0).prod(-1)
        return (both.sum((1, 2)) - size.prod(-1).sum()) / 2 / size.prod(-1).sum().clamp(min=1e-9)

    def wall(self, position: Tensor) -> Tensor:
        """[B] mean distance of hard macros from the nearest side of the canvas, weighted by area, in half sides.

        No part of the cost: it leaves the middle to wires, which macros there would have to let pass.
        """
        center, size = position[:, self.hard] / self.cell, self.size[self.hard]
        gap = (torch.minimum(center, self.canvas - center) - size / 2) / (self.canvas / 2)
        area = size.prod(-1)
        return (gap.clamp(min=0).amin(-1) * area).sum(1) / area.sum().clamp(min=1e-9)

    def routes(self, position: Tensor) -> Routes:
        """The routes that the exact cost lays for these placements, to be used while nodes move little."""
        with torch.no_grad():
            cell = self.spots(position).floor().clamp(min=0)
            cell = torch.minimum(cell, self.canvas.round() - 1).to(torch.int64)
        found = trace(self.nets, cell.cpu().numpy(), self._pool.map)
        across, up = (torch.from_numpy(spots).to(self.device).long() for spots in (found.across, found.up))
        return Routes(across, up, self.tensor(found.tracks))

    def congestion(self, position: Tensor, routes: Routes, smoothing: Smoothing) -> Tensor:
        """[B] mean of the worst twentieth of the edges' demand over capacity."""
        horizontal, vertical = self.congestion_maps(position, routes, smoothing)
        both = torch.cat([vertical.flatten(1), horizontal.flatten(1)], 1)
        return mean_of_worst(both, CONGESTION_FRACTION, smoothing.top)

    def congestion_maps(self, position: Tensor, routes: Routes, smoothing: Smoothing) -> tuple[Tensor, Tensor]:
        """Demand over capacity across the right and the top edge of each cell, both [B, R, C].

        A macro blocks the edges that it crosses, as in the exact cost unless it lies within a row or column.
        """
        batch, edge = len(position), smoothing.edge
        spots = self.spots(position)
        low = torch.full_like(self.canvas, edge / 2)
        at = torch.minimum(torch.maximum(spots, low), self.canvas - low)
        first = (at - edge / 2).floor()
        later = ((at + edge / 2 - first - 1) / edge).clamp(0, 1).flatten(0, 1)  # part that is in the next cell
        first = first.to(torch.int64).flatten(0, 1)
        shape = (batch, self.rows + 1, self.cols + 1)
        start = torch.arange(batch, device=self.device).repeat_interleave(spots.shape[1]) * shape[1] * shape[2]
        net_across = lay(shape, start, first.flip(1), later.flip(1), routes.across, routes.tracks, shape[2], 1)
        net_up = lay(shape, start, first, later, routes.up, routes.tracks, 1, shape[2])
        horizontal = self.spread[0] @ net_across.cumsum(2)[:, :-1, :-1] / self.capacity[0]
        vertical = net_up.cumsum(1)[:, :-1, :-1] @ self.spread[1].T / self.capacity[1]
        block_across, block_up = self._blocked(position, edge)
        return horizontal + block_across, vertical + block_up

    def _blocked(self, position: Tensor, edge: float) -> tuple[Tensor, Tensor]:
        """Parts of the capacity, both [B, R, C], that hard macros use up."""
        center, size = position[:, self.hard] / self.cell, self.size[self.hard]
        low, high = center - size / 2, center + size / 2
        wide, tall = (lengths(low[..., d], high[..., d], count) for d, count in ((0, self.cols), (1, self.rows)))
        reach = size.clamp(min=1) / 2
        across, up = (
            crossed((center - reach)[..., d], (center + reach)[..., d], count, edge)
            for d, count in ((0, self.cols), (1, self.rows))
        )
        return (
            self.blocking[0] * torch.einsum("bvr,bvc->brc", tall, across),
            self.blocking[1] * torch.einsum("bvr,bvc->brc", up, wide),
        )


def lay(
    shape: tuple[int, int, int], start: Tensor, first: Tensor, later: Tensor, runs: Tensor, weight: Tensor,
    lane_step: int, run_step: int,
) -> Tensor:  # fmt: skip
    """A map of `shape` with plus the weight where a run begins and minus it where it ends, each spread over cells.

    `first` [B S, 2] are the lane and the place of each spot, of which a part `later` is in the next one.
    """
    lane, here, there = runs
    forward = (first[here, 1] + later[here, 1]) < (first[there, 1] + later[there, 1])
    signed = torch.where(forward, weight, -weight)
    base = start[lane] + first[lane, 0] * lane_step
    row = later[lane, 0]
    where, what = [], []
    for spot, sign in ((here, signed), (there, -signed)):
        cell = base + first[spot, 1] * run_step
        part = later[spot, 1]
        full = sign * row
        rest = sign - full
        a, b = full * part, rest * part
        where += [cell, cell + run_step, cell + lane_step, cell + lane_step + run_step]
        what += [rest - b, b, full - a, a]
    flat = torch.zeros(shape[0] * shape[1] * shape[2], device=weight.device)
    return flat.index_add(0, torch.cat(where), torch.cat(what)).view(shape)


def lengths(low: Tensor, high: Tensor, count: int) -> Tensor:
    """[..., count] how much of each of the unit intervals from 0 on lies between `low` and `high` [...]."""
    edge = torch.arange(count + 1, device=low.device, dtype=low.dtype)
    below = torch.minimum(torch.maximum(edge, low[..., None]), high[..., None])
    return below[..., 1:] - below[..., :-1]


def crossed(low: Tensor, high: Tensor, count: int, edge: float) -> Tensor:
    """[..., count] whether 1, 2, ... count lie between `low` and `high` [...], by ramps as wide as `edge`."""
    line = torch.arange(1, count + 1, device=low.device, dtype=low.dtype)
    passed = [((line - x[..., None]) / edge + 0.5).clamp(0, 1) for x in (low, high)]
    return passed[0] - passed[1]


def mean_of_worst(values: Tensor, part: float, width: float | Tensor) -> Tensor:
    """[B] mean of the largest of `values` [B, K], a part of them or one at least; softened by `width` of their level.

    The mean of the k largest is the least over t of t + sum(max(values - t, 0)) / k (Rockafellar and Uryasev,
    "Optimization of conditional value-at-risk", 2000); here the maximum is a softplus.
    """
    count = max(int(part * values.shape[1]), 1)
    worst = values.topk(count, dim=1).values
    soft = torch.as_tensor(width, device=values.device).clamp(min=1e-6).expand(len(values))[:, None]
    scale = worst.mean(1, keepdim=True).clamp(min=1e-6) * soft
    with torch.no_grad():
        low, high = worst[:, -1:] - 10 * scale, worst[:, :1] + 10 * scale
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            above = torch.sigmoid((values - middle) / scale).sum(1, keepdim=True) > count
            low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    return low[:, 0] + (softplus((values - low) / scale) * scale).sum(1) / count


def spreading(count: int, reach: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """[count, count] matrix that gives each value in equal parts to the places within `reach`, clipped at the ends."""
    place = np.arange(count)
    near = (np.abs(place[:, None] - place[None]) <= reach).astype(np.float64)
    spread: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = near / near.sum(0)
    return spread
