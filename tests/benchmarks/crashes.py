"""Is every result whole, whatever happens to its command?  `python -m tests.benchmarks.crashes [PART ...]`

Prints, for each thing that was tried, how often and what failed.  The parts:

    kills       `kill -9` of `placer place`, `placer train`, `dse explore` and `dse floorplan`, at --kills moments each
    signals     Ctrl-C, SIGTERM and SIGHUP in the same way: one line, exit code 130, the best so far is saved
    limits      full disks, read-only folders, little memory, no home (`tests.abuse.surroundings`); mounts, so as root
    sockets     addresses on which the processes of every command that starts Ray listen
    soak        --rounds explorations and placements in one Ray session, and the memory that they leave taken

`--only` chooses some of the commands or cases by a part of their names, `--seed` other moments.
"""

from __future__ import annotations

import argparse
import random
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from netlists.runtime.interrupts import SIGNALS
from tests.abuse.kills import COMMANDS, kill_often, load_libraries
from tests.abuse.soak import Memory, soak
from tests.abuse.sockets import RAY_COMMANDS, watch_sockets
from tests.abuse.surroundings import CASES, run_case

GROWTH = 0.05
"""The largest fraction by which memory may grow."""

Row = tuple[str, int, str, list[str]]
"""What was tried, how often, what was seen, and the faults."""
Work = Callable[[Path], Row]
"""A row of the table, found out in an empty folder."""


def kill(name: str, how: signal.Signals, options: argparse.Namespace, folder: Path) -> Row:
    """Kill or stop a command often."""
    tally = kill_often(name, folder, options.kills, random.Random(f"{name} {how} {options.seed}"), how)
    seen = ", ".join(f"{count} {state}" for state, count in tally.states.most_common())
    return f"{how.name} {name}", tally.kills, f"{seen}; {tally.after_end} after its end", tally.faults


def limit(name: str, folder: Path) -> Row:
    """Run a case of `tests.abuse.surroundings`."""
    faults = run_case(CASES[name], folder)
    return name, 1, f"exit code {CASES[name].code}", faults


def watch(name: str, folder: Path) -> Row:
    """Watch the sockets of a command."""
    seen, faults = watch_sockets(name, folder)
    return name, 1, f"{len(seen)} sockets", faults


def keep_on(rounds: int, folder: Path) -> Row:
    """Measure how memory grows."""

    def progress(number: int, memory: Memory) -> None:
        print(f"  round {number}: {memory.own_mb:.1f} MB, workers {memory.workers_mb:.1f} MB", flush=True)

    first, last = soak(rounds, folder, progress)
    growth = {"this process": last.own_mb / first.own_mb - 1, "workers": last.workers_mb / first.workers_mb - 1}
    faults = [f"{what} grew by {fraction:.1%}" for what, fraction in growth.items() if fraction > GROWTH]
    return "soak", rounds, ", ".join(f"{what} {fraction:+.1%}" for what, fraction in growth.items()), faults


def rows(part: str, options: argparse.Namespace) -> Iterator[Work]:
    """The rows of a part."""
    if part in ("kills", "signals"):
        for how in SIGNALS if part == "signals" else (signal.SIGKILL,):
            yield from (partial(kill, name, how, options) for name in chosen(COMMANDS, options))
    elif part == "limits":
        yield from (partial(limit, name) for name in chosen(CASES, options))
    elif part == "sockets":
        yield from (partial(watch, name) for name in chosen(RAY_COMMANDS, options))
    else:
        yield partial(keep_on, options.rounds)


def chosen(names: Iterable[str], options: argparse.Namespace) -> list[str]:
    """The names that --only chooses."""
    return [name for name in names if options.only in name]


def main() -> None:
    parts = ("kills", "signals", "limits", "sockets", "soak")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(parts)}; all by default")
    parser.add_argument("--kills", type=int, default=50, help="of each command, and by each signal")
    parser.add_argument("--rounds", type=int, default=100, help="explorations and placements")
    parser.add_argument("--only", default="", help="a part of the names of commands or cases")
    parser.add_argument("--seed", type=int, default=0, help="other moments")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(parts):
        parser.error(f"no part {', '.join(sorted(unknown))}; expected {', '.join(parts)}")
    load_libraries()
    wrong = 0
    for part in options.parts or parts:
        for work in rows(part, options):
            began = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                what, times, seen, faults = work(Path(folder))
            print(f"{what}: {times} times, {seen}; {len(faults)} failed, {time.monotonic() - began:.0f} s", flush=True)
            for fault in faults:
                print(f"    {fault}", flush=True)
            wrong += bool(faults)
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
