"""Small networks of ten kinds as plain torch modules, with the MACs and parameters that hooks count in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    """Products of queries, keys and values of several heads; a module of its own so that a hook sees it."""

    def __init__(self, heads: int, causal: bool = False, fused: bool = False) -> None:
        super().__init__()
        self.heads, self.causal, self.fused = heads, causal, fused

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        batch, rows, wide = query.shape
        split = [x.view(batch, rows, self.heads, -1).transpose(1, 2) for x in (query, key, value)]
        if self.fused:
            mixed = functional.scaled_dot_product_attention(split[0], split[1], split[2], is_causal=self.causal)
        else:
            scores = split[0] @ split[1].transpose(-2, -1) * (wide // self.heads) ** -0.5
            if self.causal:
                mask = torch.ones(rows, rows, dtype=torch.bool, device=scores.device).tril()
                scores = scores.masked_fill(~mask, float("-inf"))
            mixed = torch.softmax(scores, -1) @ split[2]
        return mixed.transpose(1, 2).reshape(batch, rows, wide)


class Block(nn.Module):
    """A Transformer block, normalized before each half."""

    def __init__(self, wide: int, heads: int, causal: bool, fused: bool) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(wide), nn.LayerNorm(wide)
        self.qkv, self.out = nn.Linear(wide, 3 * wide), nn.Linear(wide, wide)
        self.attention = Attention(heads, causal, fused)
        self.mlp = nn.Sequential(nn.Linear(wide, 4 * wide), nn.GELU(), nn.Linear(4 * wide, wide))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(self.first(x)).chunk(3, dim=-1)
        x = x + self.out(self.attention(query, key, value))
        return torch.as_tensor(x + self.mlp(self.second(x)))


class ViT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 48, 8, 8)
        self.token = nn.Parameter(torch.randn(1, 1, 48))
        self.positions = nn.Parameter(torch.randn(1, 17, 48))
        self.blocks = nn.Sequential(*(Block(48, 4, causal=False, fused=True) for _ in range(2)))
        self.norm, self.head = nn.LayerNorm(48), nn.Linear(48, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.positions
        return torch.as_tensor(self.head(self.norm(self.blocks(x))[:, 0]))


class GPT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(90, 32), nn.Embedding(24, 32)
        self.blocks = nn.Sequential(*(Block(32, 4, causal=True, fused=False) for _ in range(2)))
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 90, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        where = torch.arange(x.shape[1], device=x.device)
        return torch.as_tensor(self.head(self.norm(self.blocks(self.tokens(x) + self.positions(where)))))


class Tagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(70, 24)
        self.lstm = nn.LSTM(24, 16, num_layers=2, bidirectional=True, batch_first=True)
        self.tags = nn.Linear(32, 7)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.tags(self.lstm(self.words(x))[0]))


def normed(channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(out)]


class Squeeze(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels // 4, 1), nn.ReLU(),
                                   nn.Conv2d(channels // 4, channels, 1), nn.Hardsigmoid())  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(x * self.scale(x))


class Inverted(nn.Module):
    """The block of MobileNetV3."""

    def __init__(self, channels: int, hidden: int, out: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(*normed(channels, hidden, 1), nn.Hardswish(), *normed(hidden, hidden, 5, stride,
                                    hidden), nn.Hardswish(), Squeeze(hidden), *normed(hidden, out, 1))  # fmt: skip
        self.adds = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(x + self.branch(x) if self.adds else self.branch(x))


def mobilenet_v3() -> nn.Module:
    return nn.Sequential(*normed(3, 16, 3, 2), nn.Hardswish(), Inverted(16, 32, 16, 1), Inverted(16, 64, 24, 2),
                         *normed(24, 96, 1), nn.Hardswish(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, 64),
                         nn.Hardswish(), nn.Dropout(0.2), nn.Linear(64, 10))  # fmt: skip


class Shuffle(nn.Module):
    """The block of ShuffleNet V2 at stride 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.branch = nn.Sequential(*normed(half, half, 1), nn.ReLU(), *normed(half, half, 3, groups=half),
                                    *normed(half, half, 1), nn.ReLU())  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        first, second = x.chunk(2, dim=1)
        x = torch.cat([first, self.branch(second)], dim=1)
        batch, channels, high, wide = x.shape
        return x.view(batch, 2, channels // 2, high, wide).transpose(1, 2).reshape(batch, channels, high, wide)


def shufflenet() -> nn.Module:
    return nn.Sequential(*normed(3, 24, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1), Shuffle(24), Shuffle(24),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10))  # fmt: skip


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        self.deep = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU())
        self.up = nn.ConvTranspose2d(16, 8, 2, 2)
        self.last = nn.Sequential(nn.Conv2d(16, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 2, 1))

    def forward(self, x: Tensor) -> Tensor:
        skipped = self.down(x)
        raised = self.up(self.deep(skipped))
        missing = skipped.shape[2] - raised.shape[2], skipped.shape[3] - raised.shape[3]
        raised = functional.pad(raised, [0, missing[1], 0, missing[0]])
        wide = functional.interpolate(self.last(torch.cat([skipped, raised], 1)), scale_factor=2, mode="bilinear")
        return torch.as_tensor(wide)


class SSD(nn.Module):
    """Two maps with one head each for boxes and classes, reshaped and joined; the class head is shared."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(16, 16, 3, 2, 1), nn.ReLU())
        self.boxes = nn.ModuleList([nn.Conv2d(16, 12, 3, padding=1), nn.Conv2d(16, 24, 3, padding=1)])
        self.classes = nn.Conv2d(16, 15, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        maps = [self.first(x)]
        maps.append(self.second(maps[0]))
        boxes = [head(y).permute(0, 2, 3, 1).reshape(x.shape[0], -1, 4) for head, y in zip(self.boxes, maps)]  # noqa: B905
        classes = [self.classes(y).permute(0, 2, 3, 1).reshape(x.shape[0], -1, 5) for y in maps]
        return torch.cat(boxes, 1), torch.cat(classes, 1).softmax(-1)


def group_norms() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.SiLU(), nn.Conv2d(16, 32, 3, 2, 1),
                         nn.GroupNorm(8, 32), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(32, 5))  # fmt: skip


def dilated() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=2, dilation=2), nn.ReLU(), nn.Conv2d(8, 8, 3, padding="same",
                         dilation=(1, 4), groups=2), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(8, 6, (5, 3),
                         stride=(2, 1), padding=(4, 3), dilation=(2, 3)))  # fmt: skip


class Padded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 16, 3, 2), nn.Conv2d(16, 8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(functional.pad(x, [0, 1, 0, 1])))
        high, wide = x.shape[-2:]
        x = functional.pad(x, [(-wide) % 5, 2, (-high) % 7, 1], mode="reflect")
        return torch.as_tensor(self.second(x))


IMAGE, WORDS = (2, 3, 32, 32), (2, 24)
EXPORTS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "mobilenet_v3": (mobilenet_v3, IMAGE),
    "shufflenet": (shufflenet, IMAGE),
    "unet": (UNet, (2, 3, 34, 30)),
    "vit": (ViT, IMAGE),
    "gpt": (GPT, WORDS),
    "lstm_tagger": (Tagger, WORDS),
    "ssd": (SSD, IMAGE),
    "group_norm": (group_norms, IMAGE),
    "dilated": (dilated, IMAGE),
    "padded": (Padded, IMAGE),
}


def example(shape: tuple[int, ...]) -> Tensor:
    """Words for a network of words, otherwise an image."""
    return torch.randint(0, 70, shape) if len(shape) == 2 else torch.randn(shape)


def trained(module: nn.Module) -> nn.Module:
    """The module in evaluation mode with random numbers everywhere; exporters drop and join what is zero or equal."""
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.5 if name.endswith("running_var") else torch.randn_like(tensor))
    return module.eval()


def counted(module: nn.Module, given: Tensor) -> tuple[int, int]:
    """MACs for one input, counted by hooks while the module runs, and parameters, batch norms folded into biases."""
    macs = 0

    def hook(layer: Any, inputs: Any, output: Any) -> None:
        nonlocal macs
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            macs += output.numel() * layer.in_channels // layer.groups * layer.kernel_size[0] * layer.kernel_size[1]
        elif isinstance(layer, nn.Linear):
            macs += output.numel() * layer.in_features
        elif isinstance(layer, nn.LSTM):
            weights = sum(p.numel() for name, p in layer.named_parameters() if name.startswith("weight"))
            macs += weights * inputs[0].shape[0] * inputs[0].shape[1]
        elif isinstance(layer, Attention):
            batch, rows, wide = inputs[0].shape
            macs += 2 * batch * rows * rows * wide

    handles = [layer.register_forward_hook(hook) for layer in module.modules()]
    with torch.no_grad():
        module(given)
    for handle in handles:
        handle.remove()
    folded = sum(layer.num_features for layer in module.modules() if isinstance(layer, nn.BatchNorm2d))
    return macs // given.shape[0], sum(p.numel() for p in module.parameters()) - folded
