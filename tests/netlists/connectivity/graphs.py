"""Netlists made from lists of nets, for answers that are known on paper."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netlists.netlist import Floats, Kind, Netlist

LETTERS = {"H": Kind.HARD, "S": Kind.SOFT, "P": Kind.PORT, "C": Kind.CELL}


def build(
    kinds: str,
    nets: Sequence[Sequence[int]],
    *,
    names: Sequence[str] = (),
    weights: Sequence[float] = (),
    size_um: Floats | None = None,
    placed: bool = True,
) -> Netlist:
    """A netlist of nodes with the letters H, S, P or C and nets of node indices, the driver first; one pin per node."""
    kind = np.array([LETTERS[letter] for letter in kinds], dtype=np.int8)
    fixed = kind == Kind.PORT
    position = np.repeat(np.arange(len(kind), dtype=np.float64)[:, None] % 100, 2, axis=1)
    if not placed:
        position[~fixed] = np.nan
    return Netlist(
        name="paper", node_names=tuple(names) or tuple(f"n{v}" for v in range(len(kind))), kind=kind,
        size_um=np.ones((len(kind), 2)) if size_um is None else size_um, fixed=fixed,
        position_um=position,
        orientation=np.zeros(len(kind), dtype=np.int8), pin_node=np.arange(len(kind)),
        pin_offset_um=np.zeros((len(kind), 2)),
        net_start=np.cumsum([0, *(len(net) for net in nets)]).astype(np.int64),
        net_pin=np.array([v for net in nets for v in net], dtype=np.int64),
        net_weight=np.array(weights or [1.0] * len(nets), dtype=np.float64), canvas_um=(100.0, 100.0), grid=(4, 5),
    )  # fmt: skip


def draw_netlist(seed: int, nodes: int, nets: int) -> Netlist:
    """Nodes of all kinds and nets of 0 to 5 pins at random, some with several pins on one node."""
    rng = np.random.default_rng(seed)
    kinds = "".join(rng.choice(list("HSPC"), nodes))
    members = [rng.integers(0, nodes, rng.integers(0, 6)).tolist() for _ in range(nets)]
    return build(kinds, members, weights=rng.choice([0.0, 1.0, 2.5], nets).tolist())


def pins(netlist: Netlist, net: int) -> list[int]:
    """The nodes at the pins of a net, the driver first."""
    return [int(v) for v in netlist.connection_node[netlist.net_start[net] : netlist.net_start[net + 1]]]


def lattice(shape: tuple[int, ...], *, wrapped: bool = False) -> list[tuple[int, int]]:
    """The edges of a lattice of a shape, each node joined with the next one along each axis."""
    index = np.arange(np.prod(shape)).reshape(shape)
    edges: list[tuple[int, int]] = []
    for axis in range(len(shape)):
        ahead = np.roll(index, -1, axis)
        if not wrapped:
            ahead = np.take(ahead, range(shape[axis] - 1), axis)
        here = index if wrapped else np.take(index, range(shape[axis] - 1), axis)
        edges += list(zip(here.ravel().tolist(), ahead.ravel().tolist(), strict=True))
    return edges
