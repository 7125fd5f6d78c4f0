"""From an accelerator to its floorplan and back: netlists of designs, measured wires, costs with these wires.

Imports `dse.model` and `netlists`; a placer is an argument.  Begin with `close_loop`; `chip` says what a design is made
of, `arrays` how each template is wired.
"""

from dse.floorplan.loop import close_loop, close_loops
from dse.floorplan.netlist import to_netlist
from dse.floorplan.settings import FloorplanSettings
from dse.floorplan.wire_lengths import wire_lengths

__all__ = ["FloorplanSettings", "close_loop", "close_loops", "to_netlist", "wire_lengths"]
