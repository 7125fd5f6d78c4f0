"""Fixed-point formats, and torch networks that compute in them.

A number with some `bits` and a `fraction` length is a two's complement integer times 2^-fraction; fraction lengths may
be negative or longer than the word.  Convolutions and fully connected layers are intercepted as functions rather than
as modules, so that exported programs, which have no modules, work as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import frexp
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from netlists.errors import DesignError

_aten = torch.ops.aten
PRODUCTS = (
    torch.conv1d, torch.conv2d, torch.conv3d, torch.conv_transpose1d, torch.conv_transpose2d, nn.functional.linear,
    _aten.conv1d.default, _aten.conv2d.default, _aten.conv3d.default, _aten.conv_transpose1d.default,
    _aten.conv_transpose2d.input, _aten.linear.default,
)  # fmt: skip
"""The functions that are computed in fixed point."""


@dataclass(frozen=True)
class Fixed:
    """A fixed-point format; raises `DesignError` for fewer than 2 bits or more than 32."""

    bits: int  # of the word, the sign included
    fraction: int  # of these, bits after the binary point

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 32:
            raise DesignError(f"a word length is {self.bits} bits; expected 2 to 32")

    def __call__(self, values: Tensor) -> Tensor:
        """The nearest numbers of this format; values out of its range saturate."""
        limit = 2 ** (self.bits - 1)
        whole = torch.round(values.double() * 2.0**self.fraction).clamp(-limit, limit - 1)
        return (whole * 2.0**-self.fraction).to(values.dtype)


def longest_fraction(bits: int, largest: float) -> int:
    """The longest fraction at which absolute values up to `largest` do not overflow (except by rounding up)."""
    return bits - 1 - frexp(largest)[1]


@dataclass(frozen=True)
class LayerFormat:
    """The formats of one layer; None stands for floating point."""

    weight: Fixed | None = None
    input: Fixed | None = None


FLOAT = LayerFormat()


@dataclass(frozen=True)
class Call:
    """One use of a layer."""

    compute: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    input: Tensor
    weight: Tensor
    bias: Tensor | None

    def output(self, formats: LayerFormat) -> Tensor:
        """The output of the layer in some formats; a bias is rounded to the fraction of the products it is added to."""
        x = formats.input(self.input) if formats.input else self.input
        weight = formats.weight(self.weight) if formats.weight else self.weight
        bias = self.bias
        if bias is not None and formats.input and formats.weight:
            scale = 2.0 ** (formats.input.fraction + formats.weight.fraction)
            bias = (torch.round(bias.double() * scale) / scale).to(bias.dtype)
        return self.compute(x, weight, bias)


class Products(TorchFunctionMode):
    """While active, computes layers in their formats and records their order, their ranges and the calls of one layer.

    `names` gives the name of a layer by the `id` of its weight; `keep` is the layer whose calls are recorded.
    """

    def __init__(self, names: Mapping[int, str], formats: Mapping[str, LayerFormat], keep: str | None = None) -> None:
        super().__init__()
        self.names, self.formats, self.keep = names, formats, keep
        self.largest: dict[str, tuple[float, float]] = {}  # weight and input by layer, in the order of first use
        self.calls: list[Call] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = dict(kwargs or {})
        if func not in PRODUCTS:
            return func(*args, **named)
        others = list(args)
        x, weight, bias = (others.pop(0) if others else named.pop(key, None) for key in ("input", "weight", "bias"))
        call = Call(lambda a, b, c: func(a, b, c, *others, **named), x, weight, bias)
        name = self.names.get(id(weight))
        if name is None:  # the weight is itself computed, so it has no name
            return call.output(FLOAT)
        _, before = self.largest.get(name, (0.0, 0.0))
        self.largest[name] = largest(weight), max(before, largest(x))
        if name == self.keep:
            self.calls.append(call)
        return call.output(self.formats.get(name, FLOAT))


def largest(values: Tensor) -> float:
    """The largest absolute value of `values` [B, ...], in any unit; 0 if there are none."""
    return float(values.abs().max()) if values.numel() else 0.0
