"""FPGA parts and ASIC nodes that users describe: as a YAML file that a design or space names, or by its fields.

    name: my-board                # a part; optional, the file's name by default
    dsp: 1728                     # as `dse devices` lists them: a block RAM has 36 Kb
    bram: 312
    lut: 230400
    ff: 460800
    dram_gb_s: 19.2               # of the board's memory, for designs without their own `dram_gb_s`
    node_nm: 16
    volt: 0.85                    # optional: that of the node
    static_mw: 600                # optional: STATIC_MW_PER_KLUT per thousand LUTs
    dram_pj_per_bit: 20           # optional
    board: what it is on          # optional, text

    name: my-22nm                 # a node: by scaling alone (`node_nm`), or with what is known about it
    node_nm: 22
    volt: 0.8                     # optional, like the next three
    area_over_45nm: 0.28          # of logic, over that at 45 nm
    cell_um2: 0.092               # SRAM bit cell
    leakage_mw_mm2: 10
    energies:                     # optional, each
      multiply_8bit_pj: 0.12
      add_32bit_pj: 0.05
      sram_pj_per_bit: {8: 0.13, 1024: 0.6}     # by KiB; one size, or two for a power law through both
      register_pj_per_bit: {0.5: 0.02}          # likewise
      wire_pj_per_bit_mm: 0.09
      flipflop_pj_per_cycle: 0.003
      dram_pj_per_bit: 10

A file's name is relative to the file that names it.  When a design or space is read, the fields replace the name, so
that stored designs and spaces need no other file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite, log
from pathlib import Path
from typing import Any

from dse.model.devices import RESOURCES, Device, device
from dse.model.technology import (
    DRAM_PJ,
    NODES_NM,
    SRAM_KB,
    TECHNOLOGIES,
    Energies,
    Law,
    Technology,
    fabric,
    scaled_node,
    scaled_register,
    scaled_sram,
    technology,
)
from netlists.errors import DesignError, did_you_mean
from netlists.runtime.yaml_file import read_yaml

Description = str | Mapping[str, Any]
"""A name, the path of a YAML file, or the fields of one."""
SUFFIXES = (".yaml", ".yml")
MULTIPLY_BIT_BITS = 64  # bit × bit of an 8-bit multiplication
ADD_BITS = 32  # bits of a 32-bit addition
STATIC_MW_PER_KLUT = 2.0  # mW per thousand LUTs; the built-in parts have 1.1 to 4.3


@dataclass(frozen=True)
class _Number:
    """The values that a field may have."""

    low: float
    high: float
    needed: bool = False  # whether the field must be there
    whole: bool = False  # whether it is a whole number


_PART = {
    "dsp": _Number(0, 1e6, True, True),
    "bram": _Number(0, 1e6, True, True),
    "lut": _Number(1, 1e8, True, True),
    "ff": _Number(1, 1e8, True, True),
    "dram_gb_s": _Number(0.001, 1e5, True),
    "node_nm": _Number(*NODES_NM, True),
    "volt": _Number(0.3, 2.0),
    "static_mw": _Number(0, 1e6),
    "dram_pj_per_bit": _Number(0, 1000),
}
_NODE = {
    "node_nm": _Number(*NODES_NM, True),
    "volt": _Number(0.3, 2.0),
    "area_over_45nm": _Number(1e-4, 100),
    "cell_um2": _Number(1e-4, 100),
    "leakage_mw_mm2": _Number(0, 1000),
}
_LAWS = {"sram_pj_per_bit": scaled_sram, "register_pj_per_bit": scaled_register}
_ENERGIES = dict.fromkeys(
    ("multiply_8bit_pj", "add_32bit_pj", "wire_pj_per_bit_mm", "flipflop_pj_per_cycle", "dram_pj_per_bit"),
    _Number(0, 1000),
)
_SIZE_KB = _Number(1e-3, 1e6)  # KiB of a memory
_BIT_PJ = _Number(1e-9, 1000)  # pJ per bit


def find_device(part: Description) -> Device:
    """A part by its name, file or fields; raises `DesignError` that names the file, the field and what it may be."""
    if isinstance(part, str) and not part.endswith(SUFFIXES):
        return device(part)
    return _device(*_content(part, "device"))


def find_technology(node: Description) -> Technology:
    """A node by its name, file or fields; raises `DesignError` that names the file, the field and what it may be."""
    if isinstance(node, str) and not node.endswith(SUFFIXES):
        return technology(node)
    return _technology(*_content(node, "technology"))


def inline_parts(content: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The fields of a design or space, with the fields of the files that `device` and `technology` name in their place.

    Raises `DesignError` for a description that is not a part or node; names are not looked up.
    """
    result = dict(content)
    for field, find in (("device", find_device), ("technology", find_technology)):
        description = content.get(field)
        if isinstance(description, str) and description.endswith(SUFFIXES):
            file = folder / description
            find(str(file))
            result[field] = {"name": file.stem} | read_yaml(file)
        elif isinstance(description, dict):
            find(description)
        elif not isinstance(description, str | None):
            raise DesignError(f"{field} is {description!r}; expected a name, a .yaml file, or the fields of one")
    return result


def _content(description: Description, field: str) -> tuple[str, str, dict[str, Any]]:
    """The place that an error message names, the name, and the other fields."""
    where = description if isinstance(description, str) else field
    content = read_yaml(description) if isinstance(description, str) else dict(description)
    name = content.pop("name", Path(description).stem if isinstance(description, str) else field)
    _demand_text(where, "name", name)
    if name in TECHNOLOGIES:
        raise DesignError(f"{where}: name is {name!r}, which is built in; expected another name")
    return where, name, content


def _device(where: str, name: str, content: dict[str, Any]) -> Device:
    board = content.pop("board", "")
    _demand_text(where, "board", board, empty=True)
    numbers = _numbers(where, "", content, _PART)
    node_nm, lut = numbers["node_nm"], numbers["lut"]
    volt = numbers.get("volt", scaled_node(name, node_nm).volt)
    static = numbers.get("static_mw", STATIC_MW_PER_KLUT * lut / 1000)
    part_fabric = fabric(name, node_nm, volt, static, numbers.get("dram_pj_per_bit", DRAM_PJ))
    counts = {resource: int(numbers[resource]) for resource in RESOURCES}
    return Device(name=name, fabric=part_fabric, **counts, dram_gb_s=numbers["dram_gb_s"], board=board)


def _technology(where: str, name: str, content: dict[str, Any]) -> Technology:
    _demand_text(where, "source", content.pop("source", ""), empty=True)
    energies = content.pop("energies", {})
    if not isinstance(energies, Mapping):
        raise DesignError(f"{where}: energies is {energies!r}; expected {', '.join([*_ENERGIES, *_LAWS])}")
    laws = {key: energies[key] for key in _LAWS if key in energies}
    numbers = _numbers(where, "", content, _NODE, ("energies",))
    own = {key: value for key, value in energies.items() if key not in laws}
    known = _numbers(where, "energies.", own, _ENERGIES, tuple(_LAWS))
    node_nm = numbers["node_nm"]
    read = {key: _law(f"{where}: energies.{key}", laws[key], _LAWS[key](node_nm).exponent) for key in laws}
    multiply, add = known.get("multiply_8bit_pj"), known.get("add_32bit_pj")
    return replace(
        scaled_node(name, node_nm),
        **{key: value for key, value in numbers.items() if key != "node_nm"},  # type: ignore[arg-type]
        dram_pj=known.get("dram_pj_per_bit", DRAM_PJ),
        known=Energies(
            None if multiply is None else multiply / MULTIPLY_BIT_BITS,
            None if add is None else add / ADD_BITS,
            known.get("flipflop_pj_per_cycle"),
            known.get("wire_pj_per_bit_mm"),
            read.get("sram_pj_per_bit"),
            read.get("register_pj_per_bit"),
        ),
    )


def _law(where: str, points_pj: Any, exponent: float) -> Law:
    """The power law through one or two points (KiB: pJ per bit); through one point with the node's own exponent.

    Sizes may be text, as in a stored exploration, which holds them as JSON.
    """
    if not isinstance(points_pj, Mapping) or not 1 <= len(points_pj) <= 2:
        raise DesignError(
            f"{where} is {points_pj!r}; expected one or two sizes in KiB with pJ per bit, for example {{8: 0.13}}"
        )
    sizes = {float(kb) if isinstance(kb, str) and kb.replace(".", "", 1).isdecimal() else kb: kb for kb in points_pj}
    points = sorted((_number(where, "size", kb, _SIZE_KB), _number(where, f"{kb}", points_pj[key], _BIT_PJ))
                    for kb, key in sizes.items())  # fmt: skip
    (kb, pj), (last_kb, last_pj) = points[0], points[-1]
    if len(points) == 2:
        exponent = log(last_pj / pj) / log(last_kb / kb)
    return Law(pj * (SRAM_KB / kb) ** exponent, exponent)


def _numbers(
    where: str, prefix: str, content: Mapping[str, Any], known: Mapping[str, _Number], others: tuple[str, ...] = ()
) -> dict[str, float]:
    """The fields of a description as numbers, each within its bounds."""
    names = [*known, *others]
    for key in content:
        if key not in known:
            near = did_you_mean(str(key), names)
            raise DesignError(f"{where}: field {prefix}{key} is unknown{near}; expected {', '.join(names)}")
    for key, bounds in known.items():
        if bounds.needed and key not in content:
            raise DesignError(f"{where}: field {prefix}{key} is missing; expected {_bounds(bounds)}")
    return {key: _number(where, f"{prefix}{key}", value, known[key]) for key, value in content.items()}


def _number(where: str, key: str, value: Any, bounds: _Number) -> float:
    valid = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    if not valid or not bounds.low <= value <= bounds.high or (bounds.whole and value != int(value)):
        raise DesignError(f"{where}: {key} is {value!r}; expected {_bounds(bounds)}")
    return float(value)


def _bounds(bounds: _Number) -> str:
    kind = "a whole number" if bounds.whole else "a number"
    return f"{kind} from {bounds.low:.10g} to {bounds.high:.10g}"


def _demand_text(where: str, key: str, value: Any, *, empty: bool = False) -> None:
    if not isinstance(value, str) or not (value or empty):
        raise DesignError(f"{where}: {key} is {value!r}; expected text")
