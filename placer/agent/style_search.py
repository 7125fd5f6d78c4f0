"""Cross-entropy search over the policy's style, one style an episode (Rubinstein 1999; de Boer et al. 2005).

In the first minutes of training, noise on single actions says little: a hundred macros later nobody knows which one
mattered.  A style held for a whole episode (a weight for each map, see `policy.py`) changes the result so much that a
few hundred episodes find a good one, from which PPO starts.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LEAST_SPREAD = 0.3
ELITE = 0.25  # part of the episodes that the next distribution is fitted to
RATE = 0.7  # how far it moves toward them


@dataclass
class StyleSearch:
    """A normal distribution over styles, narrowed generation by generation."""

    mean: Tensor  # [2K]
    deviation: Tensor  # [2K]

    @classmethod
    def around(cls, style: Tensor, spread: float) -> StyleSearch:
        """A search that begins with the deviation `spread` around a style."""
        return cls(style.detach().clone(), torch.full_like(style, spread))

    def ask(self, count: int, generator: torch.Generator) -> Tensor:
        """[count, 2K] styles to try, the first of them the mean."""
        noise = torch.randn((count, len(self.mean)), generator=generator)
        noise[0] = 0.0
        return self.mean + self.deviation * noise

    def tell(self, styles: Tensor, score: Tensor) -> None:
        """Fit the distribution to the styles [count, 2K] with the lowest scores [count]."""
        elite = styles[score.argsort()[: max(2, round(ELITE * len(styles)))]]
        self.mean += RATE * (elite.mean(dim=0) - self.mean)
        self.deviation += RATE * (elite.std(dim=0, correction=min(1, len(elite) - 1)) + LEAST_SPREAD - self.deviation)
