"""Commands in bad surroundings: full disks, folders that cannot be written to, no home, no memory, closed doors.

Each case is a command, what surrounds it, and how it has to end: with an exit code, in one line if that is not 0, with
no traceback, and with whole data.  File systems are mounted for the command alone, which takes the right to do so.
"""

from __future__ import annotations

import os
import resource
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests import ROOT
from tests.processes import finished, in_own_mounts

PLACE = "-m placer place jetty --method greedy --iterations 1 --workers 1 --out {out} --seed {seed} --force"
EVALUATE = "-m placer evaluate jetty --json"
EXPLORE = "-m dse explore qiu_xc7z045 --search nsga2 --budget 600 --out {out}"
ON_RAY = f"{EXPLORE} --workers 1"
TRAIN = (
    "-m placer train jetty --iterations 2 --workers 1 --num-envs 4 --style-generations 1 --imitation-steps 2"
    " --epochs 1 --device cpu --out {out}"
)
SWEEP = "-m placer sweep jetty --methods greedy --budget 1 --out {out}"
KERNEL = (
    "-c 'import numpy, netlists; from netlists.runtime.kernel import copy; import placer.cost, dse.model.cost;"
    ' copy(numpy.zeros(1), numpy.ones(1)); assert copy._cache.cache_path.split(chr(47))[-2].startswith("chipscape-")\''
)


@dataclass(frozen=True)
class Case:
    """A command in its surroundings; `{out}`, `{seed}`, `{folder}` and `{root}` stand for paths and a number.

    `KERNEL` shows where a kernel is kept: in a private folder.
    """

    command: str
    code: int  # with which it has to end
    says: str = ""  # a part of its last line on stderr
    mounts: str = ""  # a shell script that mounts something for the command alone
    variables: Mapping[str, str | None] = field(default_factory=dict)  # of the environment; None: not set
    before: str = ""  # a command that fills the folder before
    check: Callable[[Path], str] | None = None  # of the folder afterwards; raises if it is not whole
    limit: tuple[int, int] | None = None  # a resource, and how much of it there is


def check_placement(out: Path) -> str:
    """The run before has to be there, whole."""
    from placer.runs.run_folder import read_run
    from tests.abuse.kills import check_place

    assert read_run(out).metrics["seed"] == 0
    return check_place(out)


FULL = "mkdir -p {out} && mount -t tmpfs -o size={size} none {out}"
SMALL_SHM = "mount -t tmpfs -o size=1m none /dev/shm"
READ_ONLY = "mount --bind {root} {root} && mount -o remount,bind,ro {root}"
NO_ROOM = "No space left on device"

CASES: dict[str, Case] = {
    "place, disk full": Case(PLACE, 2, NO_ROOM, mounts=FULL.replace("{size}", "8k")),
    "place, disk full while pages are drawn": Case(PLACE, 2, NO_ROOM, mounts=FULL.replace("{size}", "60k")),
    "place, files may have 2 kB": Case(
        PLACE, 2, "File too large", before=PLACE, check=check_placement, limit=(resource.RLIMIT_FSIZE, 2000)
    ),
    "train, disk full": Case(TRAIN, 2, "", mounts=FULL.replace("{size}", "100k")),
    "explore, disk full": Case(EXPLORE, 2, "full", mounts=FULL.replace("{size}", "60k")),
    "sweep, disk full": Case(SWEEP, 2, NO_ROOM, mounts=FULL.replace("{size}", "8k")),
    "place, read-only folder": Case(
        PLACE, 2, "is not a folder that can be written to", before=PLACE, check=check_placement,
        mounts="mount --bind {out} {out} && mount -o remount,bind,ro {out}",
    ),
    "explore, read-only folder": Case(
        EXPLORE, 2, "Read-only file system",
        mounts="mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}",
    ),
    "place, memory of 700 MB": Case(PLACE, 2, "memory", limit=(resource.RLIMIT_AS, 700_000_000)),
    "explore on Ray, /dev/shm of 1 MB": Case(ON_RAY, 0, mounts=SMALL_SHM),
    "a kernel, read-only installation and home": Case(
        KERNEL, 0, mounts=READ_ONLY, variables={"HOME": "/proc", "XDG_CACHE_HOME": None, "NUMBA_CACHE_DIR": None}
    ),
    "evaluate, HOME unset": Case(EVALUATE, 0, variables={"HOME": None}),
    "place, HOME unset": Case(PLACE, 0, variables={"HOME": None}),
    "explore on Ray, HOME unset": Case(ON_RAY, 0, variables={"HOME": None}),
    "place, TMPDIR missing": Case(PLACE, 0, variables={"TMPDIR": "/nowhere"}),
    "explore on Ray, TMPDIR missing": Case(ON_RAY, 0, variables={"TMPDIR": "/nowhere"}),
    "explore on Ray, TMPDIR of 90 characters": Case(ON_RAY, 0, variables={"TMPDIR": "{folder}/" + "x" * 90}),
}  # fmt: skip
"""Cases by name."""


def run_case(case: Case, folder: Path) -> list[str]:
    """Run a case in an empty folder; returns the faults."""
    out = folder / "out"
    places = {"out": str(out), "folder": str(folder), "root": str(ROOT), "seed": "0"}
    (folder / ("x" * 90)).mkdir()
    if case.before:
        finished(*case.before.format(**places).split(), timeout=600)
    places["seed"] = "1"
    variables = {**os.environ, **{key: value.format(**places) for key, value in case.variables.items() if value}}
    for key in (key for key, value in case.variables.items() if value is None):
        variables.pop(key, None)
    wrapper = in_own_mounts(case.mounts.format(**places)) if case.mounts else []
    if case.limit:
        number, amount = case.limit
        limit = f"resource.setrlimit({number}, ({amount}, {amount}))"
        code = f"import os, resource, sys; {limit}; os.execv(sys.argv[1], sys.argv[1:])"
        wrapper = [*wrapper, sys.executable, "-c", code]
    done = finished(*shlex.split(case.command.format(**places)), timeout=600, wrapper=wrapper, variables=variables)
    faults = []
    lines = done.stderr.strip().splitlines()
    if done.returncode != case.code:
        faults.append(f"exit code {done.returncode}, expected {case.code}: {done.stderr[-500:]}")
    if "Traceback" in done.stderr:
        faults.append(done.stderr[-800:])
    if case.code and not (lines and case.says in lines[-1]):
        faults.append(f"says {lines[-1:]}, expected {case.says!r}")
    if case.check:
        try:
            case.check(out)
        except Exception as error:
            faults.append(f"{type(error).__name__}: {error}")
    return faults
