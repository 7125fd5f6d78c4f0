"""A design space: numbered designs, and what a block of them costs.

Designs are numbered from 0 to `size` - 1; everything here takes arrays of numbers.  In a space over several templates
the designs of the first template have the first numbers.  `dse.space.file` reads spaces, and says how they are pickled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from dse.model.cost import Machine, all_reasons, build, find_excess, totals
from dse.model.metrics import METRICS, Work, mean_work, metrics
from dse.model.metrics import work as work_of
from dse.model.overhead import NONE
from dse.model.wires import FITTED
from dse.space.subspace import Subspace
from dse.templates.base import Floats, Ints
from dse.workloads.files import options
from dse.workloads.layers import Network
from netlists.errors import DesignError

BLOCK = 8192  # designs evaluated at once, so that their arrays stay in cache
TEMPLATE = "template"  # name of the first parameter of a space over several templates: the index of the template


@dataclass(frozen=True)
class Limit:
    """Bounds of a metric that a feasible design keeps."""

    metric: str
    low: float = -np.inf
    high: float = np.inf

    @property
    def text(self) -> str:
        """Why a design outside of the bounds is not feasible."""
        bounds = [f"below {self.low:g}"] * (self.low > -np.inf) + [f"above {self.high:g}"] * (self.high < np.inf)
        return f"{self.metric} is {' or '.join(bounds)}"


@dataclass(frozen=True, eq=False)
class Evaluated:
    """What S designs cost; nan and infinity if a design cannot be built or run, or fails a condition.

    Objectives are signed so that smaller is better, and infinite if a design is not feasible.  A design that only
    breaks a constraint has its metrics all the same.  `reason` indexes the space's `reasons`; 0: feasible.
    """

    measure: Callable[[Ints], dict[str, Floats]]  # all metrics by name, each [N], of some rows [N]
    objectives: Floats  # [S, K]
    feasible: npt.NDArray[np.bool_]  # [S]
    reason: npt.NDArray[np.int16]  # [S]

    @cached_property
    def metrics(self) -> dict[str, Floats]:
        """All metrics by name, each [S]."""
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
        wires: str = FITTED,
    ) -> None:
        self.name, self.content = name, dict(content)
        self.parts, self.networks, self.batch = tuple(parts), tuple(networks), batch
        self.objectives, self.limits = tuple(objectives), tuple(limits)
        self.search_mapping, self.only, self.accuracy = search_mapping, tuple(only), accuracy
        self.wires = wires  # the estimate of ASICs, a name of `dse.model.wires`
        self.size = sum(part.size for part in parts)
        self.starts = np.cumsum([0, *(part.size for part in parts)])  # first number of each template, then the size

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of the listed parameters; in a space over several templates those of all, after `template`."""
        names = dict.fromkeys(name for part in self.parts for name in part.choices)
        return (TEMPLATE, *names) if len(self.parts) > 1 else tuple(names)

    @cached_property
    def workload(self) -> str:
        """Digest of the networks' layers and weights: their files may change while the content stays the same."""
        return sha256(repr([(net.rows().tolist(), weight) for net, weight in self.networks]).encode()).hexdigest()

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics that `evaluate` fills."""
        return (*METRICS, *(["accuracy"] if self.accuracy else []))

    @cached_property
    def _deciding(self) -> set[str]:
        """The metrics of objectives and constraints."""
        return {name for name, _ in self.objectives} | {limit.metric for limit in self.limits}

    @cached_property
    def reasons(self) -> tuple[str, ...]:
        """Why a design is not feasible; the first one is empty and means that it is."""
        return tuple(text for block in self._reason_blocks for text in block)

    @cached_property
    def _reason_blocks(self) -> list[list[str]]:
        """The empty reason, the constraints, then for each template its conditions and its own reasons."""
        blocks = [[""], [limit.text for limit in self.limits]]
        for part in self.parts:
            blocks.append([f"{condition.text} does not hold" for condition in part.conditions])
            blocks.append(list(all_reasons(part.template)[1:]))
        return blocks

    @cached_property
    def _reason_starts(self) -> list[int]:
        """The index of the first reason of each block, then their number."""
        return [int(start) for start in np.cumsum([0, *map(len, self._reason_blocks)])]

    def part_of(self, index: Ints) -> Ints:
        """The index in `parts` [S] that designs of these numbers [S] belong to; raises `DesignError` for others."""
        index = np.asarray(index, np.int64)
        if len(index) and not 0 <= index.min() <= index.max() < self.size:
            wrong = index.min() if index.min() < 0 else index.max()
            raise DesignError(f"space {self.name}: design {wrong} is not one of 0 to {self.size - 1}")
        if len(self.parts) == 1:
            return np.zeros(len(index), np.int64)
        return np.searchsorted(self.starts, index, side="right") - 1

    def values(self, index: Ints) -> Floats:
        """Values [S, P] of `parameters` of designs by their numbers [S]; choices by their position.

        The value is nan if a template does not list a parameter.
        """
        index, owner = np.asarray(index, np.int64), self.part_of(index)
        values = np.full((len(index), len(self.parameters)), np.nan)
        for number, part in enumerate(self.parts):
            own = owner == number
            values[np.ix_(own, self._columns(part))] = part.designs(index[own] - self.starts[number])[:, part.columns]
        if len(self.parts) > 1:
            values[:, 0] = owner
        return values

    def _columns(self, part: Subspace) -> list[int]:
        """Columns of `values` that hold the listed parameters of a part."""
        return [self.parameters.index(name) for name in part.choices]

    def given_for(self, network: str) -> dict[str, Any]:
        """The options of one of the networks, as `dse.model.evaluation.evaluate` takes them."""
        fields = self.content.get("sizes") or {}, self.content.get("skip") or [], self.content.get("counts")
        return options(network, list(self.content["networks"]), *fields)._asdict()

    def describe(self, index: int) -> dict[str, Any]:
        """One design as the content of a design file."""
        number = int(self.part_of(np.array([index]))[0])
        part = self.parts[number]
        row = part.designs(np.array([index]) - self.starts[number])[0]
        network = max(self.content["networks"], key=self.content["networks"].get)  # the path, if it is a file
        return {
            "template": part.template.name,
            **part.place,
            **({"overhead": part.overhead.model_dump()} if part.overhead != NONE else {}),
            **({} if part.template.fpga else {"wires": self.wires}),
            "network": network,
            **self.given_for(network),
            "batch": self.batch,
            "only": list(self.only),
            "search_mapping": self.search_mapping,
            "parameters": {name: part.written(name, row) for name in part.choices},
        }

    def holds(self, index: Ints) -> npt.NDArray[np.bool_]:
        """Whether designs of these numbers [S] meet their conditions; cheap, as nothing is evaluated."""
        index, owner = np.asarray(index, np.int64), self.part_of(index)
        holds = np.empty(len(index), np.bool_)
        for number, part in enumerate(self.parts):
            own = owner == number
            holds[own] = part.find_failures(part.designs(index[own] - self.starts[number])) == 0
        return holds

    def evaluate(self, index: Ints, threads: int = 1) -> Evaluated:
        """Cost of designs of these numbers [S]; only the result needs memory in proportion to S."""
        index, owner = np.asarray(index, np.int64), self.part_of(index)
        work = np.full((len(Work._fields), len(index)), np.nan)
        result = Evaluated(
            lambda rows: self._measure(index[rows], owner[rows], work[:, rows]),
            np.full((len(self.objectives), len(index)), np.inf).T,  # column by column, as it is filled and read
            np.zeros(len(index), np.bool_),
            np.zeros(len(index), np.int16),
        )
        for number in range(len(self.parts)):
            own = np.flatnonzero(owner == number)
            for start in range(0, len(own), BLOCK):
                self._evaluate(number, index, own[start : start + BLOCK], work, result, threads)
        return result

    def _evaluate(
        self, number: int, index: Ints, rows: Ints, all_work: Floats, result: Evaluated, threads: int
    ) -> None:
        """Fill the rows of a block of one template's designs; `all_work` is the `Work` [4, S] of all designs."""
        part, (before, own) = self.parts[number], self._reason_starts[2 + 2 * number : 4 + 2 * number]
        designs = part.designs(index[rows] - self.starts[number])
        rows, designs = _drop(result, rows, designs, part.find_failures(designs), before)
        if part.device is not None:  # in many spaces few designs fit a part: only those are priced
            excess = find_excess(part.template, part.template.hardware(designs), part.device)
            rows, designs = _drop(result, rows, designs, excess, own)
        if not len(rows):
            return
        machine = build(part.template, designs, part.technology, overhead=part.overhead, wires=self.wires)
        sums = [totals(machine, net, search=self.search_mapping, threads=threads) for net, _ in self.networks]
        work = mean_work([work_of(each) for each in sums], [weight for _, weight in self.networks])
        values = self._metrics(part, machine, work, self._deciding)
        reason = np.max([each.reason for each in sums], axis=0)
        runs = reason == 0
        code = np.where(runs, 0, reason + own - 1).astype(np.int16)
        for order in range(len(self.limits), 0, -1):
            limit = self.limits[order - 1]
            inside = (values[limit.metric] >= limit.low) & (values[limit.metric] <= limit.high)
            code[runs & ~inside] = order
        to = slice(rows[0], rows[-1] + 1) if rows[-1] - rows[0] + 1 == len(rows) else rows  # slices are much faster
        result.reason[to], result.feasible[to] = code, code == 0
        all_work[:, to] = work
        all_work[:, rows[~runs]] = np.nan
        for column, (name, better) in enumerate(self.objectives):
            signed = values[name] if better == "min" else -values[name]
            result.objectives[to, column] = np.where(code == 0, signed, np.inf)

    def _measure(self, index: Ints, owner: Ints, work: Floats) -> dict[str, Floats]:
        """All metrics [N] of designs, by their part [N] and their `Work` [4, N], which is nan if one does not run."""
        result = {name: np.full(len(index), np.nan) for name in self.metrics}
        for number, part in enumerate(self.parts):
            rows = np.flatnonzero((owner == number) & ~np.isnan(work[0]))
            designs = part.designs(index[rows] - self.starts[number])
            machine = build(part.template, designs, part.technology, overhead=part.overhead)
            for name, values in self._metrics(part, machine, Work(*work[:, rows]), self.metrics).items():
                result[name][rows] = values
        return result

    def _metrics(self, part: Subspace, machine: Machine, work: Work, names: Iterable[str]) -> dict[str, Floats]:
        """Some metrics [S] of a part's designs."""
        result = metrics(machine, work, self.batch, [name for name in names if name in METRICS])
        if self.accuracy:
            result["accuracy"] = part.look_up(machine.designs, *self.accuracy)
        return result


def _drop(
    result: Evaluated, rows: Ints, designs: Floats, reason: npt.NDArray[np.int16], start: int
) -> tuple[Ints, Floats]:
    """Rows [N] and designs [N, D] without a reason; the reasons of the others are noted, 1 as the space's `start`."""
    if not reason.any():
        return rows, designs
    result.reason[rows] = np.where(reason > 0, reason + start - 1, 0)
    fine = reason == 0
    return rows[fine], designs[fine]
