"""The recommended design of a front: least product of the objectives that decide; comparison with publications."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.exploration.recommendation import decides, recommend
from dse.exploration.run import explore
from dse.space.file import load_space, make_space
from dse.validation.baselines import evaluate_baselines
from tests.dse import Command

AREA = {"area_mm2": {"max": 20}}


@pytest.mark.parametrize(
    ("objectives", "constraints", "decide"),
    [
        (["latency_ms", "dsp", "bram"], {}, ["latency_ms"]),
        (["throughput_fps", "power_w", "lut"], {}, ["throughput_fps", "power_w"]),
        (["latency_ms", "energy_mj", "area_mm2"], {}, ["latency_ms", "energy_mj", "area_mm2"]),
        (["latency_ms", "energy_mj", "area_mm2"], AREA, ["latency_ms", "energy_mj"]),
        (["latency_ms", "area_mm2"], {"area_mm2": {"min": 1}}, ["latency_ms", "area_mm2"]),
        (["accuracy", "bram"], {}, ["accuracy"]),
        (["dsp", "bram"], {}, ["dsp", "bram"]),
    ],
)
def test_sizes_with_a_budget_do_not_decide(objectives: list[str], constraints: Any, decide: list[str]) -> None:
    found = decides(objectives, constraints)
    assert [name for name, follows in zip(objectives, found, strict=True) if follows] == decide


@given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)), min_size=1, max_size=30))
def test_latency_and_energy_give_the_least_energy_delay_product(rows: list[tuple[int, int]]) -> None:
    values = np.array(rows, float)
    best = min(one * other for one, other in rows)
    names = ["latency_ms", "energy_mj"]
    one, other = rows[recommend(values, names, {})]
    assert one * other == pytest.approx(best)
    latency, energy = values.T
    as_power = np.stack([-1 / latency, energy / latency], axis=1)  # throughput and power are equivalent
    row = recommend(as_power, ["throughput_fps", "power_w"], {})
    assert latency[row] * energy[row] == pytest.approx(best)
    scaled = values * [1000.0, 1e-6]  # units do not matter
    assert np.prod(values[recommend(scaled, names, {})]) == pytest.approx(best)


def test_the_fastest_within_the_part_and_of_equally_fast_ones_the_smallest() -> None:
    front = np.array([[4.0, 880, 500], [240.0, 0, 40], [4.0, 700, 400], [9.0, 300, 100]])
    assert recommend(front, ["latency_ms", "dsp", "bram"], {}) == 2
    assert recommend(front[:, 1:], ["dsp", "bram"], {}) == 1


def test_accuracy_counts_by_the_remaining_error() -> None:
    front = np.array([[10.0, -90.0], [12.0, -95.0], [30.0, -96.0]])  # 1.2 times the latency for half the error
    assert recommend(front, ["latency_ms", "accuracy"], {}) == 1
    assert recommend(front / [1, 100], ["latency_ms", "accuracy"], {}) == 1


@pytest.mark.parametrize(("name", "published"), [("qiu_xc7z045", "qiu_fpga16"), ("zhang_vx485t", "zhang_fpga15")])
def test_recommended_designs_are_as_good_as_published_ones(tmp_path: Path, name: str, published: str) -> None:
    space = load_space(name)
    result = explore(space, tmp_path, search="nsga2", budget=2000)
    rival = evaluate_baselines(space)[published]
    assert result.knee
    for metric, better in space.objectives:
        ours, theirs = result.knee[metric], rival[metric]
        assert ours <= theirs if better == "min" else ours >= theirs


def test_published_designs_stand_below_the_front(dse: Command, tmp_path: Path) -> None:
    code, out, _ = dse("explore", "zhang_vx485t", "--out", tmp_path, "--search", "random", "--budget", 200)
    assert code == 0
    rival = evaluate_baselines(load_space("zhang_vx485t"))["zhang_fpga15"]
    (line,) = [line for line in out.splitlines() if "zhang_fpga15" in line]
    assert line.split() == ["zhang_fpga15", f"{rival['latency_ms']:.2f}", f"{rival['energy_mj']:.2f}", "published"]


def test_resources_of_a_fixed_part_do_not_decide(tmp_path: Path) -> None:
    content = load_space("qiu_xc7z045").content | {"objectives": [{"latency_ms": "min"}, {"dsp": "min"}]}
    result = explore(make_space(content, "small"), tmp_path, search="random", budget=2000)
    assert result.knee
    assert result.knee["latency_ms"] == min(row["latency_ms"] for row in result.front)
    assert "dsp did not decide: the knee follows latency_ms" in result.budgets


def test_all_objectives_of_ready_made_spaces_decide() -> None:
    from dse.space.file import catalog

    for name in catalog():
        space = load_space(name)
        names = [metric for metric, _ in space.objectives]
        assert all(decides(names, space.content.get("constraints") or {})), name
        assert not {"dsp", "bram", "lut", "ff", "area_mm2"} & set(names), name
        assert any(part.device for part in space.parts) or "area_mm2" in space.content["constraints"], name
