"""Read YAML files written by hand: designs, spaces, published designs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from netlists.errors import DesignError, at

MAX_CHARACTERS = 1_000_000
"""A longer file is not a design."""

MAX_WHOLE = 2**63 - 1
"""Larger whole numbers fit into no array."""

NETWORK_FILES = (".onnx", ".csv")
"""Suffixes of network files."""

MAX_QUOTED = 40
"""Characters of a value that are quoted in a message."""


def beside(network: str, folder: Path) -> str:
    """The name of a network unchanged, or the path of its file, which `network` gives relative to `folder`."""
    path = Path(network)
    return str(folder / path) if path.suffix in NETWORK_FILES and not path.is_absolute() else network


def read_yaml(file: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file; raises `DesignError` naming the file and, if it is known, the line."""
    try:
        text = Path(file).read_text(encoding="utf-8")
        content = yaml.load(text, _Loader) if len(text) < MAX_CHARACTERS else None
    except (OSError, UnicodeDecodeError) as error:
        raise DesignError(f"{file}: cannot be read ({error}); expected a YAML file of a design") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        expected = "each key once" if isinstance(error, _TwiceError) else "YAML"
        raise DesignError(at(file, line, f"{error.problem}; expected {expected}")) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise DesignError(f"{file}: {' '.join(str(error).split())}; expected YAML") from None
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise DesignError(f"{file}: expected a mapping of fields, as in `template: systolic`")
    return content


class _TwiceError(yaml.MarkedYAMLError):
    """A key occurs twice in a mapping."""


class _Loader(yaml.SafeLoader):
    """Plain data only, and no key twice in a mapping, which YAML forbids and the library accepts."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
        except (ValueError, ArithmeticError, LookupError, AttributeError):  # of the library, without a line
            raise _wrong(node, f"of type {node.tag.rpartition(':')[2]}") from None
        if isinstance(value, int) and abs(value) > MAX_WHOLE:
            raise _wrong(node, "a number of at most 64 bits")
        return value

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        first = dict[tuple[str, str], yaml.Node]()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if (name := (key.tag, key.value)) in first:  # the same node if both are one alias
                problem = f"{key.value!r} is there already, in line {first[name].start_mark.line + 1}"
                raise _TwiceError(problem=problem, problem_mark=key.start_mark)
            first[name] = key
        return node


def _wrong(node: yaml.Node, expected: str) -> yaml.MarkedYAMLError:
    """The error for a value that is not what is expected."""
    return yaml.MarkedYAMLError(problem=f"{node.value[:MAX_QUOTED]!r} is not {expected}", problem_mark=node.start_mark)
