"""What a system adds to the time that the models give: work between layers, and DRAM that does not reach its peak.

The models run an array beside a memory at full bandwidth, layer after layer, with nothing between.  Measured systems
are 1.4 to 2.6 times slower (tests/benchmarks/RESULTS.md).  `overhead` of a design or space says what is
known of a system; by default it adds nothing.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Overhead(BaseModel):
    """Added to each layer, pooling and element-wise ones too."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layer_cycles: int = Field(default=0, ge=0, le=1_000_000_000)  # waiting of each layer beyond what the model says
    dram_efficiency: float = Field(default=1.0, ge=0.01, le=1.0)  # fraction of `dram_gb_s` that is reached


NONE = Overhead()
