"""The input of `dse quantize`: a trained classifier with calibration and test data.

MODEL is `digits` (a small network that is trained on the spot on scikit-learn's 8x8 digits), `FILE.py:FUNCTION` (a
function without arguments that returns a trained torch module) or `FILE.pt2` (a program saved by `torch.export.save`,
with a dynamic batch).  The data of the latter two is an .npz file with inputs `x` [N, ...] and labels `y` [N].

Both kinds of files run code of whoever made them: `torch.export.load` unpickles.  A `.pt2`, which looks like data, is
therefore loaded only if the user says that it can be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from netlists.errors import DesignError, demand_seed, first_line

DIGITS = "digits"
"""The name of the network that is trained on the spot."""
CALIBRATION = 512
"""Samples to calibrate on, at most."""


@dataclass(frozen=True)
class Subject:
    """A classifier, data to choose its formats by, and other data to test them on."""

    module: nn.Module
    calibration: Tensor  # [N, ...]
    test: tuple[Tensor, Tensor]  # [N, ...], labels [N]


def load_subject(model: str, data: str | Path | None = None, seed: int = 0, trust: bool = False) -> Subject:
    """Load or train the classifier to quantize; raises `DesignError`, and `SettingsError` for a bad seed.

    A `.pt2` file is refused unless there is `trust`.
    """
    if model == DIGITS:
        if data is not None:
            raise DesignError("digits has its own data; expected no data file")
        return train_digits(seed)
    if data is None:
        raise DesignError(f"{model} needs data: expected an .npz file with arrays x and y")
    module = _load_exported(Path(model), trust) if model.endswith(".pt2") else _call_function(model)
    x, y = _load_arrays(Path(data))
    calibration = min(CALIBRATION, len(x) // 4)
    return Subject(module, x[:calibration], (x[calibration:], y[calibration:]))


def train_digits(seed: int = 0, epochs: int = 20) -> Subject:
    """Train a convolutional network in seconds: 1197 of 1797 images train it, 600 test it.

    Raises `DesignError` without scikit-learn, `SettingsError` for a bad seed.
    """
    demand_seed(seed)
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise DesignError("digits needs scikit-learn: pip install scikit-learn") from None
    bunch = load_digits()
    x = torch.tensor(bunch.images / 16.0, dtype=torch.float32)[:, None]
    y = torch.tensor(bunch.target)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        order = torch.randperm(len(x))
        train, test = order[:-600], order[-600:]
        module = nn.Sequential(
            *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 10)),
        )
        _train(module, x[train], y[train], epochs)
    return Subject(module.eval(), x[train[:CALIBRATION]], (x[test], y[test]))


def _train(module: nn.Module, x: Tensor, y: Tensor, epochs: int) -> None:
    optimizer = torch.optim.Adam(module.parameters(), lr=3e-3)
    for _ in range(epochs):
        for batch in torch.split(torch.randperm(len(x)), 64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(x[batch]), y[batch]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()


def _load_exported(file: Path, trust: bool) -> nn.Module:
    if not trust:
        raise DesignError(f"{file}: torch unpickles exported programs, so that whoever made the file can run code "
                          "here; expected --trust if you trust them")  # fmt: skip
    try:
        return torch.export.load(file).module()
    except Exception as error:  # of many types: no file, no archive, another version
        reason = first_line(error)
        raise DesignError(f"{file}: cannot be read ({reason}); expected a program of torch.export.save") from None


def _call_function(model: str) -> nn.Module:
    file, _, name = model.rpartition(":")
    if not file.endswith(".py") or not Path(file).is_file():
        raise DesignError(f"model {model!r}: expected digits, FILE.py:FUNCTION of an existing file, or FILE.pt2")
    spec = spec_from_file_location(Path(file).stem, file)
    assert spec is not None
    assert spec.loader is not None
    code = module_from_spec(spec)
    try:
        spec.loader.exec_module(code)
        module = getattr(code, name)()
    except Exception as error:  # whatever the user's code raises
        raise DesignError(f"{file}: {name}() raised {type(error).__name__}: {error}") from None
    if not isinstance(module, nn.Module):
        raise DesignError(f"{file}: {name}() returned {type(module).__name__}; expected a torch module")
    return module


def _load_arrays(file: Path) -> tuple[Tensor, Tensor]:
    try:
        with np.load(file, allow_pickle=False) as stored:
            x, y = stored["x"], stored["y"]
    except KeyError:
        raise DesignError(f"{file}: expected two arrays, x and y") from None
    except Exception as error:  # of many types: no file, no archive, an array of objects
        reason = first_line(error)
        raise DesignError(f"{file}: cannot be read ({reason}); expected an .npz file with arrays x and y") from None
    if x.ndim < 2 or y.shape != x.shape[:1] or len(x) < 8 or y.dtype.kind not in "iu" or x.dtype.kind not in "fiu":
        raise DesignError(
            f"{file}: x is {x.dtype} {list(x.shape)}, y is {y.dtype} {list(y.shape)}; expected numbers [N, ...] and"
            " integers [N], of at least 8 samples"
        )
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.int64)
