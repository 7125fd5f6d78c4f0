"""The report of an exploration: self-contained, escaped, with designs that evaluate to the stored numbers."""

from __future__ import annotations

import base64
import html
import io
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper
from PIL import Image

from dse.commands.pages import write_exploration
from dse.exploration.results import PARETO, Result, load_results
from dse.exploration.selection import select_design
from dse.exploration.store import FILE, open_store
from dse.exploration.summary import empty_summary
from dse.model.design import load_design
from dse.model.evaluation import Evaluation, evaluate
from dse.model.metrics import METRICS, mean_work, metrics, work
from dse.reports.exploration import ROWS, DesignReport, build_report, read_metric
from dse.reports.tables import format_number
from dse.space.file import load_space, make_space
from dse.validation import publication
from dse.validation.baselines import evaluate_baselines
from netlists.errors import DesignError
from netlists.runtime.interrupts import INTERRUPTED
from tests.dse import Command
from tests.dse.exploration.toy_exploration import RUN, explore_toy
from tests.dse.toy import CONTENT, space, toy

__all__ = ["toy"]
pytestmark = pytest.mark.usefixtures("toy")


@pytest.fixture
def result(tmp_path: Path) -> Result:
    return explore_toy(tmp_path / "run", space())


def written_page(result: Result, file: Path) -> str:
    """The page of an exploration, once it is written."""
    write_exploration(result, file)
    return file.read_text(encoding="utf-8")


def design_report(result: Result) -> DesignReport:
    """The knee in detail."""
    report = build_report(result)
    assert report.design
    return report.design


def images(page: str) -> Sequence[Image.Image]:
    """All images of a page, decoded."""
    encoded = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    found = [Image.open(io.BytesIO(base64.b64decode(data))) for data in encoded]
    for image in found:
        image.load()
    return found


def test_the_page_is_self_contained_and_its_pictures_decode(dse: Command, result: Result) -> None:
    code, out, err = dse("report", result.folder)
    assert (code, out, err) == (0, f"report: {result.folder / 'report.html'}\n", "")
    page = (result.folder / "report.html").read_text(encoding="utf-8")
    assert len(images(page)) == page.count("<img ") == 1 + 2 + 5 + 2  # plane, search, sweeps, layers
    assert not re.search(r"https?://|<script|<link|@import|url\(", page)
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []
    assert result.knee
    assert f"What to build: design {result.knee['id']}, the knee" in page
    assert page.count("<summary>") == min(ROWS, len(result.front))


def test_the_front_is_in_pareto_csv_whatever_explore_left(dse: Command, result: Result) -> None:
    file = result.folder / PARETO
    whole = file.read_text()
    file.unlink()  # as if explore had been killed
    assert dse("report", result.folder)[0] == 0
    assert file.read_text() == whole
    file.write_text("id\n1\n")  # as if it had been resumed after an earlier end
    assert dse("report", result.folder, "--out", result.folder / "page.html")[0] == 0
    assert file.read_text() == whole


def test_names_from_files_are_escaped(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    content = CONTENT | {"title": f"{evil} & more", "conditions": ["rows * columns  <  900"]}
    found = explore_toy(tmp_path / "run", make_space(content, f"{evil}'\""))
    page = written_page(found, tmp_path / "page.html")
    assert "<script" not in page
    assert "<h1>&lt;script&gt;alert(1)&lt;/script&gt; &amp; more</h1>" in page
    assert "rows * columns  &lt;  900 does not hold" in page


def same(found: Evaluation, row: Any) -> None:
    """A design evaluated alone has exactly the stored numbers."""
    for name, value in found.metrics().items():
        stored = read_metric(row, name)
        assert (stored is None and np.isnan(value)) or stored == value, name


def test_every_design_of_the_front_evaluates_to_its_numbers(dse: Command, result: Result, tmp_path: Path) -> None:
    rows = result.thin_front(ROWS)
    front = build_report(result).front
    assert front
    texts = front.texts
    assert len(rows) == len(texts) > 10
    for row, text in zip(rows, texts, strict=True):
        (tmp_path / "design.yaml").write_text(text, encoding="utf-8")
        same(evaluate(load_design(tmp_path / "design.yaml")), row)
    for row in result.front[:: max(1, len(result.front) // 3)]:
        code, out, _ = dse("evaluate", result.folder, "--design", row["id"], "--json")
        printed = yaml.safe_load(out)
        assert code == 0
        assert all(printed[name] == read_metric(row, name) for name in METRICS)
    same(evaluate(select_design(result)), result.knee)


def test_the_page_holds_the_files_of_the_front(result: Result, tmp_path: Path) -> None:
    page = written_page(result, tmp_path / "page.html")
    pages = re.findall(r"<summary>(\d+)[^<]*</summary><pre>(.*?)</pre>", page, re.S)
    assert [int(number) for number, _ in pages] == [row["id"] for row in result.thin_front(ROWS)]
    for number, text in pages[::7]:
        assert yaml.safe_load(text) == yaml.safe_load(
            yaml.safe_dump(select_design(result, number).model_dump(mode="json", exclude_defaults=True))
        )


def test_numbers_of_several_networks_are_the_mean_of_each(dse: Command, tmp_path: Path) -> None:
    both = space(networks={"alexnet": 1.0, "resnet18": 3.0})
    found = explore_toy(tmp_path / "run", both, fraction=0.2)
    design = select_design(found)
    assert design.network == "resnet18"
    alone = [evaluate(design, network) for network in ("alexnet", "resnet18")]
    mean = mean_work([work(each.totals()) for each in alone], [1.0, 3.0])
    numbers = metrics(alone[0].cost.machine, mean, 1)
    assert found.knee
    assert all(
        read_metric(found.knee, name) == values[0] for name, values in numbers.items() if not np.isnan(values[0])
    )
    assert "alexnet (1), resnet18 (3)" in " ".join(build_report(found).story)
    printed = dse("evaluate", found.folder, "--out", tmp_path / "pages")[1]
    assert ("alexnet on toy" in printed, "resnet18 on toy" in printed) == (True, True)
    assert (
        f"mean of alexnet (1), resnet18 (3): latency {format_number(read_metric(found.knee, 'latency_ms'))} ms"
        in printed
    )
    assert sorted(folder.name for folder in (tmp_path / "pages").iterdir()) == ["1_alexnet", "2_resnet18"]
    for row in found.front[:3]:
        whole = yaml.safe_load(dse("evaluate", found.folder, "--design", row["id"], "--json")[1])
        assert all(whole[name] == read_metric(row, name) for name in METRICS)
        assert [(each["network"], each["weight"]) for each in whole["networks"]] == [("alexnet", 1), ("resnet18", 3)]
    assert "mean" not in dse("evaluate", found.folder, "--network", "alexnet")[1]


def test_a_network_from_a_file_is_named_by_its_path(tmp_path: Path) -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"])
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 16, 6, 6])],
        [helper.make_tensor("w", TensorProto.FLOAT, [16, 4, 3, 3], np.zeros(576))],
    )  # fmt: skip
    file = tmp_path / "a model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), file)
    found = explore_toy(tmp_path / "run", space(networks={str(file): 1.0}), fraction=0.2)
    same(evaluate(select_design(found)), found.knee)
    assert design_report(found).evaluation.network.name == "a model"


def test_published_designs_of_the_template_are_compared(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publication, "FOLDER", tmp_path)
    design: dict[str, Any] = {
        "template": "toy",
        "technology": "28nm",
        "network": "vgg16",
        "parameters": {"rows": 20, "buffer_kb": 64},
    }
    small: dict[str, Any] = {"parameters": {"buffer_kb": 1}}
    for name, changes in {"mine": {}, "other_node": {"technology": "45nm"}, "too_small": small}.items():
        text = yaml.safe_dump({"title": "t", "source": "s", "status": "x", "design": design | changes})
        (tmp_path / f"{name}.yaml").write_text(text)
    found = design_report(result)
    signed = result.signed_objectives(result.front)
    fastest, smallest = (result.front[row]["id"] for row in signed.argmin(axis=0))
    assert result.knee
    assert [row[0] for row in found.comparison.rows] == [
        f"design {result.knee['id']}", f"best latency: {fastest}", f"best area: {smallest}", "mine"
    ]  # fmt: skip
    (plane,) = found.planes.values()
    wanted = {"rows": 20, "columns": 8, "buffer_kb": 64, "order": "first", "clock_mhz": 200}  # most by the template
    row = next(row for row in result.designs if row.items() >= wanted.items())
    assert plane.published == {"mine": (row["latency_ms"], row["area_mm2"])}


def test_published_designs_are_evaluated_as_the_front_is() -> None:
    fixed, searched = (
        make_space(load_space("tpu_28nm").content | {"networks": {"vgg16": 1}, "search_mapping": search}, "tpu")
        for search in (False, True)
    )
    published = publication.load_publication("tpu_isca17").whole_design
    design = published.model_copy(update={"batch": 1, "wires": fixed.wires})
    latencies = []
    for each in (fixed, searched):
        ((name, rival),) = evaluate_baselines(each).items()  # not scalesim, which checks the cycles of a simulator
        assert name == "tpu_isca17"
        alone = evaluate(design, "vgg16", search=each.search_mapping)
        assert rival["latency_ms"] == alone.metrics()["latency_ms"]
        latencies.append(rival["latency_ms"])
    assert latencies[0] > latencies[1]


def test_a_selected_design(dse: Command, result: Result) -> None:
    number = result.front[0]["id"]
    assert f"design {number}" in build_report(result, str(number)).heading
    bad = next(row["id"] for row in result.designs if not row["feasible"])
    for which, message in ((bad, "not feasible"), (10**9, "not stored"), ("kne", "not stored")):
        for command in ("report", "evaluate"):
            code, _, err = dse(command, result.folder, "--design", which)
            assert (code, err.count("\n")) == (2, 1)
            assert message in err


def test_convergence_ends_at_one(result: Result) -> None:
    found = build_report(result).convergence
    assert found
    assert found.evaluations[-1] == space().size
    volumes = found.hypervolume
    assert volumes[-1] == 1.0
    assert volumes[0] < 1.0
    assert (np.diff(volumes) >= -1e-12).all()


def test_changed_models_are_reported(result: Result) -> None:
    assert not any("models have changed" in sentence for sentence in build_report(result).story)
    with closing(sqlite3.connect(result.folder / FILE)) as db, db:
        db.execute("UPDATE designs SET energy_mj = energy_mj * 1.0001 WHERE on_front")
    assert any("models have changed" in sentence for sentence in build_report(load_results(result.folder)).story)


def test_an_exploration_that_was_stopped_has_its_page(
    dse: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "small.yaml"
    file.write_text(yaml.safe_dump(CONTENT))
    monkeypatch.setattr(
        "dse.exploration.run.explore", lambda space, out, **_: explore_toy(out, space, complete=False, fraction=0.05)
    )
    code, out, err = dse("explore", file, "--out", tmp_path / "run")
    assert code == INTERRUPTED
    assert f"report: {tmp_path / 'run' / 'report.html'}" in out
    assert "--resume" in err
    assert "The search was stopped" in (tmp_path / "run" / "report.html").read_text()


def test_nothing_feasible_and_nothing_evaluated(tmp_path: Path) -> None:
    small = space(constraints={"area_mm2": {"max": 1e-9}})
    for name, chunks in (("nothing", 1), ("infeasible", 2)):
        found = explore_toy(tmp_path / name, small, chunks=chunks, complete=False)
        page = written_page(found, tmp_path / f"{name}.html")
        assert ("No feasible design was found" if name == "infeasible" else "Nothing is evaluated") in page
        assert images(page) == []
        with pytest.raises(DesignError, match="no feasible design"):
            select_design(found)
    assert dict(found.reasons)["area_mm2 is above 1e-09"] > 100
    assert html.escape(found.rejections) in page


def test_impossible_conditions_are_reported(tmp_path: Path) -> None:
    none = space(conditions=["rows > 99", "columns > 0"])
    with open_store(tmp_path, none, RUN, resume=False) as store:
        store.finish(empty_summary(none), 0.0, True)
    sentence = "No design was found that meets the conditions: rows > 99; columns > 0."
    assert sentence in build_report(load_results(tmp_path)).story


def test_objectives_of_every_kind(tmp_path: Path) -> None:
    one = explore_toy(tmp_path / "one", space(objectives=[{"edp": "min"}]))
    report = build_report(one)
    assert report.design
    assert report.front
    assert report.design.planes == {}
    assert report.front.columns[-len(one.parameters) :] == one.parameters  # a front of one design names all
    write_exploration(one, tmp_path / "one.html")
    four = space(objectives=[{"gops": "max"}, {"cycles": "min"}, {"area_mm2": "min"}, {"accuracy": "max"}],
                 accuracy={"parameter": "columns", "table": {3: 50.5, 6: 60, 8: 70, 16: 80, 32: 81}})  # fmt: skip
    found = design_report(explore_toy(tmp_path / "four", four))
    assert len(found.planes) == 3
    assert found.facts["accuracy"].endswith("%")
    write_exploration(load_results(tmp_path / "four"), tmp_path / "four.html")


@pytest.mark.parametrize(
    "damage",
    [
        "rm {}", "head -c 3000 {0} > {0}.x && mv {0}.x {0}", "echo text > {}", "DROP TABLE history",
        "DELETE FROM meta WHERE key = 'space'", "UPDATE meta SET value = '[' WHERE key = 'space'",
        "UPDATE meta SET value = 'x' WHERE key = 'space'", "UPDATE meta SET value = '{' WHERE key = 'columns'",
        "UPDATE meta SET value = '{}' WHERE key = 'space'", "DELETE FROM meta WHERE key = 'search'",
        "UPDATE meta SET value = '3' WHERE key = 'columns'", "UPDATE history SET front = x'00'",
        "UPDATE meta SET value = replace(value, 'alexnet', 'gone') WHERE key = 'space'", "DROP TABLE designs",
    ],
)  # fmt: skip
def test_damage_is_reported_in_one_line(dse: Command, result: Result, tmp_path: Path, damage: str) -> None:
    file = result.folder / FILE
    if damage.split()[0].isupper():
        with closing(sqlite3.connect(file)) as db, db:
            db.execute(damage)
    else:
        subprocess.run(["sh", "-c", damage.format(file)], check=True)
    code, out, err = dse("report", result.folder, "--out", tmp_path / "page.html")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: ")
    assert str(result.folder) in err
    assert not (tmp_path / "page.html").exists()


def test_a_folder_that_is_missing_and_a_page_that_cannot_be_written(
    dse: Command, result: Result, tmp_path: Path
) -> None:
    missing = tmp_path / "none"
    for args in ((missing,), (result.folder, "--out", missing / "page.html"), (result.folder, "--export", "x.xls")):
        code, out, err = dse("report", *args)
        assert (code, out, err.count("\n")) == (2, "", 1)
    shutil.rmtree(result.folder)
    assert dse("evaluate", result.folder)[0] == 2
