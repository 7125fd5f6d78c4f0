"""The proxy cost in plain Python, as slow and obvious as possible: the reference for the numba kernels.

It has the constants of the proxy as numbers of its own on purpose, so that a change of one in the package is noticed.
"""

from __future__ import annotations

from collections import defaultdict
from math import floor

from netlists.netlist import ORIENTATION_MATRIX, Kind, Netlist
from netlists.placement import Placement


def pins_of_nets(placement: Placement) -> list[list[tuple[float, float]]]:
    """The (x, y) in µm of the pins of every net, the driver's first."""
    n = placement.netlist
    nets = []
    for net in range(n.num_nets):
        pins = []
        for p in n.net_pin[n.net_start[net] : n.net_start[net + 1]]:
            owner = int(n.pin_node[p])
            dx, dy = (float(v) for v in ORIENTATION_MATRIX[placement.orientation[owner]] @ n.pin_offset_um[p])
            x, y = placement.position_um[owner]
            pins.append((float(x) + dx, float(y) + dy))
        nets.append(pins)
    return nets


def wirelength(placement: Placement) -> float:
    n = placement.netlist
    total = 0.0
    for weight, pins in zip(n.net_weight, pins_of_nets(placement), strict=True):
        if pins:
            xs, ys = [x for x, _ in pins], [y for _, y in pins]
            total += float(weight) * (max(xs) - min(xs) + max(ys) - min(ys))
    scale = sum(n.canvas_um) * sum(float(w) for w in n.net_weight)
    return total / scale if scale else 0.0


def cell(netlist: Netlist, x: float, y: float) -> tuple[int, int]:
    """Row and column of a point, clamped to the grid."""
    rows, cols = netlist.grid
    w, h = netlist.cell_um
    return min(max(floor(y / h), 0), rows - 1), min(max(floor(x / w), 0), cols - 1)


def overlaps(placement: Placement, node: int) -> dict[tuple[int, int], tuple[float, float]]:
    """Width and height in µm of what a node covers of each cell between its corners; (0, 0) if nothing."""
    n = placement.netlist
    w, h = n.cell_um
    (x, y), (width, height) = placement.position_um[node], n.size_um[node]
    left, right, bottom, top = x - width / 2, x + width / 2, y - height / 2, y + height / 2
    (r_low, c_low), (r_high, c_high) = cell(n, left, bottom), cell(n, right, top)
    result = {}
    for r in range(r_low, r_high + 1):
        for c in range(c_low, c_high + 1):
            dx = min(right, (c + 1) * w) - max(left, c * w)
            dy = min(top, (r + 1) * h) - max(bottom, r * h)
            result[r, c] = (float(dx), float(dy)) if dx > 0 and dy > 0 else (0.0, 0.0)
    return result


def density(placement: Placement) -> float:
    n = placement.netlist
    w, h = n.cell_um
    covered: dict[tuple[int, int], float] = defaultdict(float)
    for node in range(n.num_nodes):
        if n.kind[node] != Kind.PORT:
            for where, (dx, dy) in overlaps(placement, node).items():
                covered[where] += dx * dy / (w * h)
    full = sorted((d for d in covered.values() if d > 0), reverse=True)
    if not full:
        return 0.0
    size = n.grid[0] * n.grid[1]
    if size < 10:
        return 0.5 * sum(full) / len(full)
    k = floor(0.1 * size)
    return 0.5 * sum(full[:k]) / k


Demand = dict[tuple[int, int], float]


def add_horizontal(demand: Demand, row: int, a: int, b: int, weight: float) -> None:
    for c in range(min(a, b), max(a, b)):
        demand[row, c] += weight


def add_vertical(demand: Demand, col: int, a: int, b: int, weight: float) -> None:
    for r in range(min(a, b), max(a, b)):
        demand[r, col] += weight


def route_net(cells: list[tuple[int, int]], weight: float, across: Demand, up: Demand) -> None:
    if len(cells) == 3:
        (c1, r1), (c2, r2), (c3, r3) = sorted((c, r) for r, c in cells)
        if c1 < c2 < c3 and min(r1, r3) < r2 < max(r1, r3):
            add_horizontal(across, r1, c1, c2, weight)
            add_horizontal(across, r2, c2, c3, weight)
            add_vertical(up, c2, r1, r2, weight)
            add_vertical(up, c3, r2, r3, weight)
        elif c2 == c3 and c1 < c2 and r1 < min(r2, r3):
            add_horizontal(across, r1, c1, c2, weight)
            add_vertical(up, c2, r1, max(r2, r3), weight)
        elif r2 == r3:
            add_horizontal(across, r1, c1, c2, weight)
            add_horizontal(across, r2, c2, c3, weight)
            add_vertical(up, c2, r1, r2, weight)
        else:
            (r1, c1), (r2, c2), (r3, c3) = sorted(cells)
            add_horizontal(across, r2, min(c1, c2, c3), max(c1, c2, c3), weight)
            add_vertical(up, c1, r1, r2, weight)
            add_vertical(up, c3, r2, r3, weight)
        return
    row, col = cells[0]
    for r, c in cells[1:]:
        add_horizontal(across, row, col, c, weight)
        add_vertical(up, c, row, r, weight)


def smooth(values: list[float], reach: int) -> list[float]:
    """Every value distributed evenly over its neighbors within `reach`, including itself."""
    out = [0.0] * len(values)
    for i, value in enumerate(values):
        window = range(max(0, i - reach), min(len(values) - 1, i + reach) + 1)
        for j in window:
            out[j] += value / len(window)
    return out


def net_maps(placement: Placement) -> tuple[list[list[float]], list[list[float]]]:
    """Horizontal and vertical demand of the nets over capacity, smoothed, by row and column."""
    n = placement.netlist
    rows, cols = n.grid
    w, h = n.cell_um
    across: Demand = defaultdict(float)
    up: Demand = defaultdict(float)
    for weight, pins in zip(n.net_weight, pins_of_nets(placement), strict=True):
        cells = list(dict.fromkeys(cell(n, x, y) for x, y in pins))
        if len(cells) > 1:
            route_net(cells, float(weight) if weight > 1 else 1.0, across, up)
    s = n.routing.smoothing
    flat_h = [[across[r, c] / (h * n.routing.horizontal_per_um) for c in range(cols)] for r in range(rows)]
    flat_v = [[up[r, c] / (w * n.routing.vertical_per_um) for c in range(cols)] for r in range(rows)]
    by_column = [smooth([flat_h[r][c] for r in range(rows)], s) for c in range(cols)]
    horizontal = [[by_column[c][r] for c in range(cols)] for r in range(rows)]
    vertical = [smooth(row, s) for row in flat_v]
    return horizontal, vertical


def add_blockage(placement: Placement, node: int, horizontal: list[list[float]], vertical: list[list[float]]) -> None:
    n = placement.netlist
    w, h = n.cell_um
    across = n.routing.macro_horizontal_per_um / (h * n.routing.horizontal_per_um)
    up = n.routing.macro_vertical_per_um / (w * n.routing.vertical_per_um)
    covered = overlaps(placement, node)
    r_low, r_high = min(r for r, _ in covered), max(r for r, _ in covered)
    c_low, c_high = min(c for _, c in covered), max(c for _, c in covered)
    ragged_rows = r_low != r_high and any(
        abs(dy - h) > 1e-5 for (r, _), (_, dy) in covered.items() if r in (r_low, r_high)
    )
    ragged_cols = c_low != c_high and any(
        abs(dx - w) > 1e-5 for (_, c), (dx, _) in covered.items() if c in (c_low, c_high)
    )
    for (r, c), (dx, dy) in covered.items():
        if not (ragged_rows and r == r_high):
            vertical[r][c] += dx * up
        if not (ragged_cols and c == c_high):
            horizontal[r][c] += dy * across


def congestion(placement: Placement) -> float:
    n = placement.netlist
    horizontal, vertical = net_maps(placement)
    for node in range(n.num_nodes):
        if n.kind[node] == Kind.HARD:
            add_blockage(placement, node, horizontal, vertical)
    values = sorted((v for grid in (vertical, horizontal) for row in grid for v in row), reverse=True)
    k = floor(0.05 * len(values))
    return sum(values[:k]) / k if k else values[0]
