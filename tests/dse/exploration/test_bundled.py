"""The bundled accelerators are what the code makes of designs of the ready-made spaces."""

from __future__ import annotations

import gzip
from pathlib import Path

from dse.exploration.bundled import BUNDLED, write_bundled
from netlists.formats.files import BUNDLED_SUFFIX, DESIGNS, catalog, load


def test_bundled_files_are_what_the_designs_become(tmp_path: Path) -> None:
    write_bundled(tmp_path)
    assert set(BUNDLED) <= set(catalog())
    for name in BUNDLED:
        written, kept = (folder / f"{name}{BUNDLED_SUFFIX}" for folder in (tmp_path, DESIGNS))
        # Compressed bytes depend on the version of zlib.
        assert gzip.decompress(written.read_bytes()) == gzip.decompress(kept.read_bytes()), (
            "run `python -m dse.exploration.bundled`"
        )
        assert (tmp_path / f"{name}.plc").read_bytes() == (DESIGNS / f"{name}.plc").read_bytes()
        assert kept.stat().st_size < 100_000


def test_the_same_bytes_are_written_each_time(tmp_path: Path) -> None:
    folders = tmp_path / "a", tmp_path / "b"
    for folder in folders:
        folder.mkdir()
        write_bundled(folder)
    for name in BUNDLED:
        first, second = ((folder / f"{name}{BUNDLED_SUFFIX}").read_bytes() for folder in folders)
        assert first == second


def test_there_is_a_small_a_medium_and_a_large_one() -> None:
    small, medium, large = (len(load(name).hard) for name in BUNDLED)
    assert small < 50 < medium < 200 < large
