"""FPGA parts and nodes that users describe, where a design or space names one: a YAML file, or its fields in place.

    name: my-board                # a part; optional, the file's name by default
    dsp: 1728                     # as `dse devices` lists them: a block RAM has 36 Kb
    bram: 312
    lut: 230400
    ff: 460800
    dram_gb_s: 19.2               # of the board's memory; what designs take that give none of their own
    node_nm: 16
    volt: 0.85                    # optional: that of the node
    static_mw: 600                # optional: STATIC_MW_KLUT for a thousand LUTs
    dram_pj_per_bit: 20           # optional
    board: what it is on          # optional, text

    name: my-22nm                 # a node: by scaling alone (`node_nm`), or with what is known of it
    node_nm: 22
    volt: 0.8                     # optional, as the next three
    area_over_45nm: 0.28          # of logic
    cell_um2: 0.092               # SRAM bit cell
    leakage_mw_mm2: 10
    energies:                     # optional, each
      multiply_8bit_pj: 0.12
      add_32bit_pj: 0.05
      sram_pj_per_bit: {8: 0.13, 1024: 0.6}     # by KiB; one size, or two between which it grows by a power
      register_pj_per_bit: {0.5: 0.02}          # the same
      wire_pj_per_bit_mm: 0.09
      flipflop_pj_per_cycle: 0.003
      dram_pj_per_bit: 10

A file's name is relative to the file that names it.  Designs and spaces that are read hold the fields in its place, so
that what is stored or sent elsewhere needs no other file.
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

Given = str | Mapping[str, Any]
SUFFIXES = (".yaml", ".yml")
STATIC_MW_KLUT = 2.0  # of the built-in parts 1.1 to 4.3


@dataclass(frozen=True)
class _Number:
    """What a field may be."""

    low: float
    high: float
    needed: bool = False
    whole: bool = False


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
_SIZE_KB = _Number(1e-3, 1e6)
_BIT_PJ = _Number(1e-9, 1000)


def find_device(given: Given) -> Device:
    """A part by its name, file or fields; raises `DesignError` that names the file, the field and what it may be."""
    if isinstance(given, str) and not given.endswith(SUFFIXES):
        return device(given)
    return _device(*_content(given, "device"))


def find_technology(given: Given) -> Technology:
    """A node by its name, file or fields; raises `DesignError` that names the file, the field and what it may be."""
    if isinstance(given, str) and not given.endswith(SUFFIXES):
        return technology(given)
    return _technology(*_content(given, "technology"))


def inlined(content: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A design's or space's fields with those of the files that its `device` and `technology` name in their place.

    Raises `DesignError` for a part or node of one's own that makes no sense; names are not looked up.
    """
    found = dict(content)
    for field, find in (("device", find_device), ("technology", find_technology)):
        given = content.get(field)
        if isinstance(given, str) and given.endswith(SUFFIXES):
            file = folder / given
            find(str(file))
            found[field] = {"name": file.stem} | read_yaml(file)
        elif isinstance(given, dict):
            find(given)
        elif not isinstance(given, str | None):
            raise DesignError(f"{field} is {given!r}; expected a name, a .yaml file, or the fields of one")
    return found


def _content(given: Given, field: str) -> tuple[str, str, dict[str, Any]]:
    """Where to say that an error is, the name, and the other fields."""
    where = given if isinstance(given, str) else field
    content = read_yaml(given) if isinstance(given, str) else dict(given)
    name = content.pop("name", Path(given).stem if isinstance(given, str) else field)
    _demand_text(where, "name", name)
    if name in TECHNOLOGIES:
        raise DesignError(f"{where}: name is {name!r}, which is built in; expected a name of its own")
    return where, name, content


def _device(where: str, name: str, content: dict[str, Any]) -> Device:
    board = content.pop("board", "")
    _demand_text(where, "board", board, empty=True)
    numbers = _numbers(where, "", content, _PART)
    node_nm, lut = numbers["node_nm"], numbers["lut"]
    volt = numbers.get("volt", scaled_node(name, node_nm).volt)
    static = numbers.get("static_mw", STATIC_MW_KLUT * lut / 1000)
    made_in = fabric(name, node_nm, volt, static, numbers.get("dram_pj_per_bit", DRAM_PJ))
    counts = {resource: int(numbers[resource]) for resource in RESOURCES}
    return Device(name=name, fabric=made_in, **counts, dram_gb_s=numbers["dram_gb_s"], board=board)


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
            None if multiply is None else multiply / 64,
            None if add is None else add / 32,
            known.get("flipflop_pj_per_cycle"),
            known.get("wire_pj_per_bit_mm"),
            read.get("sram_pj_per_bit"),
            read.get("register_pj_per_bit"),
        ),
    )


def _law(where: str, given: Any, exponent: float) -> Law:
    """The power law through one or two points (KiB: pJ a bit); through one with the node's own exponent.

    Sizes may be text: they are where a stored exploration holds them as JSON.
    """
    if not isinstance(given, Mapping) or not 1 <= len(given) <= 2:
        raise DesignError(f"{where} is {given!r}; expected one or two sizes in KiB with pJ a bit, as in {{8: 0.13}}")
    sizes = {float(kb) if isinstance(kb, str) and kb.replace(".", "", 1).isdecimal() else kb: kb for kb in given}
    points = sorted((_number(where, "size", kb, _SIZE_KB), _number(where, f"{kb}", given[key], _BIT_PJ))
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
    right = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    if not right or not bounds.low <= value <= bounds.high or (bounds.whole and value != int(value)):
        raise DesignError(f"{where}: {key} is {value!r}; expected {_bounds(bounds)}")
    return float(value)


def _bounds(bounds: _Number) -> str:
    sort = "a whole number" if bounds.whole else "a number"
    return f"{sort} from {bounds.low:.10g} to {bounds.high:.10g}"


def _demand_text(where: str, key: str, value: Any, *, empty: bool = False) -> None:
    if not isinstance(value, str) or not (value or empty):
        raise DesignError(f"{where}: {key} is {value!r}; expected text")
