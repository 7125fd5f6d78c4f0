"""Read YAML files that people write: designs, spaces, published designs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from netlists.errors import DesignError, at

MAX_BYTES = 1_000_000  # of a file; more is no design
MAX_WHOLE = 2**63 - 1  # larger numbers are no sizes, and fit no array
NETWORK_FILES = (".onnx", ".csv")
SHOWN = 40  # characters of a value in a message


def beside(network: str, folder: Path) -> str:
    """A network's name as it is; the path of its file, which is relative to a folder, as seen from here."""
    path = Path(network)
    return str(folder / path) if path.suffix in NETWORK_FILES and not path.is_absolute() else network


def read_yaml(file: str | Path) -> dict[str, Any]:
    """The mapping that a YAML file holds; raises `DesignError` that names the file, and the line where there is one."""
    try:
        text = Path(file).read_text(encoding="utf-8")
        content = yaml.load(text, _Loader) if len(text) < MAX_BYTES else None
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
    """A mapping has a key twice."""


class _Loader(yaml.SafeLoader):
    """Plain data only, and no key of a mapping twice: YAML forbids it, the library takes the last one."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            found = super().construct_object(node, deep)
        except (ValueError, ArithmeticError, LookupError, AttributeError):  # as the library leaves them, without a line
            raise _wrong(node, f"of type {node.tag.rpartition(':')[2]}") from None
        if isinstance(found, int) and abs(found) > MAX_WHOLE:
            raise _wrong(node, "a number of at most 64 bits")
        return found

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        first = dict[tuple[str, str], yaml.Node]()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if (name := (key.tag, key.value)) in first:  # as the same node where both are one alias
                problem = f"{key.value!r} is there already, in line {first[name].start_mark.line + 1}"
                raise _TwiceError(problem=problem, problem_mark=key.start_mark)
            first[name] = key
        return node


def _wrong(node: yaml.Node, expected: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=f"{node.value[:SHOWN]!r} is not {expected}", problem_mark=node.start_mark)
