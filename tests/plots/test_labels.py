"""Short labels consist of the distinctive parts of names, and different names have different labels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plots.labels import short_labels

MEMORIES = [(c, b, k, m) for c in ("i", "d") for b in (0, 1) for k in ("tag", "data") for m in (3, 4)]


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        ([], []),
        (["top/u_ram"], ["u_ram"]),
        (["a/u_x", "a/u_y", "b/u_z"], ["u_x", "u_y", "u_z"]),
        (["a/ram", "b/ram"], ["a", "b"]),
        (
            [f"c/{c}/bank[{b}].{k}/mem[{m}].ram" for c, b, k, m in MEMORIES],
            [f"{c}[{b}]/{k}[{m}]" for c, b, k, m in MEMORIES],
        ),
        (["t/bank[1].m/g.r", "t/bank[12].m/g.r"], ["bank[1]", "bank[12]"]),
        (["x_0_/ram_1_/m", "x_0_/ram_2_/m", "y/m"], ["x_0_[1]", "x_0_[2]", "y"]),
        (["ram", "a/ram"], ["ram", "a"]),
        (["a/b/m", "a/b[1]/m"], ["b", "b[1]"]),
        (["o1", "o2", "o3"], ["o1", "o2", "o3"]),
        (["a.b/c", "a/b.c"], ["a.b/c", "a/b.c"]),
        (["", "/", "."], ["", "/", "."]),
    ],
)  # fmt: skip
def test_labels(names: list[str], labels: list[str]) -> None:
    assert short_labels(names) == labels


PART = st.sampled_from(["a", "b", "m[0]", "m[1]", "r_0_", "r_1", "", "[0]", "m"])
NAME = st.lists(PART, min_size=1, max_size=4).flatmap(
    lambda parts: st.lists(st.sampled_from("/."), min_size=len(parts), max_size=len(parts)).map(
        lambda marks: "".join(part + mark for part, mark in zip(parts, marks, strict=True))[:-1]
    )
)


@given(st.lists(NAME, unique=True, max_size=12))
def test_no_two_names_have_one_label_and_none_is_longer(names: list[str]) -> None:
    labels = short_labels(names)
    assert len(set(labels)) == len(names)
    assert all(len(label) <= len(name) for label, name in zip(labels, names, strict=True))
