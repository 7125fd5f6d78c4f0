"""Floorplans colored by traffic, and estimates beside measurements."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import Collection

from netlists.errors import SettingsError
from netlists.placement import Placement
from netlists.synthetic.tiny import pile_up, tiny_netlist
from plots import agreement, traffic


def chip() -> Placement:
    """Macros and ports with twenty nets."""
    return pile_up(tiny_netlist())


def test_nets_are_lines_from_driver_to_sinks() -> None:
    placement = chip()
    n = placement.netlist
    lines, net = traffic.driver_lines(placement)
    assert len(lines) == len(n.net_pin) - n.num_nets
    k = int(np.flatnonzero(net == 0)[0])
    first = n.net_start[0]
    driver = placement.position_um[n.connection_node[first]] + n.turned_offsets_um(placement.orientation)[first]
    assert np.allclose(lines[k, 0], driver)


def test_each_class_has_its_lines() -> None:
    placement = chip()
    classes = np.arange(placement.netlist.num_nets) % 2
    figure = traffic.draw(placement, classes, ("even", "odd", "none"))
    _, net = traffic.driver_lines(placement)
    drawn = {str(c.get_gid()): len(c.get_paths()) for c in figure.axes[0].get_children() if isinstance(c, Collection)}
    assert drawn["even"] == int((net % 2 == 0).sum())
    assert drawn["odd"] == int((net % 2 == 1).sum())
    assert "none" not in drawn
    assert drawn["hard macros"] == len(placement.netlist.hard)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[2:] == ["even", "odd"]


def test_every_net_needs_a_class() -> None:
    placement = chip()
    with pytest.raises(SettingsError, match="one per net"):
        traffic.draw(placement, np.zeros(1, np.int64), ("one",))


def test_estimates_beside_measurements() -> None:
    figure = agreement.draw(np.array([1.0, 2.0]), {"naive": np.array([2.0, 1.0])}, label="mJ", names=["a", "b"])
    axes = figure.axes[0]
    assert axes.get_xlim() == axes.get_ylim() == pytest.approx((1 / 1.2, 2.4))
    assert {text.get_text() for text in axes.texts} == {"a", "b"}
    with pytest.raises(SettingsError, match="expected 2, and at least 1"):
        agreement.draw(np.array([1.0, 2.0]), {"naive": np.array([2.0])}, label="mJ")
