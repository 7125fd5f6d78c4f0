"""Many runs as a batch job: netlists × methods × seeds, one Ray task per run, on this machine or on a cluster.

Netlists go to the workers, and results come back, as values: no file system is shared.  Only this process writes.
If the cluster has GPUs, a run that can use one asks for GPU_FRACTION of it, so that several share it: nodes may hide
GPUs from tasks that ask for none.  The worker decides what device auto stands for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from netlists.errors import ChipscapeError, SettingsError
from netlists.netlist import Netlist
from netlists.placement import Placement
from netlists.runtime.lock import LOCK
from netlists.runtime.ray_connection import LOCAL, POLL_S, RETRIES, connected, processors, wait_for
from placer.runs.pipeline import Result, place
from placer.runs.run_folder import Source
from placer.runs.settings import PlaceSettings
from placer.runs.sweep_table import Outcome, SweepRun, best_outcomes, read_outcome, write_outcome, write_table

GPU_FRACTION = 0.25
"""Fraction of a GPU for each run that can use one."""
AHEAD = 2
"""Runs that are sent to the cluster, per run that fits: a processor that gets free finds the next one there."""


@dataclass(frozen=True)
class SweepProgress:
    """How many runs of a sweep are done."""

    done: int  # runs, failed ones included
    total: int
    failed: int
    best: Mapping[str, float]  # lowest proxy of each netlist so far

    @property
    def line(self) -> str:
        """The state in one line."""
        failed = [f"{self.failed} failed"] if self.failed else []
        best = [f"{name} {proxy:.4f}" for name, proxy in self.best.items()]
        return " · ".join([f"{self.done}/{self.total} runs", *failed, *best])


@dataclass(frozen=True, eq=False)
class Sweep:
    """The result of a sweep; `outcomes` has every finished or failed run once, by netlist, method and seed."""

    chips: Mapping[str, Netlist]  # by name
    outcomes: list[Outcome]
    resumed: int  # runs that had been finished before
    interrupted: bool  # by Ctrl-C

    @property
    def failed(self) -> int:
        """Runs without a placement."""
        return count_failed(self.outcomes)


def sweep(
    sources: Sequence[Source],
    out: Path,
    *,
    methods: Sequence[str],
    seeds: int = 1,
    settings: PlaceSettings,
    address: str = LOCAL,
    resume: bool = False,
    command: str = "",
    progress: Callable[[SweepProgress], None] | None = None,
    load: Callable[[Source], Netlist] = Source.load,
) -> Sweep:
    """Place every netlist with every method and the seeds 0 to `seeds` - 1, otherwise with the same `settings`.

    Each run writes the folder `out`/NETLIST-METHOD-SEED, and all of them `out`/results.csv.  A run that fails is a row
    with its error; one whose worker dies is repeated.  With `resume` runs that were finished before with the same
    settings, of netlists that are still the same, are not started.  `address` is that of a Ray cluster, or LOCAL for
    one of this machine's processors.  Ctrl-C ends the sweep with the runs that are finished; if there are none,
    nothing is written.  `load` may also print the notes of the netlists that it loads.

    Raises `SettingsError` if a setting is out of range, two netlists have the same name, `out` holds something without
    `resume`, or the cluster cannot be used; `NetlistError` as `netlists.load` does.
    """
    variants = vary(settings, methods, seeds)
    if not resume and out.is_dir() and any(path.name != LOCK for path in out.iterdir()):
        raise SettingsError(f"{out} is not empty; choose another folder, or go on with what it holds by --resume")
    chips, origin = load_all(sources, load)
    runs = [SweepRun(name, variant) for name in chips for variant in variants]
    outcomes: dict[SweepRun, Outcome] = {}
    for run in runs if resume else ():
        if outcome := read_outcome(run, out, origin[run.netlist], chips[run.netlist]):
            outcomes[run] = outcome
    resumed, interrupted = len(outcomes), False

    def report() -> None:
        if progress:
            progress(measure_progress(outcomes.values(), len(runs)))

    try:
        if missing := [run for run in runs if run not in outcomes]:
            with connected(address, needed=settings.workers):
                report()
                for run, result in run_all(missing, chips, settings.workers):
                    outcomes[run] = write_outcome(run, result, out, origin[run.netlist], command)
                    report()
    except KeyboardInterrupt:
        interrupted = True
    done = [outcomes[run] for run in runs if run in outcomes]
    if done or not interrupted:
        out.mkdir(parents=True, exist_ok=True)
        write_table(out, done)
    return Sweep(chips, done, resumed, interrupted)


def vary(settings: PlaceSettings, methods: Sequence[str], seeds: int) -> list[PlaceSettings]:
    """The settings of the runs on one netlist; raises `SettingsError` if a method does not exist or seeds are < 1."""
    if seeds < 1:
        raise SettingsError(f"seeds is {seeds}; expected 1 or more")
    weights = settings.weights
    if weights is not None and Path(weights).exists():
        weights = Path(weights).absolute()  # workers may run in another folder
    variants = []
    for method in dict.fromkeys(methods):
        plain = replace(settings, method=method, weights=None)
        if plain.entry.takes_weights:
            plain = replace(plain, weights=weights)
        variants += [replace(plain, seed=seed) for seed in range(seeds)]
    return variants


def load_all(
    sources: Iterable[Source], load: Callable[[Source], Netlist]
) -> tuple[dict[str, Netlist], dict[str, Source]]:
    """The netlists and where they come from, by name; raises `SettingsError` if two have the same name."""
    chips: dict[str, Netlist] = {}
    origin: dict[str, Source] = {}
    for source in sources:
        chip = load(source)
        if chip.name in chips:
            raise SettingsError(f"{source.path} and {origin[chip.name].path} are both named {chip.name!r}; expected "
                                "names that differ, as the folders of the runs are named after them")  # fmt: skip
        chips[chip.name], origin[chip.name] = chip, source
    return chips, origin


def measure_progress(outcomes: Iterable[Outcome], total: int) -> SweepProgress:
    """The progress of a sweep of `total` runs, from the outcomes so far."""
    outcomes = list(outcomes)
    lowest = {name: outcome.metrics["proxy"] for name, outcome in best_outcomes(outcomes).items()}
    return SweepProgress(len(outcomes), total, count_failed(outcomes), lowest)


def count_failed(outcomes: Iterable[Outcome]) -> int:
    """Runs without a placement."""
    return sum(bool(outcome.error) for outcome in outcomes)


def run_all(
    runs: Sequence[SweepRun], chips: Mapping[str, Netlist], workers: int
) -> Iterator[tuple[SweepRun, Result | str]]:
    """Make runs on the connected cluster; yields each with its result, or why it has none, as they end."""
    import ray

    # Each run has a process of its own, as with `placer place`: none profits from what another one loaded or compiled.
    task = ray.remote(num_cpus=workers, max_retries=RETRIES, max_calls=1)(run_one)
    gpus = ray.cluster_resources().get("GPU", 0.0)  # type: ignore[no-untyped-call]
    # Copies, as everything that was computed from the fields and is cached with them would be sent, too.
    handles = {name: ray.put(chip.with_()) for name, chip in chips.items()}
    waiting, running = deque(runs), dict[Any, SweepRun]()
    while waiting or running:
        room = AHEAD * max(1, int(sum(processors().values())) // workers)
        while waiting and len(running) < room:
            run = waiting.popleft()
            here = task.options(num_gpus=gpu_fraction(run.settings, gpus))
            running[here.remote(handles[run.netlist], run.settings)] = run
        for reference in wait_for(running, POLL_S):
            run = running.pop(reference)
            yield run, fetch(reference, run, chips[run.netlist])


def fetch(reference: Any, run: SweepRun, chip: Netlist) -> Result | str:
    """The result that `run_one` returned, or why there is none."""
    import ray

    try:
        answer = ray.get(reference)
    except ray.exceptions.RayError as error:  # a defect of Chipscape, or too many lost workers
        return str(error).strip().splitlines()[-1]
    if isinstance(answer, str):
        return answer
    position_um, orientation, values = answer
    return Result(Placement(chip, position_um, orientation), run.settings, **values)


def gpu_fraction(settings: PlaceSettings, gpus: float) -> float:
    """The fraction of a GPU that a run asks for on a cluster with so many GPUs."""
    return GPU_FRACTION if gpus and settings.entry.uses_torch and settings.device != "cpu" else 0.0


def run_one(netlist: Netlist, settings: PlaceSettings) -> Any:
    """Make a run, in a worker: positions, orientations and the other fields of its `Result`, or why there are none."""
    try:
        result = place(netlist, settings)
    except ChipscapeError as error:
        return " ".join(str(error).split())
    if result.interrupted:
        return "the worker was interrupted"
    values = {name: getattr(result, name) for name in ("metrics", "stages", "history", "interrupted")}
    return result.placement.position_um, result.placement.orientation, values
