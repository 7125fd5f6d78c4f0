"""If, Loop and Scan: followed with the work that they contain, or refused by name; nothing is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper

from dse.workloads.onnx.importer import load_onnx
from netlists.errors import DesignError
from tests.dse.workloads.onnx.onnx_models import body, build, weights

INT = np.int64


def product(given: str, weight: str, out: str) -> NodeProto:
    return helper.make_node("MatMul", [given, weight], [out])


def branches(condition: list[NodeProto], then: list[NodeProto], otherwise: list[NodeProto]) -> list[NodeProto]:
    """A condition `c`, an If whose branches give `t` and `e`, and a product after it."""
    chosen = helper.make_node("If", ["c"], ["i"], name="choice", then_branch=body("then", then, [], ["t"]),
                              else_branch=body("else", otherwise, [], ["e"]))  # fmt: skip
    return [*condition, chosen, product("i", "after", "y")]


STORED = {"w": weights(8, 8), "v": weights(8, 8, seed=1), "after": weights(8, 2), "four": INT(4), "none": INT(0)}
ROWS = [
    helper.make_node("Shape", ["x"], ["shape"]),
    helper.make_node("Gather", ["shape", "none"], ["rows"]),
    helper.make_node("Equal", ["rows", "four"], ["c"]),
]
DATA = [helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0), helper.make_node("Cast", ["most"], ["c"], to=9)]


@pytest.mark.parametrize(("rows", "macs"), [(4, 4 * 8 * 8 + 4 * 8 * 2), (5, 5 * 8 * 2)])
def test_constant_condition_takes_its_branch(tmp_path: Path, rows: int, macs: int) -> None:
    nodes = branches(ROWS, [product("x", "w", "t")], [helper.make_node("Identity", ["x"], ["e"])])
    result = load_onnx(build(tmp_path / "m.onnx", nodes, {"x": [rows, 8]}, STORED))
    assert result.macs == macs
    assert not result.notes


def test_branches_of_equal_work_are_one(tmp_path: Path) -> None:
    nodes = branches(DATA, [product("x", "w", "t")], [product("x", "v", "e")])
    result = load_onnx(build(tmp_path / "m.onnx", nodes, {"x": [4, 8]}, STORED))
    assert result.macs == 4 * 8 * 8 + 4 * 8 * 2
    assert not result.notes


@pytest.mark.parametrize("swapped", [False, True])
def test_branch_with_more_work_counts_and_is_noted(tmp_path: Path, swapped: bool) -> None:
    less, more = ("e", "t") if swapped else ("t", "e")
    sides = {less: [helper.make_node("Relu", ["x"], [less])],
             more: [product("x", "w", "h"), product("h", "v", more)]}  # fmt: skip
    nodes = branches(DATA, sides["t"], sides["e"])
    result = load_onnx(build(tmp_path / "m.onnx", nodes, {"x": [4, 8]}, STORED))
    assert result.macs == 2 * 4 * 8 * 8 + 4 * 8 * 2
    assert "If 'choice': its condition depends on the input; the branch with more work counts" in result.notes[0]


def test_results_of_an_unknown_choice_are_activations(tmp_path: Path) -> None:
    constant = [helper.make_node("Identity", ["w"], ["t"])], [helper.make_node("Identity", ["v"], ["e"])]
    nodes = branches(DATA, *constant)
    assert load_onnx(build(tmp_path / "m.onnx", nodes, {"x": [4, 8]}, STORED)).macs == 8 * 8 * 2


def test_branches_of_different_shape_are_refused(tmp_path: Path) -> None:
    narrow = [helper.make_node("Slice", ["x", "start", "end"], ["e"])]
    nodes = branches(DATA, [product("x", "w", "t")], narrow)
    stored = {**STORED, "start": np.array([0]), "end": np.array([2])}
    with pytest.raises(DesignError, match=r"If 'choice': its condition depends on the input and its branches give"):
        load_onnx(build(tmp_path / "m.onnx", nodes, {"x": [4, 8]}, stored))


def test_unsupported_operators_within_a_branch_are_listed(tmp_path: Path) -> None:
    odd = [helper.make_node("Det", ["x"], ["e"])]
    nodes = branches(DATA, [product("x", "w", "t")], odd)
    with pytest.raises(DesignError, match=r"Det|branches give shapes"):
        load_onnx(build(tmp_path / "m.onnx", nodes, {"x": [4, 8]}, STORED))


def loop(nodes: list[NodeProto], count: str, condition: str, scans: int = 0) -> NodeProto:
    """A Loop over `h`, whose body takes `i`, `go`, `h_in` and gives `go_out`, `h_out`."""
    outputs = ["go_out", "h_out", *(f"s{k}" for k in range(scans))]
    within = body("loop", nodes, ["i", "go", "h_in"], outputs)
    return helper.make_node("Loop", [count, condition, "x"], ["h", *(f"all{k}" for k in range(scans))], name="around",
                            body=within)  # fmt: skip


GO = helper.make_node("Identity", ["go"], ["go_out"])


@pytest.mark.parametrize("times", [0, 1, 5])
def test_loop_is_unrolled(tmp_path: Path, times: int) -> None:
    nodes = [loop([GO, product("h_in", "w", "h_out")], "n", ""), product("h", "after", "y")]
    result = load_onnx(build(tmp_path / "m.onnx", nodes, {"x": [4, 8]}, {**STORED, "n": INT(times)}))
    assert result.macs == times * 4 * 8 * 8 + 4 * 8 * 2
    assert result.parameters == (8 * 8 if times else 0) + 8 * 2  # the weights of all iterations are the same


def test_loop_ends_by_its_condition_and_stacks_results(tmp_path: Path) -> None:
    within = [helper.make_node("Less", ["i", "four"], ["go_out"]), product("h_in", "w", "h_out"),
              helper.make_node("Relu", ["h_out"], ["s0"])]  # fmt: skip
    nodes = [loop(within, "", "true", scans=1), product("all0", "after", "y")]
    result = load_onnx(build(tmp_path / "m.onnx", nodes, {"x": [3, 8]}, {**STORED, "true": np.array(True)}))
    assert result.macs == 5 * 3 * 8 * 8 + 5 * 3 * 8 * 2  # iterations 0 to 4


def test_loop_reads_its_counter(tmp_path: Path) -> None:
    """The kernel of iteration i is row i of a stored tensor."""
    within = [GO, helper.make_node("Gather", ["bank", "i"], ["kernel"]), product("h_in", "kernel", "h_out")]
    stored = {"bank": weights(3, 8, 8), "n": INT(3)}
    result = load_onnx(build(tmp_path / "m.onnx", [loop(within, "n", "")], {"x": [4, 8]}, stored))
    assert (result.macs, result.parameters) == (3 * 4 * 8 * 8, 3 * 8 * 8)


@pytest.mark.parametrize(("count", "condition", "what"), [("most", "", "number of iterations depends on the input"),
                                                          ("", "c", "first condition depends on the input"),
                                                          ("n", "", "its end depends on the input")])  # fmt: skip
def test_loop_that_depends_on_the_input_is_refused(tmp_path: Path, count: str, condition: str, what: str) -> None:
    counted = [helper.make_node("ReduceMax", ["x"], ["max"], keepdims=0),
               helper.make_node("Cast", ["max"], ["most"], to=TensorProto.INT64),
               helper.make_node("Cast", ["max"], ["c"], to=TensorProto.BOOL)]  # fmt: skip
    ends = GO if count != "n" else helper.make_node("Identity", ["c"], ["go_out"])
    nodes = [*counted, loop([ends, product("h_in", "w", "h_out")], count, condition)]
    with pytest.raises(DesignError, match=f"m.onnx: Loop 'around': .*{what}"):
        load_onnx(build(tmp_path / "m.onnx", nodes, {"x": [4, 8]}, {**STORED, "n": INT(3)}))


def test_loop_of_too_many_iterations_is_refused(tmp_path: Path) -> None:
    nodes = [loop([GO, helper.make_node("Relu", ["h_in"], ["h_out"])], "n", "")]
    with pytest.raises(DesignError, match=r"unrolls to more than 50,000 operators"):
        load_onnx(build(tmp_path / "m.onnx", nodes, {"x": [4, 8]}, {"n": INT(2**62)}))


@pytest.mark.parametrize(("axis", "steps"), [(0, 6), (1, 3)])
def test_scan_is_unrolled(tmp_path: Path, axis: int, steps: int) -> None:
    """A recurrent cell over either axis of an input [6, 3, 8]."""
    within = [product("x_t", "w", "p"), product("h_in", "v", "q"), helper.make_node("Add", ["p", "q"], ["h_out"]),
              helper.make_node("Tanh", ["h_out"], ["s"])]  # fmt: skip
    cell = helper.make_node("Scan", ["h0", "x"], ["h", "all"], num_scan_inputs=1, scan_input_axes=[axis],
                            body=body("cell", within, ["h_in", "x_t"], ["h_out", "s"]))  # fmt: skip
    rows = 18 // steps
    result = load_onnx(build(tmp_path / "m.onnx", [cell, product("all", "after", "y")],
                            {"x": [6, 3, 8], "h0": [rows, 8]}, STORED))  # fmt: skip
    assert result.macs == steps * 2 * rows * 8 * 8 + 18 * 8 * 2
    assert result.parameters == 2 * 8 * 8 + 8 * 2


def test_scan_of_unknown_length_is_refused(tmp_path: Path) -> None:
    cell = helper.make_node("Scan", ["z"], ["all"], num_scan_inputs=1, name="over",
                            body=body("cell", [product("x_t", "w", "s")], ["x_t"], ["s"]))  # fmt: skip
    nodes = [helper.make_node("Compress", ["x", "m"], ["z"], axis=0), cell]
    file = build(tmp_path / "m.onnx", nodes, {"x": [4, 2, 8], "m": [4]}, STORED, kinds={"m": TensorProto.BOOL})
    with pytest.raises(DesignError, match="Scan 'over': the lengths that it scans are unknown"):
        load_onnx(file)


def test_bodies_within_bodies(tmp_path: Path) -> None:
    """A loop of two iterations, of which the first takes the branch with a product."""
    first = helper.make_node("Equal", ["i", "none"], ["c"])
    then = body("then", [product("h_in", "w", "t")], [], ["t"])
    otherwise = body("else", [helper.make_node("Neg", ["h_in"], ["e"])], [], ["e"])
    chosen = helper.make_node("If", ["c"], ["h_out"], then_branch=then, else_branch=otherwise)
    nodes = [loop([GO, first, chosen], "n", ""), product("h", "after", "y")]
    result = load_onnx(build(tmp_path / "m.onnx", nodes, {"x": [4, 8]}, {**STORED, "n": INT(2)}))
    assert result.macs == 4 * 8 * 8 + 4 * 8 * 2


@pytest.mark.parametrize("nodes", [
    [helper.make_node("Relu", ["x"], ["y"])],
    [helper.make_node("Transpose", ["x"], ["t"]), helper.make_node("Identity", ["t"], ["y"])],
    [helper.make_node("MatMul", ["w", "v"], ["y"])],
])  # fmt: skip
def test_network_without_a_layer_is_an_error(tmp_path: Path, nodes: list[NodeProto]) -> None:
    with pytest.raises(DesignError, match=r"m.onnx: no layer; expected a network"):
        load_onnx(build(tmp_path / "m.onnx", nodes, {"x": [4, 8]}, STORED))


@pytest.mark.parametrize("rest", [[], [helper.make_node("Relu", ["d"], ["r"])],
                                  [helper.make_node("Cast", ["d"], ["r"], to=TensorProto.FLOAT),
                                   helper.make_node("Softmax", ["r"], ["s"])]])  # fmt: skip
def test_nothing_left_after_skip_is_an_error(tmp_path: Path, rest: list[NodeProto]) -> None:
    nodes = [helper.make_node("NonZero", ["x"], ["d"]), *rest]
    with pytest.raises(DesignError, match=r"m.onnx: no layer is left"):
        load_onnx(build(tmp_path / "m.onnx", nodes, {"x": [4, 8]}), skip=["NonZero"])


def test_what_was_left_out_is_noted(tmp_path: Path) -> None:
    nodes = [product("x", "w", "h"), helper.make_node("NonZero", ["h"], ["d"]),
             helper.make_node("NonZero", ["x"], ["f"]),
             helper.make_node("Cast", ["d"], ["n"], to=TensorProto.FLOAT),
             helper.make_node("Softmax", ["n"], ["y"])]  # fmt: skip
    result = load_onnx(build(tmp_path / "m.onnx", nodes, {"x": [4, 8]}, STORED), skip=["NonZero"])
    assert result.notes == (
        "left out by --skip: NonZero (2)",
        "left out with them, because their shapes depend on them: Cast (1), Softmax (1)",
    )
    assert [layer.macs for layer in result.layers] == [4 * 8 * 8]
    with pytest.raises(DesignError, match=r"MatMul 'y': its shape is unknown without the operators left out"):
        load_onnx(build(tmp_path / "m.onnx", [*nodes[:4], product("n", "w", "y")], {"x": [4, 8]}, STORED),
                  skip=["NonZero"])  # fmt: skip


def test_products_of_constants_are_noted(tmp_path: Path) -> None:
    nodes = [product("w", "v", "wv"), product("x", "wv", "y")]
    result = load_onnx(build(tmp_path / "m.onnx", nodes, {"x": [4, 8]}, STORED))
    assert result.macs == 4 * 8 * 8
    assert result.notes == ("computed ahead, because no input of the model reaches them: MatMul (1)",)


def test_sequences_are_their_tensors(tmp_path: Path) -> None:
    """A list created, changed and joined, as scripted modules write it."""
    nodes = [
        helper.make_node("SplitToSequence", ["x"], ["parts"], axis=0, keepdims=0),
        helper.make_node("SequenceAt", ["parts", "none"], ["first"]),
        product("first", "w", "h"),
        helper.make_node("SequenceInsert", ["parts", "h", "none"], ["more"]),
        helper.make_node("SequenceErase", ["more"], ["less"]),
        helper.make_node("SequenceLength", ["less"], ["n"]),
        helper.make_node("ConcatFromSequence", ["less"], ["z"], axis=0, new_axis=1),
        loop([GO, product("h_in", "v", "h_out")], "n", ""),
        product("z", "after", "y"),
    ]
    result = load_onnx(build(tmp_path / "m.onnx", nodes, {"x": [4, 3, 8]}, STORED))
    # SplitToSequence gives 4 parts [3, 8]; after insertion and erasure there are 4 again.
    assert result.macs == 3 * 8 * 8 + 4 * (12 * 8 * 8) + 4 * 3 * 8 * 2


@pytest.mark.parametrize(("split", "sizes"), [(np.array(3), [3, 3, 2]), (np.array([1, 7]), [1, 7])])
def test_sequences_of_given_sizes(tmp_path: Path, split: np.ndarray, sizes: list[int]) -> None:
    nodes = [helper.make_node("SplitToSequence", ["x", "split"], ["parts"], axis=1),
             helper.make_node("SequenceAt", ["parts", "last"], ["p"]), product("p", "w", "y")]  # fmt: skip
    stored = {"split": split, "last": INT(-1), "w": weights(sizes[-1], 5)}
    assert load_onnx(build(tmp_path / "m.onnx", nodes, {"x": [4, 8]}, stored)).macs == 4 * sizes[-1] * 5


def test_list_that_a_loop_fills(tmp_path: Path) -> None:
    within = [GO, product("x", "w", "h"), helper.make_node("SequenceInsert", ["h_in", "h"], ["h_out"])]
    around = loop(within, "n", "")
    around.input[2] = "empty"
    nodes = [helper.make_node("SequenceEmpty", [], ["empty"]), around,
             helper.make_node("ConcatFromSequence", ["h"], ["z"], axis=1), product("z", "wide", "y")]  # fmt: skip
    stored = {**STORED, "n": INT(3), "wide": weights(24, 2)}
    assert load_onnx(build(tmp_path / "m.onnx", nodes, {"x": [4, 8]}, stored)).macs == 3 * 4 * 64 + 4 * 24 * 2


def test_sequence_read_by_the_input_is_refused(tmp_path: Path) -> None:
    nodes = [helper.make_node("SequenceConstruct", ["x", "x"], ["parts"]),
             helper.make_node("ArgMax", ["x"], ["i"], axis=0, keepdims=0),
             helper.make_node("SequenceAt", ["parts", "i"], ["y"], name="pick")]  # fmt: skip
    with pytest.raises(DesignError, match="SequenceAt 'pick': what its sequence holds depends on the input"):
        load_onnx(build(tmp_path / "m.onnx", nodes, {"x": [4]}, STORED))
