"""The command `dse quantize`: accuracy against bits, and word lengths for a design file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
import yaml

from dse.commands.options import Json
from netlists.errors import SettingsError
from netlists.runtime.output import check_out, replaced

if TYPE_CHECKING:
    from dse.quantization.search import QuantizationReport

DEFAULT_BITS = "16x16,8x8,6x8,4x8,3x8,4x4"


class Trial(NamedTuple):
    """Word lengths and what they cost."""

    weight_bits: int
    activation_bits: int
    per_layer: QuantizationReport  # with fraction lengths per layer
    one_for_all: QuantizationReport  # with the same fraction lengths for all layers

    @property
    def accuracies(self) -> list[float]:
        """Fractions of the test samples: floating point, fraction lengths per layer, the same for all layers."""
        return [self.per_layer.accuracy_float, self.per_layer.accuracy, self.one_for_all.accuracy]


def quantize(
    model: Annotated[str, typer.Argument(help="digits (trained on the spot), FILE.py:FUNCTION or FILE.pt2")],
    data: Annotated[Path | None, typer.Option(help=".npz of inputs x and labels y; not for digits")] = None,
    bits: Annotated[str, typer.Option(metavar="WxA,...", help="Bits of weights and activations")] = DEFAULT_BITS,
    out: Annotated[
        Path | None, typer.Option(help="Write the word lengths of the first as `layers` of a design file")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same digits network")] = 0,
    trust: Annotated[bool, typer.Option("--trust", help="Load FILE.pt2, which can run its maker's code")] = False,
    as_json: Json = False,
) -> None:
    """Quantize a trained network to fixed point: the cost of word lengths, with fraction lengths per layer or for all.

    Example: dse quantize digits --bits 8x8,4x8
    """
    pairs = parse_word_lengths(bits)
    import torch

    from dse.quantization.inputs import DIGITS, load_subject
    from dse.quantization.search import compare_word_lengths

    if out:
        check_out_file(out)
    if model == DIGITS:
        torch.set_num_threads(1)  # its layers are so small that threads would only wait for each other
    subject = load_subject(model, data, seed, trust)
    reports = compare_word_lengths(subject.module, subject.calibration, subject.test, pairs)
    trials = [Trial(*pair, *both) for pair, both in zip(pairs, reports, strict=True)]
    if out:
        write_layers(out, trials[0].per_layer)
    if as_json:
        print(json.dumps([describe_trial(trial) for trial in trials]))
    else:
        print_trials(model, trials)


def check_out_file(out: Path) -> None:
    """Raise `SettingsError` if the file cannot be written."""
    if out.is_dir() or not out.parent.is_dir():
        raise SettingsError(f"--out {out}: expected a file in a folder that exists")
    check_out(out.parent)


def parse_word_lengths(text: str) -> list[tuple[int, int]]:
    """The pairs of `8x8,4x8`; raises `SettingsError`."""
    pairs = [re.fullmatch(r"\s*(\d{1,3})x(\d{1,3})\s*", part) for part in text.split(",")]
    if not all(pairs):
        raise SettingsError(f"--bits is {text!r}; expected bits of weights x bits of activations, as in 8x8,4x8")
    return [(int(pair[1]), int(pair[2])) for pair in pairs if pair]


def print_trials(model: str, trials: list[Trial]) -> None:
    """Print the accuracies and the fraction lengths of all word lengths."""
    from dse.reports.tables import Table, print_table

    names = [f"{trial.weight_bits}×{trial.activation_bits}" for trial in trials]
    accuracy = [
        [name, *(f"{100 * x:.2f}" for x in trial.accuracies)] for name, trial in zip(names, trials, strict=True)
    ]
    columns = ["bits", "floating point %", "a fraction per layer %", "one for all %"]
    print_table(Table(f"accuracy of {model}; bits of weights × activations", columns, accuracy))
    layers = trials[0].per_layer.layers
    fractions = [[layer, *(format_fractions(trial.per_layer, layer) for trial in trials)] for layer in layers]
    print_table(Table("fraction lengths, weight / input", ["layer", *names], fractions))


def format_fractions(report: QuantizationReport, layer: str) -> str:
    """`weight / input` fraction lengths of a layer."""
    formats = report.layers[layer]
    return " / ".join(str(part.fraction) if part else "–" for part in (formats.weight, formats.input))


def describe_trial(trial: Trial) -> dict[str, Any]:
    """Word lengths and their accuracies, ready for JSON."""
    keys = ("accuracy_float", "accuracy_per_layer", "accuracy_one_for_all")
    layers = {
        name: {part: vars(fixed_point) for part, fixed_point in vars(formats).items() if fixed_point}
        for name, formats in trial.per_layer.layers.items()
    }
    return {
        "weight_bits": trial.weight_bits, "activation_bits": trial.activation_bits,
        **dict(zip(keys, trial.accuracies, strict=True)), "layers": layers,
    }  # fmt: skip


def write_layers(path: Path, report: QuantizationReport) -> None:
    """Write `layers` of a design file, whole or not at all; raises `OSError`."""
    fields = ("weight_bits", "input_bits", "output_bits")
    content = {"layers": {name: dict(zip(fields, b, strict=True)) for name, b in report.word_lengths.items()}}
    with replaced(path) as part:
        part.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
