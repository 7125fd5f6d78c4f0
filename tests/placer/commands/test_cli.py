"""The command: what it prints and writes, and one line without a traceback for everything that a user gets wrong."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from netlists import load, load_placement, save
from netlists.legality.verdict import COUNTS
from netlists.netlist import Kind
from netlists.runtime.interrupts import NOTHING
from placer import evaluate
from tests import ROOT
from tests.processes import started

METRICS = {
    "wirelength", "density", "congestion", "proxy", "hpwl_um", "legal", *COUNTS, "hard_macros",
    "soft_macros", "nets", "method", "seed", "seconds", "cpu_seconds", "stages",
}  # fmt: skip
QUICK = ("--method", "greedy", "--workers", "1", "--budget", "2")


def test_evaluate_prints_one_json_object(placer) -> None:  # type: ignore[no-untyped-def]
    code, out, err = placer("evaluate", "jetty", "--json")
    cost = json.loads(out)
    assert (code, err) == (0, "")
    assert set(cost) == METRICS - {"method", "seed", "seconds", "cpu_seconds", "stages"}
    assert cost["proxy"] == pytest.approx(cost["wirelength"] + 0.5 * cost["density"] + 0.5 * cost["congestion"])


def test_evaluate_prints_a_table(placer) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = placer("evaluate", "jetty")
    assert code == 0
    assert re.search(r"proxy\s+│\s+1\.1754", out)


def test_evaluate_of_a_flat_design_estimates_its_routing(placer, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    chip = load("jetty")
    save(chip.with_(kind=np.where(chip.kind == Kind.SOFT, Kind.CELL, chip.kind).astype(np.int8)), tmp_path / "flat.aux")
    code, out, _ = placer("evaluate", tmp_path / "flat.aux")
    assert code == 0
    assert all(key in out for key in ("routed_um", "steiner_um", "overflow", "utilization_max", "utilization_top"))


def test_place_writes_what_it_promises(placer, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    run = tmp_path / "run"
    code, out, _ = placer("place", "jetty", "--out", run, *QUICK)
    assert code == 0
    assert f"report: {run / 'report.html'}" in out
    names = sorted(path.name for path in run.iterdir())
    assert names == ["metrics.json", "placement.plc", "placement.png", "report.html"]
    metrics = json.loads((run / "metrics.json").read_text())
    assert set(metrics) >= METRICS
    placement = load_placement(load("jetty"), run / "placement.plc")
    assert not placement.violations()
    assert evaluate(placement).proxy == metrics["proxy"]  # the file has all digits
    assert "<img" in (run / "report.html").read_text()


def test_bookshelf_in_and_out(placer, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    chip = load("jetty")
    flat = chip.with_(kind=np.where(chip.kind == Kind.SOFT, Kind.CELL, chip.kind).astype(np.int8))
    save(flat, tmp_path / "flat.aux")
    assert placer("place", tmp_path / "flat.aux", "--out", tmp_path / "run", "--grid", "16x8", *QUICK)[0] == 0
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["source"]["grid"] == [8, 16]
    assert metrics["clustered_proxy"] > 0
    code, out, _ = placer(
        "evaluate", tmp_path / "flat.aux", "--placement", tmp_path / "run" / "placement.pl", "--grid", "16x8", "--json"
    )
    assert code == 0
    cost = json.loads(out)
    assert cost["proxy"] == pytest.approx(metrics["proxy"], rel=1e-12)  # a .pl has corners, not centers
    assert cost["routing"]["routed_um"] >= cost["routing"]["steiner_um"] > 0
    assert cost["routing"] == pytest.approx(metrics["routing"], rel=1e-9)


def test_convert_there_and_back(placer, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert placer("convert", "jetty", tmp_path / "a.aux")[0] == 0
    assert placer("convert", tmp_path / "a.aux", tmp_path / "b.pb.txt.gz")[0] == 0
    chips = [load("jetty"), load(tmp_path / "a.aux"), load(tmp_path / "b.pb.txt.gz")]
    assert len({(len(c.hard), len(c.soft), c.num_nets) for c in chips}) == 1


def test_cluster(placer, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    chip = load("jetty")
    save(chip.with_(kind=np.where(chip.kind == Kind.SOFT, Kind.CELL, chip.kind).astype(np.int8)), tmp_path / "f.aux")
    assert placer("cluster", tmp_path / "f.aux", tmp_path / "c.pb.txt", "--clusters", 7)[0] == 0
    assert len(load(tmp_path / "c.pb.txt").soft) == 7


def test_report_compares_runs(placer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    for seed, out in enumerate(("other", "jetty")):  # a folder with the name of the design
        assert placer("place", "jetty", "--out", out, "--seed", seed, *QUICK)[0] == 0
    code, out, _ = placer("report", "other", "jetty", "--out", tmp_path / "new" / "both.html")
    assert code == 0
    assert "both.html" in out
    assert "Comparison" in (tmp_path / "new" / "both.html").read_text()


def test_train_then_place_with_the_weights(placer, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    small = ("--style-generations", 1, "--num-envs", 4, "--soft-rounds", 5, "--workers", 1)
    weights = tmp_path / "weights"
    code, out, _ = placer("train", "jetty", "--out", weights, "--iterations", 2, *small)
    assert (code, "iteration 2" in out) == (0, True)
    assert {"weights.safetensors", "weights.json", "history.csv", "training.png", "tensorboard"} <= {
        path.name for path in weights.iterdir()
    }
    code, out, _ = placer("train", "jetty", "--out", weights, "--iterations", 3, "--resume", *small)
    assert (code, "iteration 3" in out) == (0, True)
    options = ("--weights", weights, "--budget", 2, "--workers", 1, "--no-refine")
    assert placer("place", "jetty", "--out", tmp_path / "run", *options)[0] == 0


@pytest.mark.parametrize("command", ["evaluate", "place", "train", "sweep", "convert", "cluster", "report"])
def test_every_command_explains_itself_with_an_example(placer, command: str) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = placer(command, "--help")
    assert code == 0
    assert f"Example: placer {command}" in out


def test_help_of_train_lists_the_learner(placer) -> None:  # type: ignore[no-untyped-def]
    assert "--gae-lambda" in placer("train", "--help")[1]


BAD = {
    "empty.aux": b"",
    "noise.aux": bytes(range(256)) * 4,
    "missing.aux": b"RowBasedPlacement : gone.nodes gone.nets gone.wts gone.pl gone.scl\n",
    "noise.pb.txt": b"\x00\xff\x1f\x8b" * 50,
    "empty.pb.txt": b"",
    "unfinished.pb.txt": b'node {\n  name: "a"\n  attr {\n    key: "type"\n',
    "packed.pb.txt.gz": b"not gzip",
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_bad_files_are_one_line_and_nothing_is_written(placer, tmp_path: Path, name: str) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / name).write_bytes(BAD[name])
    out = tmp_path / "out"
    for args in (("evaluate", tmp_path / name), ("place", tmp_path / name, "--out", out),
                 ("train", tmp_path / name, "--out", out), ("convert", tmp_path / name, out / "x.aux")):  # fmt: skip
        code, printed, err = placer(*args)
        assert (code, printed) == (2, "")
        assert re.fullmatch(r"error: [^\n]*expected[^\n]*\n", err), err
        assert name in err or "gone." in err
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("evaluate", "jety"), "did you mean 'jetty'"),
        (("evaluate", "jetty", "--placement", "nowhere.plc"), "nowhere.plc"),
        (("evaluate", "jetty", "--grid", "axb"), "expected COLSxROWS"),
        (("evaluate", "jetty", "--grid", "8x8"), "grid cannot be set for Circuit Training protobuf netlists"),
        (
            ("place", "jetty", "--out", "{out}", "--method", "magic"),
            "expected one of rl, gradient, greedy, random, anneal",
        ),
        (("place", "jetty", "--out", "{out}", "--budget", "-1"), "expected more than 0"),
        (("place", "jetty", "--out", "{out}", "--weights", "nowhere.safetensors"), "no such file"),
        (("place", "jetty", "--out", "{file}"), "not a folder that can be written to"),
        (("train", "jetty", "--out", "{out}", "--iterations", "1", "--resume"), "no checkpoint to resume from"),
        (("train", "jetty", "--out", "{out}", "--iterations", "1", "--budget", "1"), "expected either a budget"),
        (("train", "jetty", "--out", "{out}", "--discount", "3"), "expected 0 to 1"),
        (("train", "jetty", "--out", "{out}", "--device", "cdua"), "did you mean 'cuda'"),
        (("place", "jetty", "--out", "{out}", "--device", "gpu"), "expected one of auto, cpu, cuda"),
        (("sweep", "jetty", "--out", "{out}", "--device", "gpu"), "expected one of auto, cpu, cuda"),
        (("sweep", "jetty", "--out", "{out}", "--methods", "rl,magic"), "expected one of rl"),
        (("sweep", "jetty", "--out", "{out}", "--seeds", "0"), "expected 1 or more"),
        (("sweep", "jety", "--out", "{out}"), "did you mean 'jetty'"),
        (("convert", "jetty", "{out}/x.gds"), "unknown kind of netlist"),
        (("convert", "jetty", "{out}/x.def"), "which needs masters in LEF files"),
        (("report", "{out}", "--out", "{out}/x.html"), "expected a folder written by `placer place`"),
    ],
)
def test_wrong_options_are_one_line(placer, tmp_path: Path, args: tuple[str, ...], message: str) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "file").write_text("")
    code, printed, err = placer(*(arg.format(out=tmp_path / "out", file=tmp_path / "file") for arg in args))
    assert (code, printed) == (2, "")
    assert re.fullmatch(r"error: [^\n]+\n", err), err
    assert message in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (("fly",), "No such command 'fly'; see .*placer --help"),
        (("place", "jetty"), "Missing option '--out'; see .*placer place --help"),
        (
            ("place", "jetty", "--out", "x", "--budget", "soon"),
            "Invalid value for '--budget': .+; see .*placer place --help",
        ),
        (("place", "jetty", "--out", "x", "--bugdet"), r"No such option: --bugdet[^\n]+; see .*placer place --help"),
    ],
)
def test_usage_errors_are_one_line(placer, args: tuple[str, ...], line: str) -> None:  # type: ignore[no-untyped-def]
    code, out, err = placer(*args)
    assert (code, out) == (2, "")
    assert re.fullmatch(f"error: {line}\n", err), err


def test_without_arguments_there_is_help(placer) -> None:  # type: ignore[no-untyped-def]
    code, out, err = placer()
    assert (code, "Usage" in out, err) == (2, True, "")


def test_a_folder_that_cannot_be_made(placer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("netlists.runtime.output.Path.mkdir", refuse)
    code, _, err = placer("place", "jetty", "--out", tmp_path / "new" / "run", *QUICK)
    assert (code, list(tmp_path.iterdir())) == (2, [])
    assert re.fullmatch(r"error: --out [^\n]+ can be written to \(Permission denied\); choose another\n", err), err


def test_a_file_that_cannot_be_written(placer, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert placer("place", "jetty", "--out", tmp_path / "run", *QUICK)[0] == 0
    (tmp_path / "page.html").mkdir()
    code, _, err = placer("report", tmp_path / "run", "--out", tmp_path / "page.html")
    assert code == 2
    assert re.fullmatch(r"error: [^\n]+: Is a directory, expected [^\n]+\n", err), err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "run"]


def test_a_file_instead_of_a_run_folder(placer, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "file").write_text("")
    code, _, err = placer("report", tmp_path / "file", "--out", tmp_path / "page.html")
    assert (code, "Not a directory, expected a folder written by `placer place`" in err) == (2, True)


def test_a_damaged_run_folder(placer, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "metrics.json").write_text("{}")
    code, _, err = placer("report", tmp_path, "--out", tmp_path / "x.html")
    assert (code, "damaged" in err) == (2, True)


def test_a_run_folder_without_its_command(placer, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    source = {"path": "jetty", "plc": None, "grid": None}
    metrics = {
        "source": source, "placement": "placement.plc", "method": "rl", "settings": {}, "versions": {}, "stages": [],
        "history": [], "interrupted": False, "stuck": 0, "proxy": 1.0,
    }  # fmt: skip
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    code, _, err = placer("report", tmp_path, "--out", tmp_path / "x.html")
    assert (code, "damaged (command: field required)" in err) == (2, True)


def test_ctrl_c_writes_the_best_so_far(tmp_path: Path) -> None:
    options = ("--method", "random", "--budget", "300", "--workers", "1", "--out", str(tmp_path / "run"))
    with started("-m", "placer", "place", "jetty", *options) as process:
        assert process.stderr
        assert "best proxy" in process.stderr.readline()
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["interrupted"]


def test_light_commands_load_neither_torch_nor_matplotlib() -> None:
    code = (
        "import sys; sys.argv = ['placer', 'evaluate', 'jetty']\n"
        "import atexit; atexit.register(lambda: print({'torch', 'matplotlib', 'ray'} & set(sys.modules)))\n"
        "import placer.cli; placer.cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("set()")


def test_version(placer) -> None:  # type: ignore[no-untyped-def]
    code, out, err = placer("--version")
    assert (code, err) == (0, "")
    assert re.fullmatch(r"placer( \d+\.\d+\.\d+|, from a checkout that is not installed)\n", out)


def test_iterations_repeat_a_run(placer, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    placements = []
    for out in ("a", "b"):
        options = ("--method", "random", "--iterations", 1, "--workers", 1, "--seed", 3)
        assert placer("place", "jetty", "--out", tmp_path / out, *options)[0] == 0
        placements.append((tmp_path / out / "placement.plc").read_bytes())
    assert placements[0] == placements[1]
    assert json.loads((tmp_path / "a" / "metrics.json").read_text())["settings"]["iterations"] == 1


SHORT = ("--method", "greedy", "--iterations", "1", "--workers", "1")


def change_metrics(run: Path, **values: object) -> bytes:
    """Write values into the metrics of a finished run; what the file holds then."""
    file = run / "metrics.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))
    return file.read_bytes()


def test_a_better_run_stays(placer, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    run = tmp_path / "run"
    assert placer("place", "jetty", "--out", run, *SHORT)[0] == 0
    before, placement = change_metrics(run, proxy=0.125), (run / "placement.plc").read_bytes()
    code, out, _ = placer("place", "jetty", "--out", run, *SHORT, "--seed", 1)
    (line,) = (line for line in out.splitlines() if line.startswith("kept"))
    assert code == 0
    assert re.fullmatch(rf"kept the finished run in {run}: its proxy of 0\.125 is lower than \d\.\d+ of .*", line)
    assert ((run / "metrics.json").read_bytes(), (run / "placement.plc").read_bytes()) == (before, placement)
    assert placer("place", "jetty", "--out", run, *SHORT, "--seed", 1, "--force")[0] == 0
    assert (run / "metrics.json").read_bytes() != before


def test_a_worse_run_is_replaced(placer, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    run = tmp_path / "run"
    assert placer("place", "jetty", "--out", run, *SHORT)[0] == 0
    for proxy in (9.5, json.loads((run / "metrics.json").read_text())["proxy"]):  # an equal one, too
        before = change_metrics(run, proxy=proxy, seed=77)
        assert placer("place", "jetty", "--out", run, *SHORT)[0] == 0
        assert (run / "metrics.json").read_bytes() != before
    (run / "metrics.json").write_text("{}")  # not a finished run
    assert placer("place", "jetty", "--out", run, *SHORT)[0] == 0


def test_a_run_of_another_netlist_is_refused_before_any_work(placer, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    run = tmp_path / "run"
    assert placer("place", "jetty", "--out", run, *SHORT)[0] == 0
    before = change_metrics(run, digest="of another", netlist="pier")
    code, out, err = placer("place", "jetty", "--out", run, "--budget", "1000")
    assert (code, out) == (2, "")
    assert re.fullmatch(r"error: [^\n]*another netlist \(pier\)[^\n]*--force\n", err)
    assert (run / "metrics.json").read_bytes() == before
    assert placer("place", "jetty", "--out", run, *SHORT, "--force")[0] == 0


def test_every_learner_option_has_a_help_text(placer) -> None:  # type: ignore[no-untyped-def]
    from dataclasses import fields

    from placer.agent.ppo import PPOSettings

    text = re.sub(r"[\s│]+", " ", placer("train", "--help")[1])
    for field in fields(PPOSettings):
        assert f"--{field.name.replace('_', '-')}" in text
        assert field.metadata["help"].split(":")[0] in text, field.name


def test_training_that_ends_early_says_why(placer, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = placer("train", "jetty", "--out", tmp_path / "w", "--budget", 1, "--workers", 1)
    assert code == 0
    assert re.search(r"^the next iteration would not fit: it takes \d+ s, \d+ s are left$", out, re.M)


def stopped_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C comes before place, train and sweep have found anything."""

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("placer.runs.pipeline.place_macros", stop)
    monkeypatch.setattr("placer.agent.training.iterate_together", stop)
    monkeypatch.setattr("placer.runs.sweep.run_all", stop)
    monkeypatch.setattr("placer.runs.sweep.connected", lambda *_, **__: nullcontext())


@pytest.mark.parametrize("command", ["place", "train", "sweep"])
def test_ctrl_c_before_anything_was_found(placer, monkeypatch, tmp_path: Path, command: str) -> None:  # type: ignore[no-untyped-def]
    stopped_at_once(monkeypatch)
    code, out, err = placer(command, "jetty", "--out", tmp_path / "out", "--budget", 5)
    assert (code, out, err.splitlines()[-1]) == (130, "", NOTHING.strip())
    assert not list(tmp_path.rglob("*.plc")) + list(tmp_path.rglob("*.csv")) + list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize("command", ["place", "train", "sweep"])
def test_notes_of_the_input_are_warnings(placer, monkeypatch, tmp_path: Path, command: str) -> None:  # type: ignore[no-untyped-def]
    stopped_at_once(monkeypatch)
    save(load("jetty"), tmp_path / "a.pb.txt")
    plc = tmp_path / "a.plc"
    plc.write_text("# HARD_MACROs : 7000\n" + plc.read_text())
    _, _, err = placer(command, tmp_path / "a.pb.txt", "--out", tmp_path / "out", "--budget", 5)
    assert err.count("warning: a.plc: HARD_MACROs is 7,000, but") == 1
