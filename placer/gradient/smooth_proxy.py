"""A smooth approximation of the exact proxy cost, in torch, for gradients only: none of its values is ever reported.

Wirelength is the weighted average of Hsu, Chang and Balabanov, "TSV-aware analytical placement for 3D IC designs",
DAC 2011.  The density of a grid cell is its covered area, as in the exact cost.  Congestion is summed along the routes
of the exact cost, which are traced again every few steps and held fixed in between.  The means of the worst cells are
softened, and steps at the edges of grid cells become ramps.  Meant for clustered netlists: with V nodes and R×C grid
cells it takes V (R + C) numbers for each of B placements.

Coordinates and sizes inside are in units of a grid cell.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from netlists.netlist import ORIENTATION_MATRIX, Floats, Kind, Netlist
from placer.cost.definition import CONGESTION_FRACTION, DENSITY_FACTOR, DENSITY_FRACTION
from placer.gradient.overlap import shared_areas
from placer.gradient.routes import MergedNets, merged_nets, trace
from placer.soft.force_directed import cosines

HALVINGS = 20
"""Bisection steps in the search for the level above which cells count as the worst ones."""

TINY = 1e-9
"""Keeps denominators positive."""

LEAST_WIDTH = 1e-6
"""Smallest width of nodes and of softened maxima, in their units, that keeps denominators positive."""

SLACK = 10
"""Widths of the softened maximum by which the interval of the bisection extends beyond the worst cells."""


@dataclass(frozen=True)
class Smoothing:
    """How far the approximation is from the exact cost, in grid cells except `top`; tensors [B] are per placement."""

    wire: float | Tensor = 1.0  # the pull on an extreme pin is distributed over pins nearer to it than this
    top: float | Tensor = 0.1  # cells below the worst ones by this fraction of their level still count
    edge: float = 1.0  # width of the ramp at the edge of a cell, at most 1
    stretch: float = 1.0  # least width and height of nodes, at equal area: small ones overlap their neighbors early


class Routes(NamedTuple):
    """The segments of the routes of B placements as tensors; see `placer.gradient.routes.Segments`."""

    across: Tensor  # [3, E]
    up: Tensor  # [3, E]
    tracks: Tensor  # [E]


class SmoothProxy:
    """The terms of the proxy cost of B placements of one netlist at a time, each [B], with gradients.

    Positions are float32 centers [B, V, 2] in µm on `device`.  Nodes keep the orientation of the netlist.  Pins of a
    node nearer to each other than about `merge_um` count as one, and nets that are then equal are merged, which is much
    faster if buses are wide.  Routes are traced on the CPU by `threads` threads.
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
        self.solid, self.hard = self._ints(np.flatnonzero(n.kind != Kind.PORT)), self._ints(n.hard)
        rotation = ORIENTATION_MATRIX[n.orientation[self.nets.node]]
        self.offset = self.tensor(np.einsum("sij,sj->si", rotation, self.nets.offset_um)) / self.cell
        self.node, self.point = self._ints(self.nets.node), self._ints(self.nets.point)
        degree = np.diff(self.nets.start)
        self.net, self.degree = self._ints(np.repeat(np.arange(len(degree)), degree)), self._ints(degree)
        scale = sum(n.canvas_um) * max(n.net_weight.sum(), 1e-9)
        self.wire_price = self.tensor(self.nets.weight / scale)[:, None] * self.cell  # [N, 2] cost per grid cell
        r, (width, height) = n.routing, n.cell_um
        self.capacity = self.tensor((height * r.horizontal_per_um, width * r.vertical_per_um))  # tracks of an edge
        # Fractions of the capacity that a macro uses up.
        self.blocking = (r.macro_horizontal_per_um / r.horizontal_per_um, r.macro_vertical_per_um / r.vertical_per_um)
        self.averaging = [self.tensor(averaging_matrix(count, r.smoothing)) for count in n.grid]
        self.cosines = [self.tensor(cosines(count)) for count in n.grid]
        k = [torch.pi * torch.arange(count, device=self.device) / count for count in n.grid]
        waves = k[0][:, None] ** 2 + k[1][None, :] ** 2
        self.potential = torch.where(waves > 0, 1 / waves.clamp(min=1e-9), 0.0) / (self.rows * self.cols)

    @property
    def floats(self) -> int:
        """About how many numbers one placement takes while its gradient is computed."""
        nodes, hard = len(self.size), len(self.hard)
        return 10 * (nodes * (self.rows + self.cols) + 4 * hard * hard + 14 * len(self.point))

    def tensor(self, values: object) -> Tensor:
        """The values as float32 on the device."""
        return torch.tensor(np.asarray(values), dtype=torch.float32, device=self.device)

    def _ints(self, values: object) -> Tensor:
        """The values as int64 on the device."""
        return torch.tensor(np.asarray(values), dtype=torch.int64, device=self.device)

    def points(self, position: Tensor) -> Tensor:
        """[B, Q, 2] places of the points in grid cells, for centers [B, V, 2] in µm."""
        return position[:, self.node] / self.cell + self.offset

    def wirelength(self, position: Tensor, smoothing: Smoothing) -> Tensor:
        """[B] smooth HPWL of centers [B, V, 2] in µm, normalized as the exact one."""
        batch = len(position)
        if not len(self.point):
            return position.new_zeros(batch)
        pin = self.points(position).transpose(0, 1).reshape(-1, 2 * batch).index_select(0, self.point)  # [P, 2B]
        wire = torch.as_tensor(smoothing.wire, device=self.device).expand(batch).repeat_interleave(2)
        return self._extent(pin, wire).view(-1, batch, 2).mul(self.wire_price[:, None]).sum((0, 2))

    def _extent(self, pin: Tensor, wire: Tensor) -> Tensor:
        """[N, 2B] smooth difference of the highest and the lowest of the coordinates `pin` [P, 2B] of each net."""
        length = torch.zeros((len(self.degree), pin.shape[1]), device=self.device)
        for sign in (1.0, -1.0):
            with torch.no_grad():
                # `unsafe` leaves out a check of the lengths that would wait for a GPU.
                most = torch.segment_reduce(sign * pin, "max", lengths=self.degree, unsafe=True)
                most = most.index_select(0, self.net)
            weight = torch.exp((sign * pin - most) / wire)
            total = torch.zeros_like(length).index_add(0, self.net, weight)
            length = length + sign * torch.zeros_like(length).index_add(0, self.net, weight * pin) / total
        return length

    def cover(self, position: Tensor, smoothing: Smoothing) -> Tensor:
        """[B, R, C] the fraction of each grid cell that macros with centers [B, V, 2] in µm cover."""
        size = self.size[self.solid]
        shape = size.clamp(min=max(smoothing.stretch, LEAST_WIDTH))
        charge = (size / shape).prod(-1)
        center = position[:, self.solid] / self.cell
        low, high = center - shape / 2, center + shape / 2
        wide, tall = self._extents(low, high)
        return torch.einsum("bvr,bvc->brc", tall * charge[:, None], wide)

    def density(self, cover: Tensor, smoothing: Smoothing) -> Tensor:
        """[B] half the mean of the fullest tenth of the cells, whose covered fractions are `cover` [B, R, C]."""
        return DENSITY_FACTOR * mean_of_worst(cover.flatten(1), DENSITY_FRACTION, smoothing.top)

    def energy(self, cover: Tensor) -> Tensor:
        """[B] the mean electrostatic energy of a cell if the fractions `cover` [B, R, C] are charges.

        It falls as nodes spread over the canvas.

        Lu et al., ePlace, ACM TODAES 20(2), 2015, section 4.
        """
        wave = self.cosines[0] @ cover @ self.cosines[1].T
        return 0.5 * (wave**2 * self.potential).mean((1, 2))

    def overlap(self, position: Tensor) -> Tensor:
        """[B] area in which pairs of hard macros overlap, as a fraction of the area of all hard macros.

        `position` [B, V, 2] holds centers in µm.
        """
        center, size = position[:, self.hard] / self.cell, self.size[self.hard]
        if self.device.type == "cpu":
            return shared_areas(center, size) / size.prod(-1).sum().clamp(min=TINY)
        apart = (center[:, :, None] - center[:, None]).abs()  # [B, M, M, 2]
        reach = (size[:, None] + size[None]) / 2
        most = torch.minimum(size[:, None], size[None])
        both = torch.minimum(reach - apart, most).clamp(min=0).prod(-1)
        return (both.sum((1, 2)) - size.prod(-1).sum()) / 2 / size.prod(-1).sum().clamp(min=TINY)

    def wall(self, position: Tensor) -> Tensor:
        """[B] mean distance of hard macros from the nearest side of the canvas, weighted by area, in half sides.

        It is no term of the cost, but keeps the middle, through which most wires pass, free of macros.  `position`
        [B, V, 2] holds centers in µm.
        """
        center, size = position[:, self.hard] / self.cell, self.size[self.hard]
        gap = (torch.minimum(center, self.canvas - center) - size / 2) / (self.canvas / 2)
        area = size.prod(-1)
        return (gap.clamp(min=0).amin(-1) * area).sum(1) / area.sum().clamp(min=TINY)

    def routes(self, position: Tensor) -> Routes:
        """The routes of the exact cost for centers [B, V, 2] in µm, for use as long as nodes move little."""
        with torch.no_grad():
            cell = self.points(position).floor().clamp(min=0)
            cell = torch.minimum(cell, self.canvas.round() - 1).to(torch.int64)
        segments = trace(self.nets, cell.cpu().numpy(), self._pool.map)
        across, up = (torch.from_numpy(points).to(self.device).long() for points in (segments.across, segments.up))
        return Routes(across, up, self.tensor(segments.tracks))

    def congestion(self, position: Tensor, routes: Routes, smoothing: Smoothing) -> Tensor:
        """[B] mean demand over capacity of the worst twentieth of the edges, for centers [B, V, 2] in µm."""
        horizontal, vertical = self.congestion_maps(position, routes, smoothing)
        both = torch.cat([vertical.flatten(1), horizontal.flatten(1)], 1)
        return mean_of_worst(both, CONGESTION_FRACTION, smoothing.top)

    def congestion_maps(self, position: Tensor, routes: Routes, smoothing: Smoothing) -> tuple[Tensor, Tensor]:
        """Demand over capacity across the right and the top edge of each cell, both [B, R, C].

        `position` [B, V, 2] holds centers in µm.  A macro blocks the edges that it crosses, as in the exact cost unless
        it lies within a single row or column.
        """
        batch, edge = len(position), smoothing.edge
        points = self.points(position)
        low = torch.full_like(self.canvas, edge / 2)
        at = torch.minimum(torch.maximum(points, low), self.canvas - low)
        first = (at - edge / 2).floor()
        later = ((at + edge / 2 - first - 1) / edge).clamp(0, 1).flatten(0, 1)  # fraction that is in the next cell
        first = first.to(torch.int64).flatten(0, 1)
        shape = (batch, self.rows + 1, self.cols + 1)
        start = torch.arange(batch, device=self.device).repeat_interleave(points.shape[1]) * shape[1] * shape[2]
        net_across = mark_ends(shape, start, first.flip(1), later.flip(1), routes.across, routes.tracks, shape[2], 1)
        net_up = mark_ends(shape, start, first, later, routes.up, routes.tracks, 1, shape[2])
        horizontal = self.averaging[0] @ net_across.cumsum(2)[:, :-1, :-1] / self.capacity[0]
        vertical = net_up.cumsum(1)[:, :-1, :-1] @ self.averaging[1].T / self.capacity[1]
        block_across, block_up = self._blockage(position, edge)
        return horizontal + block_across, vertical + block_up

    def _blockage(self, position: Tensor, edge: float) -> tuple[Tensor, Tensor]:
        """Fractions of the capacity, both [B, R, C], that hard macros use up."""
        center, size = position[:, self.hard] / self.cell, self.size[self.hard]
        wide, tall = self._extents(center - size / 2, center + size / 2)
        reach = size.clamp(min=1) / 2
        across, up = (
            crossing_fractions((center - reach)[..., d], (center + reach)[..., d], count, edge)
            for d, count in ((0, self.cols), (1, self.rows))
        )
        return (
            self.blocking[0] * torch.einsum("bvr,bvc->brc", tall, across),
            self.blocking[1] * torch.einsum("bvr,bvc->brc", up, wide),
        )

    def _extents(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        """How much of each column [B, K, C] and row [B, K, R] lies between the corners [B, K, 2] of rectangles."""
        wide = covered_lengths(low[..., 0], high[..., 0], self.cols)
        return wide, covered_lengths(low[..., 1], high[..., 1], self.rows)


def mark_ends(
    shape: tuple[int, int, int], start: Tensor, first: Tensor, later: Tensor, segments: Tensor, weight: Tensor,
    lane_step: int, run_step: int,
) -> Tensor:  # fmt: skip
    """A map of `shape` with plus the weight at the start of each segment and minus the weight at its end.

    Each end is spread over neighboring cells.  `start` [BQ] is the index in the flat map at which the placement of each
    point begins; `first` [BQ, 2] holds the indices of its lane and of its place in the lane, and `later` [BQ, 2] the
    fractions of it that belong to the next lane and place.  `segments` [3, E] are indices of points, `weight` [E] are
    numbers of tracks, and `lane_step` and `run_step` are the distances of neighboring lanes and places in the map.
    """
    lane, here, there = segments
    forward = (first[here, 1] + later[here, 1]) < (first[there, 1] + later[there, 1])
    signed = torch.where(forward, weight, -weight)
    base = start[lane] + first[lane, 0] * lane_step
    row = later[lane, 0]
    where, what = [], []
    for point, sign in ((here, signed), (there, -signed)):
        cell = base + first[point, 1] * run_step
        fraction = later[point, 1]
        full = sign * row
        rest = sign - full
        a, b = full * fraction, rest * fraction
        where += [cell, cell + run_step, cell + lane_step, cell + lane_step + run_step]
        what += [rest - b, b, full - a, a]
    flat = torch.zeros(shape[0] * shape[1] * shape[2], device=weight.device)
    return flat.index_add(0, torch.cat(where), torch.cat(what)).view(shape)


def covered_lengths(low: Tensor, high: Tensor, count: int) -> Tensor:
    """[B, K, C] how much of each of the C = `count` unit intervals from 0 on lies between `low` and `high` [B, K].

    The values are coordinates in grid cells.
    """
    edge = torch.arange(count + 1, device=low.device, dtype=low.dtype)
    below = torch.minimum(torch.maximum(edge, low[..., None]), high[..., None])
    return below[..., 1:] - below[..., :-1]


def crossing_fractions(low: Tensor, high: Tensor, count: int, edge: float) -> Tensor:
    """[B, K, C] whether each of 1, 2, ... C = `count` lies between `low` and `high` [B, K], from 0 to 1.

    The values are coordinates in grid cells; the result rises along ramps as wide as `edge`.
    """
    line = torch.arange(1, count + 1, device=low.device, dtype=low.dtype)
    above_low, above_high = (((line - x[..., None]) / edge + 0.5).clamp(0, 1) for x in (low, high))
    return above_low - above_high


def mean_of_worst(values: Tensor, fraction: float, width: float | Tensor) -> Tensor:
    """[B] mean of the largest `fraction` of the `values` [B, K], of at least one; softened by `width` of their level.

    The mean of the k largest is the least over t of t + sum(max(values - t, 0)) / k (Rockafellar and Uryasev,
    "Optimization of conditional value-at-risk", 2000); here the maximum is a softplus.
    """
    count = max(int(fraction * values.shape[1]), 1)
    worst = values.topk(count, dim=1).values
    soft = torch.as_tensor(width, device=values.device).clamp(min=LEAST_WIDTH).expand(len(values))[:, None]
    scale = worst.mean(1, keepdim=True).clamp(min=LEAST_WIDTH) * soft
    with torch.no_grad():
        low, high = worst[:, -1:] - SLACK * scale, worst[:, :1] + SLACK * scale
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            above = torch.sigmoid((values - middle) / scale).sum(1, keepdim=True) > count
            low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    return low[:, 0] + (softplus((values - low) / scale) * scale).sum(1) / count


def averaging_matrix(count: int, reach: int) -> Floats:
    """[C, C] a matrix, C = `count`, that distributes each value equally over the places within `reach` of its own."""
    place = np.arange(count)
    near = (np.abs(place[:, None] - place[None]) <= reach).astype(np.float64)
    matrix: Floats = near / near.sum(0)
    return matrix
