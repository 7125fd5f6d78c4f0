"""The area in which pairs of rectangles overlap, with its gradient, on the CPU.

A kernel, since torch would fill memory with all pairs, which takes seconds per step with 2,000 hard macros.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from numba import njit
from torch import Tensor

Singles = npt.NDArray[np.float32]


@njit(cache=True, nogil=True)
def shared_area(center: Singles, size: Singles, slope: Singles) -> float:
    """The area in which rectangles overlap, summed over all pairs; fills `slope` [M, 2] with its gradient.

    `center` and `size` [M, 2] have any unit of length; the gradient is by the centers.
    """
    total = 0.0
    slope[:] = 0.0
    for i in range(len(center)):
        w, h = size[i]
        for j in range(i):
            dx, dy = center[i, 0] - center[j, 0], center[i, 1] - center[j, 1]
            depth_x, depth_y = (w + size[j, 0]) / 2 - abs(dx), (h + size[j, 1]) / 2 - abs(dy)
            if depth_x > 0 and depth_y > 0:
                most_x, most_y = min(w, size[j, 0]), min(h, size[j, 1])
                shared_x, shared_y = min(depth_x, most_x), min(depth_y, most_y)
                total += shared_x * shared_y
                if depth_x < most_x:
                    slope[i, 0] -= np.sign(dx) * shared_y
                    slope[j, 0] += np.sign(dx) * shared_y
                if depth_y < most_y:
                    slope[i, 1] -= np.sign(dy) * shared_x
                    slope[j, 1] += np.sign(dy) * shared_x
    return total


def shared_areas(center: Tensor, size: Tensor) -> Tensor:
    """[B] `shared_area` of B placements, differentiable by the centers.

    `center` [B, M, 2] and `size` [M, 2] have the same unit of length.
    """
    area: Tensor = _SharedArea.apply(center.contiguous(), size)  # type: ignore[no-untyped-call]
    return area


class _SharedArea(torch.autograd.Function):
    """`shared_areas` as an operator of torch."""

    @staticmethod
    def forward(ctx: Any, center: Tensor, size: Tensor) -> Tensor:
        """Compute the areas, and save the gradient for `backward`."""
        slope = torch.empty_like(center)
        areas = [shared_area(c.numpy(), size.numpy(), s.numpy()) for c, s in zip(center.detach(), slope, strict=True)]
        ctx.save_for_backward(slope)
        return center.new_tensor(areas)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, None]:
        """The gradient by the centers; there is none by the sizes."""
        (slope,) = ctx.saved_tensors
        return outer[0][:, None, None] * slope, None
