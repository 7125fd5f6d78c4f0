"""A coverage-guided fuzzer for one reader: `python -m tests.abuse.guided TARGET FOLDER SECONDS`.

`tests.benchmarks.fuzz` starts it.  libFuzzer, by way of atheris, keeps the inputs that reach new branches of our
packages and mutates them further.  An input is the damaged files of a target in one text (`pack`).  A mutation changes
one of the files: as `tests.abuse.mutations` does, which knows words, values, rows and tensors, or as libFuzzer does,
which knows what texts were compared with.  Modules with Numba kernels are not instrumented, as Numba compiles their
bytecode.

The files of each fault are left in FOLDER/faults/NUMBER, with what happened in `fault.txt`.
"""

from __future__ import annotations

import random
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests import ROOT
from tests.abuse.limits import Hang, demand_limits, describe, measured, size_of
from tests.abuse.mutations import mutate_bytes

PACKAGES = ("netlists", "placer", "dse", "plots")
KERNELS = re.compile(r"^from numba|^import numba|netlists\.runtime\.kernel", re.MULTILINE)
"""In the source of a module with kernels, or of one that makes them."""
MARK = b"\n=====file "
"""Before the name of each file in an input; a line end follows the name."""
OUR_FRACTION = 0.7
"""Fraction of the mutations that are ours."""
GROWTH, ROOM = 2, 50_000
"""An input may have so many times the bytes of the first one, and so many bytes more: long names fit."""
MEMORY_MB = 4_000
"""Memory at which libFuzzer ends the process."""
SEEDS = 20
"""Mutated files that are there at the beginning."""


def pack(folder: Path, pattern: str) -> bytes:
    """The files in a folder that a glob matches, in one text."""
    files = sorted(file for file in folder.glob(pattern) if file.is_file())
    return b"".join(MARK + str(file.relative_to(folder)).encode() + b"\n" + file.read_bytes() for file in files)


def unpack(data: bytes, folder: Path) -> None:
    """Write those files in a packed text that are in the folder already."""
    names = {str(file.relative_to(folder)).encode() for file in folder.rglob("*") if file.is_file()}
    for part in data.split(MARK)[1:]:
        name, _, content = part.partition(b"\n")
        if name in names:
            (folder / name.decode()).write_bytes(content)


def kernel_modules() -> list[str]:
    """The names of the modules of our packages that have kernels."""
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    names = [file.relative_to(ROOT) for file in files if KERNELS.search(file.read_text(encoding="utf-8"))]
    return [".".join(name.with_suffix("").parts).removesuffix(".__init__") for name in names]


class Fuzzer:
    """Reads and mutates the inputs of a target in a folder, and notes faults."""

    def __init__(self, name: str, folder: Path) -> None:
        from netlists.errors import ChipscapeError  # only now, as what is imported here is instrumented
        from tests.abuse.targets import TARGETS

        self.target, self.folder, self.refusal = TARGETS[name], folder, ChipscapeError
        self.whole = folder / "whole"
        self.whole.mkdir(parents=True)
        self.target.make(self.whole)
        self.seed = pack(self.whole, self.target.files)
        with self._unpacked(self.seed) as whole:
            self.target.read(whole)  # loads kernels and everything else, and shows that it can be read
        self.faults: set[str] = set()

    @contextmanager
    def _unpacked(self, data: bytes) -> Iterator[Path]:
        """A folder with the files in an input, for the duration of the block."""
        folder = self.folder / "unpacked"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.whole, folder)
        unpack(data, folder)
        yield folder

    def read(self, data: bytes) -> None:
        """Read an input; what is no answer within the limits is a fault, and the search goes on."""
        with self._unpacked(data) as folder:
            size = size_of(folder)
            try:
                with measured() as usage, suppress(self.refusal):
                    self.target.read(folder)
                demand_limits(usage, size)
            except (Exception, Hang) as error:
                self._note(error, data)

    def _note(self, error: BaseException, data: bytes) -> None:
        name, text = describe(error)
        if name in self.faults:
            return
        self.faults.add(name)
        with self._unpacked(data) as folder:
            kept = shutil.copytree(folder, self.folder / "faults" / str(len(self.faults)))
            (kept / "fault.txt").write_text(f"{name}: {text}\n", encoding="utf-8", errors="replace")

    def mutate(self, data: bytes, seed: int, by_us: float = OUR_FRACTION) -> bytes:
        """An input with a change in one of its files, with a probability of `by_us` a change of ours."""
        import atheris

        rng = random.Random(seed)
        with self._unpacked(data) as folder:
            file = rng.choice(sorted(file for file in folder.glob(self.target.files) if file.is_file()))
            if rng.random() < by_us:
                try:
                    self.target.mutate(file, rng)
                except Exception:  # the file is damaged too much to be changed in its own terms
                    mutate_bytes(file, rng)
            else:
                content = file.read_bytes()
                file.write_bytes(atheris.Mutate(content, 2 * len(content) + ROOM))
            return pack(folder, self.target.files)

    def run(self, seconds: int) -> None:
        """Fuzz for some seconds; ends the process."""
        import atheris

        corpus, most = self.folder / "corpus", GROWTH * len(self.seed) + ROOM
        corpus.mkdir()
        for number in range(SEEDS):
            (corpus / str(number)).write_bytes(self.mutate(self.seed, number, by_us=1) if number else self.seed)

        def mutate(data: bytes, _most: int, seed: int) -> bytes:
            changed = self.mutate(data, seed)
            return changed if len(changed) <= most else data

        options = {
            "max_total_time": seconds, "max_len": most, "timeout": 0, "rss_limit_mb": MEMORY_MB, "malloc_limit_mb": 0,
            "detect_leaks": 0, "len_control": 0, "artifact_prefix": f"{self.folder}/",
        }  # fmt: skip
        arguments = ["fuzz", *(f"-{name}={value}" for name, value in options.items()), str(corpus)]
        atheris.Setup(arguments, self.read, custom_mutator=mutate)
        atheris.Fuzz()


def main() -> None:
    import atheris

    warnings.simplefilter("ignore")
    name, folder, seconds = sys.argv[1:]
    with atheris.instrument_imports(include=PACKAGES, exclude=kernel_modules()):
        fuzzer = Fuzzer(name, Path(folder))
    fuzzer.run(int(seconds))


if __name__ == "__main__":
    main()
