"""Settings of Sphinx; everything under `docs/generated` is written here, before the pages are read."""

from __future__ import annotations

import re
import sys
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from docs import generate  # noqa: E402  the path has to be set first

project = "Chipscape"
author = "The Chipscape authors"
release = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.viewcode"]
exclude_patterns = ["build", "generated/tables"]
html_theme = "furo"
html_title = f"Chipscape {release}"
html_show_copyright = False
html_math_renderer = "mathml"  # below; MathJax would have to be loaded from the network
smartquotes = False  # they would turn --option into a dash

myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4
suppress_warnings = ["myst.xref_missing"]  # links to files of the repository, from pages that are included

autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_type_aliases = {name: name for name in ("Floats", "Ints", "Bools", "Bytes")}
python_use_unqualified_type_names = True
autodoc_default_options = {"members": True, "undoc-members": False}

CODE = re.compile(r"``?([^`]+)``?")
INDENT = "    "


def as_rst(lines: list[str]) -> list[str]:
    """A docstring, plain text with `code` and indented blocks, as reStructuredText."""
    result: list[str] = []
    literal = False
    for line in lines:
        indented = line.startswith(INDENT)
        if indented and not literal:
            result += ["", "::", ""]
        elif literal and line.strip() and not indented:
            result.append("")
        literal = indented or (literal and not line.strip())
        if not literal and line.startswith("- "):
            result.append("")
        result.append(line if literal else escaped(line))
    return result


def escaped(line: str) -> str:
    """A line of text in which only `code` has a meaning."""
    parts = CODE.split(line)
    return "".join(f"``{part}``" if k % 2 else re.sub(r"([\\*|_])", r"\\\1", part) for k, part in enumerate(parts))


def convert_docstring(app: Any, what: str, name: str, subject: Any, options: Any, lines: list[str]) -> None:
    """Replace the lines of a docstring that autodoc has read."""
    lines[:] = as_rst(lines)


def render_math(translator: Any, node: Any, block: bool) -> None:
    """Write an equation as MathML, which browsers show by themselves."""
    from docutils.nodes import SkipNode
    from docutils.utils.math.latex2mathml import tex2mathml

    translator.body.append(tex2mathml(node.astext(), as_block=block))
    raise SkipNode


def setup(app: Any) -> None:
    """Write what is generated, read docstrings as plain text, write equations as MathML."""
    generate.write()
    app.add_html_math_renderer(
        "mathml", (partial(render_math, block=False), None), (partial(render_math, block=True), None)
    )
    app.connect("autodoc-process-docstring", convert_docstring)
