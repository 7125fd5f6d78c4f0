"""The nodes that a protobuf file has for a netlist, and their order.

A file has a node for every macro, port and standard cell and, among these, one for every pin.  Ports and standard cells
are their own pin at the center; pins elsewhere on them, and pins that drive a second net, are nodes too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from netlists.netlist import Bools, Ints, Kind, Netlist, freeze


@dataclass(frozen=True, eq=False)
class Layout:
    """The nodes of a file for a netlist of V nodes, Q pins and N nets, among them E nodes that are pins.

    These are the pins of the netlist that need a node, and copies of pins that drive more than one net.
    """

    node_index: Ints  # [V] index of each node in the file
    pin: Ints  # [E] the pin of the netlist
    pin_index: Ints  # [E] index of each pin in the file
    pin_of: Ints  # [Q] index of each pin of the netlist in `pin`, or -1 if the node itself is the pin
    driver: Ints  # [N] index in the file of the node that drives each net, or -1 for a net without pins

    @cached_property
    def in_order(self) -> bool:
        """Whether the nets are in the order of their drivers, as in files without net numbers."""
        return bool(np.all(np.diff(self.driver) > 0) and np.all(self.driver >= 0))


def compute_layout(netlist: Netlist) -> Layout:
    """The nodes of a file for a netlist.

    They are in the order of the netlist's `file_index` if that fits; if not, each node is followed by its pins.
    """
    n = netlist
    owner = n.pin_node
    own = _own_pin(n)
    pins = np.flatnonzero(~own)
    pin_of = np.full(len(owner), -1)
    pin_of[pins] = np.arange(len(pins))

    nets = np.flatnonzero(np.diff(n.net_start) > 0)
    first = n.net_pin[n.net_start[nets]]
    # A file can say only once that a pin node, or a port or cell itself, drives a net.
    slot = np.where(own[first], len(owner) + owner[first], first)
    single = np.zeros(len(nets), dtype=bool)
    single[np.unique(slot, return_index=True)[1]] = True
    weighted_port = own[first] & (n.kind[owner[first]] == Kind.PORT) & (n.net_weight[nets] != 1)
    copy = ~single | weighted_port
    driver_pin = pin_of[first]
    driver_pin[copy] = len(pins) + np.arange(int(copy.sum()))
    pins = np.concatenate([pins, first[copy]])

    node_index, pin_index = _indices(n, owner[pins])
    driver = np.full(n.num_nets, -1)
    driver[nets] = np.where(driver_pin >= 0, np.append(pin_index, -1)[driver_pin], node_index[owner[first]])
    return Layout(freeze(node_index), freeze(pins), freeze(pin_index), freeze(pin_of), freeze(driver))


def _own_pin(n: Netlist) -> Bools:
    """[Q] whether each pin is the port or cell itself."""
    kind = n.kind[n.pin_node]
    own = ((kind == Kind.PORT) | (kind == Kind.CELL)) & (n.pin_offset_um == 0).all(axis=1)
    if n.file_index is not None and n.pin_names:  # its file may have pin nodes at the center, too
        names = np.array([n.pin_names[q] == n.node_names[v] for q, v in enumerate(n.pin_node.tolist())], dtype=bool)
        own &= names
    return np.asarray(own)


def _indices(n: Netlist, owner: Ints) -> tuple[Ints, Ints]:
    """[V] and [E] indices of nodes and pins in the file, given the node of each pin [E]."""
    v, total = n.num_nodes, n.num_nodes + len(owner)
    known = n.file_index
    if known is not None and np.all(np.diff(known) > 0) and (v == 0 or (known[0] >= 0 and known[-1] < total)):
        gaps = np.ones(total, dtype=bool)
        gaps[known] = False
        return known, np.flatnonzero(gaps)
    order = np.argsort(np.concatenate([np.arange(v), owner]), kind="stable")
    index = np.empty(total, dtype=np.int64)
    index[order] = np.arange(total)
    return index[:v], index[v:]
