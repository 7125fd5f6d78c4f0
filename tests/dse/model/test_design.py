"""Design files: how they are read, and one clear sentence for what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from dse.model.design import Design, check_value, load_design
from dse.model.evaluation import evaluate, workload
from dse.templates import template
from dse.validation.publication import find_design
from netlists.errors import DesignError

GOOD = """
template: systolic
technology: 28nm
network: alexnet
parameters: {rows: 32, dataflow: os}
"""


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "design.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_parameters_that_are_left_out_take_their_defaults(tmp_path: Path) -> None:
    family = template("systolic")
    row = dict(zip([p.name for p in family.parameters], load_design(written(tmp_path, GOOD)).row(), strict=True))
    assert (row["rows"], row["dataflow"]) == (32.0, 1.0)
    assert all(row[p.name] == p.default for p in family.parameters if p.name not in ("rows", "dataflow"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("technology: 28nm", "tecnology: 28nm", "'tecnology' is unknown; did you mean 'technology'"),
        ("rows: 32", "row: 32", "no parameter 'row'; did you mean 'rows'"),
        ("rows: 32", "rows: 0", "rows is 0; expected a whole number of rows from 1 to 65536"),
        ("rows: 32", "rows: 2.5", "rows is 2.5; expected a whole number"),
        ("rows: 32", "rows: .nan", "rows is nan"),
        ("rows: 32", "rows: .inf", "rows is inf"),
        ("rows: 32", "rows: -1.0e+300", "rows is -1e+300"),
        ("rows: 32", "rows: many", "rows is 'many'; expected a number"),
        ("rows: 32", "rows: true", "expected a number"),
        ("rows: 32", "rows: [1]", "rows is [1]; expected a number"),
        ("dataflow: os", "dataflow: so", "dataflow is 'so'; expected one of ws, os, is"),
        ("dataflow: os", "dataflow: 7", "expected one of ws, os, is"),
        ("template: systolic", "template: sistolic", "'sistolic' is unknown; did you mean 'systolic'"),
        ("template: systolic", "template: 3", "template: "),
        ("network: alexnet", "batch: 0", "batch: "),
        ("network: alexnet", "layers: {conv1: {weight_bit: 4}}", "did you mean 'weight_bits'"),
        ("network: alexnet", "layers: {conv1: {input_zeros: 2}}", "layers.conv1.input_zeros"),
        ("network: alexnet", "mappings: {conv1: {block: 1000001}}", "mappings.conv1.block"),
        ("network: alexnet", "mappings: {conv1: {block: -1}}", "mappings.conv1.block"),
        (GOOD, "", "expected a mapping"),
        (GOOD, "- 1", "expected a mapping"),
        (GOOD, "1: 2", "expected a mapping"),
        (GOOD, "a: [", "expected YAML"),
        (
            "network: alexnet",
            "technology: 45nm",
            "yaml:4: 'technology' is there already, in line 3; expected each key once",
        ),
        ("rows: 32", "rows: 32, 'rows': 64", "yaml:5: 'rows' is there already, in line 5; expected each key once"),
        ("rows: 32", "&a rows: 32, *a : 64", "yaml:5: 'rows' is there already, in line 5"),
        (GOOD, "a: &a {b: 1}\nc: {<<: *a, b: 2}", "template: Field required"),  # merged, not twice
        (GOOD, "a: !!python/object:os.system {}", "expected YAML"),
        (GOOD, "[" * 5000, "expected YAML"),
        ("network: alexnet", "network: 2024-02-30", "yaml:4: '2024-02-30' is not of type timestamp; expected YAML"),
        ("rows: 32", "rows: !!int x", "yaml:5: 'x' is not of type int"),
        ("rows: 32", "rows: !!int ''", "yaml:5: '' is not of type int"),
        ("rows: 32", "rows: !!bool x", "yaml:5: 'x' is not of type bool"),
        ("rows: 32", "rows: !!timestamp x", "yaml:5: 'x' is not of type timestamp"),
        ("rows: 32", f"rows: 1{':1' * 200}.5", "yaml:5: '1:1:1:1:"),  # to the base 60
        ("rows: 32", f"rows: 1{'0' * 400}", f"yaml:5: '1{'0' * 39}' is not a number of at most 64 bits"),
        ("rows: 32", f"rows: 1{'0' * 5000}", f"yaml:5: '1{'0' * 39}' is not of type int"),
        ("rows: 32", f"rows: 0x1{'0' * 5000}", "is not a number of at most 64 bits"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    file = written(tmp_path, GOOD.replace(old, new))
    with pytest.raises(DesignError) as complaint:
        load_design(file)
    assert message in str(complaint.value)
    assert str(complaint.value).startswith(str(file))
    assert "\n" not in str(complaint.value)


@pytest.mark.parametrize("name", ["systolic", "tiled_fpga"])
def test_values_at_the_ends_of_a_range_are_allowed(name: str) -> None:
    for parameter in template(name).parameters:
        if not parameter.choices:
            step = 1.0 if parameter.whole else 1e-6 * parameter.low
            assert check_value(parameter, parameter.low) == parameter.low
            assert check_value(parameter, parameter.high) == parameter.high
            for value in (parameter.low - step, parameter.high + 1.0):
                with pytest.raises(DesignError, match=f"{parameter.name} is "):
                    check_value(parameter, value)


def test_choices_are_names_or_their_numbers() -> None:
    (dataflow,) = (p for p in template("systolic").parameters if p.name == "dataflow")
    assert [check_value(dataflow, value) for value in ("ws", "is", 1, 2.0)] == [0.0, 2.0, 1.0, 2.0]
    for value in (3, -1, 0.5, "wos"):
        with pytest.raises(DesignError, match="expected one of ws, os, is"):
            check_value(dataflow, value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path, tmp_path / "none.yaml", tmp_path / "bytes.yaml"):
        with pytest.raises(DesignError, match="cannot be read"):
            load_design(path)
    with pytest.raises(DesignError, match=r"no such file.*expected a \.yaml file"):
        find_design(str(tmp_path / "none.yaml"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"template": "systolic"}, "template systolic takes a `technology` and no `device`"),
        ({"template": "systolic", "technology": "28nm", "device": "VU9P"}, "takes a `technology` and no `device`"),
        ({"template": "systolic", "technology": "28m"}, "'28m' is unknown; did you mean '28nm'"),
        ({"template": "systolic", "technology": "VU9P"}, "is built in an ASIC technology; VU9P is not one"),
        ({"template": "systolic", "technology": "28nm"}, "names no network"),
        ({"template": "systolic", "technology": "28nm", "network": "alexnt"}, "did you mean 'alexnet'"),
        (
            {"template": "systolic", "technology": "28nm", "network": "alexnet", "layers": {"conv": {}}},
            "no layer 'conv'; did you mean 'conv",
        ),
        ({"template": "systolic", "technology": "28nm", "network": "alexnet", "only": ["con"]}, "did you mean 'conv'"),
    ],
)
def test_invalid_designs(fields: dict[str, object], message: str) -> None:
    with pytest.raises(DesignError) as complaint:
        evaluate(Design.model_validate(fields))
    assert message in str(complaint.value)


def test_a_design_sets_fields_of_its_layers_batch_and_kinds() -> None:
    design = Design.model_validate(
        {"template": "systolic", "batch": 2, "only": ["conv"], "layers": {"conv2": {"weight_bits": 4}}}
    )
    result = workload(design, "alexnet").layers
    assert [layer.name for layer in result] == ["conv1", "conv2", "conv3", "conv4", "conv5"]
    assert [layer.weight_bits for layer in result] == [0, 4, 0, 0, 0]
    assert {layer.batch for layer in result} == {2}


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"conv9": {}}, "no layer 'conv9'; did you mean 'conv"),
        ({"conv1": {"ordr": 0}}, "has no mapping of 'ordr'; did you mean 'order'"),
        ({"conv1": {"order": 99}}, "order is 99; expected 0 to 5"),
    ],
)
def test_mappings_that_a_template_does_not_know(mapping: dict[str, object], message: str) -> None:
    fields = {"template": "systolic", "technology": "28nm", "network": "alexnet", "mappings": mapping}
    with pytest.raises(DesignError) as complaint:
        evaluate(Design.model_validate(fields))
    assert message in str(complaint.value)
