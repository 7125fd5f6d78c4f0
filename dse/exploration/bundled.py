"""The bundled netlists of accelerators: `python -m dse.exploration.bundled` rewrites them.

Each is made of a design of a ready-made space, the one that `dse explore SPACE --out run --search nsga2 --wires
half_side` recommends.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from dse.floorplan.netlist import to_netlist
from dse.model.design import Design
from dse.space.file import load_space
from netlists.formats.circuit_training.writer import write_netlist
from netlists.formats.files import BUNDLED_SUFFIX, DESIGNS
from netlists.netlist import Netlist


class Accelerator(NamedTuple):
    """Where a bundled netlist comes from."""

    space: str  # a ready-made one
    number: int  # of a design of it, the id in the results of an exploration
    granularity: str

    def make_netlist(self) -> Netlist:
        """The netlist of the floorplan of the design."""
        design = Design.model_validate(load_space(self.space).describe(self.number))
        return to_netlist(design, granularity=self.granularity)


BUNDLED = {
    "row_stationary": Accelerator("eyeriss_65nm", 4887297, "medium"),
    "spatial": Accelerator("nvdla_28nm", 3277510, "fine"),
    "systolic": Accelerator("tpu_28nm", 919394, "fine"),
}
"""A small, a medium and a large accelerator, by the names of their templates."""


def write_bundled(folder: Path) -> None:
    """Write the bundled accelerators as NAME.pb.txt.gz and NAME.plc to a folder; the bytes are the same each time."""
    for name, accelerator in BUNDLED.items():
        write_netlist(accelerator.make_netlist(), folder / f"{name}{BUNDLED_SUFFIX}")


if __name__ == "__main__":
    write_bundled(DESIGNS)
