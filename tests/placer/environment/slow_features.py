"""The features of an observation, map by map by definition: a slow twin of `placer/environment/features.py`."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from netlists.netlist import Floats, Kind, Netlist
from netlists.placement import Placement
from placer.environment.env import EpisodeBatch
from placer.soft.node_nets import node_nets
from tests.placer.cost import slow_cost
from tests.placer.environment import slow_action_mask


def with_merged_nets(netlist: Netlist) -> Netlist:
    """The netlist with the merged nets in place of its own, with pin offsets in the present orientation."""
    nets = node_nets(netlist)
    return netlist.with_(
        pin_node=nets.node, pin_offset_um=nets.offset_um, net_start=nets.start, net_pin=np.arange(len(nets.node)),
        net_weight=nets.weight, orientation=np.zeros_like(netlist.orientation), pin_names=(), net_names=(),
    )  # fmt: skip


class Seen:
    """The first episode of a batch at its current step."""

    def __init__(self, episodes: EpisodeBatch, fits: Floats) -> None:
        self.netlist = with_merged_nets(episodes.netlist)
        self.placement = Placement(self.netlist, episodes.state.position[0].copy(), self.netlist.orientation)
        self.position, self.place, self.fits = self.placement.position_um, episodes.state.place[0], fits
        self.t, self.order = episodes.t, episodes.order
        self.node = int(self.order[self.t])
        self.placed = set(self.order[: self.t].tolist()) | set(np.flatnonzero(self.netlist.fixed).tolist())
        self.rows, self.cols = self.netlist.grid

    def cover(self, nodes: Iterable[int]) -> Floats:
        """[R, C] fraction of each cell that each node covers, summed over the nodes."""
        w, h = self.netlist.cell_um
        total = np.zeros((self.rows, self.cols))
        for node in nodes:
            for cell, (dx, dy) in slow_cost.overlaps(self.placement, node).items():
                total[cell] += dx * dy / (w * h)
        return total

    def hard(self) -> Floats:
        return self.cover(v for v in self.netlist.hard.tolist() if v in self.placed)

    def rest(self) -> Floats:
        n = self.netlist
        cover = self.cover(v for v in range(n.num_nodes) if not n.fixed[v] and v not in self.placed)
        return cover / (1 + cover)

    def wires(self) -> list[tuple[float, Floats, list[tuple[int, Floats]]]]:
        """Weight, own pin offset [2] and the other nodes with their pins' places [2], for each net of the macro."""
        n, wires = self.netlist, []
        for net in range(n.num_nets):
            pins = range(n.net_start[net], n.net_start[net + 1])
            own = [n.pin_offset_um[p] for p in pins if n.pin_node[p] == self.node]
            others = [
                (int(n.pin_node[p]), self.position[n.pin_node[p]] + n.pin_offset_um[p])
                for p in pins
                if n.pin_node[p] != self.node
            ]
            if own:
                wires.append((float(n.net_weight[net]), own[0], others))
        return wires

    def offset_in_cell(self) -> tuple[float, float]:
        """The preferred center of the macro in a cell, in cells from its lower-left corner."""
        (width, height), (w, h) = self.netlist.size_um[self.node], self.netlist.cell_um
        return float(slow_action_mask.preferred_offset(float(width), w)), float(
            slow_action_mask.preferred_offset(float(height), h)
        )

    def wire(self, *, placed_only: bool) -> Floats:
        """[R, C] growth of the nets if the macro goes to its preferred place in each cell."""
        w, h = self.netlist.cell_um
        offset_x, offset_y = self.offset_in_cell()
        total = np.zeros((self.rows, self.cols))
        for r in range(self.rows):
            for c in range(self.cols):
                for weight, offset, others in self.wires():
                    places = [place for v, place in others if v in self.placed or not placed_only]
                    if places:
                        own = np.array([(c + offset_x) * w, (r + offset_y) * h]) + offset
                        longer = np.ptp([*places, own], axis=0).sum() - np.ptp(places, axis=0).sum()
                        total[r, c] += weight * longer
        weights = sum(weight for weight, _, _ in self.wires())
        scale = max(weights, 1e-9) * sum(self.netlist.canvas_um) / 4
        result: Floats = (total - total.min()) / scale
        return result

    def congestion(self) -> list[Floats]:
        """Horizontal and vertical demand d over capacity, [R, C] each, as d / (1 + d)."""
        horizontal, vertical = slow_cost.net_maps(self.placement)
        for node in np.flatnonzero(self.netlist.kind == Kind.HARD).tolist():
            slow_cost.add_blockage(self.placement, node, horizontal, vertical)
        return [np.array(m) / (1 + np.array(m)) for m in (horizontal, vertical)]

    def snap(self) -> Floats:
        w, h = self.netlist.cell_um
        offset_x, offset_y = self.offset_in_cell()
        away = np.zeros((self.rows, self.cols))
        for r, c in np.argwhere(self.fits):
            x, y = self.place[r, c]
            away[r, c] = abs(x - (c + offset_x) * w) / w + abs(y - (r + offset_y) * h) / h
        return away

    def footprint(self, r: int, c: int) -> set[tuple[int, int]]:
        """The cells into which the macro at its place in (r, c) reaches by more than a thousandth of a cell.

        At least one cell.
        """
        w, h = self.netlist.cell_um
        x, y = self.place[r, c]
        width, height = self.netlist.size_um[self.node]
        low = slow_cost.cell(self.netlist, x - width / 2 + 1e-3 * w, y - height / 2 + 1e-3 * h)
        high = slow_cost.cell(self.netlist, x + width / 2 - 1e-3 * w, y + height / 2 - 1e-3 * h)
        rows, columns = (range(low[d], max(low[d], high[d]) + 1) for d in (0, 1))
        return {(i, j) for i in rows for j in columns}

    def contact(self) -> Floats:
        hard, contact = np.minimum(self.hard(), 1), np.zeros((self.rows, self.cols))
        for r, c in np.argwhere(self.fits):
            under = self.footprint(r, c)
            around = {(i + di, j + dj) for i, j in under for di in (-1, 0, 1) for dj in (-1, 0, 1)} - under
            inside = [(i, j) for i, j in around if 0 <= i < self.rows and 0 <= j < self.cols]
            walls = len(around) - len(inside)
            contact[r, c] = (walls + sum(hard[cell] for cell in inside)) / len(around)
        return contact

    def mean_under(self, values: Floats) -> Floats:
        mean = np.zeros((self.rows, self.cols))
        for r, c in np.argwhere(self.fits):
            mean[r, c] = np.mean([values[cell] for cell in self.footprint(r, c)])
        return mean

    def edge(self) -> Floats:
        edge = np.zeros((self.rows, self.cols))
        canvas, half = np.array(self.netlist.canvas_um), self.netlist.size_um[self.node] / 2
        for r, c in np.argwhere(self.fits):
            low, high = self.place[r, c] - half, self.place[r, c] + half
            edge[r, c] = max(min((low / canvas).min(), ((canvas - high) / canvas).min()), 0)
        return edge

    def maps(self) -> dict[str, Floats]:
        """[R, C] by name."""
        across, up = self.congestion()
        columns, rows = np.arange(self.cols), np.arange(self.rows)
        x = np.abs((columns + 0.5) / self.cols - 0.5) * 2
        y = np.abs((rows + 0.5) / self.rows - 0.5) * 2
        return {
            "hard": self.hard(), "rest": self.rest(), "wire_placed": self.wire(placed_only=True),
            "wire_all": self.wire(placed_only=False), "congestion_h": across, "congestion_v": up,
            "fits": self.fits.astype(np.float64), "snap": self.snap(), "x": np.tile(x, (self.rows, 1)),
            "y": np.tile(y[:, None], (1, self.cols)), "contact": self.contact(), "crowd": self.mean_under(self.rest()),
            "demand": self.mean_under(np.maximum(across, up)), "edge": self.edge(),
        }  # fmt: skip

    def scalars(self) -> dict[str, float]:
        """All scalars except the place to which the nets pull."""
        n = self.netlist
        size, cells = n.size_um[self.node] / np.array(n.canvas_um), n.size_um[self.node] / np.array(n.cell_um)

        def wires(node: int) -> float:
            nets = {int(net) for net, v in zip(n.connection_net, n.connection_node, strict=True) if v == node}
            return float(sum(n.net_weight[net] for net in nets))

        known = sum(weight for weight, _, others in self.wires() if any(v in self.placed for v, _ in others))
        mean = max(float(np.mean([wires(int(v)) for v in self.order])), 1e-9)
        return {
            "progress": self.t / len(self.order), "width": size[0], "height": size[1], "columns": cells[0] / 4,
            "rows": cells[1] / 4, "known": known / max(wires(self.node), 1e-300),
            "coverage": float(n.size_um[n.hard].prod(axis=1).sum() / np.prod(n.canvas_um)),
            "wires": float(np.log1p(wires(self.node) / mean)),
        }  # fmt: skip
