"""Nets of synthetic netlists: Rent-like locality, fan-outs with a tail, buses, pins on the sides of hard macros."""

from __future__ import annotations

from typing import Any

import numpy as np

from netlists.netlist import Floats, Ints

RENT = 0.65
"""Rent exponent: a block of B nodes has about B ** RENT nets that leave it."""

BUS_WEIGHTS = np.array([2.0, 4.0, 8.0, 16.0, 32.0, 64.0])
MAX_SINKS = 40


def nets_and_pins(
    nets: int, bus_fraction: float, place: Floats, ports: int, hard_size_um: Floats, random: np.random.Generator
) -> dict[str, Any]:
    """Pins and nets, as the fields of `Netlist` that hold them.

    `place` [V, 2] says where in the unit square nodes are thought to be: first the ports, then the hard macros, of
    size `hard_size_um` [M, 2], then soft macros.  `bus_fraction` of the nets that soft macros drive have a weight
    above 1.  Input ports (the even ones) drive at most one net, output ports listen to one; every macro drives a net
    while there are nets; nets have at least one sink.
    """
    code = _z_order(place)
    core = np.argsort(code[ports:], kind="stable") + ports  # [K] macros as leaves of the tree
    leaf_of = np.searchsorted(code[core], code)  # the leaf where each node is, or, for a port, where it would be
    inputs = np.arange(0, ports, 2)
    drivers = _drivers(nets, inputs, core, random)
    sinks = [_sinks(driver, core, leaf_of[driver], random) for driver in drivers]
    core_nets = np.flatnonzero(drivers >= ports)
    if core_nets.size:  # every output port listens to a net that is driven nearby
        near = core_nets[np.argsort(leaf_of[drivers[core_nets]], kind="stable")]
        leaves = leaf_of[drivers[near]]
        for port in range(1, ports, 2):
            at = np.searchsorted(leaves, leaf_of[port]) + random.integers(-4, 5)
            sinks[near[np.clip(at, 0, len(near) - 1)]].append(port)
    first_soft = ports + len(hard_size_um)
    bus = (drivers >= first_soft) & (random.uniform(0, 1, len(drivers)) < bus_fraction)
    rarer = 0.4 ** np.arange(len(BUS_WEIGHTS))
    weights = random.choice(BUS_WEIGHTS, len(drivers), p=rarer / rarer.sum())
    node = np.array([n for driver, s in zip(drivers, sinks, strict=True) for n in (driver, *s)], dtype=np.int64)
    start = np.concatenate([[0], np.cumsum([1 + len(s) for s in sinks], dtype=np.int64)]).astype(np.int64)
    return {
        "net_weight": np.where(bus, weights, 1.0),
        "net_start": start,
        **_pins(node, start, ports, hard_size_um, first_soft, random),
    }


def _z_order(unit: Floats) -> Ints:
    """[K] Morton codes of points of the unit square: their order walks a quadtree."""
    cell = np.clip((unit * 1024).astype(np.int64), 0, 1023)
    code = np.zeros(len(unit), dtype=np.int64)
    for bit in range(10):
        code |= ((cell[:, 0] >> bit) & 1) << (2 * bit) | ((cell[:, 1] >> bit) & 1) << (2 * bit + 1)
    return code


def _drivers(nets: int, inputs: Ints, core: Ints, random: np.random.Generator) -> Ints:
    """[N] who drives each net: every input port once and every macro once as long as there are nets, then macros."""
    once = np.concatenate([inputs[: nets // 3], random.permutation(core)])[:nets]
    popular = random.permutation(np.exp(random.normal(0, 0.8, len(core))))
    more = random.choice(core, nets - len(once), p=popular / popular.sum())
    return np.sort(np.concatenate([once, more])).astype(np.int64)


def _sinks(driver: int, core: Ints, leaf: int, random: np.random.Generator) -> list[int]:
    """Distinct macros other than the driver, from the subtree around a leaf whose height follows Rent's rule."""
    heights = max(int(np.ceil(np.log2(max(len(core), 2)))), 1)
    # Blocks of 2^h leaves number 2^-h, and each adds about 2^(h RENT) nets that join its halves.
    height = min(int(random.geometric(1 - 2 ** (RENT - 1))), heights)
    fan_out = 1 + int(random.zipf(1.9) - 1) % MAX_SINKS  # a power law, its far tail folded back
    while 2**height < 2 * fan_out and height < heights:
        height += 1
    leaf = min(leaf, len(core) - 1)
    low = leaf >> height << height
    chosen = random.integers(low, min(low + 2**height, len(core)), fan_out)
    found = [int(n) for n in dict.fromkeys(core[chosen].tolist()) if n != driver]
    if found:
        return found
    return [int(core[leaf + 1 if leaf + 1 < len(core) else leaf - 1])] if core[leaf] == driver else [int(core[leaf])]


def _pins(
    node: Ints, start: Ints, ports: int, hard_size_um: Floats, first_soft: int, random: np.random.Generator
) -> dict[str, Any]:
    """Pins of connections [P]: one each on hard macros; soft macros and ports share one for all they listen to.

    The pins of a hard macro lie on its left edge, or on its left and right edges.
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
