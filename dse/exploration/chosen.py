"""A design that an exploration found, as a design file has it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from dse.exploration.results import KNEE, Result, Row
from dse.exploration.store import FILE
from dse.model.design import Design
from dse.space.file import make_space
from dse.space.space import DesignSpace
from dse.workloads.files import all_options
from netlists.errors import DesignError
from netlists.runtime.yaml_file import NETWORK_FILES


def chosen_design(result: Result, which: str = KNEE) -> Design:
    """The knee of a front, or a stored design by its id; raises `DesignError`."""
    return design_of(space_of(result), result.chosen(which))


def options_of(
    space: DesignSpace, sizes: Mapping[str, int] | None = None, skip: Collection[str] = (), counts: str | None = None
) -> dict[str, Mapping[str, Any]]:
    """Sizes and operators to skip of each network of a space, as `evaluate` takes them.

    `sizes` and `counts` stand in the place of the space's, `skip` is added to it.  Raises `DesignError` for what none
    of the networks has.
    """
    content = space.content
    names = list(content["networks"])
    told = counts or content.get("counts") or counts  # an empty one is the only open size, where none was named
    left_out = dict.fromkeys([*(content.get("skip") or []), *skip])
    own = all_options(names, {**(content.get("sizes") or {}), **(sizes or {})}, list(left_out), told)
    return {name: each._asdict() for name, each in zip(names, own, strict=True)}


def space_of(result: Result) -> DesignSpace:
    """The space that was explored; raises `DesignError` where it cannot be made again, a network is gone say."""
    try:
        return make_space(result.space, result.run["name"])
    except DesignError as error:
        files = [Path(name) for name in result.space.get("networks", ()) if Path(name).suffix in NETWORK_FILES]
        gone = not all(file.exists() for file in files)
        do = "; paths of networks are those from the folder in which `dse explore` ran" if gone else ""
        raise DesignError(f"{result.folder / FILE}: space {result.run['name']}: {error}{do}") from None


def design_of(space: DesignSpace, row: Row) -> Design:
    """A stored design; evaluated on the networks of its space it costs exactly what is stored."""
    return Design.model_validate(space.describe(row["id"]))
