"""The store: what is stored is read back, one writer, nothing half-written, messages instead of tracebacks."""

from __future__ import annotations

import csv
import signal
import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse.exploration import store as store_module
from dse.exploration.integrity import TABLES
from dse.exploration.results import Result, load_results, write_front
from dse.exploration.store import FILE, LOCK, Run, Store, open_store
from dse.exploration.summary import BINS, Summary, empty_summary, summarize
from dse.workloads.builtin import alexnet
from netlists.errors import ChipscapeError, SettingsError
from tests.dse.fake_space import COLORS, FakeSpace, true_front
from tests.processes import started

SPACE = FakeSpace(1000)
RUN = Run("exhaustive", seed=0)


def add(store: Store, number: int, index: Any, before: Summary, learns: bool = False) -> Summary:
    chunk, objectives = summarize(SPACE, np.asarray(index), 0.05)
    after = before.merge(chunk.without_sample())
    store.add(number, chunk, before, after, number + 0.5, objectives if learns else None)
    return after


def filled(folder: Path, chunks: int = 10, learns: bool = False) -> Summary:
    with open_store(folder, SPACE, RUN, resume=False) as store:
        found = empty_summary(SPACE)
        for number in range(chunks):
            found = add(store, number, range(100 * number, 100 * number + 100), found, learns)
        store.finish(found, 12.5, True)
    return found


def test_results_are_read_as_they_were_stored(tmp_path: Path) -> None:
    found = filled(tmp_path / "out")
    result = load_results(tmp_path / "out")
    assert (result.evaluated, result.feasible, result.seconds, result.complete) == (1000, 800, 9.5, True)
    assert (result.name, result.run) == ("fake", RUN)
    assert result.space == SPACE.content
    # A metric shares the name of a parameter.
    assert result.parameters == ["width", "color"]
    assert result.metrics == ["area", "speed", "time", "width_found"]
    assert [row["id"] for row in result.front] == true_front(SPACE) == found.front.index.tolist()
    whole = summarize(SPACE, np.arange(1000), 0.05)[0]
    assert [row["id"] for row in result.sample] == whole.sample.index.tolist()
    assert [row["id"] for row in result.designs if row["best"]] == whole.best.index.tolist()
    metrics = SPACE.evaluate(np.arange(1000)).metrics
    for row in result.designs:
        k = row["id"]
        assert (row["width"], row["color"], row["feasible"]) == (k // 3, COLORS[k % 3], int(k % 5 != 0))
        assert (row["time"], row["area"]) == (metrics["time"][k], metrics["area"][k])  # to the last bit
        assert row["width_found"] == (None if k % 7 == 0 else k // 3)
        assert row["on_front"] or row["best"] or row["sampled"]
    np.testing.assert_array_equal(result.signed_objectives(result.front), found.front.objectives)
    assert result.knee in result.front
    assert result.reasons == [("the number ends in 0 or 5", 200)]
    assert result.rejections == "Not feasible: 200 as the number ends in 0 or 5."
    assert result.history[-1].evaluated == 1000
    np.testing.assert_array_equal(result.history[-1].front, found.front.objectives)
    with sqlite3.connect(tmp_path / "out" / FILE) as db:
        rows = db.execute("SELECT objective, sum(count) FROM histograms GROUP BY objective ORDER BY objective")
        assert rows.fetchall() == [("area", 800), ("speed", 800), ("time", 800)]
    db.close()


def test_the_front_as_csv(tmp_path: Path) -> None:
    filled(tmp_path)
    result = load_results(tmp_path)
    with write_front(result).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "width", "color", "area", "speed", "time", "width_found"]
    assert sorted(int(row["id"]) for row in rows) == true_front(SPACE)
    times = [float(row["time"]) for row in rows]
    assert times == sorted(times)


def test_a_store_continues_after_a_stop(tmp_path: Path) -> None:
    filled(tmp_path / "whole")
    filled(tmp_path / "part", chunks=6, learns=True)
    with open_store(tmp_path / "part", SPACE, RUN, resume=True) as store:
        found = store.summary(empty_summary(SPACE))
        assert store.finished() == dict.fromkeys(range(6), 100)
        assert store.seconds() == 5.5
        np.testing.assert_array_equal(store.objectives(3), SPACE.evaluate(np.arange(300, 400)).objectives)
        for number in range(6, 10):
            found = add(store, number, range(100 * number, 100 * number + 100), found)
        store.finish(found, 12.5, True)
    assert found.histogram.shape == (3, BINS)
    assert contents(tmp_path / "part") == contents(tmp_path / "whole")


def contents(folder: Path) -> list[Any]:
    result = load_results(folder)
    return [result.designs, result.evaluated, result.feasible, result.reasons]


def test_two_writers_at_once_are_refused(tmp_path: Path) -> None:
    with open_store(tmp_path, SPACE, RUN, resume=False):
        with pytest.raises(SettingsError, match=r"another run \(process \d+\) writes"):
            filled(tmp_path)
        assert load_results(tmp_path).evaluated == 0  # reading is possible
    filled(tmp_path / "other")


HOLD = """
import os, sys, time
from pathlib import Path
from dse.exploration.store import open_store
from tests.dse.exploration.test_store import RUN, SPACE, add, empty_summary
with open_store(Path(sys.argv[1]), SPACE, RUN, resume=False) as store:
    add(store, 0, range(100), empty_summary(SPACE))
    store._db.execute("BEGIN IMMEDIATE")
    store._db.execute("UPDATE chunks SET evaluated = 7")
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_process_leaves_no_lock_and_no_half_chunk(tmp_path: Path) -> None:
    with started("-c", HOLD, str(tmp_path)) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        with pytest.raises(SettingsError, match=f"process {process.pid}"):
            filled(tmp_path)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (tmp_path / LOCK).exists()
    with open_store(tmp_path, SPACE, RUN, resume=True) as store:
        assert store.finished() == {0: 100}


@pytest.mark.parametrize(
    ("space", "run", "resume", "message"),
    [
        (SPACE, RUN, False, "holds an exploration of fake.*--resume"),
        (FakeSpace(999), RUN, True, "space was another"),
        (SPACE, replace(RUN, seed=1), True, "seed was 0, not 1"),
        (SPACE, replace(RUN, search="nsga2"), True, 'search was "exhaustive", not "nsga2"'),
        (SPACE, replace(RUN, budget=999), True, "cannot resume, as budget was 1,000; give that or a larger one"),
    ],
)
def test_another_run_is_refused(tmp_path: Path, space: FakeSpace, run: Run, resume: bool, message: str) -> None:
    filled(tmp_path)
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(SettingsError, match=message), open_store(tmp_path, space, run, resume):
        pass
    assert (tmp_path / FILE).read_bytes() == before


def test_a_network_file_that_was_edited_is_another_run(tmp_path: Path) -> None:
    with open_store(tmp_path, SPACE, RUN, resume=False) as store:
        add(store, 0, range(100), empty_summary(SPACE))
    edited = FakeSpace(1000)
    edited.networks = ((alexnet(), 1.0),)
    with pytest.raises(SettingsError, match="workload was another"), open_store(tmp_path, edited, RUN, resume=True):
        pass


def fill_up(folder: Path, pages: int, stored: list[Summary]) -> None:
    """Add chunks to a store that may have some pages, until it is full."""
    with open_store(folder, SPACE, RUN, resume=False) as store:
        store._db.execute(f"PRAGMA max_page_count = {pages}")
        for number in range(1000):
            stored.append(add(store, number, range(number, number + 50), stored[-1], learns=True))


def test_a_full_disk_is_one_line_and_what_was_stored_stays(tmp_path: Path) -> None:
    stored = [empty_summary(SPACE)]
    with pytest.raises(ChipscapeError, match=r"full; what was stored .* --resume") as caught:
        fill_up(tmp_path, 24, stored)
    assert "\n" not in str(caught.value)
    assert len(stored) > 5
    result = load_results(tmp_path)
    assert result.evaluated == 50 * (len(stored) - 1)
    assert [row["id"] for row in result.front] == stored[-1].front.index.tolist()


@pytest.mark.parametrize("content", [b"not a database, but text", b""])
def test_a_file_that_is_no_store(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(SettingsError, match=f"{FILE}: .*; expected what"):
        load_results(tmp_path)
    if content:
        with pytest.raises(ChipscapeError, match="not a database; choose another folder"):
            filled(tmp_path)
    else:
        filled(tmp_path)  # as left by a process that was killed before it wrote


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("table", ["chunks", "mine"])
def test_a_foreign_database_is_left_alone(tmp_path: Path, table: str, resume: bool) -> None:
    with closing(sqlite3.connect(tmp_path / FILE)) as db, db:
        db.execute(f"CREATE TABLE {table} (number, evaluated)")
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(SettingsError, match="holds no exploration"), open_store(tmp_path, SPACE, RUN, resume):
        pass
    assert (tmp_path / FILE).read_bytes() == before


def test_an_error_before_the_first_chunk_leaves_nothing(tmp_path: Path) -> None:
    for folder in (tmp_path / "there", tmp_path / "not" / "there"):
        with suppress(SettingsError), open_store(folder, SPACE, RUN, resume=False):
            raise SettingsError("no cluster")
        assert not list(tmp_path.iterdir())
    (tmp_path / "mine").touch()
    with suppress(SettingsError), open_store(tmp_path, SPACE, RUN, resume=False):
        raise SettingsError("no cluster")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    filled(tmp_path)
    with suppress(SettingsError), open_store(tmp_path, SPACE, RUN, resume=True):
        raise SettingsError("no cluster")
    assert load_results(tmp_path).evaluated == 1000


def test_a_larger_budget_counts_once_a_chunk_is_written(tmp_path: Path) -> None:
    run, larger = replace(RUN, budget=500), replace(RUN, budget=1000)
    found = empty_summary(SPACE)
    with open_store(tmp_path, SPACE, run, resume=False) as store:
        for number in range(5):
            found = add(store, number, range(100 * number, 100 * number + 100), found)
        store.finish(found, 4.5, True)
    before = contents(tmp_path)
    with suppress(SettingsError), open_store(tmp_path, SPACE, larger, resume=True, fraction=0.02):
        raise SettingsError("no cluster")
    result = load_results(tmp_path)
    assert (result.complete, result.run.budget, contents(tmp_path)) == (True, 500, before)
    with open_store(tmp_path, SPACE, larger, resume=True) as store:
        add(store, 5, range(500, 600), found)
    result = load_results(tmp_path)
    assert (result.complete, result.run.budget) == (False, 1000)


def test_files_may_be_deleted_meanwhile(tmp_path: Path) -> None:
    with suppress(SettingsError), open_store(tmp_path / "out", SPACE, RUN, resume=False):
        for path in (tmp_path / "out").iterdir():
            path.unlink()
        raise SettingsError("no cluster")
    assert not list(tmp_path.iterdir())


def test_an_error_while_tables_are_made_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "TABLES", ("meta", "sqlite_x", *TABLES[2:]))
    with pytest.raises(ChipscapeError, match="reserved"), open_store(tmp_path / "out", SPACE, RUN, resume=False):
        pass
    assert not list(tmp_path.iterdir())


def test_a_lock_that_its_owner_deletes_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(descriptor: int, how: int) -> None:
        (tmp_path / LOCK).unlink()

    monkeypatch.setattr("netlists.runtime.lock.fcntl.flock", late)
    with pytest.raises(SettingsError, match="another run"):
        filled(tmp_path)


def test_a_thinner_sample(tmp_path: Path) -> None:
    with open_store(tmp_path, SPACE, replace(RUN, budget=900), resume=False) as store:
        found = add(store, 0, range(900), empty_summary(SPACE))
    with open_store(tmp_path, SPACE, replace(RUN, budget=1000), resume=True, fraction=0.02) as store:
        assert len(load_results(tmp_path).sample) == summarize(SPACE, np.arange(900), 0.05)[0].sample.index.size
        chunk, _ = summarize(SPACE, np.arange(900, 1000), 0.02)
        store.add(1, chunk, found, found.merge(chunk.without_sample()), 1.5, None)
    result, thin = load_results(tmp_path), summarize(SPACE, np.arange(1000), 0.02)[0]
    assert [row["id"] for row in result.sample] == thin.sample.index.tolist()
    assert all(row["on_front"] or row["best"] or row["sampled"] for row in result.designs)


def test_a_store_without_chunks_is_replaced(tmp_path: Path) -> None:
    with open_store(tmp_path, SPACE, RUN, resume=False):
        pass
    with open_store(tmp_path, SPACE, replace(RUN, seed=5), resume=False) as store:
        store.finish(empty_summary(SPACE), 0.0, False)
    assert load_results(tmp_path).run.seed == 5
    filled(tmp_path)


def test_no_results(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="unable to open"):
        load_results(tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_empty_front(tmp_path: Path) -> None:
    with open_store(tmp_path, SPACE, RUN, resume=False) as store:
        add(store, 0, [0, 5, 10], empty_summary(SPACE))
    result: Result = load_results(tmp_path)
    assert (result.front, result.knee, result.feasible, result.complete) == ([], None, 0, False)
    assert write_front(result).read_text().splitlines() == ["id,width,color,area,speed,time,width_found"]
