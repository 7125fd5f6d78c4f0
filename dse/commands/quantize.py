"""The command `dse quantize`: accuracy against bits, and word lengths for a design file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from netlists.errors import SettingsError
from netlists.runtime.output import check_out, replaced

if TYPE_CHECKING:
    from dse.quantization.search import Report

Pair = tuple[int, int]


def quantize(
    model: Annotated[str, typer.Argument(help="digits (trained on the spot), FILE.py:FUNCTION or FILE.pt2")],
    data: Annotated[Path | None, typer.Option(help=".npz of inputs x and labels y; not for digits")] = None,
    bits: Annotated[
        str, typer.Option(metavar="WxA,...", help="Bits of weights and activations")
    ] = "16x16,8x8,6x8,4x8,3x8,4x4",
    out: Annotated[
        Path | None, typer.Option(help="Write the word lengths of the first as `layers` of a design file")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same digits network")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of tables")] = False,
) -> None:
    """Quantize a trained network to fixed point: what word lengths cost, with a fraction length a layer or one for all.

    Example: dse quantize digits --bits 8x8,4x8
    """
    pairs = word_lengths(bits)
    import torch

    from dse.quantization.inputs import DIGITS, subject
    from dse.quantization.search import accuracy_by_bits

    if out:
        if out.is_dir() or not out.parent.is_dir():
            raise SettingsError(f"--out {out}: expected a file in a folder that exists")
        check_out(out.parent)
    if model == DIGITS:
        torch.set_num_threads(1)  # its layers are so small that threads would only wait for each other
    found = subject(model, data, seed)
    reports = list(zip(pairs, accuracy_by_bits(found.module, found.calibration, found.test, pairs), strict=True))
    if out:
        write_layers(out, reports[0][1][0])
    if as_json:
        print(json.dumps([as_dict(pair, *both) for pair, both in reports]))
        return
    from dse.reports.tables import Table, show

    accuracy = [[f"{w}×{a}", *(f"{100 * x:.2f}" for x in accuracies(*both))] for (w, a), both in reports]
    columns = ["bits", "floating point %", "a fraction a layer %", "one for all %"]
    show(Table(f"accuracy of {model}; bits of weights × activations", columns, accuracy))
    layers = reports[0][1][0].layers
    fractions = [[name, *(fraction(both[0], name) for _, both in reports)] for name in layers]
    show(Table("fraction lengths, weight / input", ["layer", *(f"{w}×{a}" for w, a in pairs)], fractions))


def word_lengths(text: str) -> list[Pair]:
    """`8x8,4x8` as pairs; raises `SettingsError`."""
    pairs = [re.fullmatch(r"\s*(\d{1,3})x(\d{1,3})\s*", part) for part in text.split(",")]
    if not all(pairs):
        raise SettingsError(f"--bits is {text!r}; expected bits of weights x bits of activations, as in 8x8,4x8")
    return [(int(pair[1]), int(pair[2])) for pair in pairs if pair]


def accuracies(dynamic: Report, fixed: Report) -> list[float]:
    """Shares of the test samples: floating point, with a fraction length a layer, with one for all."""
    return [dynamic.accuracy_float, dynamic.accuracy, fixed.accuracy]


def fraction(report: Report, name: str) -> str:
    """`weight / input` fraction lengths of a layer."""
    found = report.layers[name]
    return " / ".join(str(part.fraction) if part else "–" for part in (found.weight, found.input))


def as_dict(pair: Pair, dynamic: Report, fixed: Report) -> dict[str, Any]:
    """One pair of word lengths for JSON."""
    keys = ("accuracy_float", "accuracy_per_layer", "accuracy_one_for_all")
    layers = {
        name: {part: vars(fixed_point) for part, fixed_point in vars(formats).items() if fixed_point}
        for name, formats in dynamic.layers.items()
    }
    return {
        "weight_bits": pair[0], "activation_bits": pair[1],
        **dict(zip(keys, accuracies(dynamic, fixed), strict=True)), "layers": layers,
    }  # fmt: skip


def write_layers(path: Path, report: Report) -> None:
    """Write `layers` of a design file, whole or not at all; raises `OSError`."""
    fields = ("weight_bits", "input_bits", "output_bits")
    content = {"layers": {name: dict(zip(fields, b, strict=True)) for name, b in report.word_lengths.items()}}
    with replaced(path) as part:
        part.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
