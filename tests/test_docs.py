"""The documentation follows the code: options exist, tables are complete, folders are listed, the manual builds."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from docs import conf, generate
from tests import ROOT

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "tests/benchmarks/RESULTS.md")
)
CALL = re.compile(r"(?:^ *|`|-- )(placer|dse) ([a-z]+)([^`\n]*)", re.MULTILINE)
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")
FOLDER = re.compile(r"^((?:netlists|placer|dse|plots)[\w/]*)/ {2,}\S", re.MULTILINE)
LINK = re.compile(r"\]\(([^)]+)\)")


def page(name: str) -> str:
    """The text of a page."""
    return (ROOT / name).read_text(encoding="utf-8")


@cache
def options(program: str) -> dict[str, set[str]]:
    """The options of each command of a program."""
    group = generate.command_group(program)
    return {
        name: {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
        for name, command in group.commands.items()
    }


def unknown_options(text: str) -> list[str]:
    """Commands and options that a text names and that do not exist."""
    wrong = []
    for program, command, rest in CALL.findall(text):
        known = options(program)
        if command not in known:
            wrong.append(f"{program} {command}")
            continue
        given = OPTION.findall(rest.split("#")[0])
        wrong += [f"{program} {command} {option}" for option in given if option not in {*known[command], "--help"}]
    return wrong


@pytest.mark.parametrize("name", PAGES)
def test_commands_and_options_exist(name: str) -> None:
    assert not unknown_options(page(name))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("    placer place x --out run --no-refine", []),
        ("    placer place x --speed 3", ["placer place --speed"]),
        ("say `dse explor x`", ["dse explor"]),
        ("    ray job submit --working-dir . -- dse explore x --ray auto --fast", ["dse explore --fast"]),
        ("    dse report x   # without --speed", []),
    ],
)
def test_wrong_options_are_noticed(text: str, wrong: list[str]) -> None:
    assert unknown_options(text) == wrong


def folders() -> set[str]:
    """Every folder of the packages that holds tracked files."""
    listed = {path.parent for package in generate.PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()}
    return {path.relative_to(ROOT).as_posix() for path in listed if "__pycache__" not in path.parts}


def test_contributing_lists_every_folder() -> None:
    named = FOLDER.findall(page("CONTRIBUTING.md"))
    assert len(named) == len(set(named)), "a folder is listed twice"
    missing, gone = folders() - set(named), set(named) - folders()
    assert not missing, f"CONTRIBUTING.md does not list {', '.join(sorted(missing))}"
    assert not gone, f"CONTRIBUTING.md lists {', '.join(sorted(gone))}, which do not exist"


def anchors(name: str) -> set[str]:
    """The anchors of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page(name), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    for link in LINK.findall(page(name)):
        target, _, anchor = link.partition("#")
        if "://" in link:
            continue
        path = ((ROOT / name).parent / target).resolve() if target else ROOT / name  # a place on the same page
        assert path.exists(), f"{name} links to {target}"
        if anchor:
            assert anchor in anchors(path.relative_to(ROOT).as_posix()), f"{name} links to {link}"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all generated pages."""
    folder = tmp_path_factory.mktemp("generated")
    generate.write(folder)
    return folder


def test_the_reference_has_every_command(generated: Path) -> None:
    text = (generated / "commands.md").read_text(encoding="utf-8")
    for program in generate.PROGRAMS:
        for command, flags in options(program).items():
            assert f"### {program} {command}\n" in text
            section = text.split(f"### {program} {command}\n")[1].split("\n### ")[0]
            assert all(flag in section for flag in flags if flag.startswith("--") and flag != "--help")


@pytest.mark.parametrize("kind", ["methods", "searches", "templates"])
def test_readme_and_manual_name_every_choice(generated: Path, kind: str) -> None:
    names = re.findall(r"^\| `(\w+)` \|", (generated / f"tables/{kind}.md").read_text(encoding="utf-8"), re.MULTILINE)
    if kind == "templates":
        names = [name for name in names if f"### {name}\n" in (generated / "tables/templates.md").read_text()]
    assert len(names) >= 5
    chapter = "docs/placing.md" if kind == "methods" else "docs/choosing.md"
    for name in names:
        assert f"`{name}`" in page("README.md")
        assert f"`{name}`" in page(chapter)


def test_tables_are_included_in_the_manual() -> None:
    assert set(re.findall(r"generated/tables/(\w+)\.md", page("docs/tables.md"))) == set(generate.TABLES)


def test_the_version_has_an_entry_in_the_changelog() -> None:
    version = re.search(r'^version = "(.+)"$', page("pyproject.toml"), re.MULTILINE)
    assert version
    assert f"## [{version[1]}]" in page("CHANGELOG.md")


@pytest.mark.parametrize(
    ("docstring", "rst"),
    [
        ("One `name` and *args.", [r"One ``name`` and \*args."]),
        ("Holds\n    a.b   what\nend", ["Holds", "", "::", "", "    a.b   what", "", "end"]),
    ],
)
def test_docstrings_become_plain_text(docstring: str, rst: list[str]) -> None:
    assert conf.as_rst(docstring.splitlines()) == rst


def test_the_manual_builds_without_warnings(tmp_path: Path) -> None:
    missing = [name for name in ("sphinx", "myst_parser", "furo") if find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: make docs installs them")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "docs", str(tmp_path)], cwd=ROOT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "generated" / "commands.html").exists()
