"""Rollouts on Ray: actors on the processors of a cluster play the parts of a plan.

A plan is divided into the same parts that threads play without Ray, so that the result does not depend on which actor
plays which part.  Netlists are sent to an actor once, weights once per rollout; a part that is lost with its actor or
node is played again by another one.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import fields
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from netlists.errors import ChipscapeError
from netlists.netlist import Netlist
from netlists.runtime.ray_connection import POLL_S, RETRIES, connected, processors, wait_for, why_lost
from placer.agent.policy import PlacementPolicy
from placer.agent.rollouts import PER_EPISODE, Plan, Player, Rollout, parts_of, play
from placer.environment.env import EnvSettings, EpisodeBatch

STARTING = -1
"""Instead of the index of a part: the actor is starting."""

Columns = list[npt.NDArray[Any]]
"""The fields of a rollout as arrays, which Ray passes without a copy."""


class RolloutActor:
    """Plays episodes on one processor, in a process of its own."""

    def __init__(self, settings: EnvSettings, *netlists: Netlist) -> None:
        torch.set_num_threads(1)
        self.settings, self.netlists = settings, netlists
        self.batches: dict[tuple[int, int], EpisodeBatch] = {}  # by index of the netlist and number of episodes

    def ready(self) -> None:
        """Return as soon as the actor has started."""

    def play(self, k: int, learned: tuple[PlacementPolicy, Tensor], plan: Plan) -> Columns:
        """The rollout of a plan on the netlist with index k.

        `learned` holds a policy and its features [T, 3E] of that netlist.
        """
        key = k, len(plan)
        if key not in self.batches:
            self.batches[key] = EpisodeBatch(self.netlists[k], len(plan), self.settings, threads=1)
        rollout = play(*learned, plan, self.batches[key])
        return [getattr(rollout, field.name).numpy() for field in fields(rollout)]


class ActorPool:
    """Actors on the connected cluster, one per processor but not more than a rollout has parts."""

    def __init__(self, netlists: Sequence[Netlist], settings: EnvSettings) -> None:
        import ray

        self._actor = ray.remote(num_cpus=1)(RolloutActor)
        # Copies, since values cached with a netlist would be sent with it.
        self._arguments = [settings, *(ray.put(netlist.with_()) for netlist in netlists)]
        self._idle: list[Any] = []
        self._busy: dict[Any, tuple[Any, int]] = {}  # by pending answer: actor, part or `STARTING`

    def play(self, k: int, policy: PlacementPolicy, embedding: Tensor, plan: Plan) -> Rollout:
        """The rollout of a plan on the netlist with index k; for each k this is a `Player`.

        `embedding` holds the features [T, 3E] of `policy.encode`.  Raises `ChipscapeError` if a part is lost more than
        `RETRIES` times or if no actor is left.
        """
        import ray

        learned = ray.put((deepcopy(policy).cpu(), embedding.cpu()))
        parts = [plan.part(*part) for part in parts_of(len(plan))]
        waiting, losses, results = deque(range(len(parts))), Counter[int](), dict[int, Columns]()
        self._start_actors(len(parts))
        while len(results) < len(parts):
            while waiting and self._idle:
                actor, part = self._idle.pop(), waiting.popleft()
                self._busy[actor.play.remote(k, learned, parts[part])] = actor, part
            part, answer = self._await_answer()
            if isinstance(answer, list):
                results[part] = answer
            elif answer and part != STARTING:
                losses[part] += 1
                if losses[part] > RETRIES:
                    raise ChipscapeError(
                        f"{RETRIES + 1} actors were lost while playing the same episodes, the last one as follows: "
                        f"{answer}; see `ray status`, then continue with --resume"
                    )
                waiting.append(part)
                self._start_actors(len(parts))
            if answer and not (self._idle or self._busy):
                raise ChipscapeError(
                    f"no actor of the Ray cluster is left ({answer}); expected Chipscape on every node"
                )
        columns = zip(*(results[part] for part in range(len(parts))), strict=True)
        return Rollout(*(torch.from_numpy(np.concatenate(column, axis=int(field.name not in PER_EPISODE)))
                         for field, column in zip(fields(Rollout), columns, strict=True)))  # fmt: skip

    def _start_actors(self, useful: int) -> None:
        """Start actors until there is one per processor, or `useful` ones."""
        for _ in range(len(self._idle) + len(self._busy), min(int(sum(processors().values())), useful)):
            actor: Any = self._actor.remote(*self._arguments)
            self._busy[actor.ready.remote()] = actor, STARTING

    def _await_answer(self) -> tuple[int, Columns | str | None]:
        """Wait for an actor: its part with the rollout, None at its start, or a message if the actor is lost."""
        import ray

        while not (answers := wait_for(self._busy, POLL_S)):
            if not processors():
                raise ChipscapeError("the Ray cluster has no node left; continue with --resume on another")
        actor, part = self._busy.pop(answers[0])
        try:
            answer: Columns | None = ray.get(answers[0])
        except ray.exceptions.RayTaskError as error:  # raised by the episodes
            raise error.cause from None
        except ray.exceptions.RayError as error:
            return part, why_lost(error)
        self._idle.append(actor)
        return part, answer


@contextmanager
def ray_players(address: str, netlists: Sequence[Netlist], settings: EnvSettings) -> Iterator[list[Player]]:
    """A player for each netlist on the Ray cluster at an address, for the duration of the block; see `connected`."""
    with connected(address, needed=1):
        pool = ActorPool(netlists, settings)
        yield [partial(pool.play, k) for k in range(len(netlists))]
