"""The loop from a design over its floorplan back to its cost: estimate, place, price again.

`close_loop` does it for one design, `close_loops` for many, as tasks on Ray.  A design whose placement fails is marked
with the reason, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from dse.floorplan.measurement import measure_wires
from dse.floorplan.naive import estimate_wires
from dse.floorplan.netlist import plan_chip
from dse.floorplan.settings import FloorplanSettings
from dse.model.cost import Cost, Totals, reprice
from dse.model.design import Design
from dse.model.evaluation import evaluate
from dse.model.metrics import Work, mean_work, metrics, work
from dse.model.wires import Traffic, Wires, count_periods, price_traffic, split_traffic
from dse.templates.base import Floats
from dse.workloads.layers import Network
from netlists.errors import ChipscapeError, DesignError
from netlists.netlist import Ints
from netlists.placement import Placement, Placer
from netlists.runtime.ray_connection import LOCAL, RETRIES, connected, wait_for, why_lost

Workload = Sequence[tuple[Network, float]]
"""Networks, and their weights in the means of metrics."""
STOPPED = "stopped before it was placed"
"""Why a design has no floorplan after Ctrl-C."""


@dataclass(frozen=True, eq=False)
class Price:
    """What a design costs with certain wires."""

    wires: Wires  # of this design alone
    metrics: dict[str, float]  # of `dse.model.metrics`, means over the workload
    bits: Floats  # [TRAFFIC, 3] moved in one run, by class and operand; bit-hops inside the array
    energy_mj: Floats  # [TRAFFIC] of the wires of one run, by class
    periods: Floats  # [TRAFFIC] delay of the longest wire of each class in clock periods

    @property
    def mean_mm(self) -> Floats:
        """[TRAFFIC] length of the wires in mm, weighted by the bits that are moved; nan for a class without traffic."""
        whole = self.bits.sum(axis=1)
        sums = (self.bits * self.wires.mean_mm[0]).sum(axis=1)
        return np.asarray(np.divide(sums, whole, out=np.full(len(whole), np.nan), where=whole > 0))

    @property
    def is_slow(self) -> bool:
        """Whether a wire inside the array takes longer than a clock period: the clock is too fast for it."""
        return bool(self.periods[Traffic.ARRAY] > 1)


@dataclass(frozen=True, eq=False)
class ClosedLoop:
    """A design before and after it was placed."""

    name: str
    design: Design
    settings: FloorplanSettings
    seed: int
    placement: Placement
    net_traffic: Ints  # [N] the class of each net, a `Traffic`
    before: Price  # with estimated wires
    after: Price  # with those of the placement


@dataclass(frozen=True)
class FailedLoop:
    """A design without a floorplan."""

    name: str
    reason: str


def close_loop(
    design: Design,
    placer: Placer,
    seed: int = 0,
    *,
    name: str = "design",
    workload: Workload | None = None,
    settings: FloorplanSettings | None = None,
) -> ClosedLoop:
    """Estimate a design, place its netlist, and price it again with the wires of the placement.

    The same seed gives the same result if the placer keeps to that.  `workload` is by default the design's own network.
    Raises `DesignError` for a design that is not an ASIC, is not valid or does not run on its workload, and what the
    placer raises.
    """
    settings = settings or FloorplanSettings()
    chip = plan_chip(design, settings)
    networks = [network for network, _ in workload] if workload else [None]
    weights = [weight for _, weight in workload] if workload else [1.0]
    costs = []
    for network in networks:
        evaluation = evaluate(design, network)
        if not evaluation.feasible:
            reason = next(reason for reason in evaluation.reasons if reason)
            raise DesignError(f"{name} does not run {evaluation.network.name}: {reason}")
        costs.append(evaluation.cost)
    placement = placer(chip.make_netlist(settings.utilization), seed=seed)
    wires = measure_wires(chip, placement)
    machine = costs[0].machine
    before = _price(costs, machine.wires or estimate_wires(machine), costs, weights, design.batch)
    after = _price(costs, wires, [reprice(cost, wires) for cost in costs], weights, design.batch)
    return ClosedLoop(name, design, settings, seed, placement, np.array(chip.traffic, dtype=np.int64), before, after)


def _price(plain: Sequence[Cost], wires: Wires, costs: Sequence[Cost], weights: Sequence[float], batch: int) -> Price:
    """Metrics of costs, and the energy of the wires by class, of the weighted mean of a design's runs."""
    machine = costs[0].machine
    mean = mean_work([_work(cost) for cost in costs], weights)
    values = metrics(machine, mean, batch)
    energy = [price_traffic(machine.technology, wires, cost.counts)[0].sum(axis=-1).T @ cost.repeats for cost in plain]
    bits = [np.tensordot(cost.repeats, split_traffic(cost.counts)[0], 1) for cost in plain]
    return Price(
        wires,
        {key: float(value[0]) for key, value in values.items()},
        np.average(bits, axis=0, weights=weights),
        np.average(energy, axis=0, weights=weights) * 1e-9,
        count_periods(machine.technology, wires, machine.designs)[0],
    )


def _work(cost: Cost) -> Work:
    """The sums over the layers of one run."""
    counts = (cost.counts * cost.repeats[:, None]).sum(axis=1)
    return work(Totals(counts, (cost.energy_pj * cost.repeats[:, None]).sum(axis=1), np.zeros(1, np.int16)))


def close_loops(
    designs: Sequence[tuple[str, Design]],
    placer: Placer,
    seed: int = 0,
    *,
    workload: Workload | None = None,
    settings: FloorplanSettings | None = None,
    ray: str = LOCAL,
    workers: int | None = None,
    on_done: Callable[[ClosedLoop | FailedLoop], None] = lambda loop: None,
) -> list[ClosedLoop | FailedLoop]:
    """Close the loop for many designs, by different names, as tasks on Ray; in their order.

    `on_done` is given each as soon as it is done.  Each placement has one processor: a placer with a single thread
    gives the same results on any cluster.  A design that fails is marked with the reason, and so are those that are not
    done when Ctrl-C ends the work.
    """
    import ray as ray_module

    loops = dict[str, ClosedLoop | FailedLoop]()
    with connected(ray, workers):
        shared = ray_module.put((placer, seed, workload, settings))
        task = ray_module.remote(num_cpus=1, max_retries=RETRIES)(_close_marked)
        names = {task.remote(shared, name, design): name for name, design in designs}
        with suppress(KeyboardInterrupt):
            while waiting := [answer for answer, name in names.items() if name not in loops]:
                for answer in wait_for(waiting, None):
                    loops[names[answer]] = _receive(names[answer], answer)
                    on_done(loops[names[answer]])
        for answer, name in names.items():
            if name not in loops:
                ray_module.cancel(answer)
    return [loops.get(name, FailedLoop(name, STOPPED)) for name, _ in designs]


def _close_marked(
    shared: tuple[Placer, int, Workload | None, FloorplanSettings | None], name: str, design: Design
) -> ClosedLoop | FailedLoop:
    """`close_loop`, or why it fails."""
    placer, seed, workload, settings = shared
    try:
        return close_loop(design, placer, seed, name=name, workload=workload, settings=settings)
    except ChipscapeError as error:
        return FailedLoop(name, str(error))


def _receive(name: str, answer: object) -> ClosedLoop | FailedLoop:
    """The result of a task, or why its worker was lost."""
    import ray

    try:
        result: ClosedLoop | FailedLoop = ray.get(answer)  # type: ignore[call-overload]
    except ray.exceptions.RayError as error:
        return FailedLoop(name, f"{RETRIES + 1} workers were lost, the last as follows: {why_lost(error)}")
    return result
