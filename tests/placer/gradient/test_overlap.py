"""The area in which rectangles overlap, and its gradient, against torch with all pairs at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from placer.gradient.overlap import shared_areas


def slow(center: Tensor, size: Tensor) -> Tensor:
    """[B] the same, pair by pair in torch."""
    total = torch.zeros(len(center), dtype=center.dtype)
    for i in range(len(size)):
        for j in range(i):
            depth = (size[i] + size[j]) / 2 - (center[:, i] - center[:, j]).abs()
            total = total + torch.minimum(depth, torch.minimum(size[i], size[j])).clamp(min=0).prod(-1)
    return total


@pytest.mark.parametrize("seed", range(6))
def test_area_and_gradient(seed: int) -> None:
    random = np.random.default_rng(seed)
    count, batch = int(random.integers(1, 12)), int(random.integers(1, 4))
    size = torch.tensor(random.uniform(0.5, 3, (count, 2)), dtype=torch.float32)
    center = torch.tensor(random.uniform(0, 4, (batch, count, 2)), dtype=torch.float32, requires_grad=True)
    weight = torch.tensor(random.uniform(1, 2, batch), dtype=torch.float32)
    ours, theirs = shared_areas(center, size), slow(center, size)
    torch.testing.assert_close(ours, theirs)
    (slope,) = torch.autograd.grad((weight * ours).sum(), center)
    if count > 1:
        torch.testing.assert_close(slope, torch.autograd.grad((weight * theirs).sum(), center)[0])
        assert float(theirs.detach().sum()) > 0


@pytest.mark.parametrize(
    ("centers", "area"),
    [
        ([(0.0, 0.0), (0.0, 0.0)], 2.0),  # one inside the other
        ([(0.0, 0.0), (1.0, 0.5)], 0.75),
        ([(0.0, 0.0), (3.0, 0.0)], 0.0),
    ],
)
def test_known_areas(centers: list[tuple[float, float]], area: float) -> None:
    size = torch.tensor([(2.0, 2.0), (1.0, 2.0)])
    actual = shared_areas(torch.tensor([centers]), size)
    torch.testing.assert_close(actual, torch.tensor([area]))
