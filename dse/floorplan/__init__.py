"""From an accelerator to its floorplan and back: netlists of designs, measured wires, costs with these wires.

Imports `dse.model` and `netlists`; a placer is an argument.  Begin with `loop`; `chip` says what a design is made of,
`arrays` how each template is wired.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dse.floorplan.loop import close_loop, close_loops
    from dse.floorplan.measurement import wire_lengths
    from dse.floorplan.netlist import to_netlist
    from dse.floorplan.settings import FloorplanSettings

__all__ = ["FloorplanSettings", "close_loop", "close_loops", "to_netlist", "wire_lengths"]

MODULES = {
    "FloorplanSettings": "settings",
    "close_loop": "loop",
    "close_loops": "loop",
    "to_netlist": "netlist",
    "wire_lengths": "measurement",
}
"""The module of each public name."""


def __getattr__(name: str) -> Any:
    # Modules are loaded on first use, as numba takes a second.
    if name in MODULES:
        return getattr(import_module(f"dse.floorplan.{MODULES[name]}"), name)
    raise AttributeError(f"module 'dse.floorplan' has no attribute {name!r}")
