"""From a stored exploration back to its space and to single designs, as design files have them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from dse.exploration.results import KNEE, Result, StoredDesign
from dse.exploration.store import FILE
from dse.model.design import Design
from dse.space.file import make_space
from dse.space.space import DesignSpace
from dse.workloads.files import Options, all_options
from netlists.errors import DesignError
from netlists.runtime.yaml_file import NETWORK_FILES


def select_design(result: Result, which: str = KNEE) -> Design:
    """The knee of a front, or a stored design by its id; raises `DesignError`."""
    return rebuild_design(rebuild_space(result), result.select(which))


def rebuild_space(result: Result) -> DesignSpace:
    """The space that was explored; raises `DesignError` if it cannot be made again, as a network file is gone."""
    try:
        return make_space(result.space, result.name)
    except DesignError as error:
        files = [Path(name) for name in result.space.get("networks", ()) if Path(name).suffix in NETWORK_FILES]
        gone = not all(file.exists() for file in files)
        advice = "; paths of networks are relative to the folder in which `dse explore` ran" if gone else ""
        raise DesignError(f"{result.folder / FILE}: space {result.name}: {error}{advice}") from None


def rebuild_design(space: DesignSpace, row: StoredDesign) -> Design:
    """A stored design; evaluated on the networks of its space it costs exactly what is stored."""
    return Design.model_validate(space.describe(row["id"]))


def network_options(
    space: DesignSpace, sizes: Mapping[str, int] | None = None, skip: Collection[str] = (), counts: str | None = None
) -> dict[str, Options]:
    """Sizes and operators to skip of each network of a space.

    `sizes` and `counts` replace those of the space, `skip` adds to it.  Raises `DesignError` for a name that none of
    the networks has.
    """
    content = space.content
    names = list(content["networks"])
    axis = counts or content.get("counts") or counts  # an empty one is the only open size, if the space names none
    skipped = dict.fromkeys([*(content.get("skip") or []), *skip])
    options = all_options(names, {**(content.get("sizes") or {}), **(sizes or {})}, list(skipped), axis)
    return dict(zip(names, options, strict=True))
