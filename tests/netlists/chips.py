"""Random small netlists with everything a `Netlist` may have, and the text of small valid files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from netlists.netlist import Kind, Netlist, Routing, Rows


@st.composite
def chips(draw: st.DrawFn, soft_offsets: bool = False) -> Netlist:
    """Netlists of 1 to 8 nodes with odd sizes, positions, weights, empty nets, shared pins and rows."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    v, q, nets = int(rng.integers(1, 9)), int(rng.integers(1, 20)), int(rng.integers(0, 12))
    scale = draw(st.sampled_from([1.0, 0.1, 1e-3, 1 / 3]))
    canvas_um = (200 * scale * rng.integers(1, 4), 200 * scale)
    kind = rng.integers(0, 4, v).astype(np.int8)
    size_um = rng.integers(0, 90, (v, 2)).astype(np.float64) * scale
    size_um[kind != Kind.PORT] += scale
    fixed = (rng.random(v) < 0.3) | (kind == Kind.PORT)
    position_um = (rng.random((v, 2)) * 1.2 - 0.1) * canvas_um
    position_um[~fixed & (rng.random(v) < 0.3)] = np.nan
    pin_node = rng.integers(0, v, q)
    pin_offset_um = rng.normal(size=(q, 2)) * scale * rng.integers(0, 2, (q, 1))
    if not soft_offsets:
        pin_offset_um[kind[pin_node] == Kind.SOFT] = 0
    degree = rng.integers(0, 5, nets)
    return Netlist(
        name="chip",
        node_names=tuple(f"top/u{k}[{k}]" for k in range(v)),
        kind=kind,
        size_um=size_um,
        fixed=fixed,
        position_um=position_um,
        orientation=rng.integers(0, draw(st.sampled_from([1, 8])), v).astype(np.int8),
        pin_node=pin_node,
        pin_offset_um=pin_offset_um,
        net_start=np.cumsum([0, *degree]),
        net_pin=rng.integers(0, q, int(degree.sum())),
        net_weight=draw(st.sampled_from([np.ones(nets), rng.choice([0.0, 0.5, 1.0, 7.0], nets)])),
        canvas_um=canvas_um,
        grid=draw(st.sampled_from([(32, 32), (3, 7)])),
        routing=draw(st.sampled_from([Routing(), Routing(1.5, 2.25, 0.0, 1e-05, 0)])),
        rows=_rows(rng, scale) if draw(st.booleans()) else None,
        origin_um=draw(st.sampled_from([(0.0, 0.0), (10.07, -3.3), (1e6, 0.25)])),
        pin_names=draw(st.sampled_from([(), tuple(f"pin{k // 2}" for k in range(q))])),
        net_names=draw(
            st.sampled_from([(), tuple(f"wire {k}" for k in range(nets)), tuple(f"w{k}" for k in range(nets))])
        ),
    )


def _rows(rng: np.random.Generator, scale: float) -> Rows:
    count = int(rng.integers(0, 5))
    return Rows(
        rng.random(count),
        np.arange(count, dtype=np.float64) * 14 * scale,
        np.full(count, 14 * scale),
        np.full(count, 0.19 * scale),
        rng.integers(1, 99, count),
    )


def attr(key: str, value: str) -> str:
    """An attribute in the usual layout: five lines and braces."""
    return f'  attr {{\n    key: "{key}"\n    value {{\n      {value}\n    }}\n  }}\n'


def node(name: str, inputs: list[str], **attrs: str | float) -> str:
    """A node in the usual layout."""
    lines = "".join(f'  input: "{sink}"\n' for sink in inputs)
    for key, value in attrs.items():
        lines += attr(key, f'placeholder: "{value}"' if isinstance(value, str) else f"f: {value}")
    return f'node {{\n  name: "{name}"\n{lines}}}\n'


PB = (
    node("__metadata__", [], soft_macro_area_bloating_ratio=2.0)
    + node("in", ["ram/a", "Grp/i"], type="PORT", weight=9.0, x=0.0, y=5.0)
    + node("out", [], side="TOP", type="PORT", x=8.0, y=10.0)
    + node("ram", [], height=4.0, orientation="FN", type="MACRO", width=2.0, x=1.0, y=1.0)
    + node("ram/a", [], macro_name="ram", type="MACRO_PIN", x_offset=-1.0, y_offset=2.0)
    + node("ram/z", ["out", "Grp/i"], macro_name="ram", type="MACRO_PIN", weight=3.0, x_offset=1.0, y_offset=-2e-1)
    + node("rom", [], height=1.0, orientation="N", type="MACRO", width=1.0)
    + node("Grp", [], height=0.5, type="macro", width=2.0, x=3.0, y=3.0)
    + node("Grp/i", [], macro_name="Grp", type="macro_pin", x_offset=0.7, y_offset=0.1)
    + node("cell", ["Grp/i"], height=0.25, type="STDCELL", weight=2.0, width=0.5, x=4.0, y=4.0)
)

PLC = """# Placement file for Circuit Training
# Columns : 5  Rows : 4
# Width : 10.000  Height : 8.500
# Routes per micron, hor : 70.33 ver : 74.51
# Routes used by macros, hor : 51.79  ver : 51.79
# Smoothing factor : 0
0 0 5.5 - 1
1 8 8.5 - 0
2 2.5 3e0 S 0
5 7 7 N 1
6 5 5 - 0
8 4.5 4 N 0
"""

BOOKSHELF = {
    "a.aux": "RowBasedPlacement : a.nodes a.nets a.wts a.pl a.scl\n",
    "a.nodes": "UCLA nodes 1.0\n\nNumNodes : 5\nNumTerminals : 2\n"
    "ram 8 6\nrom 4 4 terminal\npad 1 1 terminal\nc0 2 2\nc1 1 2\n",
    "a.nets": (
        "UCLA nets 1.0\n\nNumNets : 2\nNumPins : 5\n"
        "NetDegree : 3 n0\nram I : -1.5 2\nc0 O : 0.5 0\npad B\nNetDegree : 2 n1\nc1 I : 0 0\nrom O : 1 1\n"
    ),
    "a.wts": "UCLA wts 1.0\n\nn1 2.5\n",
    "a.pl": "UCLA pl 1.0\n\nram 10 2 : FS\nrom 20 4 : N /FIXED\npad -2 3 : N /FIXED\nc0 0 2 : N\nc1 4 4 : N\n",
    "a.scl": "UCLA scl 1.0\n\nNumRows : 5\n"
    + "".join(
        f"CoreRow Horizontal\n Coordinate : {2 * k}\n Height : 2\n Sitewidth : 1\n Sitespacing : 1\n"
        f" Siteorient : N\n Sitesymmetry : Y\n SubrowOrigin : 0 NumSites : 30\nEnd\n"
        for k in range(5)
    ),
}


def write_pb(folder: Path, netlist: str | bytes = PB, plc: str | bytes = PLC) -> Path:
    """Write both files to the folder."""
    _put(folder / "netlist.pb.txt", netlist)
    _put(folder / "initial.plc", plc)
    return folder / "netlist.pb.txt"


def write_bookshelf(folder: Path, **changes: str | bytes) -> Path:
    """Write the files to the folder, with other content for the suffixes in `changes`."""
    for name, text in BOOKSHELF.items():
        _put(folder / name, changes.get(name.removeprefix("a."), text))
    return folder / "a.aux"


def _put(path: Path, content: str | bytes) -> None:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
