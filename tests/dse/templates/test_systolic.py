"""The systolic template: SCALE-Sim's cycles, a stepped array, the slow twin, conservation, bad designs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from dse.model.design import design_row
from dse.templates.base import COUNTS, Count
from dse.templates.systolic import DATAFLOWS, ORDERS, TEMPLATE
from dse.validation.compare import compare
from dse.workloads.builtin import network
from dse.workloads.layers import Kind, Layer, Network, conv, make_layer
from dse.workloads.scalesim import load_topology, scalesim_layer
from netlists.errors import DesignError
from tests import SHARED
from tests.dse.templates.twins_systolic import count, step_product
from tests.dse.twin import PAIRS, as_row, random_layer, run

CYCLES = SHARED / "references" / "scalesim_cycles.yaml"
# SCALE-Sim 3.0.0, rows of its demand matrices: layer, array, cycles of ws, os, is.
SIMULATED = [
    ((224, 224, 11, 11, 3, 96, 4), (8, 8), (1681944, 1714596, 2057212)),
    ((224, 224, 11, 11, 3, 96, 4), (32, 32), (112284, 121125, 216600)),
    ((27, 27, 5, 5, 96, 256, 1), (32, 32), (373800, 334832, 446250)),
    ((55, 55, 1, 1, 64, 128, 2), (8, 8), (103168, 122304, 117600)),
    ((15, 15, 3, 3, 256, 512, 2), (32, 32), (164736, 75712, 87264)),
    ((1, 1, 1, 1, 512, 1000, 1), (8, 8), (184000, 65750, 65408)),
    ((9, 9, 3, 3, 16, 40, 1), (8, 8), (6390, 5530, 7812)),
    ((14, 14, 1, 1, 40, 24, 2), (12, 14), (800, 768, 1200)),
]


def array_cycles(layer: Layer, rows: int, columns: int, flow: str, search: bool = False, gb_s: float = 1e5) -> int:
    values = {"rows": rows, "columns": columns, "dataflow": flow, "dram_gb_s": gb_s}
    counts, reason, _ = run(TEMPLATE, design_row(TEMPLATE, values), layer, search=search)
    assert reason == ""
    return counts[Count.COMPUTE] + counts[Count.FILL]


@pytest.mark.parametrize("search", [False, True])
@pytest.mark.parametrize(("sizes", "array", "cycles"), SIMULATED)
def test_compute_and_fill_are_scalesims_cycles(
    sizes: tuple[int, ...], array: tuple[int, int], cycles: tuple[int, int, int], search: bool
) -> None:
    layer = scalesim_layer("layer", sizes)
    result = tuple(array_cycles(layer, *array, flow, search) for flow in ("ws", "os", "is"))
    assert result == cycles


@pytest.mark.compiled
@pytest.mark.skipif(not CYCLES.is_file(), reason="the table of all SCALE-Sim runs is not here")
def test_all_runs_of_scalesim() -> None:
    done = 0
    for net in yaml.safe_load(CYCLES.read_text())["nets"].values():
        for entry in net["layers"]:
            layer = scalesim_layer(entry["row"][0], entry["row"][1:])
            assert layer.macs == entry["macs"]
            for array, cycles in entry["cycles"].items():
                rows, columns = map(int, array.split("x"))
                for flow, expected in zip(("ws", "os", "is"), cycles, strict=True):
                    assert array_cycles(layer, rows, columns, flow, gb_s=1.0) == expected
                    done += 1
    assert done > 100


def test_the_published_file_is_exact() -> None:
    rows = compare("scalesim").rows
    assert len(rows) > 90
    assert all(row.ours == row.theirs for row in rows)


@pytest.mark.parametrize("flow", DATAFLOWS)
def test_an_array_stepped_cycle_by_cycle_takes_as_long(flow: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(12):
        rows, columns, pixels, window, filters = (int(n) for n in rng.integers(1, 9, 5))
        a, b = rng.integers(-9, 9, (pixels, window)), rng.integers(-9, 9, (window, filters))
        product, cycles = step_product(a, b, rows, columns, flow)
        assert (product == a @ b).all()
        layer = make_layer(name="fc", kind=Kind.FC, in_channels=window, out_channels=filters, in_h=pixels)
        assert array_cycles(layer, rows, columns, flow) == cycles


def random_values(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "clock_mhz": float(rng.choice([200, 700, 1000])), "dram_gb_s": float(rng.choice([0.01, 0.1, 0.34, 4.2, 60])),
        "weight_bits": int(rng.choice([8, 16])), "input_bits": int(rng.choice([8, 16])), "psum_bits": 32,
        "rows": int(rng.integers(1, 20)), "columns": int(rng.integers(1, 20)), "dataflow": str(rng.choice(DATAFLOWS)),
        "input_kb": float(rng.choice([1, 1.5, 4, 64])), "weight_kb": float(rng.choice([1, 2.5, 64])),
        "output_kb": float(rng.choice([1, 3, 64])),
    }  # fmt: skip


def test_counts_equal_the_slow_twins() -> None:
    rng = np.random.default_rng(2)
    refused = 0
    for _ in range(PAIRS):
        layer, values = random_layer(rng), random_values(rng)
        order, block = int(rng.integers(len(ORDERS))), int(rng.integers(1, 300))
        counts, reason, _ = run(TEMPLATE, design_row(TEMPLATE, values), layer, [order, block])
        expected = count(values, layer, ORDERS[order], block)
        if isinstance(expected, str):
            assert f"half the {expected} buffer" in reason
            refused += 1
        else:
            assert (reason, counts) == ("", as_row(expected)), (values, layer, ORDERS[order], block)
    assert PAIRS / 1000 < refused < PAIRS / 10


def test_nothing_is_lost_and_search_is_never_slower() -> None:
    rng = np.random.default_rng(3)
    better = 0
    for _ in range(600):
        layer, values = random_layer(rng), random_values(rng)
        row = design_row(TEMPLATE, values)
        plain, reason, _ = run(TEMPLATE, row, layer)
        actual, also, searched = run(TEMPLATE, row, layer, search=True)
        assert reason == also
        if reason or not layer.has_macs:
            continue
        assert run(TEMPLATE, row, layer, searched)[0] == actual
        better += sum(actual[:3]) < sum(plain[:3])
        assert sum(actual[:3]) <= sum(plain[:3])
        weight, given = layer.weight_bits or int(row[2]), layer.input_bits or int(row[3])
        result = layer.output_bits or int(row[3])
        for counts in (plain, actual):
            assert counts[Count.MACS] == layer.macs
            assert counts[Count.COMPUTE] * values["rows"] * values["columns"] >= layer.macs
            assert counts[Count.DRAM_WEIGHT] >= layer.weights * weight
            assert counts[Count.DRAM_OUTPUT] >= layer.outputs * result
            assert counts[Count.DRAM_INPUT] >= touched_inputs(layer) * given
            moved = sum(counts[Count.DRAM_INPUT : Count.DRAM_OUTPUT + 1])
            assert sum(counts[:3]) >= moved / (values["dram_gb_s"] * 8e3 / values["clock_mhz"])
    assert better > 30


def touched_inputs(layer: Layer) -> int:
    """Number of input elements that some window covers, without padding."""

    def covered(out: int, kernel: int, stride: int, dilation: int, pad: int, size: int) -> int:
        return len({i * stride + j * dilation - pad for i in range(out) for j in range(kernel)} & set(range(size)))

    lines = covered(layer.out_h, layer.kernel_h, layer.stride_h, layer.dilation_h, layer.pad_top, layer.in_h)
    columns = covered(layer.out_w, layer.kernel_w, layer.stride_w, layer.dilation_w, layer.pad_left, layer.in_w)
    return layer.batch * layer.in_channels * lines * columns


@pytest.mark.compiled
def test_search_is_as_good_as_all_orders_and_block_counts() -> None:
    rng = np.random.default_rng(4)
    ratios = []
    for _ in range(60):
        layer, values = conv("c", (16, 24), 12, 3, pad=1), random_values(rng) | {"dram_gb_s": 0.2}
        row = design_row(TEMPLATE, values)
        result, reason, _ = run(TEMPLATE, row, layer, search=True)
        if reason:
            continue
        tried = [
            sum(counts[:3])
            for order in range(len(ORDERS))
            for block in range(1, 145)
            for counts, refused, _ in [run(TEMPLATE, row, layer, [order, block])]
            if not refused
        ]
        assert sum(result[:3]) <= 1.3 * min(tried)
        ratios.append(sum(result[:3]) / min(tried))
    assert np.mean(ratios) < 1.02


def test_stall_vanishes_at_high_bandwidth_and_dominates_at_low_bandwidth() -> None:
    layer = network("resnet18").layers[5]
    slow, fast = (
        run(TEMPLATE, design_row(TEMPLATE, {"rows": 32, "columns": 32, "dram_gb_s": gb_s}), layer)[0]
        for gb_s in (0.1, 1e4)
    )
    assert slow[Count.COMPUTE] == fast[Count.COMPUTE]
    assert fast[Count.STALL] < 0.001 * fast[Count.COMPUTE]
    assert slow[Count.STALL] > slow[Count.COMPUTE]


def test_groups_run_one_after_the_other() -> None:
    row = design_row(TEMPLATE, {"rows": 8, "columns": 8})
    one, _, _ = run(TEMPLATE, row, conv("one", (4, 6), 9, 3))
    three, _, _ = run(TEMPLATE, row, conv("three", (12, 18), 9, 3, groups=3))
    assert [three[i] for i in (Count.COMPUTE, Count.FILL, Count.MACS)] == [3 * one[i] for i in (0, 1, Count.MACS)]


def test_designs_and_layers_as_arrays_give_the_same_as_one_by_one() -> None:
    rng = np.random.default_rng(5)
    layers = [random_layer(rng) for _ in range(20)]
    rows = np.array([design_row(TEMPLATE, random_values(rng)) for _ in range(20)])
    loops = np.array([layer.row() for layer in layers])
    counts, reasons = np.zeros((20, 20, COUNTS), np.int64), np.zeros((20, 20), np.int16)
    TEMPLATE.run(rows, loops, TEMPLATE.default_mapping(rows, loops), True, counts, reasons)
    for s in range(20):
        for i in range(20):
            if reasons[s, i] == 0:
                assert counts[s, i].tolist() == run(TEMPLATE, list(rows[s]), layers[i], search=True)[0]


def test_a_loop_nest_says_what_the_array_holds() -> None:
    row = design_row(TEMPLATE, {"rows": 32, "columns": 16, "dataflow": "ws"})
    layer = conv("conv", (6, 32), 10, 3, groups=2)
    assert TEMPLATE.loop_nest(row, layer, [ORDERS.index("wpk"), 16]) == [
        "for group in 2:",
        "for window in 27 by 27:",
        "for pixels in 64 by 16:",
        "for filters in 16 by 16:",
        "ws: array holds window 27 x filters 16, streams pixels",
    ]


def test_hardware_is_rows_times_columns() -> None:
    hardware = TEMPLATE.hardware(np.array([design_row(TEMPLATE, {"rows": 32, "columns": 16, "input_kb": 8})]))
    assert hardware.multipliers.tolist() == hardware.elements.tolist() == [512]
    assert hardware.buffer_bytes[0].tolist() == [8192, 524288, 524288]
    assert hardware.buffer_banks[0].tolist() == [32, 16, 16]
    words = {"rows": 32, "columns": 16, "dataflow": "is", "input_bits": 8, "weight_bits": 16, "psum_bits": 24}
    stationary = TEMPLATE.hardware(np.array([design_row(TEMPLATE, words)]))
    assert stationary.buffer_banks[0].tolist() == [16, 32, 16]
    assert stationary.register_bytes[0].tolist() == [1, 2, 3]


def test_topologies_of_convolutions_and_products(tmp_path: Path) -> None:
    file = tmp_path / "net.csv"
    file.write_text(
        "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,\n"
        "Conv1, 224, 224, 11, 11, 3, 96, 4,\n\nFC6, 1, 1, 1, 1, 9216, 4096, 1, 2:4,\n"
    )
    result = load_topology(file)
    assert isinstance(result, Network)
    assert [(layer.name, layer.out_h, layer.out_w, layer.macs) for layer in result.layers] == [
        ("Conv1", 55, 55, 105415200),
        ("FC6", 1, 1, 9216 * 4096),
    ]
    file.write_text("Layer,M,N,K,\nQuery,128,768,512,\n")
    (query,) = load_topology(file).layers
    assert (query.out_h, query.out_channels, query.macs) == (128, 768, 128 * 768 * 512)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no line with a layer"),
        ("Layer, IFMAP Height\n", "no layer after the heading"),
        ("Layer, a\nConv1, 3, 3\n", "line 2: 2 numbers after the name"),
        ("Layer, M, N, K\nQ, 3, x, 3\n", "line 2: N is 'x'"),
        ("Layer, a\nConv1, 3, 3, 3, 3, 4, 4, 0\n", "line 2: stride is '0'"),
        ("Layer, a\nConv1, 3, 3, 7, 3, 4, 4, 1\n", "line 2: layer Conv1: a kernel of 7x3 does not fit"),
    ],
)
def test_bad_topologies_name_file_and_line(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(text)
    with pytest.raises(DesignError, match=complaint) as raised:
        load_topology(file)
    assert "bad.csv" in str(raised.value)


def test_a_topology_that_is_not_there() -> None:
    with pytest.raises(DesignError, match="cannot be read"):
        load_topology("nowhere.csv")
