"""ONNX import: the well-known networks layer by layer, files of all exporters, sizes, and errors."""

from __future__ import annotations

import logging
import warnings
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from dse.workloads.builtin import bert_base, network, resnet18
from dse.workloads.layers import Kind, Layer, Network
from dse.workloads.onnx.importer import from_torch, load_onnx
from netlists.errors import DesignError
from tests.dse.workloads.onnx.onnx_models import CONV, imported, model
from tests.dse.workloads.onnx.torch_networks import MODULES, light


def bounds(result: Network) -> list[Layer]:
    """Layers without their names, which modules are free to choose."""
    return [replace(layer, name="") for layer in result.layers]


@pytest.mark.parametrize("name", MODULES)
def test_exported_network_equals_the_built_in_one(name: str) -> None:
    size = 227 if name == "alexnet" else 224
    result = from_torch(light(MODULES[name]()), torch.zeros(1, 3, size, size))
    assert bounds(result) == bounds(network(name))
    assert (result.macs, result.parameters) == (network(name).macs, network(name).parameters)


def export(module: nn.Module, example: Tensor, file: Path, optimize: bool = True, script: bool = False) -> Path:
    """Export as users do; `script`: with the older exporter."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if script:
            torch.onnx.export(module, (example,), file, dynamo=False, input_names=["x"],
                              dynamic_axes={"x": {0: "images"}})  # fmt: skip
        else:
            torch.onnx.export(module, (example,), file, dynamo=True, optimize=optimize, verbose=False,
                              dynamic_shapes=({0: torch.export.Dim("images")},))  # fmt: skip
    return file


@pytest.mark.parametrize(("optimize", "script"), [(True, False), (False, False), (True, True)])
def test_files_of_all_exporters(tmp_path: Path, optimize: bool, script: bool) -> None:
    file = export(light(MODULES["resnet18"]()), torch.zeros(2, 3, 64, 64), tmp_path / "net.onnx", optimize, script)
    expected = resnet18(size=64)
    result = load_onnx(file)
    assert result.name == "net"
    # Exporters fold batch norms into biases, and store the equal kernels of this network once.
    folded = [replace(layer, bias=0, shared=0) for layer in bounds(result)]
    assert folded == [replace(layer, bias=0) for layer in bounds(expected)]
    images = load_onnx(file, batch=3)
    assert images.macs == 3 * result.macs
    assert bounds(images) == bounds(result.with_batch(3))


def test_weights_may_be_absent(tmp_path: Path) -> None:
    file = export(light(nn.Conv2d(3, 64, 7)), torch.zeros(2, 3, 64, 64), tmp_path / "net.onnx")
    model = onnx.load(file)
    onnx.save_model(model, tmp_path / "split.onnx", save_as_external_data=True, location="w.bin", size_threshold=4096)
    (tmp_path / "w.bin").unlink()
    assert bounds(load_onnx(tmp_path / "split.onnx")) == bounds(load_onnx(file))


class Block(nn.Module):
    """One block of BERT-base."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.output = (nn.Linear(768, 768) for _ in range(4))
        self.up, self.down = nn.Linear(768, 3072), nn.Linear(3072, 768)
        self.output_norm, self.down_norm = nn.LayerNorm(768), nn.LayerNorm(768)

    def forward(self, x: Tensor) -> Tensor:
        heads = [linear(x).view(*x.shape[:2], 12, 64).transpose(1, 2) for linear in (self.query, self.key, self.value)]
        scores = torch.softmax(heads[0] @ heads[1].transpose(-1, -2) / 8.0, dim=-1)
        mixed = (scores @ heads[2]).transpose(1, 2).reshape(x.shape)
        x = self.output_norm(self.output(mixed) + x)
        hidden = nn.functional.gelu(self.up(x))
        return torch.as_tensor(self.down_norm(self.down(hidden) + x))


@pytest.mark.parametrize("images", [1, 2])
def test_attention_equals_a_block_of_bert(images: int) -> None:
    result = from_torch(light(Block()), torch.zeros(images, 128, 768), name="block")
    expected = bert_base().with_batch(images)
    assert result.macs * 12 == expected.macs
    assert result.parameters * 12 == expected.parameters
    products = [replace(layer, repeat=1) for layer in bounds(expected) if layer.has_macs]
    assert [layer for layer in bounds(result) if layer.has_macs] == products
    for kind in Kind:
        traffic = [
            sum((layer.inputs + layer.outputs) * layer.repeat for layer in net.layers if layer.kind == kind)
            for net in (result, expected)
        ]
        assert traffic[0] * 12 == traffic[1]


def test_layers_are_named_after_weights() -> None:
    names = [layer.name for layer in from_torch(light(Block()), torch.zeros(1, 8, 768)).layers]
    weighted = [name for name in names if not name.startswith("node")]
    assert weighted == ["query", "key", "value", "output", "up", "down"]


def test_symbolic_sizes(tmp_path: Path) -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"])
    file, weights = tmp_path / "model.onnx", {"w": (4, 3, 3, 3)}
    model([node], ["N", 3, "height", "width"], weights, file)
    expected = r"symbolic sizes without a value: 'N' .*, 'height' \(axis 2 of input 'x'\), 'width' .*--size NAME=N, or"
    with pytest.raises(DesignError, match=expected):
        load_onnx(file)
    (layer,) = load_onnx(file, sizes={"height": 10, "width": 20}).layers
    assert (layer.batch, layer.in_h, layer.in_w) == (1, 10, 20)
    assert load_onnx(file, batch=5, sizes={"height": 10, "width": 20}).layers[0].batch == 5
    assert load_onnx(file, sizes={"N": 2, "height": 10, "width": 20}).layers[0].batch == 2
    with pytest.raises(DesignError, match=r"no symbolic size 'widht'; did you mean 'width'\?"):
        load_onnx(file, sizes={"height": 10, "width": 20, "widht": 20})
    with pytest.raises(DesignError, match="its window does not fit the padded input"):
        load_onnx(file, sizes={"height": 10, "width": 0})
    with pytest.raises(DesignError, match="size width is -1; expected at least 0"):
        load_onnx(file, sizes={"height": 10, "width": -1})


def test_fixed_batch_is_multiplied(tmp_path: Path) -> None:
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    assert imported(tmp_path, [node], [2, 5, 7], {"w": (7, 3)}, batch=6, counts="x.0").layers[0].batch == 6
    with pytest.raises(DesignError, match=r"batch is 3, but axis x.0 is fixed at 2; expected a multiple of it"):
        imported(tmp_path, [node], [2, 5, 7], {"w": (7, 3)}, batch=3, counts="x.0")
    with pytest.raises(DesignError, match="batch is 0; expected at least 1"):
        imported(tmp_path, [node], [2, 5, 7], {"w": (7, 3)}, batch=0)


def test_sizes_written_into_the_model(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Constant", [], ["s"], value=helper.make_tensor("s", TensorProto.INT64, [2], [1, 12])),
        helper.make_node("Reshape", ["x", "s"], ["r"]),
        helper.make_node("MatMul", ["r", "w"], ["y"]),
    ]
    assert imported(tmp_path, nodes, ["N", 3, 4], {"w": (12, 5)}).macs == 60
    with pytest.raises(DesignError, match=r"\[2, 3, 4\] to \[1, 12\].*exported for other sizes"):
        imported(tmp_path, nodes, ["N", 3, 4], {"w": (12, 5)}, batch=2)


def test_unsupported_operators_are_listed(tmp_path: Path) -> None:
    nodes = [
        *(helper.make_node("TopK", ["x", "k"], [f"v{index}", f"i{index}"]) for index in range(2)),
        helper.make_node("NonZero", ["x"], ["z"]),
        helper.make_node("FusedConv", ["x"], ["u"], domain="com.example"),
        helper.make_node("ConvTranspose", ["x", "k"], ["t"], kernel_shape=[1, 1, 1]),
        helper.make_node("Softmax", ["x"], ["y"]),
    ]
    file = tmp_path / "model.onnx"
    model(nodes, [1, 8], {"k": (1,)}, file, domains=["com.example"])
    expected = (
        r"model.onnx: unsupported operators: ConvTranspose3D \(1\), NonZero \(1\), TopK \(2\), com.example.FusedConv"
    )
    with pytest.raises(DesignError, match=expected):
        load_onnx(file)
    with pytest.raises(DesignError, match=r"no unsupported operator 'Topk' to leave out; did you mean 'TopK'\?"):
        load_onnx(file, skip=["Topk"])
    result = load_onnx(file, skip=["TopK", "NonZero", "com.example.FusedConv", "ConvTranspose3D"])
    assert [layer.kind for layer in result.layers] == [Kind.ELEMENTWISE]


def test_shapes_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(DesignError, match=r"model.onnx: .*"):
        imported(tmp_path, [CONV], [2, 5, 9, 10], {"w": (6, 2, 3, 2), "b": (6,)})
    product = helper.make_node("MatMul", ["x", "w"], ["y"])
    with pytest.raises(DesignError, match=r"model.onnx: .*"):
        imported(tmp_path, [product], [2, 5], {"w": (6, 2)})
    with pytest.raises(DesignError, match="the kernel is computed from activations"):
        imported(tmp_path, [helper.make_node("Conv", ["x", "x"], ["y"])], [3, 3, 4, 4])


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x07\x12", b"\x00" * 100])
def test_damaged_files(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bad.onnx"
    file.write_bytes(content)
    with pytest.raises(DesignError, match=r"bad.onnx: .*expected an ONNX model"):
        load_onnx(file)


def test_truncated_and_missing_files(tmp_path: Path) -> None:
    whole = model([CONV], [2, 4, 9, 10], {"w": (6, 2, 3, 2), "b": (6,)}).SerializeToString()
    for size in range(1, len(whole)):
        file = tmp_path / "cut.onnx"
        file.write_bytes(whole[:size])
        with pytest.raises(DesignError, match=r"cut.onnx: "):
            load_onnx(file)
    with pytest.raises(DesignError, match=r"none.onnx: cannot be read"):
        load_onnx(tmp_path / "none.onnx")


@pytest.mark.parametrize("name", ["input", "weight", "node"])
def test_names_that_are_not_text(tmp_path: Path, name: str) -> None:
    made = model([helper.make_node("Conv", ["input", "weight"], ["y"], name="node")], [1, 3, 9, 9],
                 {"weight": (6, 3, 3, 3)}).SerializeToString()  # fmt: skip
    file = tmp_path / "bad.onnx"
    file.write_bytes(made.replace(name.encode(), b"\xff" * len(name)))
    with pytest.raises(DesignError, match=r"bad.onnx: damaged, with names that are not text"):
        load_onnx(file)


def test_values_that_do_not_fit_their_dimensions(tmp_path: Path) -> None:
    made = model([CONV], [2, 4, 9, 10], {"w": (6, 2, 3, 2)})
    made.graph.initializer.add(name="b", dims=[6], data_type=TensorProto.FLOAT, raw_data=b"\0" * 20)
    (tmp_path / "bad.onnx").write_bytes(made.SerializeToString())
    with pytest.raises(DesignError, match=r"bad.onnx: tensor 'b': its values do not fit its dimensions"):
        load_onnx(tmp_path / "bad.onnx")


def test_module_that_cannot_be_exported() -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if float(x.sum()) > 0 else -x

    with pytest.raises(DesignError, match="Odd: torch cannot export it to ONNX: "):
        from_torch(Odd(), torch.zeros(1, 3))


def test_from_torch_leaves_the_module_as_it_was() -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    result = from_torch(module, torch.zeros(2, 3, 8, 8), batch=4)
    assert module.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert [(layer.batch, layer.parameters) for layer in result.layers] == [(4, 8 * 27 + 8 + 16)]
