"""Built-in networks against the counts that their papers and model zoos state."""

from __future__ import annotations

import pytest

from dse.workloads.builtin import BATCH_NORM, NETWORKS, googlenet, mobilenet_v2, network, resnet18, resnet50
from dse.workloads.layers import Kind, Layer
from netlists.errors import DesignError

KNOWN = {  # multiplications, parameters
    "alexnet": (724_406_816, 60_965_224),  # Caffe's bvlc_alexnet
    "alexnet_torch": (714_188_480, 61_100_840),  # torchvision
    "vgg16": (15_470_264_320, 138_357_544),  # torchvision
    "vgg16-svd": (15_470_264_320 - 25088 * 4096 + (25088 + 4096) * 500, 138_357_544 - 25088 * 4096 + 14_592_000),
    "nin": (1_100_188_800, 7_595_176),  # Caffe's nin_imagenet
    "googlenet": (1_582_671_872, 6_998_552),  # Caffe's bvlc_googlenet without auxiliary classifiers
    "resnet18": (1_814_073_344, 11_689_512),  # torchvision, as the two below
    "resnet50": (4_089_184_256, 25_557_032),
    "mobilenet_v2": (300_774_272, 3_504_872),
    "bert_base": (11_173_625_856, 12 * 7_087_872),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_counts_are_the_known_ones(name: str) -> None:
    result = network(name)
    assert result.name == name
    assert (result.macs, result.parameters) == KNOWN[name]


@pytest.mark.parametrize("name", NETWORKS)
def test_layer_names_are_unique(name: str) -> None:
    names = [layer.name for layer in network(name).layers]
    assert len(set(names)) == len(names)


def test_every_network_has_known_counts() -> None:
    assert set(KNOWN) == set(NETWORKS)


def layers(name: str) -> dict[str, Layer]:
    return {layer.name: layer for layer in network(name).layers}


def test_alexnet_has_the_layers_of_the_paper() -> None:
    result = layers("alexnet")
    convolutions = [layer for layer in result.values() if layer.kind == Kind.CONV]
    assert [layer.out_h for layer in convolutions] == [55, 27, 13, 13, 13]
    assert [layer.groups for layer in convolutions] == [1, 2, 1, 2, 2]
    # Multiplications of each layer in millions, as in Eyeriss (JSSC'17).
    assert [layer.macs for layer in convolutions] == [105_415_200, 223_948_800, 149_520_384, 112_140_288, 74_760_192]
    assert result["fc6"].in_channels == 9216
    assert [name for name in result if name.startswith("pool")] == ["pool1", "pool2", "pool5"]


def test_vgg16_svd_has_the_factors_of_the_paper() -> None:
    result = layers("vgg16-svd")
    assert (result["fc6_1"].in_channels, result["fc6_1"].out_channels) == (25088, 500)
    assert (result["fc6_2"].in_channels, result["fc6_2"].out_channels) == (500, 4096)
    assert "fc6" not in result


def test_pools_of_caffe_round_up() -> None:
    assert [layer.out_h for layer in network("nin").layers if layer.kind == Kind.POOL] == [27, 13, 6, 1]
    pools = [layer.out_h for layer in googlenet().layers if layer.name.startswith("pool")]
    assert pools == [56, 28, 14, 7, 1]


def test_residual_additions_read_two_maps() -> None:
    for name, count in (("resnet18", 8), ("resnet50", 16), ("mobilenet_v2", 10)):
        sums = [layer for layer in network(name).layers if layer.kind == Kind.ELEMENTWISE]
        assert len(sums) == count
        assert all(layer.inputs == 2 * layer.outputs for layer in sums)


def test_resnet50_strides_in_the_3x3() -> None:
    result = layers("resnet50")
    assert (result["layer2.0.conv1"].stride_h, result["layer2.0.conv2"].stride_h) == (1, 2)


def test_other_resolutions() -> None:
    for build in (resnet18, resnet50, mobilenet_v2, googlenet):
        small, usual = build(size=112), build()
        assert small.parameters == usual.parameters
        assert 3.5 < usual.macs / small.macs < 4.5


def test_batch_norm_counts_as_parameters_only() -> None:
    first = resnet18().layers[0]
    assert first.parameters == first.weights + BATCH_NORM * 64


def test_bert_products_multiply_head_by_head() -> None:
    result = layers("bert_base")
    scores, context = result["encoder.scores"], result["encoder.context"]
    assert scores.macs == context.macs == 12 * 128 * 128 * 64
    assert scores.outputs == context.inputs == 12 * 128 * 128
    assert scores.weights == context.weights == 768 * 128  # the other operand: keys, values
    assert scores.parameters == 0


def test_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(DesignError, match=r"network 'resnet81' is unknown; did you mean 'resnet18'\?"):
        network("resnet81")
