"""Names of devices, what they mean, and that settings keep them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from netlists.errors import SettingsError
from netlists.runtime.device import check, resolve, room_bytes
from placer.agent.training import TrainSettings
from placer.runs.settings import PlaceSettings


def train_settings(**options: Any) -> TrainSettings:
    return TrainSettings(iterations=1, **options)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("settings", [PlaceSettings, train_settings])
def test_the_error_for_cuda_without_a_gpu_is_helpful(settings: Callable[..., Any]) -> None:
    with pytest.raises(SettingsError, match=r"torch finds no GPU here; .* or choose device cpu") as error:
        settings(device="cuda")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("settings", [PlaceSettings, train_settings])
def test_unknown_names_are_an_error(settings: Callable[..., Any]) -> None:
    with pytest.raises(SettingsError, match="device is 'cdua'; expected one of auto, cpu, cuda; did you mean 'cuda'"):
        settings(device="cdua")


@pytest.mark.usefixtures("no_gpu")
def test_devices_without_a_gpu() -> None:
    assert [resolve(name).type for name in ("auto", "cpu")] == ["cpu", "cpu"]
    assert room_bytes(resolve("auto"), 123) == 123


@pytest.mark.usefixtures("a_gpu")
def test_devices_with_a_gpu() -> None:
    assert [resolve(name).type for name in ("auto", "cpu", "cuda")] == ["cuda", "cpu", "cuda"]
    check("cuda")
    assert PlaceSettings(device="cuda").device == "cuda"


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_settings_keep_the_device(device: str) -> None:
    values = PlaceSettings(device=device).as_dict()
    assert values["device"] == device
    assert PlaceSettings(**values) == PlaceSettings(device=device)
