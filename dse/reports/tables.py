"""Tables of the commands and pages: columns and rows as plain data, and how a terminal shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from dse.model.cost import LEVELS, OPERANDS
from dse.model.devices import RESOURCES, Device
from dse.model.evaluation import Evaluation
from dse.model.technology import Technology
from dse.reports.evaluation import compute_part_use, split_accesses, split_energy, summarize_layers
from dse.templates.base import Template
from dse.validation.compare import Comparison
from dse.workloads.layers import Network
from netlists.errors import printable

LONGEST = 24
"""Characters up to which a narrow terminal does not break a word."""
WIDEST = 100_000
"""Characters per line of a table that goes to a file or another command: one line per row, however long."""

Value = str | int | float | None
"""A cell of a table."""
Row = Sequence[Value]


@dataclass(frozen=True)
class Table:
    """Rows under column names; columns from `text_from` on hold text.

    `texts` are one per row, for pages to show below its name.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Row]
    text_from: int | None = None
    texts: Sequence[str] = ()


def print_table(table: Table) -> None:
    """Print a table: the first column and text to the left, numbers to the right."""
    grid = RichTable(box=box.SIMPLE_HEAD)
    text_from = len(table.columns) if table.text_from is None else table.text_from
    for k, name in enumerate(table.columns):
        wraps = k >= text_from
        texts = [name, *(_show(row[k]) for row in table.rows)]
        words = [word[:LONGEST] for text in texts for word in text.split()] if wraps else texts
        grid.add_column(
            Text(printable(name)),
            justify="left" if k == 0 or wraps else "right",
            no_wrap=not wraps,
            overflow="fold",
            min_width=max(map(cell_len, words), default=0),
        )
    for row in table.rows:
        grid.add_row(*(Text(_show(value)) for value in row))  # as names may look like markup
    console = Console()
    needed = console.measure(grid, options=console.options.update(width=WIDEST))
    # On a terminal texts wrap; if that is not enough the terminal breaks lines.  Nothing is ever cut.
    console.width = max(console.width, needed.minimum if console.is_terminal else needed.maximum)
    console.print(Text(printable(table.title), style="bold", overflow="fold"), grid, sep="\n")


def _show(value: Value) -> str:
    """A cell as the terminal shows it."""
    return printable(format_number(value))


def format_number(value: Value) -> str:
    """A cell as text: 1,234,567, 0.0513, 12.3, or – for a missing value."""
    if value is None or (isinstance(value, float) and isnan(value)):
        return "–"
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{1 if size >= 100 else 2 if size >= 1 else 4}f}" if size >= 0.001 else f"{value:.2g}"


def format_percent(value: float) -> str:
    """A fraction as percent with one decimal, without the sign; – for nan."""
    return "–" if isnan(value) else f"{100 * value:.1f}"


def make_layer_table(evaluation: Evaluation) -> Table:
    """The layers of an evaluation, for one occurrence of each."""
    rows = []
    repeats = any(layer.repeat > 1 for layer in evaluation.network.layers)
    misfits = not evaluation.feasible
    for layer in summarize_layers(evaluation):
        cycles = layer["cycles"]
        split = [
            format_percent(layer[f"{p}_cycles"] / cycles) if cycles else None for p in ("compute", "fill", "stall")
        ]
        numbers = [
            cycles or None, *split, format_percent(layer["utilization"]) if layer["macs"] and cycles else None,
            *(layer[key] if cycles else None for key in ("dram_mb", "buffer_mb", "energy_mj")),
        ]  # fmt: skip
        rows.append(
            [layer["name"], *([layer["repeat"]] if repeats else []), layer["macs"] / 1e6, *numbers]
            + ([layer["reason"]] if misfits else [])
        )
    columns = ["layer", *(["×"] if repeats else []), "MMAC", "cycles", "compute %", "fill %", "stall %", "used %",
               "DRAM MB", "buffer MB", "mJ", *(["does not fit"] if misfits else [])]  # fmt: skip
    return Table(f"{evaluation.network.name} on {evaluation.design.template}", columns, rows, len(columns) - misfits)


def make_memory_table(evaluation: Evaluation) -> Table:
    """Traffic and energy of each level of memory by operand, over the whole network."""
    counts = evaluation.totals().counts[0]
    bits, mj = split_accesses(counts), split_energy(evaluation, counts, evaluation.direct_bits()[0])
    seconds = evaluation.metrics()["latency_ms"] * 1e-3
    whole = sum(sum(part.values()) for part in mj.values())
    rows = [
        [f"{level}, {operand}", bits[level][operand] / 8e6, bits[level][operand] / 8e9 / seconds, mj[level][operand],
         format_percent(mj[level][operand] / whole) if whole else None]
        for level in LEVELS for operand in OPERANDS
    ]  # fmt: skip
    columns = ["level, operand", "MB", "mean GB/s", "mJ", "of all energy %"]
    return Table("Memory (network: MB times hops)", columns, rows)


def format_totals(evaluation: Evaluation, metrics: Mapping[str, float] | None = None) -> dict[str, str]:
    """The cost of a network, for a line or a page: number with unit by name; `metrics` may be a mean of several."""
    metrics = metrics or evaluation.metrics()
    used_pct = compute_part_use(evaluation)
    resources = {
        name.upper(): f"{format_number(round(metrics[name]))} ({used_pct[name]:.0f}%)"
        for name in RESOURCES
        if name in used_pct
    }
    return {
        "latency": f"{format_number(metrics['latency_ms'])} ms",
        "throughput": f"{format_number(metrics['throughput_fps'])} inputs/s",
        "performance": f"{format_number(metrics['gops'])} GOPS",
        "multipliers used": f"{format_percent(metrics['utilization'])} %",
        "power": f"{format_number(metrics['power_w'])} W",
        "energy": f"{format_number(metrics['energy_mj'])} mJ",
        "energy × delay": f"{format_number(metrics['edp'])} mJ·ms",
        "DRAM traffic": f"{format_number(metrics['dram_mb'])} MB",
        **(resources or {"area": f"{format_number(metrics['area_mm2'])} mm²"}),
    }


def join_in_line(values: Mapping[str, str]) -> str:
    """`name value · name value`."""
    return " · ".join(f"{name} {value}" for name, value in values.items())


def make_network_table(networks: Sequence[Network]) -> Table:
    """Networks, one row each."""
    rows: list[Row] = [[net.name, net.macs / 1e6, net.parameters / 1e6, len(net.layers)] for net in networks]
    return Table("networks", ["network", "MMAC", "M parameters", "layers"], rows)


def make_network_layer_table(net: Network) -> Table:
    """The layers of one network."""
    rows: list[Row] = [
        [
            layer.name, layer.kind.name.lower(), layer.repeat, f"{layer.in_channels}×{layer.in_h}×{layer.in_w}",
            f"{layer.out_channels}×{layer.out_h}×{layer.out_w}", f"{layer.kernel_h}×{layer.kernel_w}",
            f"{layer.stride_h}×{layer.stride_w}", layer.groups, layer.macs / 1e6, layer.parameters / 1e6,
        ]
        for layer in net.layers
    ]  # fmt: skip
    columns = ["layer", "kind", "×", "input", "output", "kernel", "stride", "groups", "MMAC", "M parameters"]
    title = f"{net.name}: {format_number(net.macs / 1e6)} MMAC, {format_number(net.parameters / 1e6)} M parameters"
    return Table(title, columns, rows)


def make_template_table(families: Sequence[Template]) -> Table:
    """Templates with their sources."""
    rows: list[Row] = [[family.name, family.title, family.source] for family in families]
    return Table("templates", ["template", "what it is", "source"], rows, 1)


def make_parameter_table(family: Template) -> Table:
    """The parameters of one template."""
    rows: list[Row] = [
        [p.name, p.choices[int(p.default)] if p.choices else f"{p.default:g}", p.unit,
         " ".join(p.choices) if p.choices else f"{p.low:,.10g} to {p.high:,.10g}", p.help]
        for p in family.parameters
    ]  # fmt: skip
    return Table(f"{family.name}: {family.title}", ["parameter", "default", "unit", "range", "what it is"], rows, 2)


def make_device_table(parts: Sequence[Device]) -> Table:
    """FPGA parts."""
    rows: list[Row] = [
        [part.name, part.dsp, part.bram, part.lut, part.ff, part.dram_gb_s, part.board] for part in parts
    ]
    columns = ["part", "DSP", "BRAM 36 Kb", "LUT", "FF", "DRAM GB/s", "its usual board"]
    return Table("FPGA parts", columns, rows, 6)


def make_technology_table(nodes: Sequence[Technology]) -> Table:
    """ASIC nodes."""
    rows: list[Row] = [[node.name, node.volt, node.cell_um2, node.leakage_mw_mm2] for node in nodes]
    return Table("ASIC technologies", ["technology", "V", "SRAM cell µm²", "leakage mW/mm²"], rows)


def make_comparison_table(comparison: Comparison) -> Table:
    """The numbers of a publication beside ours."""
    verdicts = {True: "ok", False: "miss", None: ""}
    rows: list[Row] = [
        [row.row, row.quantity, row.ours,
         " to ".join(map(format_number, row.theirs)) if isinstance(row.theirs, tuple) else row.theirs,
         None if row.error_pct is None else f"{row.error_pct:+.1f}",
         "" if row.bar_pct is None else f"±{row.bar_pct:g}", verdicts[row.ok] or row.reason]
        for row in comparison.rows
    ]  # fmt: skip
    columns = ["row", "quantity", "ours", "published", "error %", "bar %", ""]
    return Table(f"{comparison.name}: {comparison.publication.title}", columns, rows, 6)


def list_comparison_notes(comparison: Comparison) -> list[str]:
    """Sources, status, calibration and notes of a publication and of its rows, one line each."""
    publication = comparison.publication
    notes = publication.notes if isinstance(publication.notes, list) else [publication.notes]
    texts = {"source": [publication.source], "status": [publication.status], "calibrated": publication.calibrated}
    texts |= {row.row: [f"{row.stated} Source: {row.source}"] for row in comparison.rows if row.stated or row.source}
    texts["notes"] = notes
    return [f"{name}: {' '.join(text.split())}" for name, each in texts.items() for text in each if text]
