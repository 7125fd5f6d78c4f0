"""The README does what it says: its commands and Python examples run, its links lead somewhere.

Blocks fenced as `sh` are commands, one per line; `python` blocks are programs; `yaml` blocks whose first line is a
comment with a file name (`# space.yaml`) are written to that file first.  Commands with a word in capitals (`NETLIST`,
`DIR`) stand for files of the reader and are left out; so are all `console` and `text` blocks.  Budgets are cut as
`REDUCED` and `REDUCED_PYTHON` say: nothing else is changed.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

README = ROOT / "README.md"
MOST_LINES = 200

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PLACEHOLDER = re.compile(r"(?<![\w-])/?[A-Z]{2,}\b")
FILE_NAME = re.compile(r"# ([\w-]+\.yaml)\n")
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")

Substitutions = tuple[tuple[str, str], ...]  # patterns and what replaces them

REDUCED: Substitutions = (
    (r"^(placer place .*|dse floorplan .*)--budget \d+", r"\1--budget 2"),  # seconds
    (
        r"^(placer sweep) harbor jetty (.*)--methods \S+ --seeds \d+ --budget \d+",
        r"\1 jetty \2--methods anneal,greedy --seeds 1 --budget 1",
    ),
    (r"^(dse explore .*)--budget \d+", r"\1--budget 300"),  # designs
)
REDUCED_PYTHON: Substitutions = ((r"budget_s=\d+", "budget_s=2"), (r"budget=[\d_]+", "budget=300"))


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    return [body for name, body in FENCE.findall(text) if name == language]


def reduce(text: str, substitutions: Substitutions) -> str:
    """The text with its budgets cut."""
    for pattern, replacement in substitutions:
        text = re.sub(pattern, replacement, text)
    return text


def commands(text: str) -> list[list[str]]:
    """The runnable commands of a page as words, comments left out, budgets cut."""
    lines = [line for body in blocks(text, "sh") for line in body.splitlines()]
    words = [shlex.split(reduce(line, REDUCED), comments=True) for line in lines]
    return [command for command in words if command and not any(map(PLACEHOLDER.search, command))]


def failure(command: list[str], folder: Path) -> str:
    """What went wrong with a command in a folder: the last lines that it printed; empty if it succeeded."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *command], cwd=folder, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return "" if done.returncode == 0 else "\n".join((done.stdout + done.stderr).splitlines()[-20:])


def test_commands_run(tmp_path: Path) -> None:
    text = README.read_text(encoding="utf-8")
    for body in blocks(text, "yaml"):
        if name := FILE_NAME.match(body):
            (tmp_path / name[1]).write_text(body, encoding="utf-8")
    found = commands(text)
    assert {program for program, *_ in found} == {"placer", "dse"}
    for command in found:
        wrong = failure(["-m", *command], tmp_path)
        assert not wrong, f"{shlex.join(command)}\n{wrong}"


def test_python_examples_run(tmp_path: Path) -> None:
    found = blocks(README.read_text(encoding="utf-8"), "python")
    assert len(found) >= 2
    program = "\n".join(reduce(body, REDUCED_PYTHON) for body in found)
    wrong = failure(["-c", program], tmp_path)
    assert not wrong, wrong
    assert (tmp_path / "harbor.plc").exists()


@pytest.mark.parametrize("command", ["placer evaluate no_such_netlist", "dse templates no_such", "placer place harbor"])
def test_a_wrong_command_is_noticed(command: str, tmp_path: Path) -> None:
    assert "error:" in failure(["-m", *command.split()], tmp_path)


def test_what_runs_and_what_does_not() -> None:
    page = (
        "```sh\nplacer place harbor --out run --budget 240  # a comment\nplacer place NETLIST --out run\n```\n"
        "```console\nmake demo\n```\n```sh\ndse explore x --out /DIR\ndse explore x --out y --budget 20000\n```\n"
    )
    assert commands(page) == [
        ["placer", "place", "harbor", "--out", "run", "--budget", "2"],
        ["dse", "explore", "x", "--out", "y", "--budget", "300"],
    ]


def test_every_reduction_is_used() -> None:
    text = README.read_text(encoding="utf-8")
    lines = [line for body in blocks(text, "sh") for line in body.splitlines()]
    assert all(any(re.search(pattern, line) for line in lines) for pattern, _ in REDUCED)
    assert all(re.search(pattern, text) for pattern, _ in REDUCED_PYTHON)


def test_links_lead_somewhere() -> None:
    targets = [target for target in LINK.findall(README.read_text(encoding="utf-8")) if "://" not in target]
    assert targets
    assert not [target for target in targets if not (ROOT / target).exists()]


def test_it_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= MOST_LINES
