"""Many runs as a batch job: netlists × methods × seeds, one Ray task each, on this machine or on a cluster.

Netlists go to the workers, and results come back, as values: no file system is shared.  Only this process writes.
Where the cluster has GPUs, a run that can use one asks for GPU_SHARE of it, so that several share it: nodes may hide
GPUs from tasks that ask for none.  What device auto stands for is decided by the worker.
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
from netlists.runtime.ray_connection import LOCAL, processors
from placer.annealing.ray_cluster import POLL_S, RETRIES, connected
from placer.runs.pipeline import Result, place
from placer.runs.run_folder import Source
from placer.runs.settings import PlaceSettings
from placer.runs.sweep_table import Job, Outcome, best, keep, kept, write_table

GPU_SHARE = 0.25  # of a GPU, for each run that can use one
ON_GPU = ("rl", "gradient")  # methods that can


@dataclass(frozen=True)
class SweepProgress:
    """How far the runs are."""

    done: int
    total: int
    failed: int
    best: Mapping[str, float]  # lowest proxy of each netlist so far


@dataclass(frozen=True, eq=False)
class Sweep:
    """What a sweep did; `outcomes` has every finished or failed run once, by netlist, method and seed."""

    chips: Mapping[str, Netlist]
    outcomes: list[Outcome]
    resumed: int  # runs that had been finished before
    interrupted: bool  # by Ctrl-C

    @property
    def failed(self) -> int:
        """Runs without a placement."""
        return sum(bool(outcome.error) for outcome in self.outcomes)


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
    with its error; one whose worker dies is repeated.  With `resume` runs finished before with the same settings, of
    netlists that are still the same, are not started.  `address` is that of a Ray cluster, or LOCAL for one of this
    machine's cores.  Ctrl-C ends the sweep with the runs that are finished; without
    any, nothing is written.  `load` may also show the notes of the netlists that it loads.

    Raises `SettingsError` when a setting is out of range, two netlists have one name, `out` holds something without
    `resume`, or the cluster cannot be used; `NetlistError` as `netlists.load` does.
    """
    if seeds < 1:
        raise SettingsError(f"seeds is {seeds}; expected 1 or more")
    weights = settings.weights
    if weights is not None and Path(weights).exists():
        weights = Path(weights).absolute()  # workers need not run in this folder
    variants = [
        replace(settings, method=method, seed=seed, weights=weights if method == "rl" else None)
        for method in dict.fromkeys(methods)
        for seed in range(seeds)
    ]
    if not resume and out.is_dir() and any(out.iterdir()):
        raise SettingsError(f"{out} is not empty; choose another folder, or go on with what it holds by --resume")
    chips, origin = load_all(sources, load)
    jobs = [Job(name, variant) for name in chips for variant in variants]
    outcomes = {
        job: found for job in jobs if resume and (found := kept(job, out, origin[job.netlist], chips[job.netlist]))
    }
    resumed, interrupted = len(outcomes), False

    def tell() -> None:
        if progress:
            failed = sum(bool(outcome.error) for outcome in outcomes.values())
            lowest = {name: outcome.metrics["proxy"] for name, outcome in best(outcomes.values()).items()}
            progress(SweepProgress(len(outcomes), len(jobs), failed, lowest))

    missing = [job for job in jobs if job not in outcomes]
    try:
        if missing:
            with connected(address, settings.workers):
                tell()
                for job, result in finished(missing, chips, settings.workers):
                    outcomes[job] = keep(job, result, out, origin[job.netlist], command)
                    tell()
    except KeyboardInterrupt:
        interrupted = True
    done = [outcomes[job] for job in jobs if job in outcomes]
    if done or not interrupted:
        out.mkdir(parents=True, exist_ok=True)
        write_table(out, done)
    return Sweep(chips, done, resumed, interrupted)


def load_all(
    sources: Iterable[Source], load: Callable[[Source], Netlist]
) -> tuple[dict[str, Netlist], dict[str, Source]]:
    """The netlists and where they come from, by name; raises `SettingsError` when two have the same name."""
    chips: dict[str, Netlist] = {}
    origin: dict[str, Source] = {}
    for source in sources:
        chip = load(source)
        if chip.name in chips:
            raise SettingsError(f"{source.path} and {origin[chip.name].path} are both named {chip.name!r}; expected "
                                "names that differ, as the folders of the runs are named after them")  # fmt: skip
        chips[chip.name], origin[chip.name] = chip, source
    return chips, origin


def finished(jobs: Sequence[Job], chips: Mapping[str, Netlist], workers: int) -> Iterator[tuple[Job, Result | str]]:
    """Run jobs on the connected cluster; yields each with its result, or why it has none, as they end."""
    import ray

    # Each run has a process of its own, as with `placer place`: none profits from what another loaded or compiled.
    remote = ray.remote(num_cpus=workers, max_retries=RETRIES, max_calls=1)(run)
    gpus = ray.cluster_resources().get("GPU", 0.0)  # type: ignore[no-untyped-call]
    # A copy, as whatever was computed from the fields on the way would be sent with them.
    handles = {name: ray.put(chip.with_()) for name, chip in chips.items()}
    waiting, running = deque(jobs), dict[Any, Job]()
    while waiting or running:
        # Twice what fits: a processor that gets free finds the next run there.
        room = 2 * max(1, int(sum(processors().values())) // workers)
        while waiting and len(running) < room:
            job = waiting.popleft()
            share = gpu_share(job.settings, gpus)
            running[remote.options(num_gpus=share).remote(handles[job.netlist], job.settings)] = job
        for reference in ray.wait(list(running), timeout=POLL_S)[0]:
            job = running.pop(reference)
            try:
                given = ray.get(reference)
            except ray.exceptions.RayError as error:  # a defect of ours, or too many lost workers
                yield job, str(error).strip().splitlines()[-1]
                continue
            if isinstance(given, str):
                yield job, given
            else:
                position, orientation, values = given
                placement = Placement(chips[job.netlist], position, orientation)
                yield job, Result(placement, job.settings, **values)


def gpu_share(settings: PlaceSettings, gpus: float) -> float:
    """What a run asks for of the GPUs of a cluster that has so many."""
    return GPU_SHARE if gpus and settings.method in ON_GPU and settings.device != "cpu" else 0.0


def run(netlist: Netlist, settings: PlaceSettings) -> Any:
    """One run, in a worker: positions, orientations and the other fields of its `Result`, or why there are none."""
    try:
        result = place(netlist, settings)
    except ChipscapeError as error:
        return " ".join(str(error).split())
    if result.interrupted:
        return "the worker was interrupted"
    values = {name: getattr(result, name) for name in ("metrics", "stages", "history", "interrupted")}
    return result.placement.position_um, result.placement.orientation, values
