"""The commands `dse networks`, `dse templates` and `dse devices`: what there is to choose from."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dse.commands.options import Batch, Json, Sizes, Skip, parse_batch, parse_sizes

if TYPE_CHECKING:
    from dse.model.devices import Device
    from dse.model.technology import Technology
    from dse.templates.base import Template
    from dse.workloads.layers import Network


def networks(
    name: Annotated[str | None, typer.Argument(help="Name, .onnx or SCALE-Sim's .csv: list its layers")] = None,
    batch: Batch = None,
    size: Sizes = None,
    skip: Skip = None,
    as_json: Json = False,
) -> None:
    """List the built-in networks, or the layers of one.

    Example: dse networks resnet50
    """
    from dse.commands.printing import print_notes
    from dse.reports.tables import make_network_layer_table, make_network_table, print_table
    from dse.workloads.builtin import NETWORKS
    from dse.workloads.files import load_network

    counts, images = parse_batch(batch)
    names = [name] if name else NETWORKS
    listed = [load_network(each, images or 1, parse_sizes(size), skip or (), counts) for each in names]
    if as_json:
        print(json.dumps(describe_network(listed[0]) if name else [describe_network(each) for each in listed]))
    else:
        print_table(make_network_layer_table(listed[0]) if name else make_network_table(listed))
        print_notes(listed[:1])


def templates(
    name: Annotated[str | None, typer.Argument(help="List the parameters of this template")] = None,
    as_json: Json = False,
) -> None:
    """List the families of accelerators, or the parameters of one.

    Example: dse templates systolic
    """
    from dse.reports.tables import make_parameter_table, make_template_table, print_table
    from dse.templates import NAMES, template

    families = [template(each) for each in ([name] if name else NAMES)]
    if as_json:
        print(json.dumps(describe_template(families[0]) if name else [describe_template(each) for each in families]))
    elif name:
        print_table(make_parameter_table(families[0]))
        print(f"source: {families[0].source}")
    else:
        print_table(make_template_table(families))


def devices(
    name: Annotated[str | None, typer.Argument(help="A part or technology, or a .yaml file of one")] = None,
    as_json: Json = False,
) -> None:
    """List FPGA parts and ASIC technologies, or one of them.

    Example: dse devices XC7Z045
    """
    from dse.reports.tables import make_device_table, make_technology_table, print_table

    parts, nodes = find_parts(name)
    if as_json:
        print(json.dumps([*map(asdict, parts), *map(asdict, nodes)]))
        return
    if parts:
        print_table(make_device_table(parts))
    if nodes:
        print_table(make_technology_table(nodes))


def describe_network(net: Network) -> dict[str, Any]:
    """A network with its layers, ready for JSON."""
    from dse.reports.evaluation import describe_input

    layers = [
        asdict(layer)
        | {"kind": layer.kind.name.lower(), "out_h": layer.out_h, "out_w": layer.out_w}
        | {"macs": layer.macs, "parameters": layer.parameters}
        for layer in net.layers
    ]
    return {"name": net.name, **describe_input(net), "macs": net.macs, "parameters": net.parameters, "layers": layers}


def describe_template(family: Template) -> dict[str, Any]:
    """A template with its parameters, ready for JSON."""
    return {
        "name": family.name,
        "title": family.title,
        "source": family.source,
        "fpga": family.fpga,
        "parameters": [asdict(parameter) for parameter in family.parameters],
    }


def find_parts(name: str | None = None) -> tuple[list[Device], list[Technology]]:
    """FPGA parts and ASIC technologies: all of them, or that of a name or file; raises `DesignError`."""
    from dse.model.custom_parts import SUFFIXES, find_device, find_technology
    from dse.model.devices import ALIASES, DEVICES
    from dse.model.technology import TECHNOLOGIES
    from netlists.errors import DesignError, did_you_mean
    from netlists.runtime.yaml_file import read_yaml

    nodes = {key: node for key, node in TECHNOLOGIES.items() if not node.fpga}
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
