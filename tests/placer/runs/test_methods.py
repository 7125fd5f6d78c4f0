"""The table of methods: what the command line and the settings take from it."""

from __future__ import annotations

import pytest

from netlists.errors import SettingsError
from placer.runs.methods import METHOD_NAMES, METHODS, SWEEP_METHODS
from placer.runs.settings import PlaceSettings
from placer.runs.sweep import vary


def test_names_of_help_texts_and_of_sweeps() -> None:
    assert METHOD_NAMES == "rl, gradient, greedy, random or anneal"
    assert SWEEP_METHODS == ["rl", "anneal", "greedy", "random"]


@pytest.mark.parametrize("name", METHODS)
def test_every_entry_is_complete(name: str) -> None:
    method = METHODS[name]
    assert method.name == name
    assert method.summary
    assert method.search.__doc__
    assert 0 <= method.refine_fraction <= 1


@pytest.mark.parametrize("name", METHODS)
def test_weights_start_and_refinement_are_as_the_entry_says(name: str) -> None:
    method = METHODS[name]
    settings = PlaceSettings(name, start="given")
    assert settings.keeps_input is not method.starts_from_input
    assert settings.refines is (method.refine_fraction > 0)
    assert not PlaceSettings(name, refine=False).refines
    if not method.takes_weights:
        with pytest.raises(SettingsError, match=f"for method rl from scratch only; leave them out with method {name}"):
            PlaceSettings(name, weights="x")


def test_a_sweep_gives_weights_to_methods_that_take_them() -> None:
    variants = vary(PlaceSettings(weights="none"), ["greedy", "rl", "greedy"], 2)
    assert [(v.method, v.seed, v.weights) for v in variants] == [
        ("greedy", 0, None), ("greedy", 1, None), ("rl", 0, "none"), ("rl", 1, "none"),
    ]  # fmt: skip
