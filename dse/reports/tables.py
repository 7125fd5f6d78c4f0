"""Tables of the commands: columns and rows as plain data, and how a terminal shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from dse.model.cost import LEVELS, OPERANDS
from dse.model.devices import RESOURCES, Device
from dse.model.evaluation import Evaluation
from dse.model.technology import Technology
from dse.reports.evaluation import accesses, energies, layers, used
from dse.templates.base import Template
from dse.validation.compare import Comparison
from dse.workloads.layers import Network

LONGEST = 24  # characters of a word that a narrow terminal does not break
WIDEST = 100_000  # of a table that goes to a file or another command: a line a row, whatever it takes


@dataclass(frozen=True)
class Table:
    """Rows under column names; columns from `text_from` on hold text."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    text_from: int | None = None


def show(table: Table) -> None:
    """Print a table: the first column and text to the left, numbers to the right."""
    made = RichTable(box=box.SIMPLE_HEAD)
    text_from = len(table.columns) if table.text_from is None else table.text_from
    for k, name in enumerate(table.columns):
        wraps = k >= text_from
        texts = [name, *(number(row[k]) for row in table.rows)]
        words = [word[:LONGEST] for text in texts for word in text.split()] if wraps else texts
        made.add_column(
            name,
            justify="left" if k == 0 or wraps else "right",
            no_wrap=not wraps,
            overflow="fold",
            min_width=max(map(cell_len, words), default=0),
        )
    for row in table.rows:
        made.add_row(*(Text(number(value)) for value in row))  # names may look like markup
    console = Console()
    needed = console.measure(made, options=console.options.update(width=WIDEST))
    # On a terminal texts wrap; where that is not enough the terminal breaks lines.  Nothing is ever cut.
    console.width = max(console.width, needed.minimum if console.is_terminal else needed.maximum)
    console.print(Text(table.title, style="bold", overflow="fold"), made, sep="\n")


def number(value: Any) -> str:
    """1,234,567, 0.0513, 12.3, or – for none."""
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


def percent(value: float) -> str:
    return "–" if isnan(value) else f"{100 * value:.1f}"


def layer_table(found: Evaluation) -> Table:
    """The layers of an evaluation, of one occurrence each."""
    rows, repeats, misfits = [], any(layer.repeat > 1 for layer in found.network.layers), not found.feasible
    for layer in layers(found):
        cycles = layer["cycles"]
        split = [percent(layer[f"{p}_cycles"] / cycles) if cycles else None for p in ("compute", "fill", "stall")]
        numbers = [
            cycles or None, *split, percent(layer["utilization"]) if layer["macs"] and cycles else None,
            *(layer[key] if cycles else None for key in ("dram_mb", "buffer_mb", "energy_mj")),
        ]  # fmt: skip
        rows.append(
            [layer["name"], *([layer["repeat"]] if repeats else []), layer["macs"] / 1e6, *numbers]
            + ([layer["reason"]] if misfits else [])
        )
    columns = ["layer", *(["×"] if repeats else []), "MMAC", "cycles", "compute %", "fill %", "stall %", "used %",
               "DRAM MB", "buffer MB", "mJ", *(["does not fit"] if misfits else [])]  # fmt: skip
    return Table(f"{found.network.name} on {found.design.template}", columns, rows, len(columns) - misfits)


def memory_table(found: Evaluation) -> Table:
    """What the levels of memory move and cost, by operand, over the whole network."""
    counts = found.totals().counts[0]
    bits, mj = accesses(counts), energies(found, counts)
    seconds = found.metrics()["latency_ms"] * 1e-3
    whole = sum(sum(part.values()) for part in mj.values())
    rows = [
        [f"{level}, {operand}", bits[level][operand] / 8e6, bits[level][operand] / 8e9 / seconds, mj[level][operand],
         percent(mj[level][operand] / whole) if whole else None]
        for level in LEVELS for operand in OPERANDS
    ]  # fmt: skip
    columns = ["level, operand", "MB", "mean GB/s", "mJ", "of all energy %"]
    return Table("Memory (network: MB times hops)", columns, rows)


def totals(found: Evaluation, got: Mapping[str, float] | None = None) -> dict[str, str]:
    """What a network costs, for a line or a page: name to number with its unit; `got`: a mean of several."""
    got = got or found.metrics()
    shares = used(found)
    resources = {
        name.upper(): f"{number(round(got[name]))} ({shares[name]:.0f}%)" for name in RESOURCES if name in shares
    }
    return {
        "latency": f"{number(got['latency_ms'])} ms",
        "throughput": f"{number(got['throughput_fps'])} inputs/s",
        "performance": f"{number(got['gops'])} GOPS",
        "multipliers used": f"{percent(got['utilization'])} %",
        "power": f"{number(got['power_w'])} W",
        "energy": f"{number(got['energy_mj'])} mJ",
        "energy × delay": f"{number(got['edp'])} mJ·ms",
        "DRAM traffic": f"{number(got['dram_mb'])} MB",
        **(resources or {"area": f"{number(got['area_mm2'])} mm²"}),
    }


def in_a_line(values: Mapping[str, str]) -> str:
    """`name value · name value`."""
    return " · ".join(f"{name} {value}" for name, value in values.items())


def network_table(networks: Sequence[Network]) -> Table:
    """Networks in one row each."""
    rows = [[net.name, net.macs / 1e6, net.parameters / 1e6, len(net.layers)] for net in networks]
    return Table("networks", ["network", "MMAC", "M parameters", "layers"], rows)


def network_layers(net: Network) -> Table:
    """The layers of one network."""
    rows = [
        [
            layer.name, layer.kind.name.lower(), layer.repeat, f"{layer.in_channels}×{layer.in_h}×{layer.in_w}",
            f"{layer.out_channels}×{layer.out_h}×{layer.out_w}", f"{layer.kernel_h}×{layer.kernel_w}",
            f"{layer.stride_h}×{layer.stride_w}", layer.groups, layer.macs / 1e6, layer.parameters / 1e6,
        ]
        for layer in net.layers
    ]  # fmt: skip
    columns = ["layer", "kind", "×", "input", "output", "kernel", "stride", "groups", "MMAC", "M parameters"]
    title = f"{net.name}: {number(net.macs / 1e6)} MMAC, {number(net.parameters / 1e6)} M parameters"
    return Table(title, columns, rows)


def template_table(families: Sequence[Template]) -> Table:
    """Templates with their sources."""
    rows = [[family.name, family.title, family.source] for family in families]
    return Table("templates", ["template", "what it is", "source"], rows, 1)


def parameter_table(family: Template) -> Table:
    """The parameters of one template."""
    rows = [
        [p.name, p.choices[int(p.default)] if p.choices else f"{p.default:g}", p.unit,
         " ".join(p.choices) if p.choices else f"{p.low:,.10g} to {p.high:,.10g}", p.help]
        for p in family.parameters
    ]  # fmt: skip
    return Table(f"{family.name}: {family.title}", ["parameter", "default", "unit", "range", "what it is"], rows, 2)


def device_table(parts: Sequence[Device]) -> Table:
    """FPGA parts."""
    rows = [[part.name, part.dsp, part.bram, part.lut, part.ff, part.dram_gb_s, part.board] for part in parts]
    columns = ["part", "DSP", "BRAM 36 Kb", "LUT", "FF", "DRAM GB/s", "its usual board"]
    return Table("FPGA parts", columns, rows, 6)


def technology_table(nodes: Sequence[Technology]) -> Table:
    """ASIC nodes."""
    rows = [[node.name, node.volt, node.cell_um2, node.leakage_mw_mm2] for node in nodes]
    return Table("ASIC technologies", ["technology", "V", "SRAM cell µm²", "leakage mW/mm²"], rows)


def show_comparison(found: Comparison) -> None:
    """Print a publication's numbers beside ours, and what there is to know about both."""
    verdicts = {True: "ok", False: "miss", None: ""}
    rows = [
        [row.row, row.quantity, row.ours,
         " to ".join(map(number, row.theirs)) if isinstance(row.theirs, tuple) else row.theirs,
         None if row.error_pct is None else f"{row.error_pct:+.1f}",
         "" if row.bar_pct is None else f"±{row.bar_pct:g}", verdicts[row.ok] or row.reason]
        for row in found.rows
    ]  # fmt: skip
    columns = ["row", "quantity", "ours", "published", "error %", "bar %", ""]
    show(Table(f"{found.name}: {found.publication.title}", columns, rows, 6))
    said = found.publication
    notes = said.notes if isinstance(said.notes, list) else [said.notes]
    lines = {"source": [said.source], "status": [said.status], "calibrated": said.calibrated}
    lines |= {row.row: [f"{row.stated} Source: {row.source}"] for row in found.rows if row.stated or row.source}
    lines["notes"] = notes
    for name, texts in lines.items():
        for text in filter(None, texts):
            print(f"  {name}: {' '.join(text.split())}")
    print()
