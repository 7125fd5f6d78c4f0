"""Pages and tables that are read from the code, so that the manual cannot drift from it: `python -m docs.generate`.

Written to `docs/generated`, which is not in the repository; `docs/conf.py` does so at each build.

    commands.md     every command with its options, from the commands themselves
    tables/*.md     methods, templates, searchers, metrics, parts, nodes, networks, formats, spaces, published designs
    modules.md      every folder and module of the packages with the first sentence of its docstring
    api.rst         the public names of the packages, for autosummary
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

import typer
import yaml

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "generated"
PACKAGES = ("netlists", "placer", "dse", "plots")
PROGRAMS = ("placer", "dse")

API_FOLDERS = ("netlists", "placer", "placer.cost", "dse", "dse.floorplan")
"""Packages whose `__all__` is the library's interface."""


def write(target: Path = TARGET) -> None:
    """Write all generated pages to a folder."""
    pages = {"commands.md": commands(), "modules.md": modules(), "api.rst": api()}
    pages |= {f"tables/{name}.md": make() for name, make in TABLES.items()}
    for name, text in pages.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join("| " + " | ".join(_cell(value) for value in line) + " |\n" for line in lines)


def _cell(value: object) -> str:
    text = f"{value:,g}" if isinstance(value, float) else str(value)
    return " ".join(text.split()).replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")


# Commands


def command_group(program: str) -> Any:
    """The commands of a program, exactly as it builds them when it is run.

    The entry point of `pyproject.toml` is called with `train` as the command, whose options come from the settings of
    the learner, and what it is about to run is returned instead.
    """
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    module, _, function = scripts[program].partition(":")
    groups: list[Any] = []

    def keep(app: typer.Typer, *_: Any, **__: Any) -> None:
        groups.append(typer.main.get_command(app))

    arguments = patch.object(sys, "argv", [program, "train"])
    with patch.object(typer.Typer, "__call__", keep), arguments, suppress(SystemExit):
        getattr(import_module(module), function)()
    return groups[0]


def commands() -> str:
    """The page of all commands and options."""
    parts = ["# Command reference\n\nGenerated from the commands. `COMMAND --help` prints the same.\n"]
    for program in PROGRAMS:
        group = command_group(program)
        parts.append(f"\n## {program}\n\n{_text(group.help)}\n")
        parts += [_command(program, name, command) for name, command in group.commands.items()]
    return "".join(parts)


def _command(program: str, name: str, command: Any) -> str:
    """The section of one command."""
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name != "argument" and p.name != "help"]
    usage = " ".join([program, name, *(_metavar(p) for p in arguments), "[OPTIONS]"])
    text = f"\n### {program} {name}\n\n```text\n{usage}\n```\n\n{_text(command.help)}\n"
    if arguments:
        text += "\n" + table(["Argument", "Meaning"], [(f"`{_metavar(p)}`", p.help or "") for p in arguments])
    if options:
        rows = [(f"`{_flags(p)}`", _default(p), p.help or "") for p in options]
        text += "\n" + table(["Option", "Default", "Meaning"], rows)
    return text


def _text(text: str | None) -> str:
    """A help text as Markdown: paragraphs, with each example as code."""
    paragraphs = [" ".join(paragraph.split()) for paragraph in (text or "").split("\n\n")]
    shown = []
    for paragraph in paragraphs:
        head, example, command = paragraph.partition("Example: ")
        shown.append(f"{head}Example:\n\n```text\n{command}\n```" if example else paragraph.replace("<", "&lt;"))
    return "\n\n".join(shown)


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _flags(option: Any) -> str:
    names = ", ".join([*option.opts, *option.secondary_opts])
    return names if option.is_flag else f"{names} {option.metavar or 'VALUE'}"


def _default(option: Any) -> str:
    """The default of an option; empty if it has none, or if the help text says it in words."""
    if option.required:
        return "required"
    if "by default" in (option.help or ""):
        return ""
    plain = isinstance(option.default, str | int | float) and not isinstance(option.default, bool)
    return f"`{option.default}`" if plain else ""


# Tables


def methods() -> str:
    """The placement methods."""
    return choices("method", registry("placer.runs.settings", "METHODS"), "summary")


def searches() -> str:
    """The searchers of a design space."""
    return choices("search", registry("dse.search", "SEARCHES", "NAMES"), "help")


def registry(module: str, *names: str) -> Any:
    """The table of choices in a module, under the first of these names that it has."""
    loaded = import_module(module)
    return next(getattr(loaded, name) for name in names if hasattr(loaded, name))


def choices(kind: str, entries: Iterable[str] | Mapping[str, Any], text: str) -> str:
    """A table of choices: by name alone, or with the field `text` of each entry."""
    if isinstance(entries, Mapping):
        return table([kind, "what it is"], [(f"`{name}`", getattr(entry, text)) for name, entry in entries.items()])
    return table([kind], [(f"`{name}`",) for name in entries])


def listed(what: str) -> Any:
    """What `dse WHAT --json` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "dse", what, "--json"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def templates() -> str:
    """The accelerator templates, each with its parameters."""
    families = listed("templates")
    text = table(
        ["template", "what it is", "built on", "source"],
        [(f"`{f['name']}`", f["title"], "FPGA" if f["fpga"] else "ASIC", f["source"]) for f in families],
    )
    for family in families:
        rows = [(f"`{p['name']}`", p["default"], p["unit"], _range(p), p["help"]) for p in family["parameters"]]
        text += f"\n### {family['name']}\n\n" + table(["parameter", "default", "unit", "range", "meaning"], rows)
    return text


def _range(parameter: Mapping[str, Any]) -> str:
    if parameter["choices"]:
        return ", ".join(parameter["choices"])
    return f"{parameter['low']:,g} to {parameter['high']:,g}"


def devices() -> str:
    """FPGA parts and ASIC nodes."""
    entries = listed("devices")
    parts = [e for e in entries if "dsp" in e]
    nodes = [e for e in entries if "dsp" not in e]
    part_rows = [(f"`{p['name']}`", *(f"{p[key]:,}" for key in PART_COLUMNS), p["board"]) for p in parts]
    node_rows = [(f"`{n['name']}`", *(n[key] for key in NODE_COLUMNS)) for n in nodes]
    return (
        table(["part", "DSP", "BRAM, 36 Kb", "LUT", "FF", "DRAM, GB/s", "its usual board"], part_rows)
        + "\n"
        + table(["node", "supply, V", "logic area over 45 nm", "SRAM cell, µm²", "leakage, mW/mm²"], node_rows)
    )


PART_COLUMNS = ("dsp", "bram", "lut", "ff", "dram_gb_s")
NODE_COLUMNS = ("volt", "area_over_45nm", "cell_um2", "leakage_mw_mm2")


def networks() -> str:
    """The built-in networks."""
    rows = [
        (f"`{n['name']}`", f"{n['macs'] / 1e6:,.1f}", f"{n['parameters'] / 1e6:,.2f}", len(n["layers"]))
        for n in listed("networks")
    ]
    return table(["network", "million MACs", "million parameters", "layers"], rows)


def metrics() -> str:
    """What a design can be optimized for and constrained by."""
    entries = import_module("dse.model.metrics").METRICS
    rows = [(f"`{name}`", metric.unit, metric.better, metric.help) for name, metric in entries.items()]
    return table(["metric", "unit", "better", "meaning"], rows)


def formats() -> str:
    """The formats of netlists and placements."""
    if find_spec("netlists.formats.registry") is None:
        text = ast.get_docstring(ast.parse((ROOT / "netlists/formats/files.py").read_text(encoding="utf-8")))
        return f"```text\n{text}\n```\n"
    entries = import_module("netlists.formats.registry").FORMATS
    rows = [(entry.name, entry.help, f"`{entry.placement_suffix}`") for entry in entries]
    return table(["format", "netlist", "placement"], rows)


def titles(folder: str) -> str:
    """Titles of the YAML files in a folder of `dse/data`."""
    files = sorted((ROOT / "dse" / "data" / folder).glob("*.yaml"))
    rows = [(f"`{file.stem}`", yaml.safe_load(file.read_text(encoding="utf-8"))["title"]) for file in files]
    return table(["name", "what it is"], rows)


TABLES: dict[str, Callable[[], str]] = {
    "methods": methods,
    "searches": searches,
    "templates": templates,
    "devices": devices,
    "networks": networks,
    "metrics": metrics,
    "formats": formats,
    "spaces": lambda: titles("spaces"),
    "published": lambda: titles("published"),
}


# Modules and API


def first_sentence(text: str) -> str:
    """The first sentence of a docstring, or its first paragraph if that has none."""
    paragraph = " ".join(text.split("\n\n")[0].split())
    end = paragraph.find(".  ") if ".  " in paragraph else paragraph.find(". ")
    return paragraph if end < 0 else paragraph[: end + 1]


def docstring(file: Path) -> str:
    """The docstring of a module; empty if it has none."""
    return ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""


def modules() -> str:
    """The page of all folders and modules."""
    parts = ["# Modules\n\nGenerated from the docstrings. CONTRIBUTING says how the folders depend on each other.\n"]
    for package in PACKAGES:
        for init in sorted((ROOT / package).rglob("__init__.py")):
            folder = init.parent
            files = [file for file in sorted(folder.glob("*.py")) if not file.name.startswith("__")]
            name = folder.relative_to(ROOT).as_posix()
            heading = "##" if name == package else "###"
            parts.append(f"\n{heading} {name}\n\n{_escaped(docstring(init))}\n")
            if files:
                rows = [(f"`{file.stem}`", first_sentence(docstring(file))) for file in files]
                parts.append("\n" + table(["module", "job"], rows))
    return "".join(parts)


def _escaped(text: str) -> str:
    """A docstring as Markdown text, without lines that would be read as code."""
    return "\n".join(line.strip() for line in text.splitlines()).replace("*", "\\*").replace("<", "&lt;")


def api() -> str:
    """The page of the public names of the packages."""
    text = "API\n===\n\nThe names that the packages export.  What the commands do, these can do too.\n"
    for package in API_FOLDERS:
        names = sorted(import_module(package).__all__)
        text += f"\n{package}\n{'-' * len(package)}\n\n.. autosummary::\n   :toctree: api\n   :nosignatures:\n\n"
        text += "".join(f"   {package}.{name}\n" for name in names)
    return text


if __name__ == "__main__":
    write()
