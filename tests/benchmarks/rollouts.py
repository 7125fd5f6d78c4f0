"""How fast are rollouts?  `python -m tests.benchmarks.rollouts [NETLIST] [--threads 1 2 4 8 16]`

Measures steps per second of sampled episodes with the bundled policy, from the first reset to the exact cost, for
several numbers of threads, on the CPU and on a GPU if there is one, each as a ratio to one thread.  Then measures
which fractions of the time of a group of episodes that plays alone go to the environment's steps, to the policy, and to
the end of the episodes (soft macros, exact cost); and how many steps of gradient descent per second all starts side by
side take together.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

import numpy as np
import torch

from netlists import Netlist, load
from netlists.runtime.device import resolve
from placer.agent.checkpoints import load_policy
from placer.agent.placing import GPU_ENVS, PRETRAINED
from placer.agent.policy import PlacementPolicy, netlist_graph
from placer.agent.ppo import PPOSettings
from placer.agent.rollouts import GROUPS, LARGE_PART, PART, Plan, decide, on_host, play
from placer.environment.env import EpisodeBatch, Observation
from placer.gradient.descent import GPU_STARTS, Descent, GradientSettings
from placer.gradient.smooth_proxy import SmoothProxy
from tests.benchmarks import find

LEAST_EPISODES = 16  # episodes played at a time
DESCENT_STEPS = 20  # steps of gradient descent per measurement
CORES = len(os.sched_getaffinity(0))


class Players:
    """Episodes of a netlist with the bundled policy and sampled actions."""

    def __init__(self, netlist: Netlist, batch: int, threads: int, device: str) -> None:
        self.device = torch.device(device)
        self.policy: PlacementPolicy = load_policy(PRETRAINED).to(self.device)
        self.episodes = EpisodeBatch(netlist, batch, PPOSettings().env, threads)
        with torch.no_grad():
            self.embedding = self.policy.encode(netlist_graph(netlist, self.episodes.order).to(self.device))
        self.plan = Plan.sampled(batch, self.episodes.steps, torch.Generator().manual_seed(0))

    def play(self) -> None:
        """Play the plan once."""
        play(self.policy, self.embedding, self.plan, self.episodes)

    @torch.inference_mode()
    def times(self) -> list[float]:
        """Seconds spent in steps, in the policy and at the end of the episodes, as a group of `play` does them."""
        plan = self.plan.to(self.device)
        stepping = deciding = 0.0
        start = time.perf_counter()
        observation: Observation | None = self.episodes.reset()
        while observation is not None:
            seen, t = time.perf_counter(), observation.t
            maps, scalars, mask = (
                torch.from_numpy(a).to(self.device) for a in (observation.maps, observation.scalars, observation.mask)
            )
            row = self.embedding[t].expand(self.episodes.batch, -1)
            log_probs, _ = self.policy(row, maps, scalars, mask)
            action = on_host(decide(log_probs, mask, plan, t)).numpy()
            decided = time.perf_counter()
            stepping, deciding = stepping + seen - start, deciding + decided - seen
            observation, _ = self.episodes.step(action)
            start = decided
        return [stepping, deciding, time.perf_counter() - start]


def rollout_speeds(netlist: Netlist, threads: int, device: str = "cpu", repeats: int = 2) -> float:
    """Steps per second, the best of `repeats`, with as many episodes as keep the threads and a GPU busy."""
    batch = max(LEAST_EPISODES, (PART if threads < 8 else LARGE_PART) * threads, GPU_ENVS if device == "cuda" else 0)
    players = Players(netlist, batch, threads, device)
    if device == "cuda":
        players.play()  # the first rollout on a GPU is slow
    return batch * players.episodes.steps / min(seconds(players.play) for _ in range(repeats))


def rollout_shares(netlist: Netlist, threads: int, device: str = "cpu") -> list[float]:
    """Fractions of the time of steps, policy and end: for a part of the episodes on the CPU, for a group on a GPU."""
    with_gpu = device == "cuda"
    players = Players(netlist, GPU_ENVS // GROUPS if with_gpu else PART, threads if with_gpu else 1, device)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    players.times()
    spent = np.array(players.times())
    torch.set_num_threads(before)
    return [float(part) for part in spent / spent.sum()]


def gradient_speeds(netlist: Netlist, starts: int, device: str = "cpu", threads: int = CORES) -> float:
    """Steps of descent per second, times the number of starts side by side."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    settings = GradientSettings(starts=starts)
    proxy = SmoothProxy(netlist, device, settings.merge * min(netlist.cell_um), threads)
    descent = Descent(proxy, netlist, settings, np.random.default_rng(0))

    def descend() -> None:
        for k in range(DESCENT_STEPS):
            descent.step(k / DESCENT_STEPS)
        float(descent.at.detach().sum())  # waits for a GPU

    descend()
    speed = starts * DESCENT_STEPS / seconds(descend)
    torch.set_num_threads(before)
    return speed


def seconds(job: Callable[[], None]) -> float:
    """Wall-clock seconds of a job."""
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def report(netlist: Netlist, threads: list[int]) -> None:
    """Print the tables of one netlist."""
    print(f"{netlist.name}: {len(netlist.movable_hard)} steps per episode, grid {netlist.grid[0]} by {netlist.grid[1]}")
    Players(netlist, 1, 1, "cpu").play()  # compiles
    devices = ["cpu", "cuda"] if resolve("auto").type == "cuda" else ["cpu"]
    print("device  threads    steps/s   ratio to one thread")
    for device in devices:
        alone = 0.0
        for count in threads:
            speed = rollout_speeds(netlist, count, device)
            alone = alone or speed / count
            print(f"{device:6} {count:8d} {speed:10.0f} {speed / alone:10.2f}", flush=True)
    print("device   environment   policy      end")
    for device in devices:
        print(f"{device:6} " + "  ".join(f"{part:9.0%}" for part in rollout_shares(netlist, max(threads), device)))
    print("device   starts   start-steps/s")
    for device in devices:
        for starts in (GradientSettings().starts, GPU_STARTS):
            print(f"{device:6} {starts:8d} {gradient_speeds(netlist, starts, device, max(threads)):12.0f}", flush=True)


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("netlist", nargs="?", default="ariane133_ng45")
    counts = [count for count in (1, 2, 4, 8, 16) if count <= CORES]
    parser.add_argument("--threads", nargs="+", type=int, default=counts, help="up to this machine's cores by default")
    arguments = parser.parse_args()
    path = find(arguments.netlist)
    report(load("harbor" if path == "ariane133_ng45" else path), arguments.threads)


if __name__ == "__main__":
    main()
