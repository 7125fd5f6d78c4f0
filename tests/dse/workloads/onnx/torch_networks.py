"""Well-known networks as plain torch modules, to be exported; laid out as torchvision's.

The elements of a parameter share one number in memory, so that parameters take no space.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def light(module: nn.Module) -> nn.Module:
    """The module in evaluation mode with parameters that share one number each."""
    for parameter in module.parameters():
        parameter.data = torch.full((), 0.5).expand(parameter.shape)
    return module.eval()


def alexnet() -> nn.Module:
    """AlexNet of the paper, with groups, without normalization."""
    return _alexnet(0, (96, 256, 384, 384, 256), 2)


def alexnet_torch() -> nn.Module:
    return _alexnet(2, (64, 192, 384, 256, 256), 1)


def _alexnet(pad: int, out: tuple[int, ...], groups: int) -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(3, out[0], 11, 4, pad), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(out[0], out[1], 5, padding=2, groups=groups), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(out[1], out[2], 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(out[2], out[3], 3, padding=1, groups=groups), nn.ReLU()),
        *(nn.Conv2d(out[3], out[4], 3, padding=1, groups=groups), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.AdaptiveAvgPool2d(6), nn.Flatten()),
        *_classifier(out[4] * 36),
    )


def vgg16() -> nn.Module:
    layers: list[nn.Module] = []
    channels = 3
    for repeats, out in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        for _ in range(repeats):
            layers += [nn.Conv2d(channels, out, 3, padding=1), nn.ReLU()]
            channels = out
        layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(7), nn.Flatten(), *_classifier(512 * 49))


def _classifier(channels: int) -> list[nn.Module]:
    hidden = [nn.Dropout(), nn.Linear(channels, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU()]
    return [*hidden, nn.Linear(4096, 1000)]


class Residual(nn.Module):
    """relu(branch(x) + shortcut(x))"""

    def __init__(self, channels: int, width: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        out = width * 4 if bottleneck else width
        if bottleneck:
            parts = [*_normed(channels, width, 1), nn.ReLU(), *_normed(width, width, 3, stride), nn.ReLU()]
            self.branch = nn.Sequential(*parts, *_normed(width, out, 1))
        else:
            parts = [*_normed(channels, width, 3, stride), nn.ReLU()]
            self.branch = nn.Sequential(*parts, *_normed(width, out, 3))
        same = stride == 1 and channels == out
        self.shortcut = nn.Identity() if same else nn.Sequential(*_normed(channels, out, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        branch = self.branch(x)
        return torch.relu(branch + self.shortcut(x))


def _normed(channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(out)]


def resnet18() -> nn.Module:
    return _resnet((2, 2, 2, 2), bottleneck=False)


def resnet50() -> nn.Module:
    return _resnet((3, 4, 6, 3), bottleneck=True)


def _resnet(depths: tuple[int, ...], bottleneck: bool) -> nn.Module:
    layers: list[nn.Module] = [*_normed(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for stage, depth in enumerate(depths):
        for block in range(depth):
            layers.append(Residual(channels, 64 << stage, 2 if stage and not block else 1, bottleneck))
            channels = (64 << stage) * (4 if bottleneck else 1)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000))


class InvertedResidual(nn.Module):
    """MobileNetV2's block."""

    def __init__(self, channels: int, expansion: int, out: int, stride: int) -> None:
        super().__init__()
        hidden = channels * expansion
        expand = [*_normed(channels, hidden, 1), nn.ReLU6()] if expansion > 1 else []
        depthwise = [*_normed(hidden, hidden, 3, stride, groups=hidden), nn.ReLU6()]
        self.branch = nn.Sequential(*expand, *depthwise, *_normed(hidden, out, 1))
        self.adds = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.branch(x)
        return x + out if self.adds else out


def mobilenet_v2() -> nn.Module:
    layers: list[nn.Module] = [*_normed(3, 32, 3, 2), nn.ReLU6()]
    channels = 32
    for expansion, out, repeats, stride in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ):  # fmt: skip
        for index in range(repeats):
            layers.append(InvertedResidual(channels, expansion, out, stride if index == 0 else 1))
            channels = out
    layers += [*_normed(320, 1280, 1), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2)]
    return nn.Sequential(*layers, nn.Linear(1280, 1000))


MODULES: dict[str, Callable[[], nn.Module]] = {
    "alexnet": alexnet,
    "alexnet_torch": alexnet_torch,
    "vgg16": vgg16,
    "resnet18": resnet18,
    "resnet50": resnet50,
    "mobilenet_v2": mobilenet_v2,
}
