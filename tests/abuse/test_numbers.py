"""Numbers that no chip and no network has are refused where they are read, with the limit in the message."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dse.workloads.scalesim import load_topology
from netlists import Placement, load, save
from netlists.errors import ChipscapeError, DesignError, LegalizationError, NetlistError, PlacementError
from netlists.netlist import Routing
from netlists.runtime.yaml_file import MAX_VALUES, read_yaml
from netlists.synthetic.tiny import tiny_netlist, tiny_netlist_with_rows
from placer.cells.global_placement import _Descent, place_globally
from placer.cost import CostTerms
from placer.gradient.descent import Descent, GradientSettings, gradient
from placer.incumbent import Incumbent
from tests.abuse.targets import DESIGN, TOPOLOGY, evaluate_design

DIGITS = "9" * 5_000


@pytest.mark.parametrize(
    ("suffix", "old"), [(".nodes", "NumNodes : "), (".nets", "NumNets : "), (".json", '"grid": [')]
)
def test_thousands_of_digits_in_bookshelf(suffix: str, old: str, tmp_path: Path) -> None:
    save(tiny_netlist_with_rows(), tmp_path / "tiny.aux")
    (file,) = tmp_path.glob(f"*{suffix}")
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, old + DIGITS + ("," if suffix == ".json" else ""), 1))
    with pytest.raises(NetlistError) as error:
        load(tmp_path / "tiny.aux")
    assert len(str(error.value)) < 1_000


@pytest.mark.parametrize("size", [DIGITS, "9" * 19, "٣", "0", "-1", "1e3", "nan"])
def test_sizes_of_layers(size: str, tmp_path: Path) -> None:
    (tmp_path / "net.csv").write_text(TOPOLOGY.replace("224", size, 1))
    with pytest.raises(
        DesignError, match=r"line 2: height .* whole number of at least 1, of at most 18 digits"
    ) as error:
        load_topology(tmp_path / "net.csv")
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("size", ["9" * 18, "9" * 12, "999999999"])
def test_layers_whose_counts_exceed_64_bits(size: str, tmp_path: Path) -> None:
    (tmp_path / "net.csv").write_text(TOPOLOGY.replace("224,224", f"{size},{size}"))
    with pytest.raises(DesignError, match=r"expected less than 2\^62"):
        evaluate_design("qiu_fpga16", str(tmp_path / "net.csv"))


@pytest.mark.parametrize(
    ("old", "new"),
    [("batch: 2", f"batch: {DIGITS}"), ("batch: 2", "batch: 1e300"), ("rows: 16", "rows: .inf"),
     ("clock_mhz: 700", "clock_mhz: .nan"), ("dram_gb_s: 12", "dram_gb_s: 1e-320"), ("batch: 2", f"batch: {2**62}")],
)  # fmt: skip
def test_numbers_of_a_design(old: str, new: str, tmp_path: Path) -> None:
    assert old in DESIGN
    (tmp_path / "design.yaml").write_text(DESIGN.replace(old, new))
    with pytest.raises(ChipscapeError) as error:
        evaluate_design(str(tmp_path / "design.yaml"))
    assert len(str(error.value)) < 400


def test_aliases_that_stand_for_billions_of_values(tmp_path: Path) -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 12)]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    with pytest.raises(DesignError, match=f"more than {MAX_VALUES:,} values"):
        read_yaml(tmp_path / "bomb.yaml")
    (tmp_path / "circle.yaml").write_text("a: &a [*a]")
    with pytest.raises(DesignError, match=f"more than {MAX_VALUES:,} values"):
        read_yaml(tmp_path / "circle.yaml")


@pytest.mark.parametrize("levels", [5, 12])
def test_merge_keys_that_stand_for_billions_of_values(levels: int, tmp_path: Path) -> None:
    lines = ["a0: &a0 {x: 1, y: 2}"]
    lines += [f"a{k}: &a{k} {{<<: [{', '.join([f'*a{k - 1}'] * 10)}]}}" for k in range(1, levels + 1)]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    with pytest.raises(DesignError, match=f"<< stands for more than {MAX_VALUES:,} values"):
        read_yaml(tmp_path / "bomb.yaml")
    (tmp_path / "few.yaml").write_text("\n".join([*lines[:3], "b: {<<: *a2, y: 3}"]))
    assert read_yaml(tmp_path / "few.yaml")["b"] == {"x": 1, "y": 3}
    (tmp_path / "circle.yaml").write_text("a: &a {<<: *a}")
    with pytest.raises(DesignError, match="expected YAML"):
        read_yaml(tmp_path / "circle.yaml")


def test_yaml_makes_no_objects(tmp_path: Path) -> None:
    (tmp_path / "tag.yaml").write_text("a: !!python/object/apply:os.system ['true']")
    with pytest.raises(DesignError, match="could not determine a constructor"):
        read_yaml(tmp_path / "tag.yaml")


@pytest.mark.parametrize(
    ("field", "value"),
    [("horizontal_per_um", 1e-320), ("vertical_per_um", 0.0), ("vertical_per_um", float("inf")),
     ("macro_vertical_per_um", 1e300), ("smoothing", 2**31), ("smoothing", 0.5), ("smoothing", -1)],
)  # fmt: skip
def test_routing_capacities(field: str, value: float) -> None:
    with pytest.raises(NetlistError, match=r"expected|must be"):
        Routing(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value"),
    [("num_sites", 0), ("height_um", 0.0), ("height_um", np.inf), ("site_um", 0.0), ("x_um", np.nan), ("y_um", 1e300)],
)
def test_rows(field: str, value: float) -> None:
    netlist = tiny_netlist_with_rows()
    assert netlist.rows
    column = getattr(netlist.rows, field).copy()
    column[3] = value
    with pytest.raises(NetlistError, match=r"row 3 .* expected rows with sites"):
        netlist.with_(rows=replace(netlist.rows, **{field: column}))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_costs_that_are_no_numbers_are_named(value: float) -> None:
    with pytest.raises(PlacementError, match=f"the congestion of a placement is {value}; expected a finite number"):
        CostTerms(1.0, 1.0, value, 1.0)
    netlist = tiny_netlist()
    position_um = netlist.position_um.copy()
    position_um[-1] = value
    with pytest.raises(PlacementError, match="has no position"):
        Placement(netlist, position_um, netlist.orientation.copy())


def test_a_descent_whose_gradient_is_no_number(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    usual, steps = Descent.loss, iter(range(1_000))

    def loss(self: Descent, done: float) -> torch.Tensor:
        values = usual(self, done)
        return values * torch.tensor([float("nan") if next(steps) == 3 else 1.0, 1.0])

    monkeypatch.setattr(Descent, "loss", loss)
    search = Incumbent("gradient", np.inf, time.perf_counter())
    gradient(tiny_netlist(), search, 0, 1, 1, GradientSettings(starts=2, steps=8))
    assert capsys.readouterr().err == "warning: gradients of 1 of 2 starts were not finite and left out\n"
    assert search.placement is not None
    assert np.isfinite(search.best)


def test_global_placement_whose_positions_are_no_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Descent, "_gradient", lambda self, forces: forces.pull * np.nan)
    netlist = tiny_netlist_with_rows()
    with pytest.raises(LegalizationError, match="global placement has diverged: positions are no longer finite"):
        place_globally(Placement.given(netlist), netlist.cells, seed=0)


def test_grids_and_canvases() -> None:
    netlist = tiny_netlist()
    netlist.with_(grid=(1_000, 1_000))
    with pytest.raises(NetlistError, match="at most 1,000,000 cells"):
        netlist.with_(grid=(1_001, 1_000))
    for side in (1e-320, 1e300, float("nan")):
        with pytest.raises(NetlistError, match="expected two positive numbers"):
            netlist.with_(canvas_um=(100.0, side))
