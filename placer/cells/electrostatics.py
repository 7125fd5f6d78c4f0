"""Nodes as electric charges: the charge density on a grid of bins, its field, and the force on each node.

Lengths may have any unit as long as it is the same for all.  Bins are indexed [x, y].

Lu, Chen, Chang, Sha, Huang, Teng and Cheng, "ePlace: electrostatics-based placement using fast Fourier transform and
Nesterov's method", ACM TODAES 20(2), 2015, sections 4 and 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from scipy import fft

from netlists.netlist import Floats

STRETCH = np.sqrt(2.0)
"""Nodes narrower than this many bins are stretched to that width at equal charge, so that forces change smoothly."""


class Rectangles(NamedTuple):
    """K charged rectangles."""

    size: Floats  # [K, 2] stretched
    charge: Floats  # [K] per stretched area

    def part(self, first: int, last: int) -> Rectangles:
        """Those from `first` to `last` - 1."""
        return Rectangles(self.size[first:last], self.charge[first:last])


@dataclass(frozen=True, eq=False)
class Bins:
    """X×Y bins over a canvas, X = Y, with the charge of the blocked areas.

    Centers and sizes [K, 2] and charges [K] of rectangles are in the unit of length of `canvas` and its square;
    densities [X, Y] are charges per area, so that a bin covered by nodes has a density of 1.
    """

    canvas: tuple[float, float]  # width, height
    blocked: Floats  # [X, Y] density of the blocked areas

    @property
    def size(self) -> Floats:
        """[2] the width and the height of a bin."""
        return np.array(self.canvas) / len(self.blocked)

    def rectangles(self, size: Floats, charge: Floats) -> Rectangles:
        """Rectangles of sizes [K, 2] and charges [K], stretched to `STRETCH` bins at least."""
        stretched = np.maximum(size, STRETCH * self.size)
        return Rectangles(stretched, charge / (stretched[:, 0] * stretched[:, 1]))

    def density(self, center: Floats, rectangles: Rectangles) -> Floats:
        """[X, Y] the density of K rectangles with their centers at `center` [K, 2]."""
        density = np.zeros(self.blocked.shape)
        step = self.size
        _add_charge(center, rectangles.size, rectangles.charge / step.prod(), step, density)
        return density

    def force(self, center: Floats, rectangles: Rectangles, density: Floats) -> Floats:
        """[K, 2] the force of the field of a density [X, Y] on K rectangles with their centers at `center` [K, 2]."""
        field_x, field_y = solve_field(density, self.size)
        force = np.empty(center.shape)
        _add_forces(center, rectangles.size, rectangles.charge, self.size, field_x, field_y, force)
        return force


def cover_fractions(low: Floats, high: Floats, canvas: tuple[float, float], bins: int) -> Floats:
    """[X, Y] the fraction of each of `bins` × `bins` bins that disjoint rectangles cover.

    The rectangles have the corners `low` and `high` [K, 2], in the unit of `canvas`.
    """
    step = np.array(canvas) / bins
    cover = np.zeros((bins, bins))
    _add_charge((low + high) / 2, high - low, np.full(len(low), 1 / step.prod()), step, cover)
    return cover


def solve_field(density: Floats, step: Floats) -> tuple[Floats, Floats]:
    """The field in x and in y, both [X, Y], that solves Poisson's equation, without a field across the edges.

    `density` [X, Y] is charge per area, `step` [2] the size of a bin.
    """
    count = len(density)
    k = np.pi * np.arange(count) / count
    kx, ky = np.meshgrid(k / step[0], k / step[1], indexing="ij")
    square = kx**2 + ky**2
    square[0, 0] = 1.0
    wave = fft.dctn(density, type=2) / square
    wave[0, 0] = 0.0
    field_x = fft.idct(_sum_sines(wave * kx, 0), type=2, axis=1)
    field_y = fft.idct(_sum_sines(wave * ky, 1), type=2, axis=0)
    return field_x, field_y


def _sum_sines(amplitude: Floats, axis: int) -> Floats:
    """The sum of sines with these amplitudes along an axis; a sine transform has no constant as its first term."""
    shifted = np.roll(amplitude, -1, axis=axis)
    return np.asarray(fft.idst(shifted, type=2, axis=axis))


@njit(cache=True, nogil=True)
def _add_charge(center: Floats, size: Floats, weight: Floats, step: Floats, density: Floats) -> None:
    """Add to `density` [X, Y] the area that rectangles, centers and sizes [K, 2], cover in each bin, times `weight`."""
    bins = density.shape[0]
    for i in range(len(center)):
        left, right = center[i, 0] - size[i, 0] / 2, center[i, 0] + size[i, 0] / 2
        bottom, top = center[i, 1] - size[i, 1] / 2, center[i, 1] + size[i, 1] / 2
        for x in range(max(int(left / step[0]), 0), min(int(right / step[0]), bins - 1) + 1):
            wide = min(right, (x + 1) * step[0]) - max(left, x * step[0])
            for y in range(max(int(bottom / step[1]), 0), min(int(top / step[1]), bins - 1) + 1):
                tall = min(top, (y + 1) * step[1]) - max(bottom, y * step[1])
                density[x, y] += weight[i] * max(wide, 0.0) * max(tall, 0.0)


@njit(cache=True, nogil=True)
def _add_forces(
    center: Floats, size: Floats, weight: Floats, step: Floats, field_x: Floats, field_y: Floats, force: Floats
) -> None:  # fmt: skip
    """Fill `force` [K, 2] with the integrals of the field [X, Y] over rectangles [K, 2], times `weight` [K]."""
    bins = field_x.shape[0]
    for i in range(len(center)):
        left, right = center[i, 0] - size[i, 0] / 2, center[i, 0] + size[i, 0] / 2
        bottom, top = center[i, 1] - size[i, 1] / 2, center[i, 1] + size[i, 1] / 2
        fx = fy = 0.0
        for x in range(max(int(left / step[0]), 0), min(int(right / step[0]), bins - 1) + 1):
            wide = max(min(right, (x + 1) * step[0]) - max(left, x * step[0]), 0.0)
            for y in range(max(int(bottom / step[1]), 0), min(int(top / step[1]), bins - 1) + 1):
                tall = max(min(top, (y + 1) * step[1]) - max(bottom, y * step[1]), 0.0)
                fx += wide * tall * field_x[x, y]
                fy += wide * tall * field_y[x, y]
        force[i, 0] = weight[i] * fx
        force[i, 1] = weight[i] * fy
