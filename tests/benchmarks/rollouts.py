"""Environment steps per second with the policy in the loop: `python -m tests.benchmarks.rollouts [NETLIST]`.

Per number of episodes a batch and of threads (of the network and of the environment): the speed of sampled episodes
from the first reset to the exact cost, and what part of the time goes to the environment's steps (mask and features,
estimates now and then), to the policy, and to the end of the episodes (soft macros, exact cost).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import torch

from netlists import Netlist, load
from placer.env import EpisodeBatch, Observation
from placer.policy import PlacementPolicy, netlist_graph
from placer.rollouts import Plan, choose

ARIANE = Path(__file__).parents[3] / "shared/benchmarks/clustered/ariane133_ng45/netlist.pb.txt.gz"
BATCHES = (8, 16, 32, 64)
THREADS = (1, 2)
REPEATS = 2


@torch.no_grad()
def times(episodes: EpisodeBatch, policy: PlacementPolicy, embedding: torch.Tensor, seed: int) -> list[float]:
    """Seconds spent in steps, in the policy and at the end of one batch of sampled episodes, as `play` does them."""
    plan = Plan.sampled(episodes.batch, episodes.steps, torch.Generator().manual_seed(seed))
    stepping = deciding = 0.0
    start = time.perf_counter()
    observation: Observation | None = episodes.reset()
    while observation is not None:
        seen = time.perf_counter()
        maps, scalars, mask = (torch.from_numpy(a) for a in (observation.maps, observation.scalars, observation.mask))
        row = embedding[observation.t].expand(episodes.batch, -1)
        log_probs, _ = policy(row, maps, scalars, mask)
        action = choose(log_probs, plan.draw[:, observation.t], plan.temperature).numpy()
        decided = time.perf_counter()
        stepping, deciding = stepping + seen - start, deciding + decided - seen
        observation, _ = episodes.step(action)
        start = decided
    return [stepping, deciding, time.perf_counter() - start]


def report(netlist: Netlist) -> None:
    """Print the table of one netlist."""
    print(f"{netlist.name}: {len(netlist.movable_hard)} steps an episode, grid {netlist.grid[0]} by {netlist.grid[1]}")
    print("episodes  threads   steps/s    environment   policy      end")
    torch.manual_seed(0)
    policy = PlacementPolicy()
    for threads in THREADS:
        torch.set_num_threads(threads)
        for batch in BATCHES:
            episodes = EpisodeBatch(netlist, batch, threads=threads)
            with torch.no_grad():
                embedding = policy.encode(netlist_graph(netlist, episodes.order))
            times(episodes, policy, embedding, 0)  # compiles
            runs = [times(episodes, policy, embedding, seed) for seed in range(REPEATS)]
            parts = np.array(min(runs, key=sum))
            speed = batch * episodes.steps / parts.sum()
            shares = "  ".join(f"{part:9.0%}" for part in parts / parts.sum())
            print(f"{batch:8d} {threads:8d} {speed:9.0f}      {shares}", flush=True)


if __name__ == "__main__":
    default = str(ARIANE) if ARIANE.exists() else "harbor"
    report(load(sys.argv[1] if len(sys.argv) > 1 else default))
