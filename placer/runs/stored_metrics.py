"""What `metrics.json` must hold for a run to be read back."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from netlists.errors import MAX_SEED
from netlists.legality.verdict import COUNTS

Point = Annotated[list[float], Field(min_length=2, max_length=2)]
"""Seconds, and the cost at that time."""
Side = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Seconds = Annotated[float, Field(ge=0)]
Path = Annotated[str, Field(pattern=r"^[^\x00]+$")]
FileName = Annotated[str, Field(pattern=r"^[^/\\\x00]+$", max_length=255)]


class _Stored(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class StoredSource(_Stored):
    """See `run_folder.Source`; old files have neither `unfix` and `fix`, nor `lef` and constraints."""

    path: Path
    plc: Path | None
    grid: Annotated[list[Side], Field(min_length=2, max_length=2)] | None
    unfix: list[str] = []
    lef: list[Path] = []
    constraints: Path | None = None
    halo: float | None = None
    channel: float | None = None
    fix: list[str] = []


class StoredStage(_Stored):
    """See `job.Stage`."""

    name: str
    seconds: Seconds
    cpu_seconds: Seconds
    proxy: float | None


class _Metrics(_Stored):
    """The fields that reports and sweeps use, without the counts of the verdict."""

    source: StoredSource
    placement: FileName  # in the folder of the run
    method: str
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 0
    settings: dict[str, str | int | float | bool | None]
    command: str
    versions: dict[str, str]
    netlist: str = ""
    digest: str = ""
    stages: list[StoredStage]
    history: list[Point]
    hpwl_history: list[Point] = []
    lower_bounds: dict[str, float] = {}
    interrupted: bool
    stuck: Count
    legal: bool | None = None
    proxy: float
    wirelength: float = 0.0
    density: float = 0.0
    congestion: float = 0.0
    hpwl_um: float = 0.0
    seconds: Seconds = 0.0
    cpu_seconds: Seconds = 0.0


_counts: dict[str, Any] = dict.fromkeys(COUNTS, (Count, 0))
StoredMetrics = create_model("StoredMetrics", __base__=_Metrics, **_counts)
"""The fields that reports and sweeps use."""
