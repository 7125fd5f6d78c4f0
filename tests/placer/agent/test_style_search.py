"""The search over styles finds a minimum."""

from __future__ import annotations

import torch

from placer.agent.style_search import StyleSearch


def test_the_search_finds_the_minimum_of_a_quadratic() -> None:
    generator = torch.Generator().manual_seed(0)
    goal, scale = torch.linspace(-12, 12, 20), torch.linspace(0.5, 2, 20)
    search = StyleSearch.around(torch.zeros(20), 10.0)
    first = float((scale * goal.square()).sum())
    for _ in range(60):
        styles = search.ask(64, generator)
        search.tell(styles, (scale * (styles - goal).square()).sum(dim=1))
    assert float((scale * (search.mean - goal).square()).sum()) < 0.01 * first
    assert (search.deviation < 3).all()


def test_the_first_style_is_the_mean_and_the_policy_does_not_change() -> None:
    style = torch.nn.Parameter(torch.arange(4.0))
    search = StyleSearch.around(style, 10.0)
    styles = search.ask(8, torch.Generator().manual_seed(0))
    assert torch.equal(styles[0], style.detach())
    search.tell(styles, torch.arange(8.0))
    assert style.tolist() == [0, 1, 2, 3]


def test_the_search_survives_a_single_style() -> None:
    search = StyleSearch.around(torch.zeros(3), 10.0)
    for _ in range(3):
        search.tell(search.ask(1, torch.Generator().manual_seed(0)), torch.zeros(1))
    assert search.mean.isfinite().all()
    assert (search.deviation > 0).all()
