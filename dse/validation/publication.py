"""Published designs: what was built, what was measured, and where both are documented.

    title: what it is
    source: paper and where in it
    status: verified                          # or memory_consistent, ...: how certain the numbers are
    design: {template: tiled_fpga, device: VX485T, network: alexnet, batch: 1, parameters: {...}}  # as a design file
    layers: {conv1: {input_zeros: 0.0001}}    # optional, added to the design, as is `only: [conv]`
    calibrated: [which constant was calibrated to which data]
    tolerance: {latency_ms: [10, 5]}          # percent: for a row of some layers, for a row of all
    compare:                                  # rows: quantities of `dse.validation.compare.QUANTITIES` as published
      - {name: CONV1, layers: [conv1], latency_ms: 16.5}
      - {name: total, latency_ms: 103.5}                           # layers: all
      - {name: conv1 at 32 x 32, network: nin, layers: [conv1], parameters: {tin: 32, tout: 32}, against: {scheme: 1},
         speedup: [4.0, 8.3]}                                      # a range; against: the rival's parameters
      - {name: Conv1, topology: [224, 224, 11, 11, 3, 96, 4], array_cycles: 112284}      # a line of SCALE-Sim's CSV
      - {name: MLP0, product: [200, 2000, 2000], gops: 12300}      # M, N, K of a matrix product
      - {name: on a board, network: resnet50, batch: 1, latency_ms: 1100, source: where it is written,
         reason: what makes the difference}      # a row may have its own source, and say why the model is off
    notes: what the model contains and what it does not

The ready-made ones are in `dse/data/published`.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dse.model.custom_parts import inline_parts
from dse.model.design import Design, LayerFields, first_complaint, load_design
from dse.model.overhead import Overhead
from netlists.errors import DesignError, did_you_mean
from netlists.runtime.yaml_file import read_yaml, resolve_network

FOLDER = Path(__file__).parents[1] / "data" / "published"
"""The ready-made publications."""


class PublishedRow(BaseModel):
    """Published quantities of some layers of a network, or of all."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str
    layers: list[str] | Literal["all"] = "all"
    network: str | None = None
    topology: tuple[int, int, int, int, int, int, int] | None = None
    product: tuple[int, int, int] | None = None
    batch: int | None = Field(default=None, ge=1)
    overhead: Overhead | None = None
    source: str = ""
    reason: str = ""
    parameters: dict[str, Any] = Field(default_factory=dict)  # that differ from the design's
    against: dict[str, Any] | None = None  # parameters of a rival that differ from this row's

    @property
    def quantities(self) -> dict[str, Any]:
        """The published numbers and ranges, by name of the quantity."""
        return self.model_extra or {}


class Publication(BaseModel):
    """The fields of a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    source: str
    status: str
    design: Design
    layers: dict[str, LayerFields] = Field(default_factory=dict)
    only: tuple[str, ...] = ()
    calibrated: list[str] = Field(default_factory=list)
    tolerance: dict[str, tuple[float, float]] = Field(default_factory=dict)
    compare: list[PublishedRow] = Field(default_factory=list)
    notes: str | list[str] = ""

    @property
    def whole_design(self) -> Design:
        """The design with this file's `layers` and `only`."""
        return self.design.model_copy(
            update={"layers": self.design.layers | self.layers, "only": self.only or self.design.only}
        )

    def beside(self, folder: Path) -> Publication:
        """The same with the paths of networks, which are relative to a folder, as seen from here."""
        network = self.design.network
        design = self.design.model_copy(update={"network": resolve_network(network, folder)} if network else {})
        rows = [row.model_copy(update={"network": resolve_network(row.network, folder)} if row.network else {})
                for row in self.compare]  # fmt: skip
        return self.model_copy(update={"design": design, "compare": rows})

    @property
    def is_chip(self) -> bool:
        """Whether a design was published, rather than the cycles that another model gives for single layers."""
        return not self.compare or any(row.topology is None for row in self.compare)


def names() -> list[str]:
    """Names of the ready-made publications."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def load_publication(name: str) -> Publication:
    """A ready-made publication or a file; raises `DesignError` that names the file and the field."""
    return _ready_made(FOLDER, name) if name in names() else _read(Path(name))


@lru_cache
def _ready_made(folder: Path, name: str) -> Publication:
    return _read(folder / f"{name}.yaml")


def _read(file: Path) -> Publication:
    if not file.is_file():
        raise DesignError(_unknown(str(file)))
    content = read_yaml(file)
    try:
        if isinstance(content.get("design"), dict):
            content["design"] = inline_parts(content["design"], file.parent)
        publication = Publication.model_validate(content)
        publication.design.row()
        publication = publication.beside(file.parent)
    except ValidationError as error:
        known = [*Publication.model_fields, *Design.model_fields, *LayerFields.model_fields, *PublishedRow.model_fields]
        raise DesignError(f"{file}: {first_complaint(error, known)}") from None
    except DesignError as error:
        raise DesignError(f"{file}: {error}") from None
    return publication


def find_design(name: str) -> Design:
    """The design of a design file, or of a ready-made publication; raises `DesignError`."""
    if name in names():
        return load_publication(name).whole_design
    if not Path(name).is_file():
        raise DesignError(_unknown(name))
    return load_design(name)


def _unknown(name: str) -> str:
    return f"{name}: no such file{did_you_mean(name, names())}; expected a .yaml file or one of {', '.join(names())}"
