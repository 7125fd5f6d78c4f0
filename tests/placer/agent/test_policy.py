"""The policy: a distribution over the allowed cells, for any netlist, grid and numbering of the nodes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from netlists import load
from netlists.netlist import Ints, Netlist
from placer.agent.policy import NEIGHBORS, STYLE, PlacementPolicy, netlist_graph
from placer.environment.env import EpisodeBatch
from placer.environment.features import MAP_NAMES, SCALAR_NAMES
from placer.soft.node_nets import adjacency, node_nets

GRIDS = [(1, 1), (2, 2), (5, 7), (33, 20), (128, 128)]


def trained() -> PlacementPolicy:
    """A policy with random weights everywhere, as training would leave it."""
    torch.manual_seed(0)
    policy = PlacementPolicy()
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return policy


def inputs(grid: tuple[int, int], batch: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Random embeddings, maps, scalars and masks with at least one allowed cell each."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand((batch, grid[0] * grid[1]), generator=generator) < 0.5
    mask[:, -1] = True
    width = 3 * PlacementPolicy().settings.embedding
    embedding = torch.randn((batch, width), generator=generator)
    maps = torch.rand((batch, len(MAP_NAMES), *grid), generator=generator)
    return embedding, maps, torch.rand((batch, len(SCALAR_NAMES)), generator=generator), mask


@pytest.mark.parametrize("grid", GRIDS)
def test_all_probability_is_on_allowed_cells(grid: tuple[int, int]) -> None:
    embedding, maps, scalars, mask = inputs(grid, 3)
    log_probs, value = trained()(embedding, maps, scalars, mask)
    probability = log_probs.exp()
    assert probability.shape == mask.shape
    assert (probability[~mask] == 0).all()
    torch.testing.assert_close(probability.sum(dim=1), torch.ones(3))
    assert value.shape == (3,)
    assert value.isfinite().all()


@pytest.mark.parametrize("grid", GRIDS)
def test_an_untrained_policy_is_uniform_over_the_allowed_cells(grid: tuple[int, int]) -> None:
    embedding, maps, scalars, mask = inputs(grid, 3)
    log_probs, _ = PlacementPolicy()(embedding, maps, scalars, mask)
    expected = mask / mask.sum(dim=1, keepdim=True)
    torch.testing.assert_close(log_probs.exp(), expected, rtol=1e-6, atol=0)


def test_a_style_per_episode_replaces_that_of_the_policy() -> None:
    policy, (embedding, maps, scalars, mask) = trained(), inputs((5, 7), 2)
    style = torch.randn((2, STYLE), generator=torch.Generator().manual_seed(1))
    together, _ = policy(embedding, maps, scalars, mask, style)
    for b in range(2):
        with torch.no_grad():
            policy.style.copy_(style[b])
        alone, _ = policy(embedding, maps, scalars, mask)
        torch.testing.assert_close(together[b], alone[b])


def test_a_strong_style_picks_the_cell_where_its_map_is_high() -> None:
    policy, (embedding, maps, scalars, mask) = PlacementPolicy(), inputs((5, 7), 4)
    style = torch.zeros((4, STYLE))
    style[:, MAP_NAMES.index("contact")] = 1e4
    log_probs, _ = policy(embedding, maps, scalars, mask, style)
    contact = maps[:, MAP_NAMES.index("contact")].flatten(1).masked_fill(~mask, -1)
    assert log_probs.argmax(dim=1).tolist() == contact.argmax(dim=1).tolist()


def test_episodes_of_a_batch_do_not_mix() -> None:
    policy, (embedding, maps, scalars, mask) = trained(), inputs((5, 7), 4)
    log_probs, value = policy(embedding, maps, scalars, mask)
    for b in range(4):
        one = slice(b, b + 1)
        alone, alone_value = policy(embedding[one], maps[one], scalars[one], mask[one])
        torch.testing.assert_close(alone[0], log_probs[b], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(alone_value[0], value[b], rtol=1e-5, atol=1e-5)


def with_uneven_nets(netlist: Netlist) -> Netlist:
    """Random net weights."""
    return netlist.with_(net_weight=np.random.default_rng(0).uniform(0.5, 2, netlist.num_nets))


def renumbered(netlist: Netlist, new: Ints) -> Netlist:
    """The same chip with node v as number new[v]."""
    old = np.argsort(new)
    return netlist.with_(
        node_names=tuple(netlist.node_names[v] for v in old), kind=netlist.kind[old], size_um=netlist.size_um[old],
        fixed=netlist.fixed[old], position_um=netlist.position_um[old], orientation=netlist.orientation[old],
        pin_node=new[netlist.pin_node], file_index=None,
    )  # fmt: skip


def test_embeddings_do_not_depend_on_the_numbering() -> None:
    netlist, policy = (
        with_uneven_nets(load("jetty")),
        trained(),
    )  # macros must not be equal, as equal ones are ordered by index
    new = np.random.default_rng(1).permutation(netlist.num_nodes)
    other = renumbered(netlist, new)
    order = EpisodeBatch(netlist, 1).order
    same_order = EpisodeBatch(other, 1).order
    assert same_order.tolist() == new[order].tolist()
    expected = policy.encode(netlist_graph(netlist, order))
    actual = policy.encode(netlist_graph(other, same_order))
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


def test_embeddings_depend_on_the_netlist_alone() -> None:
    netlist, policy = load("jetty"), trained()
    episodes = EpisodeBatch(netlist, 1)
    before = policy.encode(netlist_graph(netlist, episodes.order))
    observation = episodes.reset()
    episodes.step(np.flatnonzero(observation.mask[0])[:1])
    moved = netlist.position_um + 1.0
    moved[netlist.fixed] = netlist.position_um[netlist.fixed]
    for same in (netlist, netlist.with_(position_um=moved)):
        assert torch.equal(policy.encode(netlist_graph(same, episodes.order)), before)
    other = netlist.with_(net_weight=netlist.net_weight * np.linspace(1, 2, netlist.num_nets))
    assert not torch.allclose(policy.encode(netlist_graph(other, episodes.order)), before)


def test_the_graph_keeps_the_heaviest_edges() -> None:
    netlist = with_uneven_nets(load("jetty"))
    graph = netlist_graph(netlist, EpisodeBatch(netlist, 1).order)
    dense = adjacency(node_nets(netlist), netlist.num_nodes).toarray()
    expected = np.zeros_like(dense)
    for v, row in enumerate(dense):
        kept = (row > 0) & (row >= np.sort(row)[-NEIGHBORS] * (1 - 1e-9))
        expected[v, kept] = row[kept] / row.sum()
    found = np.zeros_like(dense)
    sources, targets = graph.edge_index.numpy()
    found[targets, sources] = graph.edge_weight.numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_near_averages_over_the_neighbors_already_placed() -> None:
    netlist = load("jetty")
    order = EpisodeBatch(netlist, 1).order
    near = netlist_graph(netlist, order).near.to_dense().numpy()
    dense = adjacency(node_nets(netlist), netlist.num_nodes).toarray()
    for t, v in enumerate(order):
        placed = set(order[:t].tolist()) | set(np.flatnonzero(netlist.fixed).tolist())
        row = np.array([w if u in placed else 0.0 for u, w in enumerate(dense[v])])
        np.testing.assert_allclose(near[t], row / max(row.sum(), 1e-300), rtol=1e-6)


def test_gradients_reach_every_parameter() -> None:
    netlist, policy = load("jetty"), trained()
    graph = netlist_graph(netlist, EpisodeBatch(netlist, 1).order)
    _, maps, scalars, mask = inputs((12, 12), len(graph.order))
    log_probs, value = policy(policy.encode(graph), maps, scalars, mask)
    (log_probs[:, -1].sum() + value.sum()).backward()
    unreached = [name for name, p in policy.named_parameters() if p.grad is None or not p.grad.abs().max() > 1e-9]
    assert unreached == []


def test_a_netlist_with_one_macro_and_nets_of_no_weight_or_none_has_embeddings() -> None:
    netlist = load("jetty")
    fixed = netlist.fixed.copy()
    fixed[netlist.hard[1:]] = True
    netlist = netlist.with_(fixed=fixed)
    bare = netlist.with_(net_start=np.zeros(1, np.int64), net_pin=np.empty(0, np.int64), net_weight=np.empty(0))
    weightless = netlist.with_(net_weight=np.zeros(netlist.num_nets))
    embeddings = [trained().encode(netlist_graph(n, n.movable_hard)) for n in (bare, weightless)]
    assert embeddings[0].shape == (1, 3 * PlacementPolicy().settings.embedding)
    assert embeddings[0].isfinite().all()
    torch.testing.assert_close(embeddings[0], embeddings[1])
