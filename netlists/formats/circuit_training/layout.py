"""Which nodes a protobuf file has for a netlist, and in what order.

A file has a node for every macro, port and standard cell and, among them, one for every pin.  Ports and standard
cells are their own pin at the center; pins elsewhere on them, and those that drive a second net, are nodes too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from netlists.netlist import Bools, Ints, Kind, Netlist, frozen


@dataclass(frozen=True, eq=False)
class Layout:
    """E pins of a file: those of the netlist that need a node, and copies of pins that drive more than one net."""

    node_index: Ints  # [V] index of each node in the file
    pin: Ints  # [E] pin of the netlist
    pin_index: Ints  # [E] index of each pin in the file
    pin_of: Ints  # [Q] place of each pin of the netlist in `pin`, or -1 where the node itself is the pin
    driver: Ints  # [N] index in the file of the node that drives each net, or -1 for a net without pins

    @cached_property
    def in_order(self) -> bool:
        """Whether the nets come in the order of their drivers, as files without net numbers have them."""
        return bool(np.all(np.diff(self.driver) > 0) and np.all(self.driver >= 0))


def layout(netlist: Netlist) -> Layout:
    """The nodes of a file for a netlist: in the order of `file_index` where it has a fitting one, else nodes in
    order, each followed by its pins."""
    n = netlist
    owner = n.pin_node
    own = _own_pin(n)
    pins = np.flatnonzero(~own)
    pin_of = np.full(len(owner), -1)
    pin_of[pins] = np.arange(len(pins))

    nets = np.flatnonzero(np.diff(n.net_start) > 0)
    first = n.net_pin[n.net_start[nets]]
    # What a file can say only once: that a pin node, or a port or cell by itself, drives a net.
    slot = np.where(own[first], len(owner) + owner[first], first)
    single = np.zeros(len(nets), dtype=bool)
    single[np.unique(slot, return_index=True)[1]] = True
    weighted_port = own[first] & (n.kind[owner[first]] == Kind.PORT) & (n.net_weight[nets] != 1)
    copy = ~single | weighted_port
    place = pin_of[first]
    place[copy] = len(pins) + np.arange(int(copy.sum()))
    pins = np.concatenate([pins, first[copy]])

    node_index, pin_index = _indices(n, owner[pins])
    driver = np.full(n.num_nets, -1)
    driver[nets] = np.where(place >= 0, np.append(pin_index, -1)[place], node_index[owner[first]])
    return Layout(frozen(node_index), frozen(pins), frozen(pin_index), frozen(pin_of), frozen(driver))


def _own_pin(n: Netlist) -> Bools:
    """[Q] pins that are the port or cell itself."""
    kind = n.kind[n.pin_node]
    own = ((kind == Kind.PORT) | (kind == Kind.CELL)) & (n.pin_offset_um == 0).all(axis=1)
    if n.file_index is not None and n.pin_names:  # the file it came from may have pin nodes at the center, too
        names = np.array([n.pin_names[q] == n.node_names[v] for q, v in enumerate(n.pin_node.tolist())], dtype=bool)
        own &= names
    return np.asarray(own)


def _indices(n: Netlist, owner: Ints) -> tuple[Ints, Ints]:
    """[V] and [E] places of nodes and pins in the file, given the owner of each pin."""
    v, total = n.num_nodes, n.num_nodes + len(owner)
    given = n.file_index
    if given is not None and np.all(np.diff(given) > 0) and (v == 0 or (given[0] >= 0 and given[-1] < total)):
        gaps = np.ones(total, dtype=bool)
        gaps[given] = False
        return given, np.flatnonzero(gaps)
    order = np.argsort(np.concatenate([np.arange(v), owner]), kind="stable")
    index = np.empty(total, dtype=np.int64)
    index[order] = np.arange(total)
    return index[:v], index[v:]
