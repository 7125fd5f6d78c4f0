"""Does a search for new branches find a file that a reader does not answer?  `python -m tests.benchmarks.fuzz`

Runs the coverage-guided fuzzer of `tests.abuse.guided` for `--seconds` a reader, each in a process of its own, and
prints how many files were read, how many edges of our packages they reached, and every fault: an exception that is none
of ours, an answer beyond the limits of `tests.abuse.limits`, a result that is not finite, or the end of the process.
The files of faults are left in `--out`.  Needs atheris: `pip install -c constraints.txt -e '.[fuzz]'`.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tests import ROOT
from tests.abuse.targets import TARGETS

MORE_S = 600
"""Seconds that a process may take beyond those of its search: kernels are compiled the first time."""
LAST = re.compile(r"^#(\d+)\s+\w+\s+cov: (\d+)", re.MULTILINE)
"""Executions and edges in a line of libFuzzer."""
INSTRUMENTING = re.compile(r"^(INFO: Instrumenting|WARNING: Skipping) .*\n", re.MULTILINE)
TAIL = 2_000
"""Characters of the output of a process that has ended by itself."""


def run(name: str, seconds: int, out: Path) -> int:
    """Fuzz one target and print how it went; returns the number of faults."""
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "fuzz"
        code: int | None
        command = [sys.executable, "-m", "tests.abuse.guided", name, str(folder), str(seconds)]
        try:
            done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=seconds + MORE_S, check=False)
            output, code = done.stderr.decode(errors="replace"), done.returncode
        except subprocess.TimeoutExpired as error:
            output, code = (error.stderr or b"").decode(errors="replace"), None
        executions, edges = (LAST.findall(output) or [("0", "0")])[-1]
        faults = sorted((folder / "faults").glob("*"))
        print(f"{name}: {executions} files, {edges} edges, {len(faults)} faults", flush=True)
        if code != 0:
            what = "did not end" if code is None else f"ended with {code}"
            print(f"  the process {what}: {INSTRUMENTING.sub('', output)[-TAIL:]}", flush=True)
            faults += folder.glob("unpacked")  # what it was reading
        for number, fault in enumerate(faults, 1):
            kept = out / name.replace(" ", "-") / str(number)
            shutil.copytree(fault, kept, dirs_exist_ok=True)
            text = fault / "fault.txt"
            print(f"  {kept}: {text.read_text(encoding='utf-8') if text.exists() else ''}", flush=True)
        return len(faults) + (code != 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", default=",".join(TARGETS), help="names, separated by commas")
    parser.add_argument("--seconds", type=int, default=600, help="for each reader")
    parser.add_argument("--out", type=Path, default=Path("run/fuzz"), help="folder for the files of faults")
    options = parser.parse_args()
    if find_spec("atheris") is None:
        sys.exit("error: atheris is not installed; install it with: pip install -c constraints.txt -e '.[fuzz]'")
    faults = sum(run(name, options.seconds, options.out) for name in options.targets.split(","))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
