"""What the fuzzers are made of: limits that bite, inputs that hold files, kernels that are left alone."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

from tests.abuse import limits
from tests.abuse.guided import MARK, kernel_modules, pack, unpack
from tests.abuse.limits import Hang, TooMuchMemory, Usage, demand_limits, describe, measured
from tests.benchmarks import fuzz


def test_memory_is_measured_at_its_peak_and_released_memory_is_forgotten() -> None:
    with measured() as usage:
        memory = bytearray(64_000_000)
        del memory
    assert 60_000_000 < usage.memory < 80_000_000
    with measured() as usage:
        pass
    assert usage.memory < 10_000_000


def test_limits() -> None:
    demand_limits(Usage(4.9, 200_000_000), 0)
    demand_limits(Usage(0.0, 200_000_050), 5)
    with pytest.raises(TooMuchMemory, match="200,000,051 bytes of memory for files of 5, expected at most 200,000,050"):
        demand_limits(Usage(0.0, 200_000_051), 5)
    with pytest.raises(Hang):
        demand_limits(Usage(5.1), 0)


def wait(work: bool) -> None:
    end = time.monotonic() + 30
    while work and time.monotonic() < end:
        pass
    time.sleep(30)


@pytest.mark.parametrize("work", [True, False])
def test_what_does_not_end_is_stopped(work: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HANG_S" if work else "WAIT_S", 0.05)
    before = signal.getsignal(signal.SIGALRM), signal.getsignal(signal.SIGPROF)
    with pytest.raises(Hang), measured():
        wait(work)
    assert (signal.getsignal(signal.SIGALRM), signal.getsignal(signal.SIGPROF)) == before


def test_faults_of_one_place_have_one_name() -> None:
    found = []
    for text in ("a", "b"):
        try:
            int(text)
        except ValueError as error:
            found.append(describe(error))
    (first, one), (second, other) = found
    assert first == second
    assert first.startswith("ValueError at test_guided.py:")
    assert one != other


def test_inputs_hold_files(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").write_bytes(b"1\n2")
    (tmp_path / "sub" / "b.txt").write_bytes(b"")
    (tmp_path / "c.bin").write_bytes(b"kept")
    data = pack(tmp_path, "**/*.txt")
    assert data == MARK + b"a.txt\n1\n2" + MARK + b"sub/b.txt\n"
    unpack(data.replace(b"1", b"3") + MARK + b"../d.txt\nno" + MARK + b"new.txt\nno", tmp_path)
    assert (tmp_path / "a.txt").read_bytes() == b"3\n2"
    assert {file.name for file in tmp_path.rglob("*") if file.is_file()} == {"a.txt", "b.txt", "c.bin"}
    assert not (tmp_path.parent / "d.txt").exists()


def test_modules_with_kernels_are_known() -> None:
    modules = set(kernel_modules())
    assert {"netlists.runtime.kernel", "placer.cost.density", "placer.cost.proxy", "dse.model.cost"} <= modules
    assert not {"netlists.formats.textfile", "netlists.runtime.yaml_file", "placer.agent.checkpoints"} & modules


def test_the_fuzzer_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["fuzz"])
    monkeypatch.setattr(fuzz, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"error: atheris is not installed; install it with: pip install .*\[fuzz\]"):
        fuzz.main()
