"""The policy: a graph network over the netlist and a convolutional head over the grid.

Follows Mirhoseini et al., Nature 2021: node features and positions through a graph network, the embedding of the
current macro joined with the netlist's, a convolutional policy head over the grid, a mask on illegal cells, a value
head; one set of weights for any netlist and grid.

Departs from it, on purpose:
- The graph network runs once per netlist and set of weights, not at every step.  What changes within an episode
  reaches the policy as maps over the grid (`features.py`): cover, the wirelength that each cell would cause,
  congestion.  Their policy sees the state through node positions alone.
- Which nodes are already placed is told by a second, attention-free pass: a macro's embedding is joined with the mean
  of its placed neighbors' embeddings.  As the order is fixed, this depends on the step only and is computed once.
- Layers are PyG's GraphConv with edge weights from the nets instead of their edge-based layer: cheaper and enough.
- The head is a small U-Net (stride-2 levels, skip connections) instead of deconvolutions from a vector, so that a
  logit is local to its cell and the grid may have any size; the macro's embedding scales and shifts its channels.
- The maps also reach the logits directly, through one weight each that drifts with the progress of the episode: the
  policy's style (pack along the walls, stay near the nets, ...).  A style can be given from outside, so that training
  can begin with a search over styles (`evolve.py`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.data import Data
from torch_geometric.nn import GraphConv

from netlists.netlist import Ints, Kind, Netlist
from placer.environment.features import MAP_NAMES, SCALAR_NAMES
from placer.soft.node_nets import adjacency, node_nets

NODE_FEATURES = 12
STYLE = 2 * len(MAP_NAMES)
PROGRESS = SCALAR_NAMES.index("progress")
NEIGHBORS = 16  # edges kept per node, the heaviest, and more where they tie


@dataclass(frozen=True)
class PolicySettings:
    """Sizes of the network; stored with its weights."""

    embedding: int = 32  # channels of a node's embedding
    layers: int = 3  # of the graph network
    channels: int = 16  # of the head at full resolution
    deep_channels: int = 32  # at half resolution and below

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def netlist_graph(netlist: Netlist, order: Ints) -> Data:
    """The graph of a netlist for the policy: `x` [V, F], heaviest edges with weights, macros in placing order.

    `edge_weight` sums to at most 1 over the edges into a node.  `order` [T] are the macros; `near` is a sparse [T, V]
    matrix whose row t averages over the neighbors of macro t that have their final place at step t.
    """
    nets = node_nets(netlist)
    edges = adjacency(nets, netlist.num_nodes).tocsr()
    degree = np.asarray(edges.sum(axis=1)).ravel()
    kind = np.eye(len(Kind))[netlist.kind]
    size = netlist.size_um / np.array(netlist.canvas_um)
    place = np.where(netlist.fixed[:, None], netlist.position_um / np.array(netlist.canvas_um), 0.5)
    mean_degree = max(float(degree.mean()), 1e-9)
    features = np.column_stack(
        [kind, size, np.sqrt(size.prod(axis=1)), np.log1p(degree / mean_degree), netlist.fixed, place - 0.5,
         np.ones(netlist.num_nodes)]
    )  # fmt: skip
    turn = np.where(netlist.fixed, -1, len(order))
    turn[order] = np.arange(len(order))
    rows = edges[order].tocoo()
    keep = turn[rows.coords[1]] < rows.coords[0]
    step, mate, weight = rows.coords[0][keep], rows.coords[1][keep], rows.data[keep]
    total = np.bincount(step, weight, minlength=len(order))
    near = torch.sparse_coo_tensor(
        torch.from_numpy(np.stack([step, mate]).astype(np.int64)),
        torch.from_numpy((weight / np.maximum(total[step], 1e-12)).astype(np.float32)),
        (len(order), netlist.num_nodes),
        check_invariants=False,
    ).coalesce()
    sources, targets, weights = heaviest(edges, degree)
    data = Data(
        x=torch.from_numpy(features.astype(np.float32)),
        edge_index=torch.from_numpy(np.stack([sources, targets])),
        edge_weight=torch.from_numpy(weights.astype(np.float32)),
        order=torch.from_numpy(order.astype(np.int64)),
        near=near,
    )
    data.validate(raise_on_error=True)
    return data


def heaviest(edges: Any, degree: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[Ints, Ints, Any]:
    """Source, target and normalized weight of the NEIGHBORS heaviest edges into each node, and of those as heavy.

    Ties are kept, so that the choice does not depend on how nodes are numbered.
    """
    coo = edges.tocoo()
    target, source, weight = coo.coords[0].astype(np.int64), coo.coords[1].astype(np.int64), coo.data
    by_weight = np.lexsort((-weight, target))
    first = np.searchsorted(target[by_weight], np.arange(len(degree)))
    rank = np.arange(len(target)) - first[target[by_weight]]
    least = np.zeros(len(degree))
    last = by_weight[rank == NEIGHBORS - 1]
    least[target[last]] = weight[last] * (1 - 1e-9)  # weights that are sums differ by rounding
    kept = np.flatnonzero((weight > 0) & (weight >= least[target]))
    return source[kept], target[kept], weight[kept] / degree[target[kept]]


class PlacementPolicy(nn.Module):
    """Logits over grid cells and a value, for any netlist and grid."""

    def __init__(self, settings: PolicySettings | None = None) -> None:
        super().__init__()
        self.settings = s = settings or PolicySettings()
        self.node_in = nn.Linear(NODE_FEATURES, s.embedding)
        self.convs = nn.ModuleList(GraphConv(s.embedding, s.embedding, aggr="add") for _ in range(s.layers))
        self.norms = nn.ModuleList(nn.LayerNorm(s.embedding) for _ in range(s.layers))
        self.context = nn.Sequential(
            nn.Linear(3 * s.embedding + len(SCALAR_NAMES), 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()
        )
        self.head = GridHead(s.channels, s.deep_channels, 64)
        self.style = nn.Parameter(torch.zeros(STYLE))
        self.value = nn.Sequential(nn.Linear(2 * s.deep_channels + 64, 64), nn.ReLU(), nn.Linear(64, 1))

    def encode(self, graph: Data) -> Tensor:
        """[T, 3E] per step: the macro's embedding, its placed neighbors' mean and the whole netlist's mean."""
        z = functional.relu(self.node_in(graph.x))
        for conv, norm in zip(self.convs, self.norms, strict=True):
            z = z + functional.relu(norm(conv(z, graph.edge_index, graph.edge_weight)))
        near = torch.sparse.mm(graph.near, z)
        everything = z.mean(dim=0, keepdim=True).expand(len(graph.order), -1)
        return torch.cat([z[graph.order], near, everything], dim=1)

    def forward(
        self, embedding: Tensor, maps: Tensor, scalars: Tensor, mask: Tensor, style: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Masked log-probabilities [B, R*C] and values [B] from rows of `encode` [B, 3E], maps [B, K, R, C],
        scalars [B, S], mask [B, R*C] and, instead of the policy's own, a style for each episode [B, 2K]."""
        context = self.context(torch.cat([embedding, scalars], dim=1))
        first, drift = (self.style[None] if style is None else style).chunk(2, dim=1)
        weights = torch.addcmul(first, drift, scalars[:, PROGRESS, None] - 0.5)
        logits, pooled = self.head(maps, context, weights)
        value = self.value(torch.cat([pooled, context], dim=1)).squeeze(1)
        return torch.log_softmax(torch.where(mask, logits, -torch.inf), dim=1), value


class GridHead(nn.Module):
    """A small U-Net from maps [B, K, R, C] and a context vector to a logit per cell [B, R*C] and a pooled vector.

    It takes few operators: with several threads playing small batches, what each costs the interpreter counts.
    """

    def __init__(self, channels: int, deep: int, context: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(len(MAP_NAMES), channels, 3, padding=1)
        self.down = nn.Conv2d(channels, deep, 3, stride=2, padding=1)
        self.coarse = nn.Conv2d(deep, deep, 3, padding=1)
        self.down_again = nn.Conv2d(deep, deep, 3, stride=2, padding=1)
        self.quarter = nn.Conv2d(deep, deep, 3, padding=1)
        self.rise = nn.Conv2d(deep, deep, 3, padding=1)
        self.leave = nn.Conv2d(deep, channels, 1)
        self.last = nn.Conv2d(channels, channels, 3, padding=1)
        self.logit = nn.Conv2d(channels, 1, 1, bias=False)  # the softmax takes no notice of a constant
        self.modulate = nn.Linear(context, 2 * (channels + deep))
        self.weigh = nn.Linear(context, len(MAP_NAMES))
        for layer in (self.logit, self.weigh):  # every allowed cell is equally likely at first
            nn.init.zeros_(layer.weight)
        nn.init.zeros_(self.weigh.bias)
        self.split = [channels, deep, channels, deep]

    def forward(self, maps: Tensor, context: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Each map also adds to the logits, by `weights` [B, K] and by what the context says."""
        scale_1, scale_2, shift_1, shift_2 = self.modulate(context)[..., None, None].split(self.split, dim=1)
        full = modulated(self.enter(maps), scale_1, shift_1)
        half = modulated(self.down(full), scale_2, shift_2)
        half = half + torch.relu(self.coarse(half))
        quarter = torch.relu(self.down_again(half))
        quarter = quarter + torch.relu(self.quarter(quarter))
        half = half + functional.interpolate(self.rise(quarter), size=half.shape[2:])
        pooled = torch.cat([half.mean(dim=(2, 3)), half.amax(dim=(2, 3))], dim=1)
        full = torch.relu(full + functional.interpolate(self.leave(half), size=full.shape[2:]))
        full = full + torch.relu(self.last(full))
        direct = torch.bmm((weights + self.weigh(context))[:, None], maps.flatten(2))
        return (self.logit(full).flatten(2) + direct).squeeze(1), pooled


def modulated(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """relu(x (1 + scale) + shift)."""
    return torch.relu(torch.addcmul(x + shift, x, scale))
