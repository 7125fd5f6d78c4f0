"""Networks, templates, parts and technologies as plain data: what the listing commands print as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from dse.model.custom_parts import SUFFIXES, find_device, find_technology
from dse.model.devices import ALIASES, DEVICES, Device
from dse.model.technology import TECHNOLOGIES, Technology
from dse.reports.evaluation import said
from dse.templates.base import Template
from dse.workloads.layers import Network
from netlists.errors import DesignError, did_you_mean
from netlists.runtime.yaml_file import read_yaml


def network(net: Network) -> dict[str, Any]:
    """A network with its layers."""
    layers = [
        asdict(layer)
        | {"kind": layer.kind.name.lower(), "out_h": layer.out_h, "out_w": layer.out_w}
        | {"macs": layer.macs, "parameters": layer.parameters}
        for layer in net.layers
    ]
    return {"name": net.name, **said(net), "macs": net.macs, "parameters": net.parameters, "layers": layers}


def template(family: Template) -> dict[str, Any]:
    """A template with its parameters."""
    return {
        "name": family.name,
        "title": family.title,
        "source": family.source,
        "fpga": family.fpga,
        "parameters": [asdict(parameter) for parameter in family.parameters],
    }


def parts(name: str | None = None) -> tuple[list[Device], list[Technology]]:
    """FPGA parts and ASIC technologies, all or that of a name or file; raises `DesignError`."""
    nodes = {key: found for key, found in TECHNOLOGIES.items() if not found.fpga}
    if name is None:
        return list(DEVICES.values()), list(nodes.values())
    if name.endswith(SUFFIXES):
        is_part = "dsp" in read_yaml(name)
        return ([find_device(name)], []) if is_part else ([], [find_technology(name)])
    if name in nodes:
        return [], [nodes[name]]
    if name not in DEVICES and name not in ALIASES:
        near = did_you_mean(name, [*DEVICES, *nodes])
        raise DesignError(f"{name!r} is no FPGA part and no technology{near}; `dse devices` lists them")
    return [find_device(name)], []
