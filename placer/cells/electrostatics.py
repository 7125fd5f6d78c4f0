"""Spreading nodes as charges: the density of a grid of bins, its field, and the force on every node.

Lu, Chen, Chang, Sha, Huang, Teng and Cheng, "ePlace: electrostatics-based placement using fast Fourier transform and
Nesterov's method", ACM TODAES 20(2), 2015, sections 4 and 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy import fft

from netlists.netlist import Floats

STRETCH = np.sqrt(2.0)
"""Nodes narrower than this many bins are stretched to it at equal charge, so that the force changes smoothly."""


@dataclass(frozen=True, eq=False)
class Bins:
    """B×B bins over a canvas of width × height, with the charge of what is blocked, as a part of their area."""

    canvas: tuple[float, float]
    blocked: Floats  # [B, B] x first

    @property
    def size(self) -> Floats:
        """[2] width and height of a bin."""
        return np.array(self.canvas) / len(self.blocked)

    def density(self, center: Floats, size: Floats, charge: Floats) -> Floats:
        """[B, B] charge of rectangles [K, 2] in each bin, as a part of its area."""
        shape, scale = self.stretched(size, charge)
        density = np.zeros(self.blocked.shape)
        _add_charge(center, shape, scale / self.size.prod(), self.size, density)
        return density

    def force(self, center: Floats, size: Floats, charge: Floats, density: Floats) -> Floats:
        """[K, 2] force of the field of a density [B, B] on rectangles with a charge [K]."""
        shape, scale = self.stretched(size, charge)
        across, up = field_of(density, self.size)
        force = np.empty(center.shape)
        _gather(center, shape, scale, self.size, across, up, force)
        return force

    def stretched(self, size: Floats, charge: Floats) -> tuple[Floats, Floats]:
        """Sizes [K, 2] of at least `STRETCH` bins, and the charge [K] in a unit of their area."""
        shape = np.maximum(size, STRETCH * self.size)
        return shape, charge / shape.prod(axis=1)


def covered(low: Floats, high: Floats, canvas: tuple[float, float], bins: int) -> Floats:
    """[bins, bins] part of each bin that disjoint rectangles [K, 2] cover."""
    step = np.array(canvas) / bins
    found = np.zeros((bins, bins))
    _add_charge((low + high) / 2, high - low, np.full(len(low), 1 / step.prod()), step, found)
    return found


def field_of(density: Floats, step: Floats) -> tuple[Floats, Floats]:
    """The field [B, B] in x and in y that solves Poisson's equation for the density, with no field across the edges."""
    count = len(density)
    k = np.pi * np.arange(count) / count
    kx, ky = np.meshgrid(k / step[0], k / step[1], indexing="ij")
    square = kx**2 + ky**2
    square[0, 0] = 1.0
    wave = fft.dctn(density, type=2) / square
    wave[0, 0] = 0.0
    across = fft.idct(_sines(wave * kx, 0), type=2, axis=1)
    up = fft.idct(_sines(wave * ky, 1), type=2, axis=0)
    return across, up


def _sines(wave: Floats, axis: int) -> Floats:
    """The sum of sines along an axis with these amplitudes; the sine transform has no constant to begin with."""
    moved = np.roll(wave, -1, axis=axis)
    return np.asarray(fft.idst(moved, type=2, axis=axis))


@njit(cache=True)
def _add_charge(center: Floats, size: Floats, weight: Floats, step: Floats, density: Floats) -> None:
    bins = density.shape[0]
    for i in range(len(center)):
        left, right = center[i, 0] - size[i, 0] / 2, center[i, 0] + size[i, 0] / 2
        bottom, top = center[i, 1] - size[i, 1] / 2, center[i, 1] + size[i, 1] / 2
        for x in range(max(int(left / step[0]), 0), min(int(right / step[0]), bins - 1) + 1):
            wide = min(right, (x + 1) * step[0]) - max(left, x * step[0])
            for y in range(max(int(bottom / step[1]), 0), min(int(top / step[1]), bins - 1) + 1):
                tall = min(top, (y + 1) * step[1]) - max(bottom, y * step[1])
                density[x, y] += weight[i] * max(wide, 0.0) * max(tall, 0.0)


@njit(cache=True)
def _gather(
    center: Floats, size: Floats, weight: Floats, step: Floats, across: Floats, up: Floats, force: Floats
) -> None:  # fmt: skip
    bins = across.shape[0]
    for i in range(len(center)):
        left, right = center[i, 0] - size[i, 0] / 2, center[i, 0] + size[i, 0] / 2
        bottom, top = center[i, 1] - size[i, 1] / 2, center[i, 1] + size[i, 1] / 2
        fx = fy = 0.0
        for x in range(max(int(left / step[0]), 0), min(int(right / step[0]), bins - 1) + 1):
            wide = max(min(right, (x + 1) * step[0]) - max(left, x * step[0]), 0.0)
            for y in range(max(int(bottom / step[1]), 0), min(int(top / step[1]), bins - 1) + 1):
                tall = max(min(top, (y + 1) * step[1]) - max(bottom, y * step[1]), 0.0)
                fx += wide * tall * across[x, y]
                fy += wide * tall * up[x, y]
        force[i, 0] = weight[i] * fx
        force[i, 1] = weight[i] * fy
