"""Dynamic-precision fixed point: per layer the fraction lengths that lose least (Qiu et al., FPGA'16, section 5).

With dynamic precision each layer has its own fraction length for weights and for activations.  They are searched layer
by layer in the order of execution, such that the layer's outputs in the floating-point network and in the network
quantized so far differ least on calibration data; then once more, neighbors of each by the network's outputs.  With one
fraction length for all, the one for weights and the one for activations are those with which the network's outputs
differ least.  The difference is the sum of squares; the paper's, of absolute values, and a search without the second
round find formats that keep less accuracy at 4 bits.

Activations are quantized where an accelerator stores them: at the input of each convolution and fully connected layer
and at the network's output.  Sums are exact.  What lies between (activation functions, pooling, batch norm) computes
in floating point.

    report = quantize(module, calibration, (x, y), weight_bits=8, activation_bits=8)
    report.accuracy, report.accuracy_float, report.layers      # what the word lengths cost, and the fraction lengths
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

CALL = 64  # samples that run at once
SATURATING = 4  # fraction lengths tried beyond the longest without overflow


@dataclass(frozen=True)
class Report:
    """What the word lengths cost.  Accuracies are shares of the test samples, 0 to 1."""

    accuracy_float: float
    accuracy: float
    layers: dict[str, LayerFormat]  # in the order of execution, named as their weights: conv1 of conv1.weight
    output: Fixed  # of the network
    dynamic: bool

    @property
    def word_lengths(self) -> dict[str, tuple[int, int, int]]:
        """Bits of weights, inputs and outputs by layer."""
        bits = self.output.bits
        return {name: (found.weight.bits if found.weight else 0, bits, bits) for name, found in self.layers.items()}

    def apply(self, network: Network) -> Network:
        """The network with these word lengths; layers without weights carry activations.

        Raises `DesignError` for a layer that the network does not have.
        """
        known = [layer.name for layer in network.layers]
        lengths = self.word_lengths
        for name in lengths:
            if name not in known:
                raise DesignError(f"network {network.name} has no layer {name!r}{did_you_mean(name, known)}")
        layers = []
        for layer in network.layers:
            weight, given, out = lengths.get(layer.name, (self.output.bits,) * 3)
            layers.append(replace(layer, weight_bits=weight, input_bits=given, output_bits=out))
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
) -> Report:
    """Search fraction lengths on calibration inputs [N, ...] and measure accuracy on a test set ([N, ...], labels [N]).

    `layer_bits` are word lengths of the weights of single layers, by name, that differ from `weight_bits`.  The module
    runs in evaluation mode and is left as it was; memory holds one layer's inputs and outputs on all calibration data.
    Raises `DesignError` for word lengths that cannot be, layers that the module does not have, and data that it does
    not take.
    """
    if not len(calibration) or not len(test[0]):
        raise DesignError(f"{len(calibration)} samples to calibrate, {len(test[0])} to test; expected some of both")
    training = module.training
    _set_training(module, False)
    try:
        search = _Search(module, calibration, weight_bits, activation_bits, layer_bits or {})
        output = search.each_layer() if dynamic else search.one_for_all()
        exact, fixed = search.run({}, test[0]), search.run(search.formats, test[0])
        return Report(
            _accuracy(exact, test[1]), _accuracy(map(output, fixed), test[1]), search.formats, output, dynamic
        )
    finally:
        _set_training(module, training)


def accuracy_by_bits(
    module: nn.Module, calibration: Tensor, test: tuple[Tensor, Tensor], bits: Iterable[tuple[int, int]]
) -> list[tuple[Report, Report]]:
    """For each (weight bits, activation bits): with a fraction length per layer, and with one for all."""
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
    chosen = torch.cat(list(outputs)).argmax(dim=1)
    if chosen.shape != labels.shape:
        raise DesignError(f"{list(chosen.shape)} predictions for {list(labels.shape)} labels; expected one label each")
    return float((chosen == labels).double().mean())


class _Search:
    """Finds `formats`, the format of each layer."""

    def __init__(
        self, module: nn.Module, calibration: Tensor, weight_bits: int, bits: int, layer_bits: Mapping[str, int]
    ) -> None:
        self.module, self.calibration, self.bits = module, calibration, bits
        self.names = {id(value): name.removesuffix(".weight") for name, value in module.named_parameters()}
        self.formats: dict[str, LayerFormat] = {}
        self.ranges = self._watch({}, None).largest
        if not self.ranges:
            raise DesignError("the module runs no convolution or fully connected layer with a weight of its own")
        for name, found in self.ranges.items():
            if not all(map(isfinite, found)):
                raise DesignError(f"layer {name!r} has weights or inputs that are not finite")
        for name in layer_bits:
            if name not in self.ranges:
                near = did_you_mean(name, self.ranges)
                raise DesignError(f"the module has no layer {name!r}{near}; it runs {', '.join(self.ranges)}")
        self.weight_bits = {name: layer_bits.get(name, weight_bits) for name in self.ranges}

    def run(self, formats: Mapping[str, LayerFormat], inputs: Tensor) -> list[Tensor]:
        """Outputs of the network in these formats, chunk by chunk."""
        with Products(self.names, formats):
            return list(self._outputs(inputs))

    def _watch(self, formats: Mapping[str, LayerFormat], layer: str | None) -> Products:
        """What happens inside on the calibration data."""
        watched = Products(self.names, formats, layer)
        with watched:
            for _ in self._outputs(self.calibration):
                pass
        return watched

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
        """Formats layer by layer, then that of the network's output, which is returned."""
        for name, (weight_range, _) in self.ranges.items():
            reference = [call.output(FLOAT) for call in self._watch({}, name).calls]
            calls = self._watch(self.formats, name).calls

            def loss(formats: LayerFormat) -> float:
                return _difference([call.output(formats) for call in calls], reference)  # noqa: B023

            given = _formats(self.bits, max(largest(call.input) for call in calls))
            chosen = min((LayerFormat(None, fixed) for fixed in given), key=loss)
            weights = _formats(self.weight_bits[name], weight_range)
            self.formats[name] = min((replace(chosen, weight=fixed) for fixed in weights), key=loss)
        self._refine()
        return self._output_format()

    def _refine(self) -> None:
        """Once more layer by layer, neighbors of each fraction length by what they do to the network's outputs."""
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
        """The same fraction lengths for all layers and the output, whose format is returned."""
        exact = self.run({}, self.calibration)
        weights, inputs = zip(*self.ranges.values(), strict=True)

        def formats(weight: int, given: Fixed | None) -> dict[str, LayerFormat]:
            return {name: LayerFormat(Fixed(bits, weight), given) for name, bits in self.weight_bits.items()}

        def loss(weight: int, given: Fixed | None) -> float:
            outputs = self.run(formats(weight, given), self.calibration)
            return _difference([given(out) if given else out for out in outputs], exact)

        bits = self.weight_bits.values()
        shortest = min(longest_fraction(b, r) for b, r in zip(bits, weights, strict=True))
        longest = max(longest_fraction(b, r) for b, r in zip(bits, weights, strict=True)) + SATURATING
        weight = min(range(shortest, longest + 1), key=lambda fraction: loss(fraction, None))
        given = min(_formats(self.bits, max(inputs), min(inputs)), key=lambda fixed: loss(weight, fixed))
        self.formats = formats(weight, given)
        return given


def _formats(bits: int, most: float, least: float | None = None) -> list[Fixed]:
    """Formats worth trying for values whose largest is `most`, or in other layers only `least`."""
    last = longest_fraction(bits, most if least is None else least) + SATURATING
    return [Fixed(bits, fraction) for fraction in range(longest_fraction(bits, most), last + 1)]


def _difference(found: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    return sum(float(((a - b) ** 2).sum()) for a, b in zip(found, expected, strict=True))
