"""Designs as integers that can be crossed and mutated: the position of each parameter's value in its list.

Only parameters with a choice are genes.  In a space of several templates the first gene is the template, and parameters
of the same name share a gene; if a list is shorter than the longest of that name, several genes stand for one value.
"""

from __future__ import annotations

import numpy as np

from dse.space.space import DesignSpace
from dse.space.subspace import Subspace
from dse.templates.base import Ints


class Genes:
    """Converts between numbers of designs [n] and genes [n, G], each from 0 to `counts` [G] - 1."""

    def __init__(self, space: DesignSpace) -> None:
        self.space = space
        longest: dict[str, int] = {}
        for part in space.parts:
            for name, values in part.choices.items():
                longest[name] = max(longest.get(name, 1), len(values))
        self.names = [name for name, count in longest.items() if count > 1]
        self.several = len(space.parts) > 1
        head = [len(space.parts)] if self.several else []
        self.counts: Ints = np.array([*head, *(longest[name] for name in self.names)], np.int64)

    def encode(self, index: Ints) -> Ints:
        """Genes [n, G] of designs by their numbers `index` [n]; the middle one of genes that stand for one value."""
        owner = self.space.part_of(index)
        genes = np.broadcast_to(self.counts // 2, (len(index), len(self.counts))).copy()
        if self.several:
            genes[:, 0] = owner
        for number, part in enumerate(self.space.parts):
            own = owner == number
            digits = part.digits(index[own] - self.space.starts[number])
            for gene, count, digit, radix in self._shared(part):
                genes[own, gene] = (digits[:, digit] * count + count // 2) // radix
        return genes

    def decode(self, genes: Ints) -> Ints:
        """Numbers [n] of the designs that `genes` [n, G] stand for."""
        owner = genes[:, 0] if self.several else np.zeros(len(genes), np.int64)
        index = np.empty(len(genes), np.int64)
        for number, part in enumerate(self.space.parts):
            own = owner == number
            digits = np.zeros((int(own.sum()), len(part.radices)), np.int64)
            for gene, count, digit, radix in self._shared(part):
                digits[:, digit] = genes[own, gene] * radix // count
            index[own] = part.index(digits) + self.space.starts[number]
        return index

    def _shared(self, part: Subspace) -> list[tuple[int, int, int, int]]:
        """For each gene of a template: its column and count, then those of the digit that it sets."""
        first = int(self.several)
        return [
            (first + place, int(self.counts[first + place]), list(part.choices).index(name), len(part.choices[name]))
            for place, name in enumerate(self.names)
            if name in part.choices
        ]
