"""Commands that are killed: small runs of each, and whether what is on disk after a kill is whole.

What counts: the files that our own readers read have to be those of one state, of the run before or of the one that was
killed; the same command, or its `--resume`, has to come to its end afterwards; nothing else may be left in the folder.

Commands run in forks of this process, which has loaded all libraries: that leaves the time for the work.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import NoReturn

import psutil

from netlists import load, load_placement
from netlists.errors import SettingsError
from netlists.runtime.interrupts import INTERRUPTED, SIGNALS, STOPPED
from netlists.runtime.output import STAGED, complete

GONE_S = 60.0
"""Seconds within which processes that a killed command has started have to end."""
END_S = 170.0
"""Seconds within which a command has to end."""
LOOK_S = 0.002
"""Seconds between two looks at a process."""


class Fork:
    """A fork of this process that does some work, as the leader of a group, with its output in a file."""

    def __init__(self, work: Callable[[], object], log: Path) -> None:
        self.log, self.returncode = log, None
        self.pid = os.fork()
        if not self.pid:
            _work(work, log)

    returncode: int | None

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while the work lasts."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, seconds: float) -> int | None:
        """The exit code, or None if the work lasts longer."""
        until = time.monotonic() + seconds
        while self.poll() is None and time.monotonic() < until:
            time.sleep(LOOK_S)
        return self.returncode

    def send(self, number: int, whole_group: bool = False) -> None:
        """Send a signal to the process, or to its group."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                (os.killpg if whole_group else os.kill)(self.pid, number)


def _work(work: Callable[[], object], log: Path) -> NoReturn:
    """Work in a fork, which never returns."""
    code = 1
    try:
        os.setsid()
        null, output = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for target, source in ((0, null), (1, output), (2, output)):
            os.dup2(source, target)
        for number in SIGNALS:
            signal.signal(number, signal.default_int_handler)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False, buffering=1) for number in (1, 2))
        work()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 0
    except KeyboardInterrupt:  # before or after the command
        code = INTERRUPTED
        print(STOPPED)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


@contextmanager
def forked(work: Callable[[], object], log: Path) -> Iterator[Fork]:
    """Such a fork, which is killed with its group at the end of the block."""
    fork = Fork(work, log)
    try:
        yield fork
    finally:
        with suppress(ProcessLookupError):
            os.killpg(fork.pid, signal.SIGKILL)
        fork.wait(END_S)


CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link", "os.symlink"}
"""Operations that change a folder, by the names of Python's audit events; `open` for writing is one more."""


def die_at(number: int) -> None:
    """Kill this process just before it changes a file or folder for the time `number`, counted from 1."""
    left = number

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if opened or event in CHANGES:
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def crash_everywhere(work: Callable[[], object], prepare: Callable[[], object], log: Path) -> Iterator[int]:
    """Repeat some work in forks that are killed at its first change of a file, at the second one, and so on.

    Each time `prepare` is called before, and the number is yielded after; the last time the work comes to its end.
    """
    for number in count(1):
        prepare()

        def work_until() -> None:
            die_at(number)  # noqa: B023
            work()

        with forked(work_until, log) as fork:
            code = fork.wait(END_S)
        assert code in (0, -signal.SIGKILL), log.read_text()
        yield number
        if code == 0:
            return


def run_command(arguments: Sequence[str]) -> None:
    """Run a command of `placer` or `dse` in this process; training writes a checkpoint after every iteration."""
    sys.argv = list(arguments)
    if arguments[0] == "dse":
        from dse.cli import main
    else:
        from placer.cli import main
    if arguments[1] == "train":
        from placer.agent import training

        training.CHECKPOINT_S = 0.0
    main()


def load_libraries() -> None:
    """Load what the commands load, and the kernels of those that begin no threads."""
    import ray  # noqa: F401

    from placer import place
    from plots import report  # noqa: F401

    place(load("jetty"), method="greedy", iterations=1, workers=1)


@dataclass(frozen=True)
class Command:
    """A command that writes to a folder, again and again, each time with another number."""

    run: Callable[[Path, int], Sequence[str]]  # the command line
    check: Callable[[Path], str]  # raises if the folder is not whole; says how far the run was
    files: frozenset[str]  # names of all files that may be in the folder after a run


def place(out: Path, number: int) -> list[str]:
    """Replaces the run in the folder by one with another seed."""
    options = ["--method", "greedy", "--iterations", "1", "--workers", "1", "--force", "--seed", str(number)]
    return ["placer", "place", "jetty", "--out", str(out), *options]


def check_place(out: Path) -> str:
    """The cost in `metrics.json` has to be exactly that of the placement beside it."""
    from placer.cost import evaluate
    from placer.runs.run_folder import METRICS, PAGES, read_run

    pending = (out / STAGED).exists()
    if not (out / METRICS).exists() and not pending:
        return "nothing yet"
    run = read_run(out)
    assert evaluate(run.placement).proxy == run.metrics["proxy"]
    assert f"--seed {run.metrics['seed']}" in run.metrics["command"]
    if (page := out / PAGES[1]).exists():
        assert run.metrics["command"] in page.read_text()
    return "completed by its reader" if pending else f"whole, {sum((out / page).exists() for page in PAGES)} pages"


def train(out: Path, number: int) -> list[str]:
    """Goes on with the training in the folder, if there is a checkpoint."""
    from placer.agent.checkpoints import PREFIX

    small = ["--num-envs", "4", "--style-generations", "1", "--imitation-steps", "2", "--epochs", "1"]
    resume = ["--resume"] if list(out.glob(f"{PREFIX}*")) else []
    options = ["--workers", "1", "--iterations", str(8 + 2 * number), "--device", "cpu", *resume, *small]
    return ["placer", "train", "jetty", "--out", str(out), *options]


def check_train(out: Path) -> str:
    """The last checkpoint has to be of the iteration that its name says, and the weights to use have to be readable."""
    from placer.agent.checkpoints import LEARNERS, PREFIX, _tensors, latest, load_meta, load_policy

    if not list(out.glob(f"{PREFIX}*")):
        return "nothing yet"
    checkpoint = latest(out)
    meta = load_meta(checkpoint)
    assert meta["iteration"] == int(checkpoint.name.removeprefix(PREFIX)) == len(meta["history"])
    load_policy(checkpoint)
    _tensors(checkpoint / LEARNERS)
    if (out / "weights.safetensors").exists():
        load_policy(out)
    if (out / "weights.json").exists():
        assert meta["iteration"] - json.loads((out / "weights.json").read_text())["iteration"] in (0, 1)
    return "a checkpoint"


def explore(out: Path, number: int) -> list[str]:
    """Goes on with the exploration in the folder, the first time in this process and later on Ray."""
    cluster = ["--workers", "1"] if number % 2 else []
    options = ["--search", "nsga2", "--budget", str(2000 + 300 * number), "--resume", *cluster]
    return ["dse", "explore", "qiu_xc7z045", "--out", str(out), *options]


def check_explore(out: Path) -> str:
    """The counts of all tables have to agree, which are written in one transaction."""
    from dse.exploration.results import load_results
    from dse.exploration.store import FILE

    try:
        result = load_results(out)
    except SettingsError:
        if (out / FILE).exists():
            with closing(sqlite3.connect(out / FILE)) as db:
                assert db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
        return "nothing yet"
    with closing(sqlite3.connect(out / FILE)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("SELECT ifnull(sum(designs), 0) FROM reasons").fetchone() == (result.evaluated,)
    return "complete" if result.complete else "incomplete"


def floorplan(out: Path, number: int) -> list[str]:
    """Replaces the floorplan in the folder by one with another seed."""
    options = ["--method", "greedy", "--iterations", "1", "--workers", "1", "--granularity", "coarse"]
    design = out.parent / "design.yaml"
    return ["dse", "floorplan", str(design), "--out", str(out), *options, "--seed", str(number)]


def check_floorplan(out: Path) -> str:
    """The cost in `metrics.json` has to be exactly that of the placement beside it, of the netlist beside it."""
    from placer.cost import evaluate

    pending = (out / STAGED).exists()
    complete(out)
    if not (out / "metrics.json").exists():
        assert not [path for path in out.glob("*") if not path.name.startswith(".")]
        return "nothing yet"
    metrics = json.loads((out / "metrics.json").read_text())
    netlist = load(out / "netlist.pb.txt.gz")
    assert evaluate(load_placement(netlist, out / "placement.plc")).proxy == metrics["placement"]["proxy"]
    load(out / "bookshelf" / "netlist.aux")
    assert metrics["command"] in (out / "report.html").read_text()
    return "completed by its reader" if pending else "whole"


COMMANDS = {
    "place": Command(place, check_place, frozenset({"metrics.json", "placement.plc", "placement.png", "report.html"})),
    "train": Command(
        train, check_train,
        frozenset({"checkpoint-*", "weights.*", "history.csv", "training.png", "tensorboard"}),
    ),
    "explore": Command(explore, check_explore, frozenset({"results.*", "pareto.csv", "report.html"})),
    "floorplan": Command(
        floorplan, check_floorplan,
        frozenset({"netlist.pb.txt.gz", "netlist.plc", "initial.plc", "placement.plc", "bookshelf", "floorplan.png",
                   "metrics.json", "report.html"}),
    ),
}  # fmt: skip
"""Commands by name."""


@dataclass
class Tally:
    """How kills of a command went."""

    kills: int = 0
    after_end: int = 0  # the command had ended before
    states: Counter[str] = field(default_factory=Counter)  # what was on disk
    faults: list[str] = field(default_factory=list)


def prepare(name: str, folder: Path) -> Path:
    """A folder for the output of a command, beside its input."""
    if name == "floorplan":
        from tests.abuse.targets import DESIGN

        (folder / "design.yaml").write_text(DESIGN)
    return folder / "out"


def kill_often(name: str, folder: Path, kills: int, rng: random.Random, how: int = signal.SIGKILL) -> Tally:
    """Kill runs of a command at random moments, half of them soon after it has begun to write, and check each time.

    After every kill the folder is checked; after every eighth one the command runs to its end, which has to leave a
    whole folder without other files.  With another signal than SIGKILL the command has to end by itself, with one line.
    """
    command, tally = COMMANDS[name], Tally()
    out = prepare(name, folder)
    lasting_s, number = run_to_end(command, out, 0, tally), 1
    for kill in range(kills):
        with forked(lambda: run_command(command.run(out, number)), folder / "log") as fork:  # noqa: B023
            wait_for_moment(fork, out, rng, lasting_s, at_write=kill % 2 == 1)
            tally.kills, tally.after_end = tally.kills + 1, tally.after_end + (fork.poll() is not None)
            children = offspring(fork)
            fork.send(how, whole_group=bool(rng.getrandbits(1)))
            judge(fork, how, tally)
        await_end(children, tally)
        note_state(command, out, tally)
        number += 1
        if kill % 8 == 7 or kill == kills - 1:
            lasting_s, number = run_to_end(command, out, number, tally), number + 1
    return tally


def wait_for_moment(fork: Fork, out: Path, rng: random.Random, lasting_s: float, at_write: bool) -> None:
    """Wait for a random fraction of the time that a run takes, or until it writes and a moment longer."""
    if not at_write:
        fork.wait(rng.uniform(0.0, 1.05) * lasting_s)
        return
    before = changes(out)
    while fork.poll() is None and changes(out) == before:
        time.sleep(LOOK_S / 2)
    fork.wait(rng.choice((0.0, 0.01, 0.1, 0.5)) * rng.random())


def changes(out: Path) -> tuple[tuple[str, int], ...]:
    """The files of a folder, except its lock, with the times of their last change."""
    entries = []
    with suppress(FileNotFoundError):
        for entry in os.scandir(out):
            if not entry.name.endswith(("lock", "-shm")):
                with suppress(FileNotFoundError):
                    entries.append((entry.name, entry.stat().st_mtime_ns))
    return tuple(sorted(entries))


def offspring(fork: Fork) -> list[psutil.Process]:
    """The processes that a command has started."""
    with suppress(psutil.NoSuchProcess):
        children: list[psutil.Process] = psutil.Process(fork.pid).children(recursive=True)
        return children
    return []


def judge(fork: Fork, how: int, tally: Tally) -> None:
    """How a command ends after a signal: if that is no kill, with one line."""
    if fork.wait(END_S) is None:
        tally.faults.append("does not end")
    elif how != signal.SIGKILL:
        text = fork.log.read_text(errors="replace")
        tally.states[f"exit code {fork.returncode}"] += 1
        if "Traceback" in text or fork.returncode not in (0, INTERRUPTED) or not text.strip():
            tally.faults.append(f"exit code {fork.returncode}: {text.strip()[-800:]}")


def await_end(children: Sequence[psutil.Process], tally: Tally) -> None:
    """The processes that a killed command has started have to end."""
    for child in psutil.wait_procs(children, timeout=GONE_S)[1]:
        with suppress(psutil.NoSuchProcess):
            if child.status() != psutil.STATUS_ZOMBIE:
                tally.faults.append(f"{child.name()} still runs")
                child.kill()


def note_state(command: Command, out: Path, tally: Tally) -> None:
    """Check the folder after a kill."""
    try:
        tally.states[command.check(out)] += 1
    except Exception as error:
        tally.faults.append(f"{type(error).__name__}: {error}; {sorted(path.name for path in out.glob('*'))}")


def run_to_end(command: Command, out: Path, number: int, tally: Tally) -> float:
    """Run a command to its end, check the folder and what else is there; returns the seconds that it took."""
    began = time.monotonic()
    with forked(lambda: run_command(command.run(out, number)), out.parent / "log") as fork:
        code = fork.wait(END_S)
    taken_s = time.monotonic() - began
    if code:
        tally.faults.append(f"does not go on, exit code {code}: {fork.log.read_text(errors='replace').strip()[-800:]}")
    note_state(command, out, tally)
    others = [path.name for path in out.glob("*") if not any(path.match(name) for name in command.files)]
    if others:
        tally.faults.append(f"left {sorted(others)}")
    return taken_s
