"""The area that pairs of rectangles share, with its gradient, on the CPU: a kernel, as torch would fill memory with
all pairs, which takes seconds a step with 2,000 hard macros."""

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
    """The sum over pairs of rectangles (centers, sizes [M, 2]); its derivatives by the centers are put in `slope`."""
    total = 0.0
    slope[:] = 0.0
    for i in range(len(center)):
        w, h = size[i]
        for j in range(i):
            dx, dy = center[i, 0] - center[j, 0], center[i, 1] - center[j, 1]
            into_x, into_y = (w + size[j, 0]) / 2 - abs(dx), (h + size[j, 1]) / 2 - abs(dy)
            if into_x > 0 and into_y > 0:
                most_x, most_y = min(w, size[j, 0]), min(h, size[j, 1])
                shared_x, shared_y = min(into_x, most_x), min(into_y, most_y)
                total += shared_x * shared_y
                if into_x < most_x:
                    slope[i, 0] -= np.sign(dx) * shared_y
                    slope[j, 0] += np.sign(dx) * shared_y
                if into_y < most_y:
                    slope[i, 1] -= np.sign(dy) * shared_x
                    slope[j, 1] += np.sign(dy) * shared_x
    return total


def shared_areas(center: Tensor, size: Tensor) -> Tensor:
    """[B] what `shared_area` finds for centers [B, M, 2] of rectangles of sizes [M, 2], differentiable."""
    found: Tensor = _SharedArea.apply(center.contiguous(), size)  # type: ignore[no-untyped-call]
    return found


class _SharedArea(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, center: Tensor, size: Tensor) -> Tensor:
        """Fills the derivatives, too."""
        slope = torch.empty_like(center)
        found = [shared_area(c.numpy(), size.numpy(), s.numpy()) for c, s in zip(center.detach(), slope, strict=True)]
        ctx.save_for_backward(slope)
        return center.new_tensor(found)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, None]:
        """Of the centers; sizes have none."""
        (slope,) = ctx.saved_tensors
        return outer[0][:, None, None] * slope, None
