"""The policy: a graph network over the netlist and a convolutional head over the grid.

It follows Mirhoseini et al., Nature 2021: a graph network over node features and positions, the embedding of the
current macro concatenated with that of the netlist, a convolutional policy head over the grid, a mask on illegal cells,
a value head, and one set of weights for any netlist and grid.

It differs on purpose in these points:
- The graph network runs once per netlist and set of weights, not at every step.  What changes within an episode
  reaches the policy as maps over the grid (`placer.environment.features`): cover, the wirelength that the macro would
  have in each cell, congestion.  Their policy sees the state through node positions alone.
- Which nodes have been placed reaches the policy through a second pass without attention: the embedding of a macro is
  concatenated with the mean of the embeddings of its placed neighbors.  As the order is fixed, this depends on the
  step only and is computed once.
- Layers are PyG's GraphConv with edge weights from the nets instead of their edge-based layer: cheaper, and sufficient.
- The head is a small U-Net (stride-2 levels, skip connections) instead of deconvolutions from a vector, so that a
  logit is local to its cell and the grid may have any size; the embedding of the macro scales and shifts its channels.
- The maps also reach the logits directly, each through one weight that changes linearly over the episode: the style of
  the policy (to pack along the walls, to stay near the nets, ...).  A style may also be an argument, so that training
  can begin with a search over styles (`placer.agent.style_search`).

Here E is the number of channels of an embedding, D that of node features, and K that of maps.
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

from netlists.netlist import Floats, Ints, Kind, Netlist
from placer.environment.features import MAP_NAMES, PROGRESS, SCALAR_NAMES
from placer.soft.node_nets import adjacency, node_nets

NODE_FEATURES = 12
"""Features of a node, see `node_features`."""

CONTEXT = 64
"""Channels of the hidden layers between the embeddings and the heads."""

STYLE = 2 * len(MAP_NAMES)
"""Weights of a style: for each map its weight in the middle of an episode, then the change of that over the episode."""

NEIGHBORS = 16
"""Edges into each node of the graph: the heaviest ones, and more if weights are equal."""


@dataclass(frozen=True)
class PolicySettings:
    """Sizes of the network; stored with its weights."""

    embedding: int = 32  # channels of the embedding of a node
    layers: int = 3  # layers of the graph network
    channels: int = 16  # channels of the head at full resolution
    deep_channels: int = 32  # channels of the head at half resolution and below

    def as_dict(self) -> dict[str, Any]:
        """The sizes by name."""
        return asdict(self)


def netlist_graph(netlist: Netlist, order: Ints) -> Data:
    """The graph of a netlist for the policy, with the indices `order` [T] of the macros in the order of placement.

    Its tensors are `x` [V, D], the features of `node_features`; `edge_index` [2, edges] and `edge_weight` [edges], the
    heaviest edges, whose weights sum to at most 1 over the edges into a node; `order` [T]; and `near`, a sparse [T, V]
    matrix whose row t averages over the neighbors of macro t that have their final place at step t.
    """
    edges = adjacency(node_nets(netlist), netlist.num_nodes).tocsr()
    degree = np.asarray(edges.sum(axis=1)).ravel()
    sources, targets, weights = heaviest_edges(edges, degree)
    data = Data(
        x=torch.from_numpy(node_features(netlist, degree).astype(np.float32)),
        edge_index=torch.from_numpy(np.stack([sources, targets])),
        edge_weight=torch.from_numpy(weights.astype(np.float32)),
        order=torch.from_numpy(order.astype(np.int64)),
        near=_placed_neighbors(netlist, order, edges),
    )
    data.validate(raise_on_error=True)
    return data


def node_features(netlist: Netlist, degree: Floats) -> Floats:
    """[V, D] the features of the nodes, whose total net weights are `degree` [V].

    The columns are the kind (one-hot), width and height as fractions of the canvas', the square root of their product,
    log(1 + degree over the mean), whether the node is fixed, the place of fixed nodes from the middle of the canvas as
    fractions of it, and 1.
    """
    kind = np.eye(len(Kind))[netlist.kind]
    size = netlist.size_um / np.array(netlist.canvas_um)
    place = np.where(netlist.fixed[:, None], netlist.position_um / np.array(netlist.canvas_um), 0.5)
    mean_degree = max(float(degree.mean()), 1e-9)
    return np.column_stack(
        [kind, size, np.sqrt(size.prod(axis=1)), np.log1p(degree / mean_degree), netlist.fixed, place - 0.5,
         np.ones(netlist.num_nodes)]
    )  # fmt: skip


def _placed_neighbors(netlist: Netlist, order: Ints, edges: Any) -> Tensor:
    """The matrix `near` of `netlist_graph`."""
    turn = np.where(netlist.fixed, -1, len(order))
    turn[order] = np.arange(len(order))
    rows = edges[order].tocoo()
    keep = turn[rows.coords[1]] < rows.coords[0]
    step, neighbor, weight = rows.coords[0][keep], rows.coords[1][keep], rows.data[keep]
    total = np.bincount(step, weight, minlength=len(order))
    return torch.sparse_coo_tensor(
        torch.from_numpy(np.stack([step, neighbor]).astype(np.int64)),
        torch.from_numpy((weight / np.maximum(total[step], 1e-12)).astype(np.float32)),
        (len(order), netlist.num_nodes),
        check_invariants=False,
    ).coalesce()


def heaviest_edges(edges: Any, degree: Floats) -> tuple[Ints, Ints, Floats]:
    """Source, target and normalized weight of the `NEIGHBORS` heaviest edges into each node, and of equally heavy ones.

    `edges` is a sparse [V, V] matrix of weights and `degree` [V] their sums.  Edges of equal weight are all kept, so
    that the choice does not depend on the numbering of the nodes.
    """
    coo = edges.tocoo()
    target, source, weight = coo.coords[0].astype(np.int64), coo.coords[1].astype(np.int64), coo.data
    by_weight = np.lexsort((-weight, target))
    first = np.searchsorted(target[by_weight], np.arange(len(degree)))
    rank = np.arange(len(target)) - first[target[by_weight]]
    least = np.zeros(len(degree))
    last = by_weight[rank == NEIGHBORS - 1]
    least[target[last]] = weight[last] * (1 - 1e-9)  # weights that are sums differ by rounding
    heavy = np.flatnonzero((weight > 0) & (weight >= least[target]))
    return source[heavy], target[heavy], weight[heavy] / degree[target[heavy]]


class PlacementPolicy(nn.Module):
    """Log-probabilities of the grid cells and a value, for any netlist and grid."""

    def __init__(self, settings: PolicySettings | None = None) -> None:
        super().__init__()
        self.settings = s = settings or PolicySettings()
        self.node_in = nn.Linear(NODE_FEATURES, s.embedding)
        self.convs = nn.ModuleList(GraphConv(s.embedding, s.embedding, aggr="add") for _ in range(s.layers))
        self.norms = nn.ModuleList(nn.LayerNorm(s.embedding) for _ in range(s.layers))
        self.context = nn.Sequential(
            nn.Linear(3 * s.embedding + len(SCALAR_NAMES), CONTEXT), nn.ReLU(), nn.Linear(CONTEXT, CONTEXT), nn.ReLU()
        )
        self.head = GridHead(s.channels, s.deep_channels, CONTEXT)
        self.style = nn.Parameter(torch.zeros(STYLE))
        self.value = nn.Sequential(nn.Linear(2 * s.deep_channels + CONTEXT, CONTEXT), nn.ReLU(), nn.Linear(CONTEXT, 1))

    def encode(self, graph: Data) -> Tensor:
        """[T, 3E] for each step the embedding of its macro and the means of its placed neighbors and of all nodes."""
        z = functional.relu(self.node_in(graph.x))
        for conv, norm in zip(self.convs, self.norms, strict=True):
            z = z + functional.relu(norm(conv(z, graph.edge_index, graph.edge_weight)))
        near = torch.sparse.mm(graph.near, z)
        everything = z.mean(dim=0, keepdim=True).expand(len(graph.order), -1)
        return torch.cat([z[graph.order], near, everything], dim=1)

    def forward(
        self, embedding: Tensor, maps: Tensor, scalars: Tensor, mask: Tensor, style: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Masked log-probabilities [B, R*C] and values [B] of B episodes.

        The arguments are rows of `encode` [B, 3E], features `maps` [B, K, R, C] and `scalars` [B, S], the action mask
        [B, R*C] and optionally the weights of a style per episode [B, 2K] instead of the policy's own.
        """
        context = self.context(torch.cat([embedding, scalars], dim=1))
        first, drift = (self.style[None] if style is None else style).chunk(2, dim=1)
        weights = torch.addcmul(first, drift, scalars[:, PROGRESS, None] - 0.5)
        logits, pooled = self.head(maps, context, weights)
        value = self.value(torch.cat([pooled, context], dim=1)).squeeze(1)
        return torch.log_softmax(torch.where(mask, logits, -torch.inf), dim=1), value


class GridHead(nn.Module):
    """A small U-Net from maps [B, K, R, C] and a context vector to a logit per cell [B, R*C] and a pooled vector.

    It has few operators, since each of them takes time of the interpreter, which threads with small batches wait for.
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
        self.logit = nn.Conv2d(channels, 1, 1, bias=False)  # a constant would not change the softmax
        self.modulate = nn.Linear(context, 2 * (channels + deep))
        self.weigh = nn.Linear(context, len(MAP_NAMES))
        for layer in (self.logit, self.weigh):  # at first all allowed cells are equally probable
            nn.init.zeros_(layer.weight)
        nn.init.zeros_(self.weigh.bias)
        self.split = [channels, deep, channels, deep]

    def forward(self, maps: Tensor, context: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [B, R*C] and pooled features from maps [B, K, R, C], a context vector per episode and a style.

        Each map also adds directly to the logits, with its weight of the style, `weights` [B, K], and one that depends
        on the context.
        """
        scale_1, scale_2, shift_1, shift_2 = self.modulate(context)[..., None, None].split(self.split, dim=1)
        full = modulate(self.enter(maps), scale_1, shift_1)
        half = modulate(self.down(full), scale_2, shift_2)
        half = half + torch.relu(self.coarse(half))
        quarter = torch.relu(self.down_again(half))
        quarter = quarter + torch.relu(self.quarter(quarter))
        half = half + functional.interpolate(self.rise(quarter), size=half.shape[2:])
        pooled = torch.cat([half.mean(dim=(2, 3)), half.amax(dim=(2, 3))], dim=1)
        full = torch.relu(full + functional.interpolate(self.leave(half), size=full.shape[2:]))
        full = full + torch.relu(self.last(full))
        direct = torch.bmm((weights + self.weigh(context))[:, None], maps.flatten(2))
        return (self.logit(full).flatten(2) + direct).squeeze(1), pooled


def modulate(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """relu(x (1 + scale) + shift) of features x [B, D, R, C], with `scale` and `shift` [B, D, 1, 1] per channel."""
    return torch.relu(torch.addcmul(x + shift, x, scale))
