"""From an evaluation to plain data: what `--json` prints, `metrics.json` holds, and tables and figures show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml

from dse.model.cost import LEVELS, OPERANDS, PARTS
from dse.model.design import Design
from dse.model.devices import RESOURCES
from dse.model.evaluation import Evaluation, mean_metrics
from dse.model.wires import PIPELINED, Traffic, price_traffic
from dse.templates.base import CLOCK_MHZ, DRAM_GB_S, Count, Floats, Ints
from dse.workloads.layers import Network


@dataclass(frozen=True, eq=False)
class Roofline:
    """The L layers with MACs that run, for a roofline plot; a MAC is two operations."""

    names: Sequence[str]
    intensity: Floats  # [L] operations per byte of DRAM traffic
    gops: Floats  # [L]
    peak_gops: float
    bandwidth_gb_s: float
    seconds: Floats  # [L] with all repeats


@dataclass(frozen=True, eq=False)
class LayerBars:
    """Where time and energy of L layers go, each with all of its repeats."""

    names: Sequence[str]
    latency_ms: Mapping[str, Floats]  # compute, fill and stall, each [L]
    energy_mj: Mapping[str, Floats]  # by part, each [L]


def summarize(evaluation: Evaluation) -> dict[str, Any]:
    """All results of an evaluation, ready for JSON: None if a number is not defined."""
    counts = evaluation.totals().counts[0]
    return {
        "design": evaluation.design.model_dump(exclude_none=True, exclude_defaults=True),
        "network": evaluation.network.name,
        **describe_input(evaluation.network),
        "batch": evaluation.design.batch,
        "feasible": evaluation.feasible,
        **_replace_nan(evaluation.metrics()),
        "energy_parts_mj": dict(zip(PARTS, (evaluation.totals().energy_pj[0] * 1e-9).tolist(), strict=True)),
        "accesses_bits": split_accesses(counts),
        "energy_by_operand_mj": split_energy(evaluation, counts, evaluation.direct_bits()[0]),
        "peak_bandwidth_needed_gb_s": find_peak_bandwidths(evaluation),
        "part_used_pct": compute_part_use(evaluation),
        "layers": summarize_layers(evaluation),
    }


def describe_input(network: Network) -> dict[str, Any]:
    """What one input of a network is, and the notes of its reader, ready for JSON; empty if there are none."""
    texts = {"one_input": network.an_input, "notes": list(network.notes)}
    return {name: text for name, text in texts.items() if text}


def list_notes(networks: Sequence[Network]) -> list[str]:
    """What `describe_input` holds, one line each, with the name of the network if there are several."""
    lines = []
    for network in networks:
        name = f"{network.name}: " if len(networks) > 1 else ""
        lines += [f"{name}one input: {network.an_input}"] if network.an_input else []
        lines += [f"{name}note: {note}" for note in network.notes]
    return lines


def summarize_mean(runs: Sequence[Evaluation], weights: Sequence[float]) -> dict[str, Any]:
    """A design on several networks, ready for JSON: the weighted mean, and the summary of each."""
    return {
        "batch": runs[0].design.batch,
        "feasible": all(run.feasible for run in runs),
        **_replace_nan(mean_metrics(runs, weights)),
        "part_used_pct": compute_part_use(runs[0]),
        "networks": [{"weight": weight, **summarize(run)} for run, weight in zip(runs, weights, strict=True)],
    }


def _replace_nan(numbers: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if np.isnan(value) else value for name, value in numbers.items()}


def compute_part_use(evaluation: Evaluation) -> dict[str, float]:
    """Percent of each resource of the FPGA part that the design takes; empty without a part."""
    if evaluation.device is None:
        return {}
    resources = evaluation.cost.machine.hardware.resources
    return {name: 100 * float(resources[name][0]) / getattr(evaluation.device, name) for name in RESOURCES}


def summarize_layers(evaluation: Evaluation) -> list[dict[str, Any]]:
    """One row per layer, for one occurrence of it; a layer that does not run has zeros and its reason."""
    cost, nests = evaluation.cost, format_loop_nests(evaluation)
    moved = {level: cost.bytes_moved(level)[0].sum(axis=1) * 1e-6 for level in LEVELS}
    return [
        {
            "name": layer.name,
            "kind": layer.kind.name.lower(),
            "repeat": layer.repeat,
            "macs": layer.macs,
            "cycles": int(cost.cycles[0, k]),
            "compute_cycles": int(cost.counts[0, k, Count.COMPUTE]),
            "fill_cycles": int(cost.counts[0, k, Count.FILL]),
            "stall_cycles": int(cost.counts[0, k, Count.STALL]),
            "latency_ms": float(cost.seconds[0, k] * 1e3),
            "utilization": float(cost.utilization[0, k]),
            **compute_utilizations(evaluation, k),
            **{f"{level}_mb": float(values[k]) for level, values in moved.items()},
            "energy_mj": float(cost.energy_pj[0, k].sum() * 1e-9),
            "energy_parts_mj": dict(zip(PARTS, (cost.energy_pj[0, k] * 1e-9).tolist(), strict=True)),
            "accesses_bits": split_accesses(cost.counts[0, k]),
            "energy_by_operand_mj": split_energy(evaluation, cost.counts[0, k]),
            "bandwidth_needed_gb_s": compute_bandwidths(evaluation, k),
            "mapping": dict(zip(cost.machine.template.mapping, cost.mappings[0, k].tolist(), strict=True)),
            "loop_nest": nests.get(layer.name, []),
            "reason": reason,
        }
        for k, (layer, reason) in enumerate(zip(evaluation.network.layers, evaluation.reasons, strict=True))
    ]


def split_accesses(counts: Ints) -> dict[str, dict[str, int]]:
    """Bits that cross each level for each operand, in both directions, of counts [COUNTS]; bit-hops for the network.

    Divided by the word length they are the accesses of Timeloop and ZigZag; outputs have `psum_bits` on chip.
    """
    bits = counts[Count.DRAM_INPUT :].reshape(len(LEVELS), len(OPERANDS)).tolist()
    return {level: dict(zip(OPERANDS, row, strict=True)) for level, row in zip(LEVELS, bits, strict=True)}


def split_energy(evaluation: Evaluation, counts: Ints, direct: Ints | None = None) -> dict[str, dict[str, float]]:
    """Energy in mJ of counts [COUNTS]: each of the PARTS, split by operand, kind of operation, or kind of cycle.

    `direct` [3] is as in `dse.model.wires.split_traffic`.
    """
    machine, lengths = evaluation.cost.machine, evaluation.cost.wires
    each = (counts * machine.price_pj[0] * 1e-9).tolist()
    wires = (counts[Count.BUFFER_INPUT : Count.BUFFER_OUTPUT + 1] * machine.wire_pj[0] * 1e-9).tolist()
    if lengths is not None:
        past = None if direct is None else direct[None, None]
        mj = price_traffic(machine.technology, lengths, counts[None, None], past)[0, 0] * 1e-9  # [TRAFFIC, 3]
        wires = mj[PIPELINED].sum(axis=0).tolist()
        each[Count.NETWORK_INPUT : Count.NETWORK_OUTPUT + 1] = mj[Traffic.ARRAY].tolist()
    split = {
        "mac": {"multiply": each[Count.MULTIPLY], "add": each[Count.ADD]},
        "wire": dict(zip(OPERANDS, wires, strict=True)),
        "static": {"compute": each[Count.COMPUTE], "fill": each[Count.FILL], "stall": each[Count.STALL]},
    }
    for number, level in enumerate(LEVELS):
        first = Count.DRAM_INPUT + number * len(OPERANDS)
        split[level] = dict(zip(OPERANDS, each[first : first + len(OPERANDS)], strict=True))
    return {part: split[part] for part in PARTS}


def compute_bandwidths(evaluation: Evaluation, k: int) -> dict[str, dict[str, float]] | None:
    """GB/s by level and operand that layer k needs so that its array never waits; None if it computes nothing.

    Beyond `dram_gb_s` the layer waits for DRAM; buffers and registers have the bandwidth that it needs by construction.
    """
    counts, clock_mhz = evaluation.cost.counts[0, k], float(evaluation.cost.machine.designs[0, CLOCK_MHZ])
    computing = int(counts[Count.COMPUTE])
    if not computing:
        return None
    gb_s_per_bit = clock_mhz / computing / 8e3
    return {
        level: {operand: bits * gb_s_per_bit for operand, bits in row.items()}
        for level, row in split_accesses(counts).items()
    }


def find_peak_bandwidths(evaluation: Evaluation) -> dict[str, float]:
    """The most GB/s that a layer needs of each level, over its operands; 0 if no layer computes."""
    layers = [compute_bandwidths(evaluation, k) for k in range(len(evaluation.network.layers))]
    needed = [layer for layer in layers if layer]
    return {level: max((sum(layer[level].values()) for layer in needed), default=0.0) for level in LEVELS}


def compute_utilizations(evaluation: Evaluation, k: int) -> dict[str, float]:
    """Fractions for layer k: multipliers in use while the array computes, and cycles in which it computes."""
    counts, cycles = evaluation.cost.counts[0, k], int(evaluation.cost.cycles[0, k])
    computing = int(counts[Count.COMPUTE])
    possible = computing * float(evaluation.cost.machine.hardware.multipliers[0])
    return {
        "spatial_utilization": float(counts[Count.MACS] / possible) if possible else 0.0,
        "temporal_utilization": computing / cycles if cycles else 0.0,
    }


def format_loop_nests(evaluation: Evaluation) -> dict[str, list[str]]:
    """The mapping of each layer that runs on the array, as lines of a loop nest, each deeper than the one before."""
    machine, nests = evaluation.cost.machine, {}
    for k, layer in enumerate(evaluation.network.layers):
        if layer.has_macs and not evaluation.reasons[k]:
            design, mapping = machine.designs[0].tolist(), evaluation.cost.mappings[0, k].tolist()
            loops = machine.template.loop_nest(design, layer, mapping)
            nests[layer.name] = ["  " * depth + loop for depth, loop in enumerate(loops)]
    return nests


def format_mappings(evaluation: Evaluation) -> str:
    """The loop nests of all layers as one text."""
    return "\n\n".join("\n".join([f"{name}:", *lines]) for name, lines in format_loop_nests(evaluation).items())


def make_roofline(evaluation: Evaluation) -> Roofline:
    """The layers with MACs that run, with the limits of the array and the memory."""
    cost, machine = evaluation.cost, evaluation.cost.machine
    layers = evaluation.network.layers
    running = [k for k, layer in enumerate(layers) if layer.has_macs and not evaluation.reasons[k]]
    operations = 2.0 * np.array([layers[k].macs for k in running])
    dram_bytes = cost.bytes_moved("dram")[0, running].sum(axis=1)
    return Roofline(
        names=[layers[k].name for k in running],
        intensity=operations / dram_bytes,
        gops=operations / cost.seconds[0, running] * 1e-9,
        peak_gops=2e-3 * float(machine.hardware.multipliers[0] * machine.designs[0, CLOCK_MHZ]),
        bandwidth_gb_s=float(machine.timed[0, DRAM_GB_S]),
        seconds=cost.seconds[0, running] * cost.repeats[running],
    )


def make_bars(evaluation: Evaluation) -> LayerBars:
    """Latency and energy of every layer."""
    cost = evaluation.cost
    ms = 1e3 * cost.counts[0, :, :3] / (cost.machine.designs[0, CLOCK_MHZ] * 1e6) * cost.repeats[:, None]
    mj = 1e-9 * cost.energy_pj[0] * cost.repeats[:, None]
    return LayerBars(
        names=[layer.name + (f" ×{layer.repeat}" if layer.repeat > 1 else "") for layer in evaluation.network.layers],
        latency_ms=dict(zip(("compute", "fill", "stall"), ms.T, strict=True)),
        energy_mj=dict(zip(PARTS, mj.T, strict=True)),
    )


def format_design(design: Design) -> str:
    """A design as the file that evaluates it again."""
    content = design.model_dump(exclude_none=True, exclude_defaults=True, mode="json")
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
