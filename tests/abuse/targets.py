"""What damaged files are given to: every reader, each with the work that follows on what it has read."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np

from netlists import Placement, load, load_placement, save, save_placement
from netlists.errors import ChipscapeError
from netlists.synthetic.tiny import tiny_netlist, tiny_netlist_with_rows
from tests.abuse.mutations import (
    Mutation,
    mutate_bytes,
    mutate_database,
    mutate_json,
    mutate_tensors,
    mutate_text,
)
from tests.netlists.formats.lefdef import inputs


@dataclass(frozen=True)
class Target:
    """A kind of file: how one is made in a folder, which of the files there are damaged and how, and what reads it."""

    make: Callable[[Path], object]
    files: str  # a glob
    mutate: Mutation
    read: Callable[[Path], object]


def read_netlist(name: str) -> Callable[[Path], None]:
    """Load a netlist and, if it is placed, price its placement: all costs have to be finite."""

    def read(folder: Path) -> None:
        from placer.cost import summary

        netlist = load(folder / name)
        if not np.isfinite(netlist.position_um).all():  # to be placed
            return
        costs = summary(Placement.given(netlist))
        assert all(isfinite(value) for value in costs.values()), costs

    return read


def read_placement(netlist: str, placement: str) -> Callable[[Path], None]:
    """Load a netlist and a placement of it, and price that: all costs have to be finite."""

    def read(folder: Path) -> None:
        from placer.cost import summary

        costs = summary(load_placement(load(folder / netlist), folder / placement))
        assert all(isfinite(value) for value in costs.values()), costs

    return read


def make_placed_bookshelf(folder: Path) -> None:
    make_bookshelf(folder)
    save_placement(Placement.given(load(folder / "tiny.aux")), folder / "placed.pl")


def make_placed_protobuf(folder: Path) -> None:
    make_protobuf(folder)
    save_placement(Placement.given(load(folder / "netlist.pb.txt")), folder / "placed.plc")


def make_placed_def(folder: Path) -> None:
    make_def(folder)
    netlist = load(folder / "tiny.def")
    middle = np.array(netlist.canvas_um) / 2
    position_um = np.where(np.isfinite(netlist.position_um), netlist.position_um, middle)
    save_placement(Placement(netlist, position_um, netlist.orientation.copy()), folder / "placed.def")


CONSTRAINTS = """halo: {left: 1, bottom: 2, right: 3, top: 4}
halos: {"*": 5}
channel: 10
boundary: 2
io_depth: 20
abut: never
snap: tracks
grid: 0.005
blockages: [{box: [10, 20, 30, 50], kind: soft}, {box: [10, 20, 11, 21]}]
fences: {"*": [10, 20, 400, 400]}
guides: {"*": [[10, 20, 30, 40], [40, 20, 50, 40]]}
orientations: {"*": [N, FN]}
"""


def make_constraints(folder: Path) -> None:
    (folder / "constraints.yaml").write_text(CONSTRAINTS)


def read_constrained(folder: Path) -> None:
    from netlists.formats.constraints_file import constrain, read_constraints
    from netlists.legality.verdict import legality

    netlist = tiny_netlist_with_rows()
    given = constrain(netlist, read_constraints(folder / "constraints.yaml", netlist.origin_um))
    legality(Placement.given(given))


def make_bookshelf(folder: Path) -> None:
    save(tiny_netlist_with_rows(), folder / "tiny.aux")


def make_protobuf(folder: Path) -> None:
    save(tiny_netlist(), folder / "netlist.pb.txt")


def make_def(folder: Path) -> None:
    (folder / "tiny.lef").write_text(inputs.LEF)
    (folder / "tiny.def").write_text(inputs.DEF)


TOPOLOGY = "Layer,H,W,KH,KW,C,F,S,\nconv1,224,224,7,7,3,64,2,\nconv2,56,56,3,3,64,64,1,\nfc,1,1,1,1,512,1000,1,\n"


def make_topology(folder: Path) -> None:
    (folder / "net.csv").write_text(TOPOLOGY)


def read_topology(folder: Path) -> None:
    evaluate_design("qiu_fpga16", str(folder / "net.csv"))


def evaluate_design(design: str, network: str | None = None) -> None:
    """Evaluate a design; every metric has to be finite and at least 0."""
    from dse.model.evaluation import evaluate
    from dse.validation.publication import find_design

    evaluation = evaluate(find_design(design), network)
    if evaluation.feasible:
        metrics = evaluation.metrics()
        assert all(value >= 0 and isfinite(value) for value in metrics.values() if value == value), metrics


DESIGN = """template: systolic
technology: 28nm
network: alexnet
batch: 2
parameters: {rows: 16, columns: 16, dataflow: ws, input_kb: 64, weight_kb: 64, output_kb: 64, dram_gb_s: 12,
  clock_mhz: 700, weight_bits: 8, input_bits: 8}
"""


def make_design(folder: Path) -> None:
    (folder / "design.yaml").write_text(DESIGN)


def read_design(folder: Path) -> None:
    evaluate_design(str(folder / "design.yaml"))


PARTS = """name: own
node_nm: 22
volt: 0.8
area_over_45nm: 0.28
cell_um2: 0.092
leakage_mw_mm2: 10
energies:
  multiply_8bit_pj: 0.64
  add_32bit_pj: 0.32
  sram_pj_per_bit: {8: 0.1, 128: 0.4}
  register_pj_per_bit: {0.5: 0.02}
  wire_pj_per_bit_mm: 0.07
  flipflop_pj_per_cycle: 0.001
  dram_pj_per_bit: 4
"""


def make_parts(folder: Path) -> None:
    (folder / "design.yaml").write_text(DESIGN.replace("technology: 28nm", "technology: own.yaml"))
    (folder / "own.yaml").write_text(PARTS)


def make_publication(folder: Path) -> None:
    from dse.validation.publication import FOLDER

    (folder / "published.yaml").write_bytes((FOLDER / "qiu_fpga16.yaml").read_bytes())


def read_publication(folder: Path) -> None:
    from dse.validation.compare import compare

    compare(str(folder / "published.yaml"))


def make_space(folder: Path) -> None:
    from dse.space.file import SPACES

    (folder / "space.yaml").write_bytes((SPACES / "qiu_xc7z045.yaml").read_bytes())


def read_space(folder: Path) -> None:
    from dse.space.file import load_space

    space = load_space(str(folder / "space.yaml"))
    space.evaluate(np.arange(min(space.size, 50)))


def make_onnx(folder: Path) -> None:
    from onnx import helper

    from tests.dse.workloads.onnx.onnx_models import model

    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Flatten", ["b"], ["c"]),
        helper.make_node("Gemm", ["c", "v"], ["y"], transB=1),
    ]
    model(nodes, (1, 3, 8, 8), {"w": (4, 3, 3, 3), "v": (10, 256)}, folder / "net.onnx")


def read_onnx(folder: Path) -> None:
    from dse.workloads.onnx.importer import load_onnx

    load_onnx(folder / "net.onnx")


def make_run(folder: Path) -> None:
    from placer import place
    from placer.runs.run_folder import Source, write_run

    source = folder / "netlist.pb.txt"
    save(tiny_netlist(), source)
    write_run(
        folder / "run", place(load(source), method="greedy", budget_s=1, workers=1), Source(str(source)), "placer"
    )


def read_run(folder: Path) -> None:
    from placer.commands.report_pages import write_comparison
    from placer.runs import run_folder

    write_comparison(folder / "page.html", [run_folder.read_run(folder / "run")])


def make_exploration(folder: Path) -> None:
    from dse.exploration.run import explore
    from dse.space.file import load_space

    explore(load_space("qiu_xc7z045"), folder / "out", search="nsga2", budget=120)


def read_exploration(folder: Path) -> None:
    from dse.commands.pages import write_exploration
    from dse.exploration.results import load_results, write_front

    result = load_results(folder / "out")
    write_front(result)
    write_exploration(result, folder / "page.html")


def resume_exploration(folder: Path) -> None:
    from dse.exploration.run import explore
    from dse.space.file import load_space

    explore(load_space("qiu_xc7z045"), folder / "out", search="nsga2", budget=240, resume=True)


def train(folder: Path, iterations: int, resume: bool) -> None:
    from placer.agent.ppo import PPOSettings
    from placer.agent.training import Training, TrainSettings

    ppo = PPOSettings(num_envs=4, style_generations=1, imitation_steps=2, epochs=1)
    settings = TrainSettings(None, iterations, 0, 1, resume)
    Training([tiny_netlist()], ppo, folder / "out", settings).run()


def make_training(folder: Path) -> None:
    train(folder, 3, resume=False)


def resume_training(folder: Path) -> None:
    train(folder, 4, resume=True)


def make_weights(folder: Path) -> None:
    from placer.agent.placing import PRETRAINED

    (folder / "weights.safetensors").write_bytes((PRETRAINED / "weights.safetensors").read_bytes())


def read_weights(folder: Path) -> None:
    from placer.agent.checkpoints import load_policy

    load_policy(folder / "weights.safetensors")


TARGETS = {
    "bookshelf": Target(make_bookshelf, "*", mutate_text, read_netlist("tiny.aux")),
    "protobuf": Target(make_protobuf, "*", mutate_text, read_netlist("netlist.pb.txt")),
    "def": Target(make_def, "*", mutate_text, read_netlist("tiny.def")),
    "pl": Target(make_placed_bookshelf, "placed.pl", mutate_text, read_placement("tiny.aux", "placed.pl")),
    "plc": Target(make_placed_protobuf, "placed.plc", mutate_text, read_placement("netlist.pb.txt", "placed.plc")),
    "placed def": Target(make_placed_def, "placed.def", mutate_text, read_placement("tiny.def", "placed.def")),
    "constraints": Target(make_constraints, "*", mutate_text, read_constrained),
    "topology": Target(make_topology, "*", mutate_text, read_topology),
    "design": Target(make_design, "*", mutate_text, read_design),
    "parts": Target(make_parts, "own.yaml", mutate_text, read_design),
    "publication": Target(make_publication, "*", mutate_text, read_publication),
    "space": Target(make_space, "*", mutate_text, read_space),
    "onnx": Target(make_onnx, "*", mutate_bytes, read_onnx),
    "metrics": Target(make_run, "run/metrics.json", mutate_json, read_run),
    "results": Target(make_exploration, "out/results.sqlite", mutate_database, read_exploration),
    "resume": Target(make_exploration, "out/results.sqlite", mutate_database, resume_exploration),
    "checkpoint json": Target(make_training, "out/checkpoint-*/weights.json", mutate_json, resume_training),
    "weights": Target(make_weights, "*", mutate_tensors, read_weights),
    "checkpoint": Target(make_training, "out/checkpoint-*/*.safetensors", mutate_tensors, resume_training),
}
"""Targets by name."""


def attack(target: Target, folder: Path, rng: random.Random) -> str:
    """Damage one of the files in a folder and read it; the message of the error, or an empty text if there is none.

    Raises whatever is not a `ChipscapeError`: that is a fault.
    """
    target.mutate(rng.choice(sorted(folder.glob(target.files))), rng)
    try:
        target.read(folder)
    except ChipscapeError as error:
        return str(error) or type(error).__name__
    return ""
