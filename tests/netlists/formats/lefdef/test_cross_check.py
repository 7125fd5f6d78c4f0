"""Our reader against `lefdef`, a binding of the parsers by Si2: the same masters, pins, components, nets, connections.

It runs in processes of its own, as that library ends its process on some files.  Skipped where it is not installed.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from netlists.formats.lefdef.def_file import read_def
from netlists.formats.lefdef.lef import bounding_box, read_lef
from tests import BENCHMARKS

pytestmark = pytest.mark.skipif(find_spec("lefdef") is None, reason="lefdef is not installed")

LEF_SCRIPT = """
import json, sys
from lefdef import C_LefReader
reader = C_LefReader()
lef = reader.read(sys.argv[1])
masters = {}
for m in (lef.c_macros[i] for i in range(lef.c_num_macros)):
    pins = {}
    for p in (m.c_pins[j] for j in range(m.c_num_pins)):
        ports = [p.c_ports[a] for a in range(p.c_num_ports)]
        rects = [q.c_rects[k] for q in ports for k in range(q.c_num_rects)]
        corners = [(r.c_xl + m.c_origin_x, r.c_yl + m.c_origin_y, r.c_xh + m.c_origin_x, r.c_yh + m.c_origin_y)
                   for r in rects]
        low = [min(c[i] for c in corners) for i in (0, 1)] if corners else []
        pins[p.c_name.decode()] = low + [max(c[i] for c in corners) for i in (2, 3)] if corners else None
    masters[m.c_name.decode()] = [m.c_size_x, m.c_size_y, pins]
print(json.dumps(masters))
"""
DEF_SCRIPT = """
import json, sys
from lefdef import C_DefReader
reader = C_DefReader()
d = reader.read(sys.argv[1])
nets = [d.c_nets[i] for i in range(d.c_num_nets)]
components = [d.c_components[i] for i in range(d.c_num_components)]
print(json.dumps({
    "components": {c.c_id.decode(): c.c_name.decode() for c in components},
    "nets": {n.c_name.decode(): sorted([n.c_instances[j].decode(), n.c_pins[j].decode()] for j in range(n.c_num_pins))
             for n in nets},
    "pins": d.c_num_pins, "rows": d.c_num_rows, "tracks": [d.c_num_tracks_x, d.c_num_tracks_y],
}))
"""


def answer(script: str, path: Path) -> Any:
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "name", ["nangate45/fakeram45_256x16.lef", "nangate45/NangateOpenCellLibrary.macro.mod.lef",
             "riscv32i_asap7/fakeram7_256x32.lef", "riscv32i_asap7/asap7sc7p5t_28_R_1x_220121a.lef"]
)  # fmt: skip
def test_masters_have_the_same_sizes_and_pins(name: str) -> None:
    path = BENCHMARKS / "lefdef" / name
    if not path.exists():
        pytest.skip("../shared is absent")
    library = read_lef([path])
    expected = answer(LEF_SCRIPT, path)
    assert set(library.masters) == set(expected)
    for master, (width, height, pins) in expected.items():
        ours = library.masters[master]
        assert ours.size_um == pytest.approx((width, height))
        assert set(ours.pins) == set(pins)
        for pin, box in pins.items():
            shapes = ours.pins[pin].shapes
            assert (bounding_box(shapes) if shapes else None) == (pytest.approx(box) if box else None)


@pytest.mark.parametrize("name", ["riscv32i_asap7/riscv.def.gz", "riscv32i_asap7/riscv_unrouted_floorplan.def.gz"])
def test_designs_have_the_same_components_and_connections(name: str, tmp_path: Path) -> None:
    path = BENCHMARKS / "lefdef" / name
    if not path.exists():
        pytest.skip("../shared is absent")
    plain = tmp_path / "design.def"
    plain.write_bytes(gzip.decompress(path.read_bytes()))
    expected, design = answer(DEF_SCRIPT, plain), read_def(path)
    assert {c.name: c.master for c in design.components} == expected["components"]
    assert {n.name: sorted(map(list, n.connections)) for n in design.nets} == expected["nets"]
    assert (len(design.pins), len(design.rows)) == (expected["pins"], expected["rows"])
    assert [sum(t.x for t in design.tracks), sum(not t.x for t in design.tracks)] == expected["tracks"]
