"""Cross-entropy search over the styles of the policy, one style per episode (Rubinstein 1999; de Boer et al. 2005).

In the first minutes of training, noise on single actions carries little information: a hundred macros later it is
unknown which of them mattered.  A style (a weight for each map, see `placer.agent.policy`) that is held for a whole
episode changes the result so much that a few hundred episodes are enough to find a good one, from which PPO starts.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LEAST_SPREAD = 0.3
"""Added to the standard deviation of the best styles, so that the search does not stall."""

ELITE_FRACTION = 0.25
"""Fraction of the episodes to which the next distribution is fitted."""

RATE = 0.7
"""Fraction of the way to the fitted distribution by which the distribution moves per generation."""


@dataclass
class StyleSearch:
    """A normal distribution over styles, narrowed generation by generation, with an ask-and-tell interface."""

    mean: Tensor  # [2K]
    deviation: Tensor  # [2K] standard deviation

    @classmethod
    def around(cls, style: Tensor, spread: float) -> StyleSearch:
        """A search that begins around the weights `style` [2K] with a standard deviation of `spread`."""
        return cls(style.detach().clone(), torch.full_like(style, spread))

    def ask(self, count: int, generator: torch.Generator) -> Tensor:
        """[B, 2K] B = `count` styles to try, of which the first is the mean."""
        noise = torch.randn((count, len(self.mean)), generator=generator)
        noise[0] = 0.0
        return self.mean + self.deviation * noise

    def tell(self, styles: Tensor, score: Tensor) -> None:
        """Fit the distribution to the styles [B, 2K] with the lowest costs `score` [B]."""
        elite = styles[score.argsort()[: max(2, round(ELITE_FRACTION * len(styles)))]]
        self.mean += RATE * (elite.mean(dim=0) - self.mean)
        self.deviation += RATE * (elite.std(dim=0, correction=min(1, len(elite) - 1)) + LEAST_SPREAD - self.deviation)
