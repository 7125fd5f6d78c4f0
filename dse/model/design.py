"""One accelerator design: as the file that a user writes, and as the row of numbers that templates take.

    template: systolic
    technology: 28nm              # an ASIC node; for an FPGA template  device: XC7Z045  instead; or a file that
                                  # describes a part or node, relative to this one, or its fields: see
                                  # `dse.model.custom_parts`
    network: resnet50             # default of `dse evaluate`; a file's path is relative to this one
    sizes: {sequence: 128}        # optional: symbolic sizes of an .onnx file
    skip: [NonMaxSuppression]     # optional: unsupported operators to leave out of it
    batch: 1
    counts: images                # optional: the size of an .onnx file that counts inputs, or input.axis
    only: [conv, fc]              # optional: the kinds of layers kept
    search_mapping: true          # each layer takes its best mapping; false: the one that the parameters fix
    layers: {conv1: {weight_bits: 4, input_zeros: 0.39}}     # optional: measured fields of single layers
    mappings: {conv1: {m: 96, e: 7}}                         # optional: published mappings of single layers
    overhead: {layer_cycles: 5000, dram_efficiency: 0.7}     # optional, none by default; see `dse.model.overhead`
    wires: fitted                 # optional: wires of an ASIC as long as fitted to floorplans; by default half_side
    parameters: {rows: 256, columns: 256, clock_mhz: 700}

Parameters that are left out have the template's defaults; `dram_gb_s` on an FPGA part has that of its board.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dse.model.custom_parts import inline_parts
from dse.model.devices import Device
from dse.model.overhead import NONE, Overhead
from dse.model.parameter_rules import demand_sense
from dse.templates import template
from dse.templates.base import INPUT_BITS, WEIGHT_BITS, Parameter, Template
from netlists.errors import DesignError, did_you_mean
from netlists.runtime.yaml_file import read_yaml, resolve_network


class LayerFields(BaseModel):
    """The fields of one layer that a design may set: see `dse.workloads.layers.Layer`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weight_bits: int | None = Field(default=None, ge=1, le=64)
    input_bits: int | None = Field(default=None, ge=1, le=64)
    output_bits: int | None = Field(default=None, ge=1, le=64)
    input_zeros: float | None = Field(default=None, ge=0, le=1)


class Design(BaseModel):
    """The fields of a design file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    template: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    technology: str | dict[str, Any] | None = None
    device: str | dict[str, Any] | None = None
    network: str | None = None
    sizes: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    skip: tuple[str, ...] = ()
    batch: int = Field(default=1, ge=1)
    counts: str | None = None
    only: tuple[str, ...] = ()
    search_mapping: bool = True
    overhead: Overhead = NONE
    wires: Literal["half_side", "fitted"] = "half_side"
    layers: dict[str, LayerFields] = Field(default_factory=dict)
    mappings: dict[str, dict[str, Annotated[int, Field(ge=0, le=1_000_000)]]] = Field(default_factory=dict)

    def moved_to(self, network: str) -> Design:
        """The design for a network by name; its fields of single layers hold for its own network only."""
        if self.network in (None, network):
            return self
        return self.model_copy(
            update={"network": network, "sizes": {}, "skip": (), "counts": None, "layers": {}, "mappings": {}}
        )

    def row(self, part: Device | None = None) -> list[float]:
        """The parameters as numbers [D], in the template's order, on a part if it is given.

        Raises `DesignError` for values that the template does not allow.
        """
        family, board = template(self.template), {"dram_gb_s": part.dram_gb_s} if part else {}
        row = design_row(family, {**board, **self.parameters})
        self._demand_sense(family, row)
        return row

    def _demand_sense(self, family: Template, row: list[float]) -> None:
        """Raise `DesignError` for values that break a rule, including those of single layers."""
        demand_sense(family, row)
        for name, fields in self.layers.items():
            own = list(row)
            own[WEIGHT_BITS] = fields.weight_bits or row[WEIGHT_BITS]
            own[INPUT_BITS] = fields.input_bits or row[INPUT_BITS]
            try:
                demand_sense(family, own)
            except DesignError as error:
                raise DesignError(f"layers.{name}: {error}") from None


def design_row(family: Template, values: Mapping[str, Any]) -> list[float]:
    """Values by name as a row [D]; raises `DesignError` for an unknown name or a value that is not allowed."""
    known = [parameter.name for parameter in family.parameters]
    for name in values:
        if name not in known:
            raise DesignError(
                f"template {family.name} has no parameter {name!r}{did_you_mean(name, known)};"
                f" `dse templates {family.name}` lists them"
            )
    return [check_value(parameter, values.get(parameter.name, parameter.default)) for parameter in family.parameters]


def check_value(parameter: Parameter, value: Any) -> float:
    """A parameter's value as a number; raises `DesignError` if it is out of range or of the wrong type."""
    if parameter.choices:
        if value in parameter.choices:
            return float(parameter.choices.index(value))
        if isinstance(value, float | int) and value in range(len(parameter.choices)):
            return float(value)
        raise DesignError(f"{parameter.name} is {value!r}; expected one of {', '.join(parameter.choices)}")
    if isinstance(value, bool) or not isinstance(value, float | int):
        raise DesignError(f"{parameter.name} is {value!r}; expected a number ({parameter.unit})")
    if not parameter.low <= value <= parameter.high or (parameter.whole and value != int(value)):
        kind = "a whole number of" if parameter.whole else "a number of"
        raise DesignError(
            f"{parameter.name} is {value!r}; expected {kind} {parameter.unit} from {parameter.low:g} to"
            f" {parameter.high:g}"
        )
    return float(value)


def load_design(file: str | Path) -> Design:
    """Read a design file; raises `DesignError` that names the file and the field if something is wrong."""
    content = read_yaml(file)
    try:
        design = Design.model_validate(inline_parts(content, Path(file).parent))
        design.row()
        if design.network:
            design = design.model_copy(update={"network": resolve_network(design.network, Path(file).parent)})
    except ValidationError as error:
        known = [*Design.model_fields, *LayerFields.model_fields, *Overhead.model_fields]
        raise DesignError(f"{file}: {first_complaint(error, known)}") from None
    except DesignError as error:
        raise DesignError(f"{file}: {error}") from None
    return design


def first_complaint(error: ValidationError, known: list[str]) -> str:
    """The first error that pydantic reports, with the nearest name for a misspelled field."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"field {where!r} is unknown{did_you_mean(str(first['loc'][-1]), known)}"
    return f"{where}: {first['msg']}, found {first['input']!r}"
