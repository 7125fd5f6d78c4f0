"""Ctrl-C before there is anything to be saved: one line and exit code 130, also while libraries are loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlists.runtime.interrupts import INTERRUPTED, NOTHING
from tests.processes import finished

# Sends Ctrl-C to itself when a module is about to be imported.
STOPPED = """
import os, signal, sys
class Stop:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Stop())
sys.argv = ["placer", *{arguments!r}]
from placer.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("numpy", "evaluate"), ("placer.cli", "place"), ("numba", "place"), ("torch", "place"), ("ray", "sweep"),
        ("torch", "train"), ("placer.environment.heuristics", "place"),
    ],
)  # fmt: skip
def test_ctrl_c_while_libraries_are_loaded(tmp_path: Path, module: str, command: str) -> None:
    arguments = [command, "jetty"]
    if command != "evaluate":
        arguments += ["--out", str(tmp_path / "out"), "--budget", "5"]
    if module == "placer.environment.heuristics":  # in the middle of the work, where Ctrl-C is an exception
        arguments += ["--method", "greedy", "--workers", "1"]
    code = STOPPED.format(module=module, arguments=arguments)
    done = finished("-c", code)
    assert (done.returncode, done.stdout) == (INTERRUPTED, "")
    assert done.stderr.splitlines()[-1] == NOTHING.strip()
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
