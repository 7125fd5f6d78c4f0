"""What an accelerator computes: a network as layers, a layer as loop bounds.

Every layer is the loop nest of a grouped convolution over N images: M output channels of P×Q pixels, each the sum over
C/groups input channels and an R×S kernel.  A fully connected layer has R = S = 1 over a map of one pixel (or of one
pixel per token); a matrix product of two activations is a 1×1 convolution with one group per head.  Pooling and
element-wise layers multiply nothing; they count as memory traffic.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from netlists.errors import DesignError, did_you_mean


class Kind(IntEnum):
    """Kinds of layers; those up to MATMUL have multiplications."""

    CONV = 0  # with groups; depthwise if groups == channels
    FC = 1  # each weight is used once per output pixel
    MATMUL = 2  # both operands are activations
    POOL = 3  # memory traffic only
    ELEMENTWISE = 4  # memory traffic only, `operands` inputs


MOST_DIGITS = 18  # of a size that a file states, as arrays and files have 64 bits

# Columns of a row of `Network.rows()`, all int64.
KIND = 0  # a `Kind`
BATCH = 1  # images
GROUPS = 2  # groups of channels
C = 3  # input channels of all groups
M = 4  # output channels of all groups
H = 5  # input rows, without padding
W = 6  # input columns, without padding
R = 7  # kernel rows
S = 8  # kernel columns
P = 9  # output rows
Q = 10  # output columns
STRIDE_H = 11  # input rows from one output row to the next
STRIDE_W = 12  # input columns from one output column to the next
DILATION_H = 13  # input rows from one kernel row to the next
DILATION_W = 14  # input columns from one kernel column to the next
OPERANDS = 15  # inputs of an element-wise layer
WEIGHT_BITS = 16  # bits of a weight; 0: as the design has it
INPUT_BITS = 17  # bits of an input; 0: as the design has it
OUTPUT_BITS = 18  # bits of an output; 0: as the design has it
ZEROS_PPM = 19  # zeros per million input activations
REPEAT = 20  # how often the layer occurs
COLUMNS = 21  # number of columns

PPM = 1_000_000  # parts per million


def kinds(names: Iterable[str]) -> list[Kind]:
    """The kinds of layers by their names in lower case; raises `DesignError` for an unknown name."""
    known = {kind.name.lower(): kind for kind in Kind}
    for name in names:
        if name not in known:
            raise DesignError(f"only: kind {name!r} is unknown{did_you_mean(name, known)}; expected {', '.join(known)}")
    return [known[name] for name in names]


@dataclass(frozen=True)
class Layer:
    """One layer; channels are totals over all groups.  Raises `DesignError` for bounds that do not form a layer."""

    name: str
    kind: Kind
    in_channels: int
    out_channels: int
    in_h: int = 1
    in_w: int = 1
    kernel_h: int = 1
    kernel_w: int = 1
    stride_h: int = 1
    stride_w: int = 1
    dilation_h: int = 1
    dilation_w: int = 1
    pad_top: int = 0
    pad_left: int = 0
    pad_bottom: int = 0
    pad_right: int = 0
    groups: int = 1
    batch: int = 1
    operands: int = 1  # inputs of an element-wise layer
    weight_bits: int = 0  # 0: as the design has it
    input_bits: int = 0
    output_bits: int = 0
    input_zeros: float = 0.0  # fraction of zeros among the input activations, measured; used if a design skips them
    bias: int = 0  # parameters per output channel beside the kernel: 1 a bias, 2 scale and shift of a normalization
    repeat: int = 1  # how often this layer occurs
    shared: int = 0  # elements of kernel and bias that an earlier layer has too, or that are computed: not parameters

    def __post_init__(self) -> None:
        for name in ("in_channels", "out_channels", "in_h", "in_w", "kernel_h", "kernel_w", "stride_h", "stride_w",
                     "dilation_h", "dilation_w", "groups", "batch", "operands", "repeat"):  # fmt: skip
            if getattr(self, name) < 1:
                raise DesignError(f"layer {self.name}: {name} is {getattr(self, name)}; expected at least 1")
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise DesignError(
                f"layer {self.name}: {self.in_channels} input and {self.out_channels} output channels do not divide"
                f" into {self.groups} groups"
            )
        if not 0.0 <= self.input_zeros <= 1.0:
            raise DesignError(f"layer {self.name}: input_zeros is {self.input_zeros}; expected 0 to 1")
        if self.out_h < 1 or self.out_w < 1:
            raise DesignError(
                f"layer {self.name}: a kernel of {self.kernel_h}x{self.kernel_w} does not fit its padded input of"
                f" {self.padded_h}x{self.padded_w}"
            )

    @property
    def padded_h(self) -> int:
        """Input rows with padding."""
        return self.in_h + self.pad_top + self.pad_bottom

    @property
    def padded_w(self) -> int:
        """Input columns with padding."""
        return self.in_w + self.pad_left + self.pad_right

    @property
    def out_h(self) -> int:
        """Output rows."""
        return (self.padded_h - self.dilation_h * (self.kernel_h - 1) - 1) // self.stride_h + 1

    @property
    def out_w(self) -> int:
        """Output columns."""
        return (self.padded_w - self.dilation_w * (self.kernel_w - 1) - 1) // self.stride_w + 1

    @property
    def has_macs(self) -> bool:
        """Whether the layer multiplies; otherwise it only moves data."""
        return self.kind <= Kind.MATMUL

    @property
    def macs(self) -> int:
        """Number of multiplications over the batch, for one occurrence of the layer."""
        if not self.has_macs:
            return 0
        window = self.in_channels // self.groups * self.kernel_h * self.kernel_w
        return self.batch * self.out_channels * self.out_h * self.out_w * window

    @property
    def weights(self) -> int:
        """Number of elements of the second operand: the kernel, or the second matrix of a product."""
        if not self.has_macs:
            return 0
        return self.out_channels * (self.in_channels // self.groups) * self.kernel_h * self.kernel_w

    @property
    def parameters(self) -> int:
        """Number of trained parameters: kernel, bias, and the scale and shift of a normalization of the layer.

        Those that an earlier layer has too are counted there.
        """
        kernel = 0 if self.kind == Kind.MATMUL else self.weights
        return kernel + self.bias * self.out_channels - self.shared

    @property
    def inputs(self) -> int:
        """Number of input elements over the batch."""
        return self.batch * self.operands * self.in_channels * self.in_h * self.in_w

    @property
    def outputs(self) -> int:
        """Number of output elements over the batch."""
        return self.batch * self.out_channels * self.out_h * self.out_w

    def row(self) -> list[int]:
        """The loop bounds in the order of the columns of this module."""
        return [
            self.kind, self.batch, self.groups, self.in_channels, self.out_channels, self.in_h, self.in_w,
            self.kernel_h, self.kernel_w, self.out_h, self.out_w, self.stride_h, self.stride_w, self.dilation_h,
            self.dilation_w, self.operands, self.weight_bits, self.input_bits, self.output_bits,
            round(self.input_zeros * PPM), self.repeat,
        ]  # fmt: skip

    def with_batch(self, batch: int) -> Layer:
        """The layer for `batch` times as many images; a product of activations has one group per head and image."""
        if self.kind != Kind.MATMUL:
            return replace(self, batch=self.batch * batch)
        return replace(
            self,
            groups=self.groups * batch,
            in_channels=self.in_channels * batch,
            out_channels=self.out_channels * batch,
        )


@dataclass(frozen=True)
class Network:
    """Layers in the order in which they run."""

    name: str
    layers: tuple[Layer, ...]
    batch: int = 1  # number of inputs at once that the layers are for
    an_input: str = ""  # what one input is, if a file leaves that open
    notes: tuple[str, ...] = ()  # what a reader left out or assumed, one line each
    beside: int = 0  # parameters that belong to no layer: tables, scales and shifts that stand alone

    def rows(self) -> npt.NDArray[np.int64]:
        """Loop bounds [L, COLUMNS]."""
        return np.array([layer.row() for layer in self.layers], np.int64).reshape(-1, COLUMNS)

    @cached_property
    def different(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Loop bounds [U, COLUMNS] of the U different layers, in their order, and how often each occurs [U]."""
        rows = self.rows()
        bounds = np.delete(rows, REPEAT, axis=1)
        _, first, same = np.unique(bounds, axis=0, return_index=True, return_inverse=True)
        order = np.argsort(first)
        repeats = np.bincount(same.reshape(-1), rows[:, REPEAT]).astype(np.int64)
        return rows[first[order]], repeats[order]

    @property
    def macs(self) -> int:
        """Number of multiplications of one run."""
        return sum(layer.macs * layer.repeat for layer in self.layers)

    @property
    def parameters(self) -> int:
        """Number of trained parameters."""
        return sum(layer.parameters * layer.repeat for layer in self.layers) + self.beside

    def with_batch(self, batch: int) -> Network:
        """The network for a batch of inputs; raises `DesignError` unless that is a multiple of its own batch."""
        times, rest = divmod(batch, self.batch)
        if rest or times < 1:
            multiple = f"a multiple of {self.batch}, the batch of network {self.name}"
            expected = "at least 1" if self.batch == 1 else multiple
            raise DesignError(f"batch is {batch}; expected {expected}")
        return replace(self, layers=tuple(layer.with_batch(times) for layer in self.layers), batch=batch)

    def only(self, kinds: Iterable[Kind]) -> Network:
        """The network with its layers of some kinds only; raises `DesignError` if none is left."""
        selection = set(kinds)
        layers = tuple(layer for layer in self.layers if layer.kind in selection)
        if not layers:
            raise DesignError(f"only: network {self.name} has no layer of these kinds")
        return replace(self, layers=layers)


def conv(name: str, channels: tuple[int, int], size: int | tuple[int, int], kernel: int | tuple[int, int],
         stride: int = 1, pad: int | tuple[int, int] = 0, **other: object) -> Layer:  # fmt: skip
    """A convolution with the same stride along both axes and the same padding at both ends of an axis."""
    in_h, in_w = _pair(size)
    kernel_h, kernel_w = _pair(kernel)
    pad_h, pad_w = _pair(pad)
    return make_layer(
        name=name, kind=Kind.CONV, in_channels=channels[0], out_channels=channels[1], in_h=in_h, in_w=in_w,
        kernel_h=kernel_h, kernel_w=kernel_w, stride_h=stride, stride_w=stride,
        pad_top=pad_h, pad_bottom=pad_h, pad_left=pad_w, pad_right=pad_w, **other,
    )  # fmt: skip


def is_size(text: str) -> bool:
    """Whether a text is a whole number of at least 0 that a size may be: of at most MOST_DIGITS digits."""
    return text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS


def make_layer(**values: object) -> Layer:
    """A layer from its fields by name; raises `DesignError` with the nearest name for a field that does not exist."""
    known = [field.name for field in fields(Layer)]
    for name in values:
        if name not in known:
            raise DesignError(f"a layer has no field {name!r}{did_you_mean(name, known)}")
    return Layer(**values)  # type: ignore[arg-type]


def _pair(size: int | tuple[int, int] | Sequence[int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])
