"""The device on which torch computes: names of devices for users, and what they mean on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netlists.errors import SettingsError, did_you_mean

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda")
"""Names of devices."""

MEMORY_FRACTION = 0.25
"""Fraction of the memory of a GPU that the largest array may take."""


def check(name: str) -> None:
    """Check the name of a device; loads torch for cuda only.

    Raises `SettingsError` if there is no such name, or for cuda if torch finds no GPU.
    """
    if name not in DEVICES:
        raise SettingsError(f"device is {name!r}; expected one of {', '.join(DEVICES)}{did_you_mean(name, DEVICES)}")
    if name == "cuda":
        resolve(name)


def resolve(name: str) -> torch.device:
    """The device that a name means: for auto the first GPU if torch finds one, otherwise the CPU.

    Raises `SettingsError` for cuda if torch finds no GPU.
    """
    import torch

    has_gpu = torch.cuda.is_available()
    if name == "cuda" and not has_gpu:
        raise SettingsError("device is cuda, but torch finds no GPU here; expected an NVIDIA GPU and a build of torch "
                            "with CUDA, or choose device cpu")  # fmt: skip
    return torch.device("cuda" if has_gpu and name != "cpu" else "cpu")


def room_bytes(device: torch.device, on_cpu: int) -> int:
    """Bytes that the largest array may take: a fraction of the memory of a GPU, or `on_cpu` on the CPU."""
    import torch

    return (
        int(MEMORY_FRACTION * torch.cuda.get_device_properties(device).total_memory)
        if device.type == "cuda"
        else on_cpu
    )
