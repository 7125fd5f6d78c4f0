"""The designs of one template in a space: a list of values per parameter, and conditions between them.

A design is an index: its digits in a mixed-radix number are the positions of its values, and the first parameter of the
file varies slowest.
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
    """One template with the values of its parameters; those that a file does not list have the template's default.

    P is the number of listed parameters.
    """

    template: Template
    technology: Technology
    device: Device | None
    choices: Mapping[str, Floats]  # values by parameter name, in the order of the file
    conditions: tuple[Condition, ...]
    place: Mapping[str, Any]  # `device` or `technology` as a design file has it
    overhead: Overhead = NONE

    @cached_property
    def size(self) -> int:
        """Number of designs."""
        return prod(len(values) for values in self.choices.values())

    @cached_property
    def radices(self) -> Ints:
        """Number of values [P] of each listed parameter."""
        return np.array([len(values) for values in self.choices.values()], np.int64)

    @cached_property
    def columns(self) -> Ints:
        """Column of each listed parameter [P] in a design's row."""
        names = [parameter.name for parameter in self.template.parameters]
        return np.array([names.index(name) for name in self.choices], np.int64)

    @cached_property
    def _tables(self) -> tuple[Floats, Ints]:
        """All lists of values end to end, and the position where each begins."""
        return np.concatenate(list(self.choices.values())), np.cumsum(self.radices) - self.radices

    @cached_property
    def _defaults(self) -> Floats:
        """The default values [D] of a row."""
        defaults = np.array([parameter.default for parameter in self.template.parameters])
        if self.device is not None:
            defaults[DRAM_GB_S] = self.device.dram_gb_s
        return defaults

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """The lowest and the highest value of each parameter; the bandwidth is the one that is reached."""
        values = {parameter.name: self.choices.get(parameter.name, parameter.default)
                  for parameter in self.template.parameters}  # fmt: skip
        ranges = {name: (float(np.min(each)), float(np.max(each))) for name, each in values.items()}
        lowest, highest = ranges["dram_gb_s"]
        return ranges | {"dram_gb_s": (self.overhead.dram_efficiency * lowest, highest)}

    def designs(self, index: Ints) -> Floats:
        """Full rows [S, D] of the designs of some indices [S], from 0 to `size` - 1."""
        rows = np.empty((len(index), len(self._defaults)))
        _decode(index, self.radices, *self._tables, self.columns, self._defaults, rows)
        return rows

    def digits(self, index: Ints) -> Ints:
        """Positions [S, P] of the values of the listed parameters, for designs of some indices [S]."""
        positions = np.unravel_index(index, tuple(self.radices))
        return np.stack(positions, axis=1).astype(np.int64)

    def index(self, digits: Ints) -> Ints:
        """The indices [S] of designs by the positions [S, P] of their values."""
        return np.asarray(np.ravel_multi_index(tuple(digits.T), tuple(self.radices)), np.int64)

    def find_failures(self, designs: Floats) -> npt.NDArray[np.int16]:
        """The number [S], from 1, of the first condition that each design [S, D] fails; 0: none."""
        first = np.zeros(len(designs), np.int16)
        columns = {parameter.name: designs[:, k] for k, parameter in enumerate(self.template.parameters)}
        for number in range(len(self.conditions), 0, -1):
            first[~self.conditions[number - 1].holds(columns)] = number
        return first

    def written(self, name: str, row: Floats) -> float | int | str:
        """The value of a parameter in one design's row [D], as in a design file."""
        names = [parameter.name for parameter in self.template.parameters]
        parameter, value = self.template.parameters[names.index(name)], float(row[names.index(name)])
        if parameter.choices:
            return parameter.choices[int(value)]
        return int(value) if value == int(value) else value

    def look_up(self, designs: Floats, name: str, table: Mapping[float, float]) -> Floats:
        """The entries [S] of a table for the values of one parameter of designs [S, D]."""
        names = [parameter.name for parameter in self.template.parameters]
        keys = np.array(sorted(table))
        return np.array([table[key] for key in keys])[np.searchsorted(keys, designs[:, names.index(name)])]


@njit(cache=True, nogil=True)
def _decode(
    index: Ints, radices: Ints, tables: Floats, starts: Ints, columns: Ints, defaults: Floats, rows: Floats
) -> None:
    """Fill rows [S, D]: digits by division, or by counting up if an index follows the one before it, as most do."""
    digits = np.zeros(len(radices), np.int64)
    for i in range(len(index)):
        if i > 0 and index[i] == index[i - 1] + 1:
            rows[i] = rows[i - 1]
            p = len(radices) - 1
            while p >= 0 and digits[p] == radices[p] - 1:
                digits[p] = 0
                rows[i, columns[p]] = tables[starts[p]]
                p -= 1
            if p >= 0:  # otherwise beyond the last design, where numbers begin again, as by division
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
