"""Where torch computes: a name that a user gives, checked, and the device that it stands for on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netlists.errors import SettingsError, did_you_mean

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda")
SHARE = 0.25  # of a GPU's memory, for the largest thing kept there


def check(name: str) -> None:
    """Raise `SettingsError` where there is no device of that name; loads torch for cuda only."""
    if name not in DEVICES:
        raise SettingsError(f"device is {name!r}; expected one of {', '.join(DEVICES)}{did_you_mean(name, DEVICES)}")
    if name == "cuda":
        resolved(name)


def resolved(name: str) -> torch.device:
    """The device that a name stands for: with auto the first GPU where torch has one, otherwise the CPU.

    Raises `SettingsError` for cuda where torch finds no GPU.
    """
    import torch

    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise SettingsError("device is cuda, but torch finds no GPU here; expected an NVIDIA GPU and a build of torch "
                            "with CUDA, or choose device cpu")  # fmt: skip
    return torch.device("cuda" if there and name != "cpu" else "cpu")


def room_bytes(device: torch.device, on_cpu: int) -> int:
    """Memory that the largest thing may take: a part of a GPU's, `on_cpu` elsewhere."""
    import torch

    return int(SHARE * torch.cuda.get_device_properties(device).total_memory) if device.type == "cuda" else on_cpu
