"""Does the agent learn?  `python -m tests.benchmarks.learning [--budget 600] [--seeds 3] [--netlists NAME...]`

Per netlist and seed, compares three exact proxies: the best of 32 samples of the untrained policy, the greedy baseline,
and the greedy episode of the policy after training on that netlist for the budget; the placement of soft macros is the
same for all.  Then measures the policies that were trained on the first netlist on the other netlists, which they have
not seen, and how far a trained policy ends above a known optimum.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from netlists import Netlist, load
from netlists.synthetic.known_optimum import known_optimum
from placer.agent.checkpoints import load_policy
from placer.agent.placing import new_policy
from placer.agent.policy import PlacementPolicy, netlist_graph
from placer.agent.ppo import PPOSettings
from placer.agent.rollouts import Plan, play
from placer.agent.training import train
from placer.cost import evaluate
from placer.environment.env import EpisodeBatch
from placer.environment.heuristics import place_greedily
from placer.incumbent import Incumbent
from tests.benchmarks import find

SAMPLES = 32  # episodes of the untrained policy


def decode(policy: PlacementPolicy, netlist: Netlist) -> float:
    """The proxy of the policy's greedy episode."""
    return float(episodes_of(policy, netlist, 1, None)[0])


def episodes_of(policy: PlacementPolicy, netlist: Netlist, count: int, seed: int | None) -> torch.Tensor:
    """Proxies [count] of sampled episodes, or of greedy ones if there is no seed."""
    episodes = EpisodeBatch(netlist, count, PPOSettings().env)
    with torch.no_grad():
        embedding = policy.encode(netlist_graph(netlist, episodes.order))
    shape = count, episodes.steps
    plan = Plan.greedy(*shape) if seed is None else Plan.sampled(*shape, torch.Generator().manual_seed(seed))
    return play(policy, embedding, plan, episodes).proxy


def greedy_baseline(netlist: Netlist) -> float:
    """The proxy of the greedy baseline before its last placement of soft macros."""
    incumbent = Incumbent("greedy", np.inf, time.perf_counter())
    place_greedily(EpisodeBatch(netlist, 1, PPOSettings().env), incumbent)
    return incumbent.best


def row(netlist: Netlist, seed: int, budget_s: float, workers: int, folder: Path) -> list[float]:
    """Three proxies: the best of `SAMPLES` untrained episodes, the greedy baseline, the trained policy."""
    untrained = float(episodes_of(new_policy(seed), netlist, SAMPLES, seed).min())
    train([netlist], folder, budget_s=budget_s, seed=seed, workers=workers)
    return [untrained, greedy_baseline(netlist), decode(load_policy(folder), netlist)]


def show(cells: list[str]) -> None:
    """Print one row of a table."""
    print(f"{cells[0]:18}" + "".join(f"{cell:>12}" for cell in cells[1:]), flush=True)


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, default=600.0, help="seconds of training")
    parser.add_argument("--workers", type=int, default=2, help="threads")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--known", type=int, default=3, help="seeds of the netlists of known optimum")
    parser.add_argument("--netlists", nargs="+", default=["ariane133_ng45", "harbor"])
    parser.add_argument("--unseen", nargs="*", default=["nvdla_ng45", "mempool_tile_ng45", "ariane136_asap7"])
    arguments = parser.parse_args()
    folders: dict[tuple[str, int], Path] = {}
    with tempfile.TemporaryDirectory() as root:
        show(["netlist", "seed", "untrained", "greedy", "trained", "to untr.", "to greedy"])
        for name in arguments.netlists:
            netlist = load(find(name))
            for seed in range(arguments.seeds):
                folders[name, seed] = folder = Path(root) / f"{name}-{seed}"
                untrained, baseline, trained = row(netlist, seed, arguments.budget, arguments.workers, folder)
                gains = [f"{trained / untrained - 1:+.1%}", f"{trained / baseline - 1:+.1%}"]
                show([name, str(seed), f"{untrained:.4f}", f"{baseline:.4f}", f"{trained:.4f}", *gains])
        first = arguments.netlists[0]
        print(f"\nTrained on {first}, decoded on netlists not seen in training (untrained: best of {SAMPLES} samples)")
        show(["netlist", "seed", "untrained", "transferred", "change"])
        for name in [*arguments.netlists[1:], *arguments.unseen]:
            netlist = load(find(name))
            for seed in range(arguments.seeds):
                untrained = float(episodes_of(new_policy(seed), netlist, SAMPLES, seed).min())
                moved = decode(load_policy(folders[first, seed]), netlist)
                show([name, str(seed), f"{untrained:.4f}", f"{moved:.4f}", f"{moved / untrained - 1:+.1%}"])
        print("\nKnown optimum")
        show(["macros", "seed", "optimum", "trained", "above"])
        for macros in (3, 4):
            for seed in range(arguments.known):
                netlist, best = known_optimum(macros, seed=seed)
                folder = Path(root) / f"known-{macros}-{seed}"
                train([netlist], folder, budget_s=min(arguments.budget, 60.0), seed=seed)
                optimum, trained = evaluate(best).proxy, decode(load_policy(folder), netlist)
                show([str(macros), str(seed), f"{optimum:.4f}", f"{trained:.4f}", f"{trained / optimum - 1:+.1%}"])


if __name__ == "__main__":
    main()
