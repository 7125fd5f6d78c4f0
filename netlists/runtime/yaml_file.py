"""Read YAML files that people write: designs, spaces, published designs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from netlists.errors import DesignError, at
from netlists.runtime.stored_files import read_bytes

MAX_BYTES = 250_000  # largest file; a design is smaller
MAX_VALUES = 100_000  # most values of a file; aliases could stand for billions
MAX_WHOLE = 2**63 - 1  # largest whole number, as arrays hold 64 bits
MERGE = "tag:yaml.org,2002:merge"  # of the key `<<`, whose value is added to its mapping
NETWORK_FILES = (".onnx", ".csv")
QUOTED = 40  # most characters of a value in a message


def resolve_network(network: str, folder: Path) -> str:
    """A network's name unchanged; the path of a network's file, relative to `folder`, with the folder in front."""
    path = Path(network)
    return str(folder / path) if path.suffix in NETWORK_FILES and not path.is_absolute() else network


def read_yaml(file: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file; raises `DesignError` that names the file, and the line if known, if there is none."""
    try:
        text = read_bytes(file, MAX_BYTES).decode("utf-8-sig")
    except (OSError, ValueError) as error:  # no UTF-8, or a zero byte in its path
        raise DesignError(f"{file}: cannot be read ({error}); expected a YAML file of a design") from None
    return parse_yaml(text, file)


def parse_yaml(text: str, file: str | Path) -> dict[str, Any]:
    """The mapping in a text that comes from a file; raises `DesignError` as `read_yaml` does."""
    try:
        content = yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        expected = "each key once" if isinstance(error, _DuplicateKeyError) else "YAML"
        raise DesignError(at(file, line, f"{error.problem}; expected {expected}")) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise DesignError(f"{file}: {' '.join(str(error).split())}; expected YAML") from None
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise DesignError(f"{file}: expected a mapping of fields, for example `template: systolic`")
    if not _has_few_values(content):
        raise DesignError(f"{file}: has more than {MAX_VALUES:,} values, aliases written out; expected fewer")
    return content


def _has_few_values(content: Any) -> bool:
    """Whether there are at most MAX_VALUES values; those that are shared by aliases count each time."""
    stack, count = [content], 0
    while stack:
        value = stack.pop()
        count += 1
        if count + len(stack) > MAX_VALUES:
            return False
        if isinstance(value, dict):
            stack += value.values()
        elif isinstance(value, list | set | tuple):
            stack += value
    return True


class _DuplicateKeyError(yaml.MarkedYAMLError):
    """A mapping has a key twice."""


class _Loader(yaml.SafeLoader):
    """Loads plain data only, and no key of a mapping twice: YAML forbids it, but the library takes the last one."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
        except (ValueError, ArithmeticError, LookupError, AttributeError):  # the library raises them without a line
            raise _wrong(node, f"of type {node.tag.rpartition(':')[2]}") from None
        if isinstance(value, int) and abs(value) > MAX_WHOLE:
            raise _wrong(node, "a number of at most 64 bits")
        return value

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Replace merge keys (`<<`) by what they stand for, unless aliases make that too much."""
        count = 0
        for key, value in node.value:
            if key.tag != MERGE:
                continue
            for part in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if isinstance(part, yaml.MappingNode):
                    self.flatten_mapping(part)  # what is merged may merge others; done once, as the key is gone then
                    count += len(part.value)
        if count > MAX_VALUES:
            raise yaml.MarkedYAMLError(
                problem=f"<< stands for more than {MAX_VALUES:,} values", problem_mark=node.start_mark
            )
        super().flatten_mapping(node)

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        first = dict[tuple[str, str], yaml.Node]()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if (name := (key.tag, key.value)) in first:  # the same node if both are one alias
                problem = f"{key.value!r} is there already, in line {first[name].start_mark.line + 1}"
                raise _DuplicateKeyError(problem=problem, problem_mark=key.start_mark)
            first[name] = key
        return node


def _wrong(node: yaml.Node, expected: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=f"{node.value[:QUOTED]!r} is not {expected}", problem_mark=node.start_mark)
