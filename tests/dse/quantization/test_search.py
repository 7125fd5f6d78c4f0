"""Quantization: the arithmetic against integers, the search against all candidates, and the accuracy on digits."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from dse.quantization.fixed_point import FLOAT, Call, Fixed, LayerFormat, longest_fraction
from dse.quantization.inputs import Subject, load_subject, train_digits
from dse.quantization.search import QuantizationReport, compare_word_lengths, quantize
from dse.workloads.onnx.importer import from_torch
from netlists.errors import DesignError

numbers = st.floats(-1e6, 1e6, width=32)


@given(numbers, st.integers(2, 16), st.integers(-8, 24))
def test_format_equals_exact_arithmetic(value: float, bits: int, fraction: int) -> None:
    whole = round(Fraction(value) * Fraction(2) ** fraction)  # ties to even
    whole = max(-(2 ** (bits - 1)), min(2 ** (bits - 1) - 1, whole))
    assert float(Fixed(bits, fraction)(torch.tensor(value))) == float(whole * Fraction(2) ** -fraction)


@given(numbers.filter(lambda value: abs(value) > 1e-30), st.integers(2, 16))
def test_longest_fraction_without_overflow(value: float, bits: int) -> None:
    fraction = longest_fraction(bits, abs(value))
    assert abs(value) < 2.0 ** (bits - 1 - fraction)
    assert abs(value) >= 2.0 ** (bits - 2 - fraction)  # one more would overflow


@pytest.mark.parametrize("bits", [0, 1, 33])
def test_impossible_word_lengths(bits: int) -> None:
    with pytest.raises(DesignError, match=f"a word length is {bits} bits; expected 2 to 32"):
        Fixed(bits, 0)


def test_layers_compute_as_integers_do() -> None:
    generator = torch.Generator().manual_seed(0)
    x, weight, bias = (torch.randn(shape, generator=generator) for shape in ((5, 40), (7, 40), (7,)))
    formats = LayerFormat(Fixed(6, 4), Fixed(8, 5))
    found = Call(nn.functional.linear, x, weight, bias).output(formats)
    whole = [
        np.clip(np.round(values.double().numpy() * 2**fraction), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1).astype(int)
        for values, bits, fraction in ((x, 8, 5), (weight, 6, 4))
    ]
    sums = whole[0] @ whole[1].T + np.round(bias.double().numpy() * 2**9).astype(int)
    assert np.array_equal(found.double().numpy() * 2**9, sums)


@pytest.fixture(scope="module")
def trained() -> list[Subject]:
    return [train_digits(seed) for seed in range(4)]


def test_eight_bits_lose_at_most_half_a_point(trained: list[Subject]) -> None:
    for one in trained:
        report = quantize(one.module, one.calibration, one.test, 8, 8)
        assert report.accuracy_float > 0.95
        assert report.accuracy_float - report.accuracy <= 0.005


def test_four_bit_weights_are_better_with_a_fraction_length_per_layer(trained: list[Subject]) -> None:
    gains = []
    for one in trained:
        ((own, shared),) = compare_word_lengths(one.module, one.calibration, one.test, [(4, 8)])
        gains.append(own.accuracy - shared.accuracy)
        assert own.dynamic
        assert not shared.dynamic
    assert sum(gains) / len(gains) > 0.003
    assert sum(gain > 0 for gain in gains) >= 3


def test_more_bits_lose_less(trained: list[Subject]) -> None:
    one = trained[0]
    losses = [r.accuracy_float - r.accuracy for r, _ in compare_word_lengths(one.module, one.calibration, one.test,
                                                                         [(16, 16), (4, 4), (2, 2)])]  # fmt: skip
    assert abs(losses[0]) < 0.002
    assert losses[0] < losses[1] < losses[2]


def test_one_format_for_all(trained: list[Subject]) -> None:
    one = trained[0]
    report = quantize(one.module, one.calibration, one.test, 5, 7, dynamic=False)
    assert len(set(report.layers.values())) == 1
    assert report.output == report.layers["0"].input
    each = quantize(one.module, one.calibration, one.test, 5, 7)
    assert len({found.weight for found in each.layers.values()}) > 1


def test_digits_are_the_same_for_the_same_seed() -> None:
    first, second = train_digits(3, epochs=1), train_digits(3, epochs=1)
    assert all(map(torch.equal, first.module.parameters(), second.module.parameters()))
    assert torch.equal(first.test[0], second.test[0])
    assert not torch.equal(first.test[0], train_digits(4, epochs=1).test[0])


def small(out: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 16, out))


def samples(count: int = 40) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn((count, 1, 6, 6), generator=generator), torch.arange(count) % 3


def test_search_finds_the_best_format_of_a_layer() -> None:
    module, (x, y) = nn.Sequential(nn.Flatten(), nn.Linear(36, 3)), samples()
    report = quantize(module, x, (x, y), 4, 5)
    layer = module[1]
    assert isinstance(layer, nn.Linear)
    call = Call(nn.functional.linear, x.flatten(1), layer.weight.detach(), layer.bias.detach())
    exact = call.output(FLOAT)

    def loss(formats: LayerFormat) -> float:
        return float(((call.output(formats) - exact) ** 2).sum())

    found = report.layers["1"]
    assert found.weight is not None
    assert found.input is not None
    for fraction in range(-6, 16):
        assert loss(found) <= loss(LayerFormat(Fixed(4, fraction), found.input)) * (1 + 1e-6)
    assert loss(found) < loss(LayerFormat(Fixed(4, 0), Fixed(5, 0)))


def test_module_is_left_as_it_was() -> None:
    module, (x, y) = small().train(), samples()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    quantize(module, x, (x, y), 4, 4)
    assert module.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_word_lengths_reach_the_network() -> None:
    module, (x, y) = small(), samples()
    report = quantize(module, x, (x, y), 8, 6, layer_bits={"3": 4})
    assert report.word_lengths == {"0": (8, 6, 6), "3": (4, 6, 6)}
    network = report.apply(from_torch(module, x[:1]))
    assert [(layer.name, layer.weight_bits, layer.input_bits) for layer in network.layers] == [("0", 8, 6), ("3", 4, 6)]
    with pytest.raises(DesignError, match="has no layer '0'"):
        report.apply(from_torch(nn.Sequential(nn.Flatten(), nn.Linear(36, 3)), x[:1]))


def test_unknown_layer_gets_the_nearest_name() -> None:
    x, y = samples()
    module = nn.Sequential()
    module.add_module("conv1", nn.Conv2d(1, 3, 6))
    module.add_module("flat", nn.Flatten())
    with pytest.raises(DesignError, match=r"no layer 'conv2'; did you mean 'conv1'\?"):
        quantize(module, x, (x, y), layer_bits={"conv2": 4})


@pytest.mark.parametrize(
    ("module", "shape", "expected"),
    [
        (nn.Flatten(), (8, 1, 6, 6), "runs no convolution or fully connected layer"),
        (small(), (8, 2, 6, 6), r"does not run on inputs of shape \[8, 2, 6, 6\]"),
        (nn.Conv2d(1, 3, 3), (8, 1, 6, 6), r"expected a classifier"),
        (small(), (0, 1, 6, 6), "0 samples to calibrate"),
    ],
)
def test_data_that_the_module_does_not_accept(module: nn.Module, shape: tuple[int, ...], expected: str) -> None:
    with pytest.raises(DesignError, match=expected):
        quantize(module, torch.zeros(shape), (torch.zeros(shape), torch.zeros(shape[0], dtype=torch.int64)))


def test_values_that_are_not_finite_and_missing_labels() -> None:
    x, y = samples()
    with pytest.raises(DesignError, match="layer '0' has weights or inputs that are not finite"):
        quantize(small(), x * torch.inf, (x, y))
    with pytest.raises(DesignError, match=r"\[40\] predictions for \[39\] labels"):
        quantize(small(), x, (x, y[1:]))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    x, y = samples()
    np.savez(tmp_path / "data.npz", x=x.numpy(), y=y.numpy())
    return tmp_path / "data.npz"


def reports(found: Subject) -> QuantizationReport:
    return quantize(found.module, found.calibration, found.test, 5, 5)


def test_models_from_files(tmp_path: Path, data: Path) -> None:
    batch = torch.export.Dim("batch")
    torch.export.save(
        torch.export.export(small().eval(), (samples()[0],), dynamic_shapes=({0: batch},)), tmp_path / "net.pt2"
    )
    code = "from tests.dse.quantization.test_search import small\n\ndef trained():\n    return small()\n"
    (tmp_path / "net.py").write_text(code, encoding="utf-8")
    exported = load_subject(str(tmp_path / "net.pt2"), data, trust=True)
    assert (len(exported.calibration), len(exported.test[0]), len(exported.test[1])) == (10, 30, 30)
    assert reports(exported) == reports(load_subject(f"{tmp_path}/net.py:trained", data))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("net.py:absent", "net.py: absent\\(\\) raised AttributeError"),
        ("net.py:number", "net.py: number\\(\\) returned int; expected a torch module"),
        ("net.py:broken", "net.py: broken\\(\\) raised ZeroDivisionError"),
        ("absent.py:f", "expected digits, FILE.py:FUNCTION of an existing file, or FILE.pt2"),
        ("digit", "expected digits, FILE.py:FUNCTION"),
        ("absent.pt2", "absent.pt2: cannot be read"),
        ("data.pt2", "data.pt2: cannot be read"),
    ],
)
@pytest.mark.filterwarnings("ignore")  # of torch, about a damaged archive
def test_models_that_cannot_be_loaded(tmp_path: Path, data: Path, model: str, expected: str) -> None:
    (tmp_path / "net.py").write_text("def number(): return 1\ndef broken(): return 1 / 0\n", encoding="utf-8")
    (tmp_path / "data.pt2").write_bytes(b"no archive")
    with pytest.raises(DesignError, match=expected):
        load_subject(f"{tmp_path}/{model}", data, trust=True)


def test_exported_programs_are_loaded_only_if_they_are_trusted(tmp_path: Path, data: Path) -> None:
    with pytest.raises(DesignError, match=r"net\.pt2: torch unpickles .* --trust"):
        load_subject(f"{tmp_path}/net.pt2", data)


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"x": np.zeros((9, 2))}, "expected two arrays, x and y"),
        ({"x": np.zeros((9, 2)), "y": np.zeros(9)}, "y is float64"),
        ({"x": np.zeros((9, 2)), "y": np.zeros(8, int)}, r"y is int64 \[8\]"),
        ({"x": np.zeros((2, 2)), "y": np.zeros(2, int)}, "at least 8 samples"),
        ({"x": np.array([{}] * 9), "y": np.zeros(9, int)}, "cannot be read"),
    ],
)
def test_data_that_cannot_be_used(tmp_path: Path, arrays: dict[str, np.ndarray], expected: str) -> None:
    (tmp_path / "net.py").write_text("import torch\ndef f(): return torch.nn.Linear(2, 2)\n", encoding="utf-8")
    np.savez(tmp_path / "bad.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(DesignError, match=expected):
        load_subject(f"{tmp_path}/net.py:f", tmp_path / "bad.npz")


def test_data_and_model_belong_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DesignError, match="digits has its own data"):
        load_subject("digits", tmp_path / "data.npz")
    with pytest.raises(DesignError, match=r"needs data: expected an \.npz file"):
        load_subject("net.pt2")
    (tmp_path / "net.py").write_text("import torch\ndef f(): return torch.nn.Linear(2, 2)\n", encoding="utf-8")
    with pytest.raises(DesignError, match=r"none.npz: cannot be read"):
        load_subject(f"{tmp_path}/net.py:f", tmp_path / "none.npz")
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(DesignError, match="digits needs scikit-learn: pip install"):
        train_digits()
