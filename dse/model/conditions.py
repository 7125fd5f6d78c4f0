"""Conditions between parameters, as a space file states them: "tm * tn <= 448 and dataflow == 'ws'".

A condition consists of parameter names, numbers, + - * / // %, comparisons (also chained), and, or, not, parentheses,
min and max, and comparisons of a parameter with one of its choices in quotes by == or !=.  Nothing else is allowed.
Values are arrays: a condition says for each of n designs whether it holds.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from netlists.errors import DesignError, did_you_mean

Values = Mapping[str, npt.NDArray[np.float64]]
Evaluate = Callable[[Values], Any]
Known = Mapping[str, Sequence[str]]  # parameters by name, with their choices; empty if values are numbers

MAX_CHARACTERS = 500  # of a condition
LARGEST = sys.float_info.max  # number in a condition
ALLOWED = "+ - * / // %, comparisons, and, or, not, min, max and parentheses"

_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}
_FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {"min": np.minimum, "max": np.maximum}


@dataclass(frozen=True)
class Condition:
    """One checked condition."""

    text: str
    evaluate: Evaluate

    def holds(self, values: Values) -> npt.NDArray[np.bool_]:
        """Whether it holds [n] for the values [n] of parameters by name; a division by zero makes it fail."""
        with np.errstate(all="ignore"):
            return np.asarray(self.evaluate(values), np.bool_)


def parse_condition(text: str, known: Known) -> Condition:
    """Parse a condition over known parameters; raises `DesignError` that quotes it if it is not one."""
    if len(text) > MAX_CHARACTERS:
        raise DesignError(f"condition of {len(text)} characters; expected at most {MAX_CHARACTERS}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise DesignError(f"condition {text!r} is not an expression; expected {ALLOWED} over parameters") from None
    parser = _Parser(text, known)
    evaluate = parser.truth(tree)
    if not parser.names:
        raise DesignError(f"condition {text!r} names no parameter; expected at least one")
    return Condition(text, evaluate)


class _Parser:
    """Turns syntax trees into functions of arrays; truth values and numbers do not mix."""

    def __init__(self, text: str, known: Known) -> None:
        self.text, self.known = text, known
        self.choices = {choice for choices in known.values() for choice in choices}
        self.names: set[str] = set()

    def truth(self, node: ast.expr) -> Evaluate:
        match node:
            case ast.BoolOp(op=op, values=nodes):
                join = np.logical_and if isinstance(op, ast.And) else np.logical_or
                return _fold(join, [self.truth(each) for each in nodes])
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self.truth(operand)
                return lambda values: np.logical_not(inner(values))
            case ast.Compare(
                left=ast.Name() as left,
                ops=[ast.Eq() | ast.NotEq() as op],
                comparators=[ast.Constant(value=str() as choice)],
            ):
                return _join(_COMPARISONS[type(op)], self.number(left), self.position(left.id, choice))
            case ast.Compare(left=left, ops=ops, comparators=rest) if all(type(op) in _COMPARISONS for op in ops):
                sides = [self.number(each) for each in (left, *rest)]
                pairs = zip(ops, sides[:-1], sides[1:], strict=True)
                return _fold(np.logical_and, [_join(_COMPARISONS[type(op)], a, b) for op, a, b in pairs])
        raise self.complaint(node, "a comparison")

    def number(self, node: ast.expr) -> Evaluate:
        match node:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool) and abs(value) <= LARGEST:
                constant = float(value)
                return lambda values: constant
            case ast.Name(id=name):
                if name not in self.known:
                    quoted = f"; write a choice in quotes: '{name}'" if name in self.choices else ""
                    raise DesignError(f"condition {self.text!r}: {name!r} is not a parameter"
                                      f"{quoted or did_you_mean(name, self.known)}")  # fmt: skip
                self.names.add(name)
                return lambda values: values[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self.number(operand)
                return lambda values: np.negative(inner(values))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                return _join(_ARITHMETIC[type(op)], self.number(left), self.number(right))
            case ast.Call(func=ast.Name(id="min" | "max" as function), args=[_, _, *_] as nodes, keywords=[]):
                return _fold(_FUNCTIONS[function], [self.number(each) for each in nodes])
        raise self.complaint(node, "a number")

    def position(self, name: str, choice: str) -> Evaluate:
        """The position of a choice among those of its parameter: its value."""
        if choice not in self.known[name]:
            expected = f"one of {', '.join(self.known[name])}" if self.known[name] else "a number"
            raise DesignError(f"condition {self.text!r}: {name} cannot be {choice!r}; expected {expected}")
        place = float(self.known[name].index(choice))
        return lambda values: place

    def complaint(self, node: ast.expr, expected: str) -> DesignError:
        segment = ast.get_source_segment(self.text.strip(), node)
        return DesignError(
            f"condition {self.text!r}: {segment!r} is not {expected}; expected {ALLOWED} over parameters"
        )


def _join(join: Callable[[Any, Any], Any], left: Evaluate, right: Evaluate) -> Evaluate:
    """A function of two functions' results."""
    return lambda values: join(left(values), right(values))


def _fold(join: Callable[[Any, Any], Any], parts: list[Evaluate]) -> Evaluate:
    """A function of several functions' results, joined from left to right."""
    whole = parts[0]
    for part in parts[1:]:
        whole = _join(join, whole, part)
    return whole
