"""Pull and field of the soft-macro placement by their definitions: for comparison with the kernels of `placer/soft`."""

from __future__ import annotations

import itertools
from math import cos, pi, sqrt

import numpy as np

from netlists.netlist import Floats, Ints
from placer.soft.node_nets import NodeNets

Spring = tuple[int, int, float]
"""Two entries of a net and the weight between them."""


def springs(nets: NodeNets, position: Floats, axis: int, slack_um: float) -> list[list[Spring]]:
    """The bound-to-bound springs of every net, from each entry to both extreme ones: weight / ((k - 1) distance)."""
    result = []
    for k, weight in enumerate(nets.weight):
        entries = range(int(nets.start[k]), int(nets.start[k + 1]))
        x = {e: float(position[nets.node[e], axis] + nets.offset_um[e, axis]) for e in entries}
        low, high = min(entries, key=x.__getitem__), max(entries, key=x.__getitem__)
        if low == high:  # all at one position
            high = entries[1]
        pairs = [(e, high) for e in entries if e != high] + [(e, low) for e in entries if e not in (low, high)]
        scale = float(weight) / (len(entries) - 1)
        result.append([(e, f, scale / (abs(x[e] - x[f]) + slack_um)) for e, f in pairs])
    return result


def pull(nets: NodeNets, position: Floats, movable: Ints, slack_um: float, step: float) -> Floats:
    """New centers [V, 2] in µm: each movable node goes a fraction `step` of the way to the balance of its springs."""
    moved = position.copy()
    for axis in (0, 1):
        ends = [s for net in springs(nets, position, axis, slack_um) for s in net]
        for v in movable:
            wants = []
            for e, f, weight in ends + [(f, e, weight) for e, f, weight in ends]:
                if nets.node[e] == v:
                    other = position[nets.node[f], axis] + nets.offset_um[f, axis]
                    wants.append((weight, other - nets.offset_um[e, axis]))
            if wants:
                total = sum(weight for weight, _ in wants)
                if total > 0:
                    goal = sum(weight * place for weight, place in wants) / total
                    moved[v, axis] += step * (goal - position[v, axis])
    return moved


def potential(density: Floats) -> Floats:
    """[R, C] solution of Poisson's equation with mirrored walls, as a sum over all cosine waves except the constant."""
    rows, cols = density.shape
    total = np.zeros((rows, cols))
    for k, m in itertools.product(range(rows), range(cols)):
        if k == m == 0:
            continue
        up = np.array([cos(pi * k * (r + 0.5) / rows) for r in range(rows)])
        across = np.array([cos(pi * m * (c + 0.5) / cols) for c in range(cols)])
        wave = np.outer(up, across)
        wave *= (sqrt(2) if k else 1) * (sqrt(2) if m else 1) / sqrt(rows * cols)  # of length 1
        total += wave * (wave * density).sum() / ((pi * k / rows) ** 2 + (pi * m / cols) ** 2)
    return total


def field(density: Floats) -> tuple[Floats, Floats]:
    """Minus the slope of the potential along x and y, [R, C] each, by central differences."""
    high = np.pad(potential(density), 1, mode="edge")
    return (high[1:-1, :-2] - high[1:-1, 2:]) / 2, (high[:-2, 1:-1] - high[2:, 1:-1]) / 2
