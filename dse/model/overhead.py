"""The time that a system adds to that of the models: work between layers, and DRAM that does not reach its peak.

The models run an array beside a memory at full bandwidth, layer after layer, with nothing in between.  Measured systems
are 1.1 to 2.6 times slower (tests/benchmarks/RESULTS.md).  The field `overhead` of a design or space states what is
known about a system; by default it adds nothing.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Overhead(BaseModel):
    """What is added to each layer, including pooling and element-wise ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layer_cycles: int = Field(default=0, ge=0, le=1_000_000_000)  # cycles added per layer
    dram_efficiency: float = Field(default=1.0, ge=0.01, le=1.0)  # fraction of `dram_gb_s` that is reached


NONE = Overhead()
