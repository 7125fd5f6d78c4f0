"""Nets of synthetic netlists: Rent's rule, heavy-tailed fan-outs, buses, pins on the sides of hard macros."""

from __future__ import annotations

from typing import Any

import numpy as np

from netlists.netlist import Floats, Ints

RENT = 0.65
"""Rent exponent: about B ** RENT nets leave a block of B nodes."""

BUS_WEIGHTS = np.array([2.0, 4.0, 8.0, 16.0, 32.0, 64.0])
"""Weights of buses."""

BUS_RATIO = 0.4
"""Ratio of the numbers of buses of one weight and of the next smaller weight."""

MAX_SINKS = 40
"""Most sinks of a net."""

Z_BITS = 10
"""Bits of each coordinate in a Morton code."""


def nets_and_pins(
    nets: int, bus_fraction: float, place: Floats, ports: int, hard_size_um: Floats, random: np.random.Generator
) -> dict[str, Any]:
    """Random pins and nets, as the fields of `Netlist` that store them.

    `place` [V, 2] is the position of the nodes in the unit square, on which the locality of nets is based: first the
    ports, then the hard macros of sizes `hard_size_um` [M, 2], then the soft macros.  A fraction `bus_fraction` of the
    nets driven by soft macros have weights above 1.  Input ports (those of even index) drive at most one net, output
    ports are a sink of one.  Every macro drives a net if there are enough nets.  Nets have at least one sink.
    """
    code = _z_order(place)
    core = np.argsort(code[ports:], kind="stable") + ports  # [K] macros as leaves of the tree
    leaf_of = np.searchsorted(code[core], code)  # the leaf of each node, or, for a port, the one at its position
    inputs = np.arange(0, ports, 2)
    drivers = _drivers(nets, inputs, core, random)
    sinks = [_sinks(driver, core, leaf_of[driver], random) for driver in drivers]
    core_nets = np.flatnonzero(drivers >= ports)
    if core_nets.size:  # every output port is a sink of a net that is driven nearby
        near = core_nets[np.argsort(leaf_of[drivers[core_nets]], kind="stable")]
        leaves = leaf_of[drivers[near]]
        for port in range(1, ports, 2):
            at = np.searchsorted(leaves, leaf_of[port]) + random.integers(-4, 5)
            sinks[near[np.clip(at, 0, len(near) - 1)]].append(port)
    first_soft = ports + len(hard_size_um)
    bus = (drivers >= first_soft) & (random.uniform(0, 1, len(drivers)) < bus_fraction)
    rarity = BUS_RATIO ** np.arange(len(BUS_WEIGHTS))
    weights = random.choice(BUS_WEIGHTS, len(drivers), p=rarity / rarity.sum())
    node = np.array([n for driver, s in zip(drivers, sinks, strict=True) for n in (driver, *s)], dtype=np.int64)
    start = np.concatenate([[0], np.cumsum([1 + len(s) for s in sinks], dtype=np.int64)]).astype(np.int64)
    return {
        "net_weight": np.where(bus, weights, 1.0),
        "net_start": start,
        **_pins(node, start, ports, hard_size_um, first_soft, random),
    }


def _z_order(unit: Floats) -> Ints:
    """[K] Morton codes of points [K, 2] in the unit square, whose order is that of the leaves of a quadtree."""
    cell = np.clip((unit * 2**Z_BITS).astype(np.int64), 0, 2**Z_BITS - 1)
    code = np.zeros(len(unit), dtype=np.int64)
    for bit in range(Z_BITS):
        code |= ((cell[:, 0] >> bit) & 1) << (2 * bit) | ((cell[:, 1] >> bit) & 1) << (2 * bit + 1)
    return code


def _drivers(nets: int, inputs: Ints, core: Ints, random: np.random.Generator) -> Ints:
    """[N] the driver of each net: each input port and each macro once if there are enough nets, then random macros."""
    once = np.concatenate([inputs[: nets // 3], random.permutation(core)])[:nets]
    popular = random.permutation(np.exp(random.normal(0, 0.8, len(core))))
    more = random.choice(core, nets - len(once), p=popular / popular.sum())
    return np.sort(np.concatenate([once, more])).astype(np.int64)


def _sinks(driver: int, core: Ints, leaf: int, random: np.random.Generator) -> list[int]:
    """Distinct macros other than the driver, from the subtree around a leaf; its height follows Rent's rule."""
    heights = max(int(np.ceil(np.log2(max(len(core), 2)))), 1)
    # The number of blocks of 2^h leaves is proportional to 2^-h; about 2^(h RENT) nets join the halves of each.
    height = min(int(random.geometric(1 - 2 ** (RENT - 1))), heights)
    fan_out = 1 + int(random.zipf(1.9) - 1) % MAX_SINKS  # a power law whose far tail is folded back
    while 2**height < 2 * fan_out and height < heights:
        height += 1
    leaf = min(leaf, len(core) - 1)
    low = leaf >> height << height
    leaves = random.integers(low, min(low + 2**height, len(core)), fan_out)
    sinks = [int(n) for n in dict.fromkeys(core[leaves].tolist()) if n != driver]
    if sinks:
        return sinks
    return [int(core[leaf + 1 if leaf + 1 < len(core) else leaf - 1])] if core[leaf] == driver else [int(core[leaf])]


def _pins(
    node: Ints, start: Ints, ports: int, hard_size_um: Floats, first_soft: int, random: np.random.Generator
) -> dict[str, Any]:
    """Pins of the connections [P]: hard macros have one per connection, soft macros and ports share one for all inputs.

    The pins of a hard macro are on its left edge, or on its left and right edges.
    """
    drives = np.zeros(len(node), dtype=bool)
    drives[start[:-1]] = True
    hard = (node >= ports) & (node < first_soft)
    own = drives | hard
    pin = np.empty(len(node), dtype=np.int64)
    pin[own] = np.arange(own.sum())
    shared, pin[~own] = np.unique(node[~own], return_inverse=True)
    pin[~own] += own.sum()
    pin_node = np.concatenate([node[own], shared])
    offset = np.zeros((len(pin_node), 2))
    on_hard = np.flatnonzero((pin_node >= ports) & (pin_node < first_soft))
    macro = pin_node[on_hard] - ports
    two_sided = random.integers(0, 2, len(hard_size_um)).astype(bool)[macro]
    side = np.where(two_sided & random.integers(0, 2, len(macro)).astype(bool), 0.5, -0.5)
    along = random.uniform(-0.45, 0.45, len(macro))
    offset[on_hard] = np.column_stack([side, along]) * hard_size_um[macro]
    return {"pin_node": pin_node, "pin_offset_um": np.round(offset, 3), "net_pin": pin}
