"""Built-in networks, batch 1, in the order in which their layers run.

Multiplications are those of convolutions, fully connected layers and matrix products.  Pooling, residual additions,
softmax and layer normalization are layers of memory traffic.  Activation functions, dropout, local response and batch
normalization act on a value on its way out of the layer before and are not layers of their own; concatenation only
determines where results are written.  Parameters count kernels and biases, and two per channel (scale and shift) if the
network has batch or layer normalization, so that the totals are those that the authors and model zoos state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dse.workloads.layers import Kind, Layer, Network, conv, make_layer
from netlists.errors import DesignError, did_you_mean

BATCH_NORM = 2  # parameters per channel: scale and shift


class Chain:
    """Layers one after the other: each takes the shape that the previous one left, unless `shape` is set back."""

    def __init__(self, channels: int, size: int) -> None:
        self.layers: list[Layer] = []
        self.shape = (channels, size)  # channels and side of the square map

    def _append(self, layer: Layer) -> None:
        self.layers.append(layer)
        self.shape = (layer.out_channels, layer.out_h)

    def conv(self, name: str, out: int, kernel: int, stride: int = 1, pad: int | None = None, groups: int = 1,
             bias: int = 1) -> None:  # fmt: skip
        """A convolution; without `pad` the map keeps its size at stride 1."""
        channels, size = self.shape
        pad = kernel // 2 if pad is None else pad
        self._append(conv(name, (channels, out), size, kernel, stride, pad, groups=groups, bias=bias))

    def fc(self, name: str, out: int, bias: int = 1) -> None:
        """A fully connected layer over all pixels of the map."""
        channels, size = self.shape
        self._append(Layer(name, Kind.FC, channels * size * size, out, bias=bias))

    def pool(self, name: str, kernel: int, stride: int, pad: int = 0, ceil: bool = False) -> None:
        """Pooling; with `ceil`, a last window that the border cuts off counts too, as in Caffe."""
        channels, size = self.shape
        short = -(size + 2 * pad - kernel) % stride if ceil else 0
        ends = {"pad_top": pad, "pad_left": pad, "pad_bottom": pad + short, "pad_right": pad + short}
        self._append(
            make_layer(
                name=name, kind=Kind.POOL, in_channels=channels, out_channels=channels, in_h=size, in_w=size,
                kernel_h=kernel, kernel_w=kernel, stride_h=stride, stride_w=stride, **ends,
            )
        )  # fmt: skip

    def global_pool(self, name: str) -> None:
        """Pooling over all pixels of the map."""
        self.pool(name, self.shape[1], 1)

    def add(self, name: str) -> None:
        """The element-wise sum of two maps."""
        channels, size = self.shape
        self._append(Layer(name, Kind.ELEMENTWISE, channels, channels, size, size, operands=2))

    def network(self, name: str) -> Network:
        """The network of the layers so far."""
        return Network(name, tuple(self.layers))


def alexnet() -> Network:
    """Krizhevsky et al., NIPS'12: two groups in conv2, conv4, conv5; the crop is 227 pixels, as 55 = (227-11)/4+1."""
    return _alexnet("alexnet", Chain(3, 227), 0, (96, 256, 384, 384, 256), groups=2)


def alexnet_torch() -> Network:
    """The one-tower AlexNet of torchvision (Krizhevsky, arXiv:1404.5997): no groups, fewer channels, 224 pixels."""
    return _alexnet("alexnet_torch", Chain(3, 224), 2, (64, 192, 384, 256, 256), groups=1)


def _alexnet(name: str, net: Chain, pad: int, channels: tuple[int, ...], groups: int) -> Network:
    net.conv("conv1", channels[0], 11, stride=4, pad=pad)
    net.pool("pool1", 3, 2)
    net.conv("conv2", channels[1], 5, groups=groups)
    net.pool("pool2", 3, 2)
    net.conv("conv3", channels[2], 3)
    net.conv("conv4", channels[3], 3, groups=groups)
    net.conv("conv5", channels[4], 3, groups=groups)
    net.pool("pool5", 3, 2)
    _classifier(net)
    return net.network(name)


def _classifier(net: Chain) -> None:
    net.fc("fc6", 4096)
    net.fc("fc7", 4096)
    net.fc("fc8", 1000)


def vgg16() -> Network:
    """Simonyan and Zisserman, ICLR'15, configuration D."""
    net = Chain(3, 224)
    for block, (repeats, channels) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)), start=1):
        for index in range(1, repeats + 1):
            net.conv(f"conv{block}_{index}", channels, 3)
        net.pool(f"pool{block}", 2, 2)
    _classifier(net)
    return net.network("vgg16")


def vgg16_svd() -> Network:
    """VGG16 with fc6 factored into 25088x500 and 500x4096 (Qiu et al., FPGA'16, section 3); the first has no bias."""
    layers = list(vgg16().layers)
    at = [layer.name for layer in layers].index("fc6")
    fc6 = layers[at]
    layers[at : at + 1] = [
        replace(fc6, name="fc6_1", out_channels=500, bias=0),
        replace(fc6, name="fc6_2", in_channels=500),
    ]
    return Network("vgg16-svd", tuple(layers))


def nin() -> Network:
    """Network in network (Lin et al., ICLR'14), the ImageNet model of the Caffe zoo."""
    net = Chain(3, 224)
    mlpconv = (  # kernel, stride, pad, channels of the convolution and of the two 1x1 that follow
        (11, 4, 0, (96, 96, 96)),
        (5, 1, 2, (256, 256, 256)),
        (3, 1, 1, (384, 384, 384)),
        (3, 1, 1, (1024, 1024, 1000)),
    )
    for block, (kernel, stride, pad, channels) in enumerate(mlpconv, start=1):
        net.conv(f"conv{block}", channels[0], kernel, stride, pad)
        net.conv(f"cccp{2 * block - 1}", channels[1], 1)
        net.conv(f"cccp{2 * block}", channels[2], 1)
        if block < len(mlpconv):
            net.pool(f"pool{block}", 3, 2, ceil=True)
    net.global_pool("pool4")
    return net.network("nin")


# Columns of table 1 of the paper: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection.
INCEPTION = {
    "3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64), "4b": (160, 112, 224, 24, 64, 64), "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64), "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128), "5b": (384, 192, 384, 48, 128, 128),
}  # fmt: skip


def googlenet(size: int = 224) -> Network:
    """Inception v1 (Szegedy et al., CVPR'15), without the classifiers for training; names of layers as in Caffe."""
    net = Chain(3, size)
    net.conv("conv1", 64, 7, stride=2)
    net.pool("pool1", 3, 2, ceil=True)
    net.conv("conv2_reduce", 64, 1)
    net.conv("conv2", 192, 3)
    net.pool("pool2", 3, 2, ceil=True)
    for name, channels in INCEPTION.items():
        _inception(net, f"inception_{name}", channels)
        if name in ("3b", "4e"):
            net.pool(f"pool{name[0]}", 3, 2, ceil=True)
    net.global_pool("pool5")
    net.fc("fc", 1000)
    return net.network("googlenet")


def _inception(net: Chain, name: str, channels: tuple[int, ...]) -> None:
    one, reduce3, three, reduce5, five, projection = channels
    start = net.shape
    net.conv(f"{name}/1x1", one, 1)
    net.shape = start
    net.conv(f"{name}/3x3_reduce", reduce3, 1)
    net.conv(f"{name}/3x3", three, 3)
    net.shape = start
    net.conv(f"{name}/5x5_reduce", reduce5, 1)
    net.conv(f"{name}/5x5", five, 5)
    net.shape = start
    net.pool(f"{name}/pool", 3, 1, pad=1)
    net.conv(f"{name}/pool_proj", projection, 1)
    net.shape = (one + three + five + projection, start[1])


def resnet18(size: int = 224) -> Network:
    """He et al., CVPR'16; names of layers as in torchvision."""
    return _resnet("resnet18", (2, 2, 2, 2), size, bottleneck=False)


def resnet50(size: int = 224) -> Network:
    """He et al., CVPR'16, version 1.5: the 3x3 convolution has the stride; names of layers as in torchvision."""
    return _resnet("resnet50", (3, 4, 6, 3), size, bottleneck=True)


def _resnet(name: str, depths: tuple[int, ...], size: int, *, bottleneck: bool) -> Network:
    net = Chain(3, size)
    net.conv("conv1", 64, 7, stride=2, bias=BATCH_NORM)
    net.pool("maxpool", 3, 2, pad=1)
    for stage, depth in enumerate(depths):
        for block in range(depth):
            stride = 2 if stage and not block else 1
            _residual(net, f"layer{stage + 1}.{block}", 64 << stage, stride, 4 if bottleneck else 1)
    net.global_pool("avgpool")
    net.fc("fc", 1000)
    return net.network(name)


def _residual(net: Chain, name: str, width: int, stride: int, expansion: int) -> None:
    start, out = net.shape, width * expansion
    if expansion > 1:
        net.conv(f"{name}.conv1", width, 1, bias=BATCH_NORM)
        net.conv(f"{name}.conv2", width, 3, stride, bias=BATCH_NORM)
        net.conv(f"{name}.conv3", out, 1, bias=BATCH_NORM)
    else:
        net.conv(f"{name}.conv1", width, 3, stride, bias=BATCH_NORM)
        net.conv(f"{name}.conv2", width, 3, bias=BATCH_NORM)
    if start != net.shape:
        net.shape = start
        net.conv(f"{name}.downsample", out, 1, stride, bias=BATCH_NORM)
    net.add(f"{name}.add")


def mobilenet_v2(size: int = 224) -> Network:
    """Sandler et al., CVPR'18, width 1.0; the blocks of table 2 are counted from 1."""
    net = Chain(3, size)
    net.conv("conv_first", 32, 3, stride=2, bias=BATCH_NORM)
    table = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    blocks = [
        (expansion, out, stride if index == 0 else 1)
        for expansion, out, repeats, stride in table
        for index in range(repeats)
    ]
    for number, (expansion, out, stride) in enumerate(blocks, start=1):
        _inverted_residual(net, f"block{number}", expansion, out, stride)
    net.conv("conv_last", 1280, 1, bias=BATCH_NORM)
    net.global_pool("pool")
    net.fc("fc", 1000)
    return net.network("mobilenet_v2")


def _inverted_residual(net: Chain, name: str, expansion: int, out: int, stride: int) -> None:
    start, hidden = net.shape, net.shape[0] * expansion
    if expansion > 1:
        net.conv(f"{name}.expand", hidden, 1, bias=BATCH_NORM)
    net.conv(f"{name}.depthwise", hidden, 3, stride, groups=hidden, bias=BATCH_NORM)
    net.conv(f"{name}.project", out, 1, bias=BATCH_NORM)
    if net.shape == start:
        net.add(f"{name}.add")


def bert_base(tokens: int = 128) -> Network:
    """The encoder of BERT-base (Devlin et al., NAACL'19): 12 equal blocks, so each layer repeats 12 times.

    Tokens are the rows of a map that is one pixel wide.  Embeddings and the pooler are not included.
    """
    width, heads, hidden, blocks = 768, 12, 3072, 12
    mixed = heads * tokens  # channels of all attention scores

    def layer(name: str, kind: Kind, channels: tuple[int, int], **other: int) -> Layer:
        return Layer(f"encoder.{name}", kind, *channels, in_h=tokens, repeat=blocks, **other)

    same = (width, width)
    return Network(
        "bert_base",
        (
            *(layer(name, Kind.FC, same, bias=1) for name in ("query", "key", "value")),
            layer("scores", Kind.MATMUL, (width, mixed), groups=heads),
            layer("softmax", Kind.ELEMENTWISE, (mixed, mixed)),
            layer("context", Kind.MATMUL, (mixed, width), groups=heads),
            layer("output", Kind.FC, same, bias=1),
            layer("output_add", Kind.ELEMENTWISE, same, operands=2),
            layer("output_norm", Kind.ELEMENTWISE, same, bias=2),
            layer("up", Kind.FC, (width, hidden), bias=1),
            layer("down", Kind.FC, (hidden, width), bias=1),
            layer("down_add", Kind.ELEMENTWISE, same, operands=2),
            layer("down_norm", Kind.ELEMENTWISE, same, bias=2),
        ),
    )


NETWORKS: dict[str, Callable[[], Network]] = {
    "alexnet": alexnet,
    "alexnet_torch": alexnet_torch,
    "vgg16": vgg16,
    "vgg16-svd": vgg16_svd,
    "nin": nin,
    "googlenet": googlenet,
    "resnet18": resnet18,
    "resnet50": resnet50,
    "mobilenet_v2": mobilenet_v2,
    "bert_base": bert_base,
}


def network(name: str) -> Network:
    """The built-in network of that name; raises `DesignError` with the nearest name if there is none."""
    if name not in NETWORKS:
        raise DesignError(
            f"network {name!r} is unknown{did_you_mean(name, NETWORKS)}; expected an .onnx or .csv file, or one of"
            f" {', '.join(NETWORKS)}"
        )
    return NETWORKS[name]()
