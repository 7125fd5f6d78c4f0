"""Rules between the parameters of a design: partial sums wide enough for what they add, words that fit a number format.

A design that breaks a rule is refused when it is read.  A space is refused if one of its values breaks a rule with all
values of the other parameters; other combinations that break a rule are designs that are not feasible.

- Partial sums hold a whole product, weight_bits + input_bits.  Some arrays round products to words before they add
  (`Template.rounds_products`: Eyeriss, JSSC 2017, and DianNao, ASPLOS 2014, add 16 bits), so their partial sums hold
  the longer word.
- fp32 has 32 bits for everything, packed8 at most 8 bits.
- No fabric runs above MOST_FPGA_MHZ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dse.model.conditions import Condition, parse_condition
from dse.templates.base import COMMON, PSUM_BITS, Floats, Template
from netlists.errors import DesignError

MOST_FPGA_MHZ = 891  # MHz of DSP48E2 blocks (DS923); earlier ones and Arria's are slower
MOST_BITS = int(COMMON[PSUM_BITS].high)  # of a partial sum; the widest products exceed it
FLOATING = "(format == 'fp32' or format == 'auto') and min(weight_bits, input_bits) == 32"


@dataclass(frozen=True)
class Rule:
    """A condition between parameters of a design, and what a message says about it."""

    condition: Condition
    names: tuple[str, ...]  # the parameters, first the one to change
    expected: str  # the allowed values, in words


def rules(family: Template) -> tuple[Rule, ...]:
    """The rules of a template."""
    known = {parameter.name: parameter.choices for parameter in family.parameters}
    words = f"min({MOST_BITS}, weight_bits + input_bits)"
    needed = "a whole product, weight_bits + input_bits"
    bits: tuple[str, ...] = ("psum_bits", "weight_bits", "input_bits")
    if family.rounds_products:
        words, needed = "max(weight_bits, input_bits)", "the longer of weight_bits and input_bits"
    sums = f"psum_bits >= {words}"
    entries = list[tuple[str, tuple[str, ...], str]]()
    if "format" in known:
        sums += f" or ({FLOATING} and psum_bits >= 32)"
        bits = (*bits, "format")
        real = "format != 'fp32' or min(weight_bits, input_bits) == 32 and max(weight_bits, input_bits) == 32"
        packed = "format != 'packed8' or max(weight_bits, input_bits) <= 8"
        expected = "32 bits of weights and inputs for fp32; auto takes the format of the words"
        entries.append((real, bits[:0:-1], expected))
        entries.append((packed, bits[:0:-1], "at most 8 bits of weights and inputs for packed8"))
    entries.append((sums, bits, f"at least {needed}"))
    if family.fpga:
        entries.append((f"clock_mhz <= {MOST_FPGA_MHZ}", ("clock_mhz",), f"at most {MOST_FPGA_MHZ} MHz on an FPGA"))
    return tuple(Rule(parse_condition(text, known), names, expected) for text, names, expected in entries)


def demand_sense(family: Template, row: Sequence[float]) -> None:
    """Raise `DesignError` that names the parameters if the values of a design's row [D] break a rule."""
    names = [parameter.name for parameter in family.parameters]
    columns = {name: np.array([value]) for name, value in zip(names, row, strict=True)}
    for rule in rules(family):
        if not rule.condition.holds(columns)[0]:
            values = {name: columns[name][0] for name in rule.names}
            raise DesignError(f"{_assignments(family, values)}; expected {rule.expected}")


def space_conditions(family: Template, choices: Mapping[str, Floats]) -> tuple[Condition, ...]:
    """The rules that some designs of a space break, as conditions.

    `choices` are the values [N] of each parameter that the space lists.  Raises `DesignError` if all designs with one
    of the values break a rule.
    """
    values = {
        parameter.name: choices.get(parameter.name, np.array([parameter.default])) for parameter in family.parameters
    }
    return tuple(rule.condition for rule in rules(family) if _is_broken(family, rule, values))


def _is_broken(family: Template, rule: Rule, values: Mapping[str, Floats]) -> bool:
    """Whether some combination breaks a rule; raises `DesignError` if all with one value do."""
    grid = np.meshgrid(*(values[name] for name in rule.names), indexing="ij")
    holds = rule.condition.holds(dict(zip(rule.names, grid, strict=True)))
    for axis, name in enumerate(rule.names):
        fits = holds.any(axis=tuple(other for other in range(holds.ndim) if other != axis))
        if not fits.all():
            others = {other: values[other] for other in rule.names if other != name}
            context = f" with {_list_values(family, others)}" if others else ""
            wrong = {name: float(values[name][~fits][0])}
            raise DesignError(f"parameters: {_assignments(family, wrong)}{context}; expected {rule.expected}")
    return not holds.all()


def _assignments(family: Template, values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} is {_text(family, name, value)}" for name, value in values.items())


def _list_values(family: Template, values: Mapping[str, Floats]) -> str:
    return ", ".join(f"{name} {' or '.join(_texts(family, name, each))}" for name, each in values.items())


def _texts(family: Template, name: str, values: Iterable[float]) -> list[str]:
    texts = [_text(family, name, value) for value in values]
    return texts if len(texts) <= 3 else [texts[0], "...", texts[-1]]


def _text(family: Template, name: str, value: float) -> str:
    choices = next(parameter.choices for parameter in family.parameters if parameter.name == name)
    return repr(choices[int(value)]) if choices else f"{value:g}"
