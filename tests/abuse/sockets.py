"""The sockets of commands that start Ray on this machine: which of their addresses other machines could reach."""

from __future__ import annotations

import ipaddress
import time
from pathlib import Path

import psutil

from tests.abuse.kills import END_S, forked, run_command
from tests.abuse.targets import DESIGN

LEARNER = ("--num-envs", "4", "--style-generations", "1", "--imitation-steps", "2", "--epochs", "1")
QUICK = ("--method", "greedy", "--iterations", "1", "--workers", "1")
RAY_COMMANDS: dict[str, tuple[str, ...]] = {
    "dse explore": ("dse", "explore", "qiu_xc7z045", "--search", "nsga2", "--budget", "300", "--workers", "1"),
    "dse explore --place": (
        "dse", "explore", "{folder}/space.yaml", "--workers", "1", "--place", "3"
    ),
    "dse floorplan --design front": (
        "dse", "floorplan", "{folder}/explored", "--design", "front", *QUICK, "--granularity", "coarse"
    ),
    "placer place --ray local": ("placer", "place", "jetty", *QUICK, "--ray", "local"),
    "placer train --ray local": (
        "placer", "train", "jetty", "--iterations", "1", "--device", "cpu", "--ray", "local", "--workers", "1", *LEARNER
    ),
    "placer sweep": ("placer", "sweep", "jetty", "--methods", "greedy", "--budget", "1"),
}  # fmt: skip
"""Every command that starts Ray, by how a user would call it; its folder for results is added."""
LOOK_S = 0.1
"""Seconds between two looks at the sockets."""

Socket = tuple[str, str, int]
"""Name of a process, address and port."""


def listening(process: psutil.Process) -> set[Socket]:
    """Every TCP socket on which a process and all that it started listen."""
    sockets = set()
    for each in (process, *process.children(recursive=True)):
        try:
            connections, name = each.net_connections("tcp"), each.name()
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        sockets |= {(name, c.laddr.ip, c.laddr.port) for c in connections if c.status == psutil.CONN_LISTEN}
    return sockets


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an address."""
    ip = ipaddress.ip_address(address)
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback


def prepare(folder: Path) -> None:
    """The inputs of the commands: a small space of designs for ASICs, and an exploration of it."""
    import yaml

    from dse.exploration.run import explore
    from dse.space.file import load_space

    design = yaml.safe_load(DESIGN)
    space = {
        "template": design["template"], "technology": design["technology"], "networks": {design["network"]: 1.0},
        "parameters": design["parameters"] | {"rows": [8, 16], "input_kb": [64, 128]},
        "objectives": [{"latency_ms": "min"}, {"energy_mj": "min"}, {"area_mm2": "min"}],
    }  # fmt: skip
    (folder / "space.yaml").write_text(yaml.safe_dump(space))
    explore(load_space(str(folder / "space.yaml")), folder / "explored")


def watch_sockets(name: str, folder: Path) -> tuple[set[Socket], list[str]]:
    """Run a command and watch it: the sockets on which it listened at any time, and the faults."""
    prepare(folder)
    arguments = [*(word.format(folder=folder) for word in RAY_COMMANDS[name]), "--out", str(folder / "out")]
    seen, faults = set[Socket](), list[str]()
    began = time.monotonic()
    with forked(lambda: run_command(arguments), folder / "log") as fork:
        while fork.poll() is None and time.monotonic() < began + END_S:
            seen |= listening(psutil.Process(fork.pid))
            time.sleep(LOOK_S)
        if fork.returncode != 0:
            faults.append(f"exit code {fork.returncode}: {(folder / 'log').read_text()[-500:]}")
    faults += [f"{process} listens on {address}" for process, address, _ in sorted(seen) if not is_loopback(address)]
    if not {"raylet", "gcs_server"} <= {process for process, _, _ in seen}:
        faults.append("started no Ray")
    return seen, faults
