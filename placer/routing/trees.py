"""Rectilinear Steiner trees of nets: every net becomes two-pin connections between gcells.

Nets of two and three pins have shortest trees.  A larger net begins with a minimum spanning tree (Prim), which is then
shortened: a pin or Steiner point v that is nearer to an edge of the tree than the longest edge of the cycle that would
arise is connected to that edge, and the longest one removed.

Source: Borah, Owens and Irwin, "An edge-based heuristic for Steiner routing", IEEE TCAD 13(12), 1994, with this
difference: what an earlier change of the same pass has made impossible is not repeated until the next pass.

A tree is stored as the parent of each point.  Points 0 to n-1 are the pins of the net, the root is point 0; Steiner
points follow.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from netlists.netlist import Bools, Floats, Ints
from netlists.runtime.kernel import inlined_kernel, kernel

ROOT = -1
"""Instead of the parent of the root."""

GONE = -2
"""Instead of the parent of a Steiner point that was removed."""

LEAST_GAIN_UM = 1e-6
"""A change of a tree shortens it by at least this, in µm."""

PASSES = 12
"""Passes of changes over a tree, at most."""

Cells = npt.NDArray[np.int32]
"""[K, 4] row and column of the one end of a connection, row and column of the other."""


class Tree(NamedTuple):
    """Room for one tree of up to S points, and what is computed on the way."""

    x: Floats  # [S] in µm
    y: Floats  # [S]
    parent: Ints  # [S]
    order: Ints  # [S] the points that are in the tree, each after its parent
    length: Floats  # [S] of the edge to the parent, in µm
    longest: Ints  # [S] the longest edge on the way from a point, as the lower point of the edge
    gain: Floats  # [S] by what the best change at each edge shortens the tree, in µm
    point: Ints  # [S] the point that it connects to the edge
    remove: Ints  # [S] the edge that it removes
    was: Ints  # [S] the parents before the pass
    mark: Ints  # [S]


def empty_tree(pins: int) -> Tree:
    """Room for a net of a number of pins."""
    floats, ints = np.zeros((4, 4 * pins + 4)), np.zeros((7, 4 * pins + 4), dtype=np.int64)
    return Tree(
        floats[0], floats[1], ints[0], ints[1], floats[2], ints[2], floats[3], ints[3], ints[4], ints[5], ints[6]
    )


@kernel
def build_trees(
    net_start: Ints, pins: Floats, routed: Bools, cell_um: tuple[float, float], shape: tuple[int, int], tree: Tree,
    ends: Cells, net_of: Ints, length: Floats,
) -> int:  # fmt: skip
    """Fill `ends` [2P, 4] with the connections between different gcells, and return how many there are.

    Net n has the pins `net_start[n]:net_start[n+1]` [N+1] of `pins` [P, 2], in µm, within the canvas; those that are
    not `routed` [N] are left out.  Gcells are `cell_um` wide and high, `shape` is R, C.  Also filled are `net_of` [2P],
    the net of each connection, and `length` [N], that of each tree in µm.
    """
    count = 0
    for n in range(routed.size):
        length[n] = 0.0
        first, size = net_start[n], net_start[n + 1] - net_start[n]
        if not routed[n] or size < 2:
            continue
        points = shortest_tree(pins, first, size, tree)
        for k in range(1, points):
            v = tree.order[k]
            u = tree.parent[v]
            length[n] += distance(tree, u, v)
            r1, c1 = cell_at(tree.y[u], cell_um[1], shape[0]), cell_at(tree.x[u], cell_um[0], shape[1])
            r2, c2 = cell_at(tree.y[v], cell_um[1], shape[0]), cell_at(tree.x[v], cell_um[0], shape[1])
            if r1 != r2 or c1 != c2:
                ends[count, 0], ends[count, 1], ends[count, 2], ends[count, 3] = r1, c1, r2, c2
                net_of[count] = n
                count += 1
    return count


@inlined_kernel
def cell_at(place_um: float, side_um: float, count: int) -> int:
    """The row or column of a place, in µm from the edge of the canvas, clamped to the `count` gcells."""
    return min(max(int(place_um / side_um), 0), count - 1)


@inlined_kernel
def distance(tree: Tree, u: int, v: int) -> float:
    """Distance of two points of a tree in µm."""
    length: float = abs(tree.x[u] - tree.x[v]) + abs(tree.y[u] - tree.y[v])
    return length


@inlined_kernel
def middle(a: float, b: float, c: float) -> float:
    """The median of three numbers."""
    return max(min(a, b), min(max(a, b), c))


@kernel
def shortest_tree(pins: Floats, first: int, size: int, tree: Tree) -> int:
    """Make the tree of the pins `first` to `first + size - 1` of `pins` [P, 2], in µm; returns its number of points."""
    for k in range(size):
        tree.x[k], tree.y[k] = pins[first + k, 0], pins[first + k, 1]
    if size == 3:
        tree.x[3] = middle(tree.x[0], tree.x[1], tree.x[2])
        tree.y[3] = middle(tree.y[0], tree.y[1], tree.y[2])
        tree.parent[0], tree.parent[3], tree.parent[1], tree.parent[2] = ROOT, 0, 3, 3
        tree.order[0], tree.order[1], tree.order[2], tree.order[3] = 0, 3, 1, 2
        return 4
    span(size, tree)
    points, last = size, size
    if size > 3:
        for _ in range(PASSES):
            find_changes(points, tree)
            changed = make_changes(points, last, tree)
            if changed == last:
                break
            last = changed
            points = tidy(size, last, tree)
    return points


@kernel
def span(size: int, tree: Tree) -> None:
    """Make a minimum spanning tree of the points 0 to `size - 1` (Prim)."""
    tree.parent[0], tree.order[0] = ROOT, 0
    for k in range(1, size):
        tree.parent[k], tree.length[k], tree.mark[k] = 0, distance(tree, 0, k), 0
    for done in range(1, size):
        nearest = -1
        for k in range(1, size):
            if tree.mark[k] == 0 and (nearest < 0 or tree.length[k] < tree.length[nearest]):
                nearest = k
        tree.mark[nearest], tree.order[done] = 1, nearest
        for k in range(1, size):
            if tree.mark[k] == 0:
                d = distance(tree, nearest, k)
                if d < tree.length[k]:
                    tree.parent[k], tree.length[k] = nearest, d


@kernel
def find_changes(points: int, tree: Tree) -> None:
    """Find for each edge the point whose connection to it, instead of the longest edge of the cycle, gains most."""
    for k in range(points):
        v = tree.order[k]
        tree.gain[v], tree.was[v] = 0.0, tree.parent[v]
        tree.length[v] = distance(tree, v, tree.parent[v]) if k > 0 else 0.0
    for k in range(points):
        v = tree.order[k]
        find_longest(v, points, tree)
        for j in range(1, points):
            e = tree.order[j]
            u = tree.parent[e]
            if e == v or u == v:
                continue
            # The way from v to the edge ends at its lower point if the edge is above v.
            longest = tree.longest[e] if tree.mark[e] == 1 else tree.longest[u]
            dx = abs(middle(tree.x[e], tree.x[u], tree.x[v]) - tree.x[v])
            dy = abs(middle(tree.y[e], tree.y[u], tree.y[v]) - tree.y[v])
            gain = tree.length[longest] - (dx + dy)
            if gain > tree.gain[e] and gain > LEAST_GAIN_UM:
                tree.gain[e], tree.point[e], tree.remove[e] = gain, v, longest


@kernel
def find_longest(v: int, points: int, tree: Tree) -> None:
    """Fill `tree.longest` with the longest edge on the way from v to each point, and mark the ways up with 1."""
    for k in range(points):
        tree.mark[tree.order[k]] = 0
    tree.mark[v], tree.longest[v] = 1, v
    below, longest = v, -1
    while tree.parent[below] != ROOT:
        if longest < 0 or tree.length[below] > tree.length[longest]:
            longest = below
        below = tree.parent[below]
        tree.mark[below], tree.longest[below] = 1, longest
    for k in range(points):
        e = tree.order[k]
        if tree.mark[e] == 0:
            u = tree.parent[e]
            longer = u != v and tree.length[tree.longest[u]] >= tree.length[e]
            tree.longest[e] = tree.longest[u] if longer else e


@kernel
def make_changes(points: int, last: int, tree: Tree) -> int:
    """Make the changes found, the best one first, as far as they are still possible.

    Points in use are below `last`; returns this bound after the changes.
    """
    while True:
        best = tree.order[0]
        for k in range(1, points):
            if tree.gain[tree.order[k]] > tree.gain[best]:
                best = tree.order[k]
        if tree.gain[best] <= 0.0 or last >= tree.x.size:
            return last
        tree.gain[best] = 0.0
        v, cut = tree.point[best], tree.remove[best]
        u = tree.parent[best]
        if u != tree.was[best] or tree.parent[cut] != tree.was[cut]:
            continue
        v_below, edge_below = is_below(v, cut, tree), is_below(best, cut, tree)
        if v_below == edge_below:
            continue
        tree.x[last] = middle(tree.x[best], tree.x[u], tree.x[v])
        tree.y[last] = middle(tree.y[best], tree.y[u], tree.y[v])
        tree.parent[last], tree.parent[best] = u, last
        if v_below:
            turn(v, cut, tree)
            tree.parent[v] = last
        else:
            turn(last, cut, tree)
            tree.parent[last] = v
        last += 1


@kernel
def is_below(v: int, top: int, tree: Tree) -> bool:
    """Whether the way up from v leads through `top`."""
    while v != top and v != ROOT:
        v = tree.parent[v]
    return v == top


@kernel
def turn(v: int, top: int, tree: Tree) -> None:
    """Make v, which is below `top`, the root of what is below it: the parents on the way change sides."""
    before, at = v, tree.parent[v]
    while before != top:
        above = tree.parent[at]
        tree.parent[at] = before
        before, at = at, above


@kernel
def tidy(size: int, last: int, tree: Tree) -> int:
    """Take Steiner points (from `size` on) with less than three neighbors out, and sort the points again.

    Points in use are below `last`; returns how many are left.
    """
    points = sort_points(last, tree)
    for v in range(last):
        tree.mark[v] = 0  # number of children
    for k in range(1, points):
        tree.mark[tree.parent[tree.order[k]]] += 1
    for k in range(points - 1, 0, -1):
        v = tree.order[k]
        if v >= size and tree.mark[v] == 0:
            tree.mark[tree.parent[v]] -= 1
            tree.parent[v] = GONE
    for k in range(1, points):  # from the top: parents that are passed by are gone already
        v = tree.order[k]
        if tree.parent[v] == GONE:
            continue
        u = tree.parent[v]
        if u >= size and tree.mark[u] == 1:
            tree.parent[v] = tree.parent[u]
            tree.parent[u] = GONE
    return sort_points(last, tree)


@kernel
def sort_points(last: int, tree: Tree) -> int:
    """Fill `tree.order` with the points below `last` that are in the tree, each after its parent; returns how many."""
    for v in range(last):
        tree.mark[v] = 0
    tree.mark[0], tree.order[0] = 1, 0
    points = 1
    for v in range(1, last):
        if tree.parent[v] == GONE:
            continue
        way, at = 0, v
        while tree.mark[at] == 0:  # up to a point that has its place; the way is kept behind the end of the order
            way += 1
            tree.longest[way] = at
            tree.mark[at] = 1
            at = tree.parent[at]
        for k in range(way, 0, -1):
            tree.order[points] = tree.longest[k]
            points += 1
    return points
