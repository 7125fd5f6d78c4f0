"""From an evaluation to plain data: what `--json` prints, `metrics.json` holds, and tables and figures show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import yaml

from dse.model.cost import LEVELS, OPERANDS, PARTS
from dse.model.design import Design
from dse.model.devices import RESOURCES
from dse.model.evaluation import Evaluation, mean_metrics
from dse.templates.base import CLOCK_MHZ, DRAM_GB_S, Count, Ints
from dse.workloads.layers import Network

Rows = list[dict[str, Any]]


def summary(found: Evaluation) -> dict[str, Any]:
    """All that is known of an evaluation, ready for JSON: None where a number is not defined."""
    return {
        "design": found.design.model_dump(exclude_none=True, exclude_defaults=True),
        "network": found.network.name,
        **said(found.network),
        "batch": found.design.batch,
        "feasible": found.feasible,
        **_defined(found.metrics()),
        "energy_parts_mj": dict(zip(PARTS, (found.totals().energy_pj[0] * 1e-9).tolist(), strict=True)),
        "accesses_bits": accesses(found.totals().counts[0]),
        "energy_by_operand_mj": energies(found, found.totals().counts[0]),
        "peak_bandwidth_needed_gb_s": peak_bandwidths(found),
        "part_used_pct": used(found),
        "layers": layers(found),
    }


def said(network: Network) -> dict[str, Any]:
    """What one input is, and the notes of a network's reader; nothing where there is none."""
    told = {"one_input": network.an_input, "notes": list(network.notes)}
    return {name: text for name, text in told.items() if text}


def notes(networks: Sequence[Network]) -> list[str]:
    """What `said` tells of networks, a line each, with the network's name where there are several."""
    lines = []
    for network in networks:
        name = f"{network.name}: " if len(networks) > 1 else ""
        lines += [f"{name}one input: {network.an_input}"] if network.an_input else []
        lines += [f"{name}note: {note}" for note in network.notes]
    return lines


def mean_summary(runs: Sequence[Evaluation], weights: Sequence[float]) -> dict[str, Any]:
    """A design on several networks, ready for JSON: the weighted mean, and the summary of each."""
    return {
        "batch": runs[0].design.batch,
        "feasible": all(run.feasible for run in runs),
        **_defined(mean_metrics(runs, weights)),
        "part_used_pct": used(runs[0]),
        "networks": [{"weight": weight, **summary(run)} for run, weight in zip(runs, weights, strict=True)],
    }


def _defined(numbers: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if np.isnan(value) else value for name, value in numbers.items()}


def used(found: Evaluation) -> dict[str, float]:
    """Percent of the part's resources that the design takes; empty without a part."""
    if found.device is None:
        return {}
    resources = found.cost.machine.hardware.resources
    return {name: 100 * float(resources[name][0]) / getattr(found.device, name) for name in RESOURCES}


def layers(found: Evaluation) -> Rows:
    """One row a layer, of one occurrence of it; a layer that does not run has zeros and its reason."""
    cost, nests = found.cost, loop_nests(found)
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
            **utilizations(found, k),
            **{f"{level}_mb": float(values[k]) for level, values in moved.items()},
            "energy_mj": float(cost.energy_pj[0, k].sum() * 1e-9),
            "energy_parts_mj": dict(zip(PARTS, (cost.energy_pj[0, k] * 1e-9).tolist(), strict=True)),
            "accesses_bits": accesses(cost.counts[0, k]),
            "energy_by_operand_mj": energies(found, cost.counts[0, k]),
            "bandwidth_needed_gb_s": bandwidths(found, k),
            "mapping": dict(zip(cost.machine.template.mapping, cost.mappings[0, k].tolist(), strict=True)),
            "loop_nest": nests.get(layer.name, []),
            "reason": reason,
        }
        for k, (layer, reason) in enumerate(zip(found.network.layers, found.reasons, strict=True))
    ]


def accesses(counts: Ints) -> dict[str, dict[str, int]]:
    """Bits that cross each level for each operand, either way, of counts [COUNTS]; of the network bit-hops.

    Divided by the word length they are Timeloop's and ZigZag's accesses; outputs have `psum_bits` on chip.
    """
    bits = counts[Count.DRAM_INPUT :].reshape(len(LEVELS), len(OPERANDS)).tolist()
    return {level: dict(zip(OPERANDS, row, strict=True)) for level, row in zip(LEVELS, bits, strict=True)}


def energies(found: Evaluation, counts: Ints) -> dict[str, dict[str, float]]:
    """mJ of counts [COUNTS]: each of the PARTS, split by operand, kind of operation, or kind of cycle."""
    machine = found.cost.machine
    each = (counts * machine.price_pj[0] * 1e-9).tolist()
    wires = (counts[Count.BUFFER_INPUT : Count.BUFFER_OUTPUT + 1] * machine.wire_pj[0] * 1e-9).tolist()
    split = {
        "mac": {"multiply": each[Count.MULTIPLY], "add": each[Count.ADD]},
        "wire": dict(zip(OPERANDS, wires, strict=True)),
        "static": {"compute": each[Count.COMPUTE], "fill": each[Count.FILL], "stall": each[Count.STALL]},
    }
    for number, level in enumerate(LEVELS):
        first = Count.DRAM_INPUT + number * len(OPERANDS)
        split[level] = dict(zip(OPERANDS, each[first : first + len(OPERANDS)], strict=True))
    return {part: split[part] for part in PARTS}


def bandwidths(found: Evaluation, k: int) -> dict[str, dict[str, float]] | None:
    """GB/s by level and operand that layer k needs for its array never to wait; None where it computes nothing.

    Beyond `dram_gb_s` the layer waits for DRAM; what it needs on chip its buffers and registers have by construction.
    """
    counts, clock_mhz = found.cost.counts[0, k], float(found.cost.machine.designs[0, CLOCK_MHZ])
    computing = int(counts[Count.COMPUTE])
    if not computing:
        return None
    a_bit = clock_mhz / computing / 8e3
    return {level: {operand: bits * a_bit for operand, bits in row.items()} for level, row in accesses(counts).items()}


def peak_bandwidths(found: Evaluation) -> dict[str, float]:
    """The most that a layer needs of each level, GB/s over its operands; 0 where none computes."""
    needed = [each for each in (bandwidths(found, k) for k in range(len(found.network.layers))) if each]
    return {level: max((sum(each[level].values()) for each in needed), default=0.0) for level in LEVELS}


def utilizations(found: Evaluation, k: int) -> dict[str, float]:
    """Of layer k: multipliers at work while the array computes, and cycles in which it does; their product is both."""
    counts, cycles = found.cost.counts[0, k], int(found.cost.cycles[0, k])
    computing = int(counts[Count.COMPUTE])
    possible = computing * float(found.cost.machine.hardware.multipliers[0])
    return {
        "spatial_utilization": float(counts[Count.MACS] / possible) if possible else 0.0,
        "temporal_utilization": computing / cycles if cycles else 0.0,
    }


def loop_nests(found: Evaluation) -> dict[str, list[str]]:
    """The mapping of each layer that runs on the array, as lines of a loop nest, each deeper than the one before."""
    machine, nests = found.cost.machine, {}
    for k, layer in enumerate(found.network.layers):
        if layer.has_macs and not found.reasons[k]:
            design, mapping = machine.designs[0].tolist(), found.cost.mappings[0, k].tolist()
            loops = machine.template.loop_nest(design, layer, mapping)
            nests[layer.name] = ["  " * depth + loop for depth, loop in enumerate(loops)]
    return nests


def mappings(found: Evaluation) -> str:
    """The loop nests of all layers as one text."""
    return "\n\n".join("\n".join([f"{name}:", *lines]) for name, lines in loop_nests(found).items())


def roofline(found: Evaluation) -> dict[str, Any]:
    """Arguments of `plots.roofline.draw`: the layers with MACs that run, two operations a MAC."""
    cost, machine = found.cost, found.cost.machine
    chosen = [k for k, layer in enumerate(found.network.layers) if layer.has_macs and not found.reasons[k]]
    operations = 2.0 * np.array([found.network.layers[k].macs for k in chosen])
    dram = cost.bytes_moved("dram")[0, chosen].sum(axis=1)
    return {
        "names": [found.network.layers[k].name for k in chosen],
        "intensity": operations / dram,
        "gops": operations / cost.seconds[0, chosen] * 1e-9,
        "peak_gops": 2e-3 * float(machine.hardware.multipliers[0] * machine.designs[0, CLOCK_MHZ]),
        "bandwidth_gb_s": float(machine.timed[0, DRAM_GB_S]),
        "share": cost.seconds[0, chosen] * cost.repeats[chosen],
    }


def bars(found: Evaluation) -> dict[str, Any]:
    """Arguments of `plots.energy.draw`, each layer with all its repeats."""
    cost = found.cost
    ms = 1e3 * cost.counts[0, :, :3] / (cost.machine.designs[0, CLOCK_MHZ] * 1e6) * cost.repeats[:, None]
    mj = 1e-9 * cost.energy_pj[0] * cost.repeats[:, None]
    return {
        "names": [layer.name + (f" ×{layer.repeat}" if layer.repeat > 1 else "") for layer in found.network.layers],
        "latency_ms": dict(zip(("compute", "fill", "stall"), ms.T, strict=True)),
        "energy_mj": dict(zip(PARTS, mj.T, strict=True)),
    }


def design_file(design: Design) -> str:
    """A design as the file that evaluates it again."""
    content = design.model_dump(exclude_none=True, exclude_defaults=True, mode="json")
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
