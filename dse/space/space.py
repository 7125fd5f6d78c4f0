"""A design space: numbered designs, and what a block of them costs.

Designs are numbered from 0 to `size` - 1; everything here takes arrays of numbers.  A space over several templates
numbers the designs of the first template first.  Spaces are read by `dse.space.file.load_space`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from dse.model.cost import Machine, all_reasons, build, too_large, totals
from dse.model.metrics import METRICS, Work, mean_work, metrics
from dse.model.metrics import work as work_of
from dse.model.overhead import NONE
from dse.space.subspace import Subspace
from dse.templates.base import Floats, Ints
from dse.workloads.files import options
from dse.workloads.layers import Network
from netlists.errors import DesignError

BLOCK = 8192  # designs evaluated at once: their arrays stay in cache
TEMPLATE = "template"  # first parameter of a space over several templates: which of them


@dataclass(frozen=True)
class Limit:
    """A metric that a design must keep within bounds."""

    metric: str
    low: float = -np.inf
    high: float = np.inf

    @property
    def text(self) -> str:
        bounds = [f"below {self.low:g}"] * (self.low > -np.inf) + [f"above {self.high:g}"] * (self.high < np.inf)
        return f"{self.metric} is {' or '.join(bounds)}"


@dataclass(frozen=True, eq=False)
class Evaluated:
    """What n designs cost; nan and infinity where a design cannot be built or run or fails a condition.

    Objectives are signed so that smaller is better, and infinite where a design is not feasible.  A design that only
    breaks a constraint has its metrics all the same.  `reason` indexes the space's `reasons`; 0: feasible.
    """

    measure: Callable[[Ints], dict[str, Floats]]  # of rows [m] all metrics by name, each [m]
    objectives: Floats  # [n, K]
    feasible: npt.NDArray[np.bool_]  # [n]
    reason: npt.NDArray[np.int16]  # [n]

    @cached_property
    def metrics(self) -> dict[str, Floats]:
        """All metrics by name, each [n]."""
        return self.measure(np.arange(len(self.reason)))


class DesignSpace:
    """The designs that a space file spans, its networks, objectives and constraints."""

    def __init__(
        self,
        name: str,
        content: Mapping[str, Any],
        parts: Sequence[Subspace],
        networks: Sequence[tuple[Network, float]],
        objectives: Sequence[tuple[str, str]],
        limits: Sequence[Limit],
        batch: int = 1,
        search_mapping: bool = False,
        only: Sequence[str] = (),
        accuracy: tuple[str, Mapping[float, float]] | None = None,
    ) -> None:
        self.name, self.content = name, dict(content)
        self.parts, self.networks, self.batch = tuple(parts), tuple(networks), batch
        self.objectives, self.limits = tuple(objectives), tuple(limits)
        self.search_mapping, self.only, self.accuracy = search_mapping, tuple(only), accuracy
        self.size = sum(part.size for part in parts)
        self.starts = np.cumsum([0, *(part.size for part in parts)])  # of each template's numbers, then the size

    def __reduce__(self) -> tuple[Any, ...]:
        from dse.space.file import make_space  # reads what this class holds

        return make_space, (self.content, self.name, self.networks)  # another machine need not have their files

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of the listed parameters; over several templates of all of them, after `template`."""
        names = dict.fromkeys(name for part in self.parts for name in part.choices)
        return (TEMPLATE, *names) if len(self.parts) > 1 else tuple(names)

    @cached_property
    def workload(self) -> str:
        """Digest of the networks' layers and weights: their files may change where the content stays the same."""
        return sha256(repr([(net.rows().tolist(), share) for net, share in self.networks]).encode()).hexdigest()

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics that `evaluate` fills."""
        return (*METRICS, *(["accuracy"] if self.accuracy else []))

    @cached_property
    def _judged(self) -> set[str]:
        """The metrics that decide what is kept: those of objectives and constraints."""
        return {name for name, _ in self.objectives} | {limit.metric for limit in self.limits}

    @cached_property
    def reasons(self) -> tuple[str, ...]:
        """Why a design is not feasible."""
        return tuple(text for block in self._reason_blocks for text in block)

    @cached_property
    def _reason_blocks(self) -> list[list[str]]:
        """None, the constraints, then for each template its conditions and its own reasons."""
        blocks = [[""], [limit.text for limit in self.limits]]
        for part in self.parts:
            blocks.append([f"{condition.text} does not hold" for condition in part.conditions])
            blocks.append(list(all_reasons(part.template)[1:]))
        return blocks

    @cached_property
    def _reason_starts(self) -> list[int]:
        return [int(start) for start in np.cumsum([0, *map(len, self._reason_blocks)])]

    def part_of(self, index: Ints) -> Ints:
        """Which of `parts` [n] each design belongs to; raises `DesignError` for a number outside the space."""
        index = np.asarray(index, np.int64)
        if len(index) and not 0 <= index.min() <= index.max() < self.size:
            wrong = index.min() if index.min() < 0 else index.max()
            raise DesignError(f"space {self.name}: design {wrong} is not one of 0 to {self.size - 1}")
        if len(self.parts) == 1:
            return np.zeros(len(index), np.int64)
        return np.searchsorted(self.starts, index, side="right") - 1

    def values(self, index: Ints) -> Floats:
        """Values [n, P] of `parameters`; nan where a template does not list one, choices by their position."""
        index, owner = np.asarray(index, np.int64), self.part_of(index)
        values = np.full((len(index), len(self.parameters)), np.nan)
        for number, part in enumerate(self.parts):
            own = owner == number
            values[np.ix_(own, self._columns(part))] = part.designs(index[own] - self.starts[number])[:, part.columns]
        if len(self.parts) > 1:
            values[:, 0] = owner
        return values

    def _columns(self, part: Subspace) -> list[int]:
        return [self.parameters.index(name) for name in part.choices]

    def given_for(self, network: str) -> dict[str, Any]:
        """What the space says of one of its networks, as `dse.model.evaluation.evaluate` takes it."""
        given = self.content.get("sizes") or {}, self.content.get("skip") or [], self.content.get("counts")
        return options(network, list(self.content["networks"]), *given)._asdict()

    def describe(self, index: int) -> dict[str, Any]:
        """One design as the content of a design file."""
        number = int(self.part_of(np.array([index]))[0])
        part = self.parts[number]
        row = part.designs(np.array([index]) - self.starts[number])[0]
        network = max(self.content["networks"], key=self.content["networks"].get)  # a file's path, not its name
        return {
            "template": part.template.name,
            **part.place,
            **({"overhead": part.overhead.model_dump()} if part.overhead != NONE else {}),
            "network": network,
            **self.given_for(network),
            "batch": self.batch,
            "only": list(self.only),
            "search_mapping": self.search_mapping,
            "parameters": {name: part.written(name, row) for name in part.choices},
        }

    def holds(self, index: Ints) -> npt.NDArray[np.bool_]:
        """Whether designs [n] meet their conditions; cheap, nothing is evaluated."""
        index, owner = np.asarray(index, np.int64), self.part_of(index)
        held = np.empty(len(index), np.bool_)
        for number, part in enumerate(self.parts):
            own = owner == number
            held[own] = part.failing(part.designs(index[own] - self.starts[number])) == 0
        return held

    def evaluate(self, index: Ints, threads: int = 1) -> Evaluated:
        """Cost of n designs; memory grows with n only by the result."""
        index, owner = np.asarray(index, np.int64), self.part_of(index)
        done = np.full((len(Work._fields), len(index)), np.nan)
        result = Evaluated(
            lambda rows: self._measured(index[rows], owner[rows], done[:, rows]),
            np.full((len(self.objectives), len(index)), np.inf).T,  # column by column, as it is filled and read
            np.zeros(len(index), np.bool_),
            np.zeros(len(index), np.int16),
        )
        for number in range(len(self.parts)):
            own = np.flatnonzero(owner == number)
            for start in range(0, len(own), BLOCK):
                self._evaluate(number, index, own[start : start + BLOCK], done, result, threads)
        return result

    def _evaluate(self, number: int, index: Ints, rows: Ints, done: Floats, result: Evaluated, threads: int) -> None:
        """Fill the rows of a block of one template's designs; `done` is their `Work`."""
        part, (before, own) = self.parts[number], self._reason_starts[2 + 2 * number : 4 + 2 * number]
        designs = part.designs(index[rows] - self.starts[number])
        rows, designs = _kept(result, rows, designs, part.failing(designs), before)
        if part.device is not None:  # few designs fit a part in many spaces: only those are priced
            lacking = too_large(part.template, part.template.hardware(designs), part.device)
            rows, designs = _kept(result, rows, designs, lacking, own)
        if not len(rows):
            return
        machine = build(part.template, designs, part.technology, overhead=part.overhead)
        sums = [totals(machine, net, search=self.search_mapping, threads=threads) for net, _ in self.networks]
        work = mean_work([work_of(each) for each in sums], [share for _, share in self.networks])
        found = self._metrics(part, machine, work, self._judged)
        reason = np.max([each.reason for each in sums], axis=0)
        runs = reason == 0
        code = np.where(runs, 0, reason + own - 1).astype(np.int16)
        for order in range(len(self.limits), 0, -1):
            limit = self.limits[order - 1]
            inside = (found[limit.metric] >= limit.low) & (found[limit.metric] <= limit.high)
            code[runs & ~inside] = order
        to = slice(rows[0], rows[-1] + 1) if rows[-1] - rows[0] + 1 == len(rows) else rows  # slices are much faster
        result.reason[to], result.feasible[to] = code, code == 0
        done[:, to] = work
        done[:, rows[~runs]] = np.nan
        for column, (name, better) in enumerate(self.objectives):
            signed = found[name] if better == "min" else -found[name]
            result.objectives[to, column] = np.where(code == 0, signed, np.inf)

    def _measured(self, index: Ints, owner: Ints, done: Floats) -> dict[str, Floats]:
        """All metrics [n] of designs by their part [n] and `Work` [4, n], which is nan where one does not run."""
        found = {name: np.full(len(index), np.nan) for name in self.metrics}
        for number, part in enumerate(self.parts):
            rows = np.flatnonzero((owner == number) & ~np.isnan(done[0]))
            designs = part.designs(index[rows] - self.starts[number])
            machine = build(part.template, designs, part.technology, overhead=part.overhead)
            for name, values in self._metrics(part, machine, Work(*done[:, rows]), self.metrics).items():
                found[name][rows] = values
        return found

    def _metrics(self, part: Subspace, machine: Machine, work: Work, names: Iterable[str]) -> dict[str, Floats]:
        """Some metrics [S] of a part's designs."""
        found = metrics(machine, work, self.batch, [name for name in names if name in METRICS])
        if self.accuracy:
            found["accuracy"] = part.looked_up(machine.designs, *self.accuracy)
        return found


def _kept(
    result: Evaluated, rows: Ints, designs: Floats, reason: npt.NDArray[np.int16], start: int
) -> tuple[Ints, Floats]:
    """Rows and designs [n] without a reason; that of the others is noted, 1 as the space's reason `start`."""
    if not reason.any():
        return rows, designs
    result.reason[rows] = np.where(reason > 0, reason + start - 1, 0)
    fine = reason == 0
    return rows[fine], designs[fine]
