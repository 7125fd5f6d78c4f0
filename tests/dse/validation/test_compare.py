"""The comparison with published designs: numbers, bars, and errors in files."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from dse.model.evaluation import evaluate
from dse.validation.compare import QUANTITIES, RELATIVE, compare
from dse.validation.publication import load_publication, names
from netlists.errors import DesignError

OURS = {
    "title": "an array", "source": "a paper, table 1", "status": "verified",
    "design": {"template": "systolic", "technology": "28nm", "network": "alexnet", "parameters": {"rows": 32}},
    "only": ["conv"], "layers": {"conv2": {"input_bits": 8}},
    "calibrated": ["nothing"], "notes": "none",
}  # fmt: skip


def written(tmp_path: Path, **fields: object) -> str:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(OURS | fields, sort_keys=False), encoding="utf-8")
    return str(file)


def test_rows_hold_both_numbers_the_error_and_the_verdict(tmp_path: Path) -> None:
    design = load_publication(written(tmp_path)).whole_design
    found = evaluate(design)
    assert [layer.name for layer in found.network.layers] == ["conv1", "conv2", "conv3", "conv4", "conv5"]
    assert found.network.layers[1].input_bits == 8
    both, all_ms = found.metrics([0, 2])["latency_ms"], found.metrics()["latency_ms"]
    rows = compare(
        written(
            tmp_path,
            tolerance={"latency_ms": [10, 3]},
            compare=[
                {"name": "two", "layers": ["conv1", "conv3"], "latency_ms": both / 0.95, "fps": 1},
                {"name": "total", "layers": "all", "latency_ms": all_ms / 0.95, "gops": 1e9},
            ],
        )
    ).rows
    assert [(row.row, row.quantity, row.bar_pct, row.ok) for row in rows] == [
        ("two", "latency_ms", 10, True),
        ("two", "fps", None, None),
        ("total", "latency_ms", 3, False),
        ("total", "gops", None, None),
    ]
    assert rows[0].ours == pytest.approx(both)
    assert rows[0].error_pct == pytest.approx(-5)


def test_an_equal_number_has_no_error_even_when_it_is_zero(tmp_path: Path) -> None:
    row = [{"name": "total", "layers": "all", "dsp": 0, "cycles": 0}]
    dsp, cycles = compare(written(tmp_path, tolerance={"cycles": [0, 0]}, compare=row)).rows
    assert (dsp.ours, dsp.error_pct, dsp.ok) == (None, None, None)  # not an FPGA
    assert (cycles.error_pct, cycles.ok) == (None, False)


def test_a_design_that_does_not_run_misses_with_its_reason(tmp_path: Path) -> None:
    design = OURS["design"] | {"parameters": {"input_kb": 1}}  # type: ignore[operator]
    row = [{"name": "total", "layers": "all", "latency_ms": 1}]
    (missed,) = compare(written(tmp_path, design=design, tolerance={"latency_ms": [9, 9]}, compare=row)).rows
    assert (missed.ours, missed.ok) == (None, False)
    assert "input buffer" in missed.reason


def test_rows_may_have_parameters_networks_rivals_and_ranges(tmp_path: Path) -> None:
    design = load_publication(written(tmp_path)).whole_design
    twice = {**design.parameters, "rows": 64}
    own = evaluate(design.model_copy(update={"parameters": twice, "network": "nin", "layers": {}}))
    rival = evaluate(design.model_copy(update={"parameters": twice | {"columns": 16}, "network": "nin", "layers": {}}))
    speedup = rival.metrics()["cycles"] / own.metrics()["cycles"]
    row = {"name": "twice", "network": "nin", "parameters": {"rows": 64}, "against": {"columns": 16}}
    bars = {"speedup": [1, 1], "buffer_saving_pct": [1, 1]}
    rows = [
        row | {"cycles": 1, "speedup": [speedup - 1, speedup + 1]},
        row | {"speedup": [0.5 * speedup, 0.8 * speedup], "buffer_saving_pct": [-1000, 100]},
    ]
    cycles, within, beyond, saving = compare(written(tmp_path, layers={}, tolerance=bars, compare=rows)).rows
    assert cycles.ours == own.metrics()["cycles"]
    assert within.ours == beyond.ours == pytest.approx(speedup)
    assert (within.error_pct, within.ok, beyond.ok, saving.ok) == (0.0, True, False, True)
    assert beyond.error_pct == pytest.approx(25)


def test_a_row_may_be_a_line_of_scalesim(tmp_path: Path) -> None:
    row = {"name": "Conv1", "topology": [224, 224, 11, 11, 3, 96, 4], "parameters": {"columns": 32}}
    bars = {"array_cycles": [0, 0]}
    design = {"design": OURS["design"] | {"search_mapping": False}, "layers": {}, "only": []}  # type: ignore[operator]
    (ws,) = compare(written(tmp_path, **design, tolerance=bars, compare=[row | {"array_cycles": 112284}])).rows
    assert (ws.ours, ws.ok) == (112284, True)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"compare": [{"name": "x", "layers": "all", "latency": 1}]}, "did you mean 'latency_ms'"),
        ({"compare": [{"name": "x", "layers": ["conv9"], "fps": 1}]}, "no layer 'conv9'; did you mean 'conv"),
        ({"compare": [{"name": "x", "layers": "all", "fps": "1"}]}, "fps is '1'; expected a number"),
        ({"compare": [{"name": "x", "layers": "some", "fps": 1}]}, "compare.0.layers"),
        ({"compare": [{"name": "x", "fps": [1, 2, 3]}]}, "expected a number, or a range"),
        ({"compare": [{"name": "x", "speedup": 2}]}, "speedup needs `against`"),
        ({"compare": [{"name": "x", "against": {"row": 2}, "speedup": 2}]}, "did you mean 'rows'"),
        ({"compare": [{"name": "x", "network": "alexnt", "fps": 2}]}, "did you mean 'alexnet'"),
        ({"compare": [{"name": "x", "topology": [4, 4, 5, 5, 1, 1, 1], "fps": 2}]}, "does not fit its padded input"),
        ({"compare": [{"name": "x", "topology": [4, 4], "fps": 2}]}, "compare.0.topology"),
        ({"calibrate": []}, "did you mean 'calibrated'"),
        ({"design": {"template": "systolic", "tecnology": "x"}}, "did you mean 'technology'"),
        ({"design": {"template": "systolic", "technology": "28nm"}}, "names no network"),
        ({"layers": {"conv1": {"input_zero": 1}}}, "did you mean 'input_zeros'"),
    ],
)
def test_errors_name_the_file_and_the_field(tmp_path: Path, fields: dict[str, object], said: str) -> None:
    file = written(tmp_path, **fields)
    with pytest.raises(DesignError) as error:
        compare(file)
    assert str(error.value).startswith(file)
    assert said in str(error.value)


def test_a_misspelt_name_gets_the_nearest() -> None:
    with pytest.raises(DesignError, match="no such file"):
        load_publication("no such design")


@pytest.mark.parametrize("name", names())
def test_ready_made_publications_have_sources_and_keep_their_bars(name: str) -> None:
    publication = load_publication(name)
    assert publication.source
    assert publication.compare or publication.notes
    assert set(publication.tolerance) <= {*QUANTITIES, *RELATIVE}
    found = compare(name)
    missed = [row for row in found.rows if row.ok is False]
    assert not missed or publication.notes, "a number that misses its bar needs a note"
    assert all(row.ours is not None for row in found.rows), [row for row in found.rows if row.ours is None]


# Whole systems that others measured or simulated: publication, row, and whether less is better.
SYSTEMS = [
    ("gemmini_dac21", "total", False), ("gemmini_dac21", "batch 4", False), ("nvdla_64", "nv_small on a board", True),
    ("dpu_b4096", "one core alone", True), ("dpu_b4096", "one of three cores", False),
    ("eyeriss_jssc17", "VGG16", False), ("tpu_isca17", "MLP0", False), ("tpu_isca17", "MLP1", False),
    ("tpu_isca17", "LSTM0", False), ("tpu_isca17", "LSTM1", False),
]  # fmt: skip


@pytest.mark.parametrize(("name", "label", "less"), SYSTEMS)
def test_systems_have_sources_reasons_and_the_optimism_that_the_readme_states(
    name: str, label: str, less: bool
) -> None:
    (row,) = [row for row in compare(name).rows if row.row == label]
    assert row.source
    assert row.stated
    assert row.bar_pct is None
    assert row.ours is not None
    assert isinstance(row.theirs, int | float)
    factor = row.theirs / row.ours if less else row.ours / row.theirs
    assert 0.9 <= factor <= 2.6
    assert compare(name).as_dict()["rows"][-1]["source"]


def test_depthwise_layers_are_the_only_ones_where_the_model_is_slower_than_a_dpu() -> None:
    rows = {row.row: row for row in compare("dpu_b4096").rows}
    mobile = rows["MobileNetV2, one core alone"]
    assert mobile.ours is not None
    assert isinstance(mobile.theirs, float)
    assert 1 < mobile.ours / mobile.theirs < 2  # 18 with one group at a time
    assert mobile.stated


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_a_row_may_have_a_batch_and_an_overhead(tmp_path: Path, batch: int) -> None:
    plain, slow = compare(
        written(
            tmp_path,
            compare=[
                {"name": "plain", "batch": batch, "cycles": 1},
                {"name": "slow", "batch": batch, "overhead": {"layer_cycles": 700}, "cycles": 1},
            ],
        )
    ).rows
    design = load_publication(written(tmp_path)).whole_design.model_copy(update={"batch": batch})
    assert plain.ours == evaluate(design).metrics()["cycles"]
    assert slow.ours == plain.ours + 5 * 700


@pytest.mark.parametrize("product", [(200, 2000, 2000), (1, 7, 9), (64, 512, 100)])
def test_a_row_may_be_a_matrix_product(tmp_path: Path, product: tuple[int, int, int]) -> None:
    m, n, k = product
    row = {"name": "x", "product": [m, n, k], "cycles": 1, "gops": 1, "reason": "why", "source": "where"}
    cycles, gops = compare(written(tmp_path, only=[], layers={}, compare=[row])).rows
    assert cycles.ours is not None
    assert gops.ours == pytest.approx(2 * m * n * k / (cycles.ours / 200e6) / 1e9)
    assert (gops.stated, gops.source) == ("why", "where")


def test_a_row_on_another_network_ignores_the_layer_fields(tmp_path: Path) -> None:
    row = {"name": "x", "network": "vgg16", "cycles": 1}
    (cycles,) = compare(written(tmp_path, layers={"conv2": {"input_bits": 8}}, compare=[row])).rows
    design = load_publication(written(tmp_path)).design.model_copy(update={"only": ("conv",)})
    assert cycles.ours == evaluate(design, "vgg16").metrics()["cycles"]
