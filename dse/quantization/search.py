"""Dynamic-precision fixed point: the best fraction lengths of each layer (Qiu et al., FPGA'16, section 5).

With dynamic precision each layer has its own fraction length for weights and for activations.  They are searched layer
by layer in the order of execution, so that the outputs of the layer in the floating-point network and in the network
quantized so far differ least on calibration data; a second round tries the neighbors of each by the outputs of the
network.  With one fraction length for all layers, that for weights and that for activations are the ones for which the
outputs of the network differ least.  The difference is the sum of squares: the sum of absolute values of the paper, or
a search without the second round, leads to formats that keep less accuracy at 4 bits.

Activations are quantized where an accelerator stores them: at the input of each convolution and fully connected layer
and at the output of the network.  Sums are exact.  The operations between them (activation functions, pooling, batch
norm) compute in floating point.

    report = quantize(module, calibration, (x, y), weight_bits=8, activation_bits=8)
    report.accuracy, report.accuracy_float, report.layers      # the cost of the word lengths, and the fraction lengths
    network = report.apply(from_torch(module, x[:1]))          # word lengths for the accelerator model
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite

import torch
from torch import Tensor, nn

from dse.quantization.fixed_point import FLOAT, Fixed, LayerFormat, Products, largest, longest_fraction
from dse.workloads.layers import Network
from netlists.errors import DesignError, did_you_mean, first_line

CALL = 64
"""Samples that run at once."""
SATURATING = 4
"""Fraction lengths tried beyond the longest one without overflow."""


@dataclass(frozen=True)
class QuantizationReport:
    """What word lengths cost.  Accuracies are fractions of the test samples, from 0 to 1."""

    accuracy_float: float
    accuracy: float
    layers: dict[str, LayerFormat]  # in the order of execution, named as their weights: conv1 of conv1.weight
    output: Fixed  # the format of the output of the network
    dynamic: bool  # whether each layer has its own fraction lengths

    @property
    def word_lengths(self) -> dict[str, tuple[int, int, int]]:
        """Bits of weights, inputs and outputs by layer."""
        bits = self.output.bits
        return {name: (each.weight.bits if each.weight else 0, bits, bits) for name, each in self.layers.items()}

    def apply(self, network: Network) -> Network:
        """The network with these word lengths; layers without weights have those of activations.

        Raises `DesignError` for a layer that the network does not have.
        """
        known = [layer.name for layer in network.layers]
        lengths = self.word_lengths
        for name in lengths:
            if name not in known:
                raise DesignError(f"network {network.name} has no layer {name!r}{did_you_mean(name, known)}")
        layers = []
        for layer in network.layers:
            weights, inputs, outputs = lengths.get(layer.name, (self.output.bits,) * 3)
            layers.append(replace(layer, weight_bits=weights, input_bits=inputs, output_bits=outputs))
        return replace(network, layers=tuple(layers))


@torch.no_grad()
def quantize(
    module: nn.Module,
    calibration: Tensor,
    test: tuple[Tensor, Tensor],
    weight_bits: int = 8,
    activation_bits: int = 8,
    *,
    dynamic: bool = True,
    layer_bits: Mapping[str, int] | None = None,
) -> QuantizationReport:
    """Search fraction lengths on calibration values [N, ...] and measure accuracy on a test set ([N, ...], labels [N]).

    `layer_bits` are word lengths of the weights of single layers, by name, that differ from `weight_bits`.  `dynamic`
    gives each layer its own fraction lengths.  The module runs in evaluation mode and is left as it was; memory holds
    the inputs and outputs of one layer for all calibration data.  Raises `DesignError` for impossible word lengths,
    layers that the module does not have, and data that it does not accept.
    """
    if not len(calibration) or not len(test[0]):
        raise DesignError(f"{len(calibration)} samples to calibrate, {len(test[0])} to test; expected some of both")
    training = module.training
    _set_training(module, False)
    try:
        search = _Search(module, calibration, weight_bits, activation_bits, layer_bits or {})
        output = search.each_layer() if dynamic else search.one_for_all()
        exact, fixed = search.run({}, test[0]), search.run(search.formats, test[0])
        return QuantizationReport(
            _accuracy(exact, test[1]), _accuracy(map(output, fixed), test[1]), search.formats, output, dynamic
        )
    finally:
        _set_training(module, training)


def compare_word_lengths(
    module: nn.Module, calibration: Tensor, test: tuple[Tensor, Tensor], bits: Iterable[tuple[int, int]]
) -> list[tuple[QuantizationReport, QuantizationReport]]:
    """Quantize for each pair of (weight bits, activation bits): with fraction lengths per layer, and with one for all.

    Calibration values [N, ...] and the test set ([N, ...], labels [N]) are those of `quantize`.
    """
    return [
        (
            quantize(module, calibration, test, *pair, dynamic=True),
            quantize(module, calibration, test, *pair, dynamic=False),
        )
        for pair in bits
    ]


def _set_training(module: nn.Module, training: bool) -> None:
    if not isinstance(module, torch.fx.GraphModule):  # an exported program has one mode
        module.train(training)


def _accuracy(outputs: Iterable[Tensor], labels: Tensor) -> float:
    classes = torch.cat(list(outputs)).argmax(dim=1)
    if classes.shape != labels.shape:
        raise DesignError(f"{list(classes.shape)} predictions for {list(labels.shape)} labels; expected one label each")
    return float((classes == labels).double().mean())


class _Search:
    """The search for `formats`, the format of each layer."""

    def __init__(
        self, module: nn.Module, calibration: Tensor, weight_bits: int, bits: int, layer_bits: Mapping[str, int]
    ) -> None:
        self.module, self.calibration, self.bits = module, calibration, bits
        self.names = {id(value): name.removesuffix(".weight") for name, value in module.named_parameters()}
        self.formats: dict[str, LayerFormat] = {}
        self.ranges = self._watch({}, None).largest
        if not self.ranges:
            raise DesignError("the module runs no convolution or fully connected layer with a weight of its own")
        for name, limits in self.ranges.items():
            if not all(map(isfinite, limits)):
                raise DesignError(f"layer {name!r} has weights or inputs that are not finite")
        for name in layer_bits:
            if name not in self.ranges:
                near = did_you_mean(name, self.ranges)
                raise DesignError(f"the module has no layer {name!r}{near}; it runs {', '.join(self.ranges)}")
        self.weight_bits = {name: layer_bits.get(name, weight_bits) for name in self.ranges}

    def run(self, formats: Mapping[str, LayerFormat], inputs: Tensor) -> list[Tensor]:
        """Outputs of the network in some formats, CALL samples at a time."""
        with Products(self.names, formats):
            return list(self._outputs(inputs))

    def _watch(self, formats: Mapping[str, LayerFormat], layer: str | None) -> Products:
        """Ranges of all layers, and the calls of one, on the calibration data."""
        products = Products(self.names, formats, layer)
        with products:
            for _ in self._outputs(self.calibration):
                pass
        return products

    def _outputs(self, inputs: Tensor) -> Iterator[Tensor]:
        for chunk in torch.split(inputs, CALL):
            try:
                out = self.module(chunk)
            except (RuntimeError, TypeError, ValueError, AssertionError, IndexError) as error:
                reason = first_line(error)
                raise DesignError(f"the module does not run on inputs of shape {list(chunk.shape)}: {reason}") from None
            if not isinstance(out, Tensor) or out.ndim != 2:
                raise DesignError("the module does not return one tensor of [samples, classes]; expected a classifier")
            yield out

    def each_layer(self) -> Fixed:
        """Choose the format of each layer; return that of the output of the network."""
        for name, (weight_range, _) in self.ranges.items():
            reference = [call.output(FLOAT) for call in self._watch({}, name).calls]
            calls = self._watch(self.formats, name).calls

            def loss(formats: LayerFormat) -> float:
                return _difference([call.output(formats) for call in calls], reference)  # noqa: B023

            inputs = _formats(self.bits, max(largest(call.input) for call in calls))
            best = min((LayerFormat(None, fixed) for fixed in inputs), key=loss)
            weights = _formats(self.weight_bits[name], weight_range)
            self.formats[name] = min((replace(best, weight=fixed) for fixed in weights), key=loss)
        self._refine()
        return self._output_format()

    def _refine(self) -> None:
        """Try the neighbors of each fraction length, layer by layer, by the outputs of the network."""
        exact = self.run({}, self.calibration)

        def loss(name: str, formats: LayerFormat) -> float:
            return _difference(self.run(self.formats | {name: formats}, self.calibration), exact)

        for name in self.ranges:
            for part in ("weight", "input"):
                now: Fixed = getattr(self.formats[name], part)
                tried = [replace(now, fraction=now.fraction + step) for step in (0, -1, 1)]
                self.formats[name] = min(
                    (replace(self.formats[name], **{part: fixed}) for fixed in tried), key=lambda f: loss(name, f)
                )

    def _output_format(self) -> Fixed:
        exact, outputs = self.run({}, self.calibration), self.run(self.formats, self.calibration)
        tried = _formats(self.bits, max(map(largest, outputs)))
        return min(tried, key=lambda fixed: _difference(list(map(fixed, outputs)), exact))

    def one_for_all(self) -> Fixed:
        """Choose the same fraction lengths for all layers; return the format of the output of the network."""
        exact = self.run({}, self.calibration)
        weights, inputs = zip(*self.ranges.values(), strict=True)

        def formats(weight: int, activation: Fixed | None) -> dict[str, LayerFormat]:
            return {name: LayerFormat(Fixed(bits, weight), activation) for name, bits in self.weight_bits.items()}

        def loss(weight: int, activation: Fixed | None) -> float:
            outputs = self.run(formats(weight, activation), self.calibration)
            return _difference([activation(out) if activation else out for out in outputs], exact)

        bits = self.weight_bits.values()
        shortest = min(longest_fraction(b, r) for b, r in zip(bits, weights, strict=True))
        longest = max(longest_fraction(b, r) for b, r in zip(bits, weights, strict=True)) + SATURATING
        weight = min(range(shortest, longest + 1), key=lambda fraction: loss(fraction, None))
        activation = min(_formats(self.bits, max(inputs), min(inputs)), key=lambda fixed: loss(weight, fixed))
        self.formats = formats(weight, activation)
        return activation


def _formats(bits: int, most: float, least: float | None = None) -> list[Fixed]:
    """Formats worth trying for values up to `most`; in other layers the largest may be as small as `least`."""
    last = longest_fraction(bits, most if least is None else least) + SATURATING
    return [Fixed(bits, fraction) for fraction in range(longest_fraction(bits, most), last + 1)]


def _difference(outputs: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """The sum of squared differences."""
    return sum(float(((a - b) ** 2).sum()) for a, b in zip(outputs, expected, strict=True))
