"""Values that make no hardware together: accumulators narrower than what they add, number formats beside other words.

A design with such values is refused when it is read.  A space is refused for a value that makes sense with none of the
others it lists; combinations that make none are designs that are not feasible.

- Partial sums hold a whole product, weight_bits + input_bits.  Row-stationary and adaptive arrays round products to
  words before they add (Eyeriss, JSSC 2017, and DianNao, ASPLOS 2014, add 16 bits), so theirs hold the longer word.
- fp32 is 32 bits of everything, packed8 at most 8 bits.
- No fabric runs above MOST_FPGA_MHZ: DSP48E2 blocks end at 891 MHz (DS923), earlier ones and Arria's below.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dse.model.conditions import Condition, condition
from dse.templates.base import COMMON, Floats, Template
from netlists.errors import DesignError

ROUNDING = ("row_stationary", "adaptive")  # templates whose products are rounded to words before they are added
MOST_FPGA_MHZ = 891
MOST_BITS = int(COMMON[4].high)  # of a partial sum; the widest products exceed it
FLOATING = "(format == 'fp32' or format == 'auto') and min(weight_bits, input_bits) == 32"


@dataclass(frozen=True)
class Rule:
    """What has to hold between parameters of a design, and what a message says about it."""

    holds: Condition
    names: tuple[str, ...]  # the parameters, the one to change first
    expected: str


def rules(family: Template) -> tuple[Rule, ...]:
    """The rules of a template."""
    known = {parameter.name: parameter.choices for parameter in family.parameters}
    words = f"min({MOST_BITS}, weight_bits + input_bits)"
    needed = "a whole product, weight_bits + input_bits"
    bits: tuple[str, ...] = ("psum_bits", "weight_bits", "input_bits")
    if family.name in ROUNDING:
        words, needed = "max(weight_bits, input_bits)", "the longer of weight_bits and input_bits"
    sums = f"psum_bits >= {words}"
    found = list[tuple[str, tuple[str, ...], str]]()
    if "format" in known:
        sums += f" or ({FLOATING} and psum_bits >= 32)"
        bits = (*bits, "format")
        real = "format != 'fp32' or min(weight_bits, input_bits) == 32 and max(weight_bits, input_bits) == 32"
        packed = "format != 'packed8' or max(weight_bits, input_bits) <= 8"
        found.append((real, bits[:0:-1], "32 bits of weights and inputs for fp32; auto takes the format of the words"))
        found.append((packed, bits[:0:-1], "at most 8 bits of weights and inputs for packed8"))
    found.append((sums, bits, f"at least {needed}"))
    if family.fpga:
        found.append((f"clock_mhz <= {MOST_FPGA_MHZ}", ("clock_mhz",), f"at most {MOST_FPGA_MHZ} MHz on an FPGA"))
    return tuple(Rule(condition(text, known), names, expected) for text, names, expected in found)


def demand_sense(family: Template, row: Sequence[float]) -> None:
    """Raise `DesignError` that names the parameters of a row [D] which make no hardware together."""
    names = [parameter.name for parameter in family.parameters]
    columns = {name: np.array([value]) for name, value in zip(names, row, strict=True)}
    for rule in rules(family):
        if not rule.holds.holds(columns)[0]:
            values = {name: columns[name][0] for name in rule.names}
            raise DesignError(f"{_written(family, values)}; expected {rule.expected}")


def space_conditions(family: Template, choices: Mapping[str, Floats]) -> tuple[Condition, ...]:
    """The rules that some designs of a space break, as conditions; raises `DesignError` where all with a value do."""
    values = {
        parameter.name: choices.get(parameter.name, np.array([parameter.default])) for parameter in family.parameters
    }
    return tuple(rule.holds for rule in rules(family) if _broken(family, rule, values))


def _broken(family: Template, rule: Rule, values: Mapping[str, Floats]) -> bool:
    """Whether some combination breaks a rule; raises `DesignError` where all with one value do."""
    grid = np.meshgrid(*(values[name] for name in rule.names), indexing="ij")
    holds = rule.holds.holds(dict(zip(rule.names, grid, strict=True)))
    for axis, name in enumerate(rule.names):
        fits = holds.any(axis=tuple(other for other in range(holds.ndim) if other != axis))
        if not fits.all():
            others = {other: values[other] for other in rule.names if other != name}
            beside = f" beside {_listed(family, others)}" if others else ""
            wrong = {name: float(values[name][~fits][0])}
            raise DesignError(f"parameters: {_written(family, wrong)}{beside}; expected {rule.expected}")
    return not holds.all()


def _written(family: Template, values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} is {_text(family, name, value)}" for name, value in values.items())


def _listed(family: Template, values: Mapping[str, Floats]) -> str:
    return ", ".join(f"{name} {' or '.join(_texts(family, name, each))}" for name, each in values.items())


def _texts(family: Template, name: str, values: Iterable[float]) -> list[str]:
    texts = [_text(family, name, value) for value in values]
    return texts if len(texts) <= 3 else [texts[0], "...", texts[-1]]


def _text(family: Template, name: str, value: float) -> str:
    choices = next(parameter.choices for parameter in family.parameters if parameter.name == name)
    return repr(choices[int(value)]) if choices else f"{value:g}"
