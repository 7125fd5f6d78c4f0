"""Read a design space from YAML.

    title: what this space is
    template: tiled_fpga
    device: VX485T                    # or  technology: 28nm  for an ASIC template; or a file: `dse.model.custom_parts`
    networks: {alexnet: 1.0}          # with weights; metrics are weighted means; a file's path is relative to this one
    sizes: {sequence: 128}            # optional: symbolic sizes of .onnx files
    skip: [NonMaxSuppression]         # optional: unsupported operators to leave out of them
    only: [conv]                      # optional: the kinds of layers kept (conv, fc, matmul, pool, elementwise)
    batch: 1                          # optional: number of inputs at once
    counts: images                    # optional: the size of an .onnx file that counts inputs, or input.axis
    search_mapping: false             # optional: true takes each layer's best mapping instead of the design's own
    parameters:
      tm: {from: 1, to: 128, step: 1}
      tn: [1, 2, 4, 8]
      input_buffer_kb: {powers_of_two: [16, 1024]}
      clock_mhz: 100
    conditions: [tm * tn <= 448, format == 'fp32']    # optional: between parameters; see `dse.model.conditions`
    objectives: [{latency_ms: min}, {energy_mj: min}]
    overhead: {layer_cycles: 5000}    # optional, none by default; see `dse.model.overhead`
    wires: half_side                  # optional: the simple estimate; by default fitted to floorplans, on ASICs
    constraints: {power_w: {max: 5}}  # optional: min, max or both for any metric
    accuracy: {parameter: weight_bits, table: {16: 86.66, 8: 86.30}}     # optional: table of a metric `accuracy`

A space over several templates has `spaces:` instead of these fields: a list of entries, each with template, device or
technology, parameters and conditions.
"""

from __future__ import annotations

import copyreg
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dse.model.conditions import parse_condition
from dse.model.custom_parts import find_device, find_technology, inline_parts
from dse.model.design import check_value, first_complaint
from dse.model.metrics import ASIC_ONLY, FPGA_ONLY, METRICS
from dse.model.overflow import demand_exact
from dse.model.overhead import NONE, Overhead
from dse.model.parameter_rules import space_conditions
from dse.space.space import DesignSpace, Limit
from dse.space.subspace import Subspace
from dse.templates import template
from dse.templates.base import Floats, Parameter, Template
from dse.workloads.files import load_networks
from dse.workloads.layers import Network, kinds
from netlists.errors import DesignError, did_you_mean
from netlists.runtime.yaml_file import read_yaml, resolve_network

SPACES = Path(__file__).parents[1] / "data" / "spaces"
MAX_VALUES = 1_000_000  # most values of one parameter
MAX_SIZE = 10**12  # most designs of a space
ROUNDING = 9  # decimals of the values of a range

Direction = Literal["min", "max"]
Model = TypeVar("Model", bound=BaseModel)


class _Strict(BaseModel):
    """Fields of a file; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Part(_Strict):
    """The fields that each template of a space has."""

    template: str
    technology: str | dict[str, Any] | None = None
    device: str | dict[str, Any] | None = None
    overhead: Overhead = NONE
    parameters: dict[str, Any] = Field(min_length=1)
    conditions: list[str] = []


class _Range(_Strict):
    """Evenly spaced values of a parameter."""

    start: float = Field(alias="from")
    to: float
    step: float = Field(default=1.0, gt=0)


class _Powers(_Strict):
    """The powers of two between two of them."""

    powers_of_two: tuple[int, int]


class _Bounds(_Strict):
    """Bounds of a metric."""

    min: float | None = None
    max: float | None = None


class _Accuracy(_Strict):
    """Accuracies in percent by the value of a parameter."""

    parameter: str
    table: dict[float, float] = Field(min_length=1)


class _Whole(_Strict):
    """The fields that a space has once."""

    title: str = ""
    networks: dict[str, float] = Field(min_length=1)
    sizes: dict[str, Annotated[int, Field(ge=0)]] = {}
    skip: list[str] = []
    only: list[str] = []
    batch: int = Field(default=1, ge=1)
    counts: str | None = None
    search_mapping: bool = False
    objectives: list[dict[str, Direction]] = Field(min_length=1)
    constraints: dict[str, _Bounds] = {}
    accuracy: _Accuracy | None = None
    wires: Literal["half_side", "fitted"] = "fitted"
    spaces: list[dict[str, Any]] | None = None


def catalog() -> list[str]:
    """Names of the ready-made spaces."""
    return sorted(path.stem for path in SPACES.glob("*.yaml"))


def load_space(
    path: str | os.PathLike[str],
    batch: int | None = None,
    sizes: Mapping[str, int] | None = None,
    skip: Collection[str] = (),
    counts: str | None = None,
    wires: str | None = None,
) -> DesignSpace:
    """Read a space file, or a ready-made space by its name; raises `DesignError` that names the file and field.

    `batch`, `counts` and `wires` replace those of the file, `sizes` and `skip` are added to those of the file.
    """
    file = Path(path)
    if str(path) in catalog():
        file = SPACES / f"{path}.yaml"
    elif file.suffix not in (".yaml", ".yml"):
        raise DesignError(
            f"space {str(path)!r} is unknown{did_you_mean(str(path), catalog())}; expected a .yaml file or one of"
            f" {', '.join(catalog())}"
        )
    content = read_yaml(file)
    try:
        file.stem.encode()
        content = inline_parts(content, file.parent)
        if isinstance(content.get("spaces"), list):
            content["spaces"] = [inline_parts(each, file.parent) if isinstance(each, dict) else each
                                 for each in content["spaces"]]  # fmt: skip
        return make_space(_complete(content, file.parent, batch, sizes or {}, skip, counts, wires), file.stem)
    except UnicodeEncodeError:
        raise DesignError(f"{str(file)!a}: the name is not UTF-8; choose one that is") from None
    except DesignError as error:
        raise DesignError(f"{file}: {error}") from None


def _complete(
    content: dict[str, Any],
    folder: Path,
    batch: int | None,
    sizes: Mapping[str, int],
    skip: Collection[str],
    counts: str | None,
    wires: str | None,
) -> dict[str, Any]:
    """A file's content with the paths of its networks resolved, and with the options of the command."""
    whole = dict(content)
    networks = content.get("networks")
    if isinstance(networks, dict):
        whole["networks"] = {
            resolve_network(name, folder) if isinstance(name, str) else name: weight
            for name, weight in networks.items()
        }
    if batch is not None:
        whole["batch"] = batch
    if wires is not None:
        whole["wires"] = wires
    if counts is not None:
        whole["counts"] = counts or content.get("counts") or ""
    if sizes:
        whole["sizes"] = {**(content.get("sizes") or {}), **sizes}
    if skip:
        whole["skip"] = list(dict.fromkeys([*(content.get("skip") or []), *skip]))
    return whole


def make_space(
    content: Mapping[str, Any], name: str, networks: Sequence[tuple[Network, float]] | None = None
) -> DesignSpace:
    """The space that a file's content describes; raises `DesignError` that names the field.

    `networks` with their weights are those of the content if they have been read already; their files are not read
    again.
    """
    part_fields = [key for key in content if key in _Part.model_fields]
    if "spaces" in content and part_fields:
        raise DesignError(f"field {part_fields[0]!r} stands beside `spaces`; expected it in each entry of `spaces`")
    whole = _valid(_Whole, {key: content[key] for key in content if key not in part_fields}, "", _Part)
    entries = [{key: content[key] for key in part_fields}] if whole.spaces is None else whole.spaces
    if not entries:
        raise DesignError("spaces: is empty; expected at least one entry")
    places = [""] if whole.spaces is None else [f"spaces.{number}." for number in range(len(entries))]
    parts = [_subspace(_valid(_Part, entry, at), at) for entry, at in zip(entries, places, strict=True)]
    space = DesignSpace(
        name,
        {**content, "networks": whole.networks},  # as numbers: YAML reads 1e3 as text
        parts,
        networks or _networks(whole),
        [_objective(entry) for entry in whole.objectives],
        [_limit(metric, bounds) for metric, bounds in whole.constraints.items()],
        whole.batch,
        whole.search_mapping,
        whole.only,
        (whole.accuracy.parameter, whole.accuracy.table) if whole.accuracy else None,
        whole.wires,
    )
    _check_space(space)
    return space


def _reduce_space(space: DesignSpace) -> tuple[Any, ...]:
    """How a space is pickled: as the content of its file and its networks, whose files another machine may not have."""
    return make_space, (space.content, space.name, space.networks)


copyreg.pickle(DesignSpace, _reduce_space)


def _valid(model: type[Model], content: Any, where: str, other: type[BaseModel] | None = None) -> Model:
    """The content as a model; raises `DesignError` that names the field, and the nearest one of both models."""
    known = [*model.model_fields, *(other.model_fields if other else ())]
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise DesignError(where + first_complaint(error, known)) from None


def _subspace(part: _Part, where: str) -> Subspace:
    """The designs of one template; raises `DesignError` that names the field after `where`."""
    try:
        family = template(part.template)
        if (part.device is None) != (not family.fpga) or (part.technology is None) != family.fpga:
            expected = "device, and no technology" if family.fpga else "technology, and no device"
            raise DesignError(f"template {family.name} takes a {expected}")
        known = {parameter.name: parameter for parameter in family.parameters}
        for name in part.parameters:
            if name not in known:
                raise DesignError(f"parameters: {family.name} has no parameter {name!r}{did_you_mean(name, known)}")
        board = find_device(part.device) if part.device is not None else None
        choices = {name: _choices(known[name], entry) for name, entry in part.parameters.items()}
        texts = {name: each.choices for name, each in known.items()}
        return Subspace(
            family,
            board.fabric if board else find_technology(part.technology or ""),
            board,
            choices,
            (*(parse_condition(text, texts) for text in part.conditions), *space_conditions(family, choices)),
            {"device": part.device} if board else {"technology": part.technology},
            part.overhead,
        )
    except DesignError as error:
        raise DesignError(f"{where}{error}") from None


def _choices(parameter: Parameter, entry: Any) -> Floats:
    """The values [N] of one parameter: each allowed by the template, none twice."""
    where = f"parameters.{parameter.name}"
    listed = _list_values(entry, where)
    try:
        values = [check_value(parameter, value) for value in listed]
    except DesignError as error:
        raise DesignError(f"parameters: {error}") from None
    if not values or len(set(values)) < len(values):
        raise DesignError(f"{where}: expected a list of different values with at least one")
    return np.array(values)


def _list_values(entry: Any, where: str) -> Sequence[Any]:
    """The values that an entry of `parameters` stands for: a list, one value, powers of two, or a range."""
    if isinstance(entry, list):
        return entry
    if not isinstance(entry, dict):
        return [entry]
    if "powers_of_two" in entry:
        low, high = _valid(_Powers, entry, f"{where}.").powers_of_two
        if not 0 < low <= high or low & (low - 1) or high & (high - 1):
            raise DesignError(f"{where}: powers_of_two is {[low, high]}; expected two powers of two, the smaller first")
        return [1 << power for power in range(low.bit_length() - 1, high.bit_length())]
    span = _valid(_Range, entry, f"{where}.")
    count = np.floor((span.to - span.start) / span.step + 1e-9) + 1
    if not 1 <= count <= MAX_VALUES:
        raise DesignError(f"{where}: from {span.start:g} to {span.to:g} by {span.step:g} gives no value or too many;"
                          f" expected 1 to {MAX_VALUES}")  # fmt: skip
    return [round(value, ROUNDING) for value in (span.start + span.step * np.arange(int(count))).tolist()]


def _networks(whole: _Whole) -> list[tuple[Network, float]]:
    """The networks with their weights."""
    networks = load_networks(list(whole.networks), whole.batch, whole.sizes, whole.skip, whole.counts)
    if whole.only:
        networks = [network.only(kinds(whole.only)) for network in networks]
    return [(network, _check_weight(*entry)) for network, entry in zip(networks, whole.networks.items(), strict=True)]


def _check_weight(name: str, weight: float) -> float:
    if not 0 < weight < np.inf:
        raise DesignError(f"networks.{name}: weight is {weight:g}; expected a finite number above 0")
    return weight


def _objective(entry: Mapping[str, Direction]) -> tuple[str, str]:
    if len(entry) != 1:
        raise DesignError(f"objectives: {dict(entry)}; expected one metric per entry, for example {{latency_ms: min}}")
    return next(iter(entry.items()))


def _limit(metric: str, bounds: _Bounds) -> Limit:
    if bounds.min is None and bounds.max is None:
        raise DesignError(f"constraints.{metric}: has no bound; expected min or max")
    limit = Limit(
        metric,
        -np.inf if bounds.min is None else bounds.min,
        np.inf if bounds.max is None else bounds.max,
    )
    if not limit.low <= limit.high:
        raise DesignError(f"constraints.{metric}: min is {limit.low:g}, max is {limit.high:g}; expected min up to max")
    if limit.high < 0:
        raise DesignError(
            f"constraints.{metric}: max is {limit.high:g}; expected at least 0, because no metric is negative"
        )
    return limit


def _check_space(space: DesignSpace) -> None:
    """Check the space as a whole: its size, metrics that all templates have, accuracies of all word lengths."""
    if space.size > MAX_SIZE:
        raise DesignError(f"parameters: they span {space.size:.3g} designs; expected at most {MAX_SIZE:.0e}")
    for part in space.parts:
        for network, _ in space.networks:
            demand_exact(part.template, part.ranges, network)
    for field, used in (("objectives", [name for name, _ in space.objectives]),
                        ("constraints", [limit.metric for limit in space.limits])):  # fmt: skip
        for metric in used:
            if metric not in space.metrics:
                raise DesignError(
                    f"{field}: metric {metric!r} is unknown{did_you_mean(metric, space.metrics)}; expected one of"
                    f" {', '.join(METRICS)}, or accuracy with a table of it"
                )
            for part in space.parts:
                if metric in (ASIC_ONLY if part.template.fpga else FPGA_ONLY):
                    raise DesignError(f"{field}: template {part.template.name} has no {metric}")
        if len(set(used)) < len(used):
            raise DesignError(f"{field}: expected each metric once")
    if space.accuracy:
        for part in space.parts:
            _check_accuracy(part.template, part, *space.accuracy)


def _check_accuracy(family: Template, part: Subspace, name: str, table: Mapping[float, float]) -> None:
    """Raise `DesignError` unless a table has a percentage for each value of one parameter."""
    for value, accuracy in table.items():
        if not 0 <= accuracy <= 100:
            raise DesignError(f"accuracy: {name} {value:g} has {accuracy:g}; expected a percentage from 0 to 100")
    names = [parameter.name for parameter in family.parameters]
    if name not in names:
        raise DesignError(f"accuracy: template {family.name} has no parameter {name!r}{did_you_mean(name, names)}")
    default = family.parameters[names.index(name)].default
    for value in part.choices.get(name, [default]):
        if value not in table:
            raise DesignError(f"accuracy: the table has no {name} {value:g}; expected an entry for each of its values")
