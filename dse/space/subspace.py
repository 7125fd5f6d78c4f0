"""The designs of one template in a space: lists of values a parameter, conditions between them.

A design is an index: the digits of a mixed-radix number, the first parameter of the file the slowest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dse.model.conditions import Condition
from dse.model.devices import Device
from dse.model.overhead import NONE, Overhead
from dse.model.technology import Technology
from dse.templates.base import DRAM_GB_S, Floats, Ints, Template


@dataclass(frozen=True, eq=False)
class Subspace:
    """One template with what its parameters may be; those that a file does not list keep the template's default."""

    template: Template
    technology: Technology
    device: Device | None
    choices: Mapping[str, Floats]  # by parameter name, in the order of the file
    conditions: tuple[Condition, ...]
    place: Mapping[str, Any]  # `device` or `technology` as a design file has it
    overhead: Overhead = NONE

    @cached_property
    def size(self) -> int:
        return prod(len(values) for values in self.choices.values())

    @cached_property
    def radices(self) -> Ints:
        """Number of values [P] of each listed parameter."""
        return np.array([len(values) for values in self.choices.values()], np.int64)

    @cached_property
    def columns(self) -> Ints:
        """Where in a design's row each listed parameter [P] stands."""
        names = [parameter.name for parameter in self.template.parameters]
        return np.array([names.index(name) for name in self.choices], np.int64)

    @cached_property
    def _tables(self) -> tuple[Floats, Ints]:
        """All lists end to end, and where each begins."""
        return np.concatenate(list(self.choices.values())), np.cumsum(self.radices) - self.radices

    @cached_property
    def _defaults(self) -> Floats:
        defaults = np.array([parameter.default for parameter in self.template.parameters])
        if self.device is not None:
            defaults[DRAM_GB_S] = self.device.dram_gb_s
        return defaults

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """The lowest and the highest value of each parameter; of the bandwidth, what of it is reached."""
        chosen = {parameter.name: self.choices.get(parameter.name, parameter.default)
                  for parameter in self.template.parameters}  # fmt: skip
        found = {name: (float(np.min(values)), float(np.max(values))) for name, values in chosen.items()}
        lowest, highest = found["dram_gb_s"]
        return found | {"dram_gb_s": (self.overhead.dram_efficiency * lowest, highest)}

    def designs(self, index: Ints) -> Floats:
        """Full rows [n, D] of the designs of some indices [n], from 0 to `size` - 1."""
        rows = np.empty((len(index), len(self._defaults)))
        _decode(index, self.radices, *self._tables, self.columns, self._defaults, rows)
        return rows

    def digits(self, index: Ints) -> Ints:
        """Which value of each listed parameter [n, P] the designs have."""
        found = np.unravel_index(index, tuple(self.radices))
        return np.stack(found, axis=1).astype(np.int64)

    def index(self, digits: Ints) -> Ints:
        """The index [n] of designs by the digits [n, P] of their values."""
        return np.asarray(np.ravel_multi_index(tuple(digits.T), tuple(self.radices)), np.int64)

    def failing(self, designs: Floats) -> npt.NDArray[np.int16]:
        """The first condition [n], counted from 1, that each design [n, D] fails; 0: none."""
        first = np.zeros(len(designs), np.int16)
        columns = {parameter.name: designs[:, k] for k, parameter in enumerate(self.template.parameters)}
        for number in range(len(self.conditions), 0, -1):
            first[~self.conditions[number - 1].holds(columns)] = number
        return first

    def written(self, name: str, row: Floats) -> float | int | str:
        """A parameter of one design's row [D], as a design file has it."""
        names = [parameter.name for parameter in self.template.parameters]
        parameter, value = self.template.parameters[names.index(name)], float(row[names.index(name)])
        if parameter.choices:
            return parameter.choices[int(value)]
        return int(value) if value == int(value) else value

    def looked_up(self, designs: Floats, name: str, table: Mapping[float, float]) -> Floats:
        """A table's entries [n] for one parameter of designs [n, D]."""
        names = [parameter.name for parameter in self.template.parameters]
        keys = np.array(sorted(table))
        return np.array([table[key] for key in keys])[np.searchsorted(keys, designs[:, names.index(name)])]


@njit(cache=True, nogil=True)
def _decode(
    index: Ints, radices: Ints, tables: Floats, starts: Ints, columns: Ints, defaults: Floats, rows: Floats
) -> None:
    """Digits by division, or of a number that follows the one before it by counting up: most do."""
    digits = np.zeros(len(radices), np.int64)
    for i in range(len(index)):
        if i > 0 and index[i] == index[i - 1] + 1:
            rows[i] = rows[i - 1]
            p = len(radices) - 1
            while p >= 0 and digits[p] == radices[p] - 1:
                digits[p] = 0
                rows[i, columns[p]] = tables[starts[p]]
                p -= 1
            if p >= 0:  # else beyond the last design, from where numbers begin again, as by division
                digits[p] += 1
                rows[i, columns[p]] = tables[starts[p] + digits[p]]
            continue
        rows[i] = defaults
        rest = index[i]
        for p in range(len(radices) - 1, -1, -1):
            higher = rest // radices[p]
            digits[p] = rest - higher * radices[p]
            rows[i, columns[p]] = tables[starts[p] + digits[p]]
            rest = higher
