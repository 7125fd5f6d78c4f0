"""Episodes played by a policy, batched; a plan holds all that is random in them.

A `Player` plays a plan: `play` in this process, or the actors of `actors.py` on a cluster.

On the CPU threads play parts of PART or LARGE_PART episodes, each from the reset to the end, with a policy that runs on
one thread: no thread waits for another.  Rounding in the policy depends on how many episodes it sees at a time, so the
size of parts follows from the number of episodes alone.  Threads that are left over help with the environment's steps.
In smaller parts the interpreter, which one thread at a time may use, would be what 16 threads wait for: it takes half a
millisecond of a step, however many episodes.
On a GPU a few large groups take turns: while the policy decides for one,
all threads step the episodes of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, fields, replace
from threading import Event
from typing import Protocol

import torch
from torch import Tensor

from netlists.runtime.clock import OutOfTimeError
from placer.agent.policy import PlacementPolicy
from placer.environment.env import EpisodeBatch, Observation, split_range
from placer.environment.features import MAP_NAMES, SCALAR_NAMES

PART, LARGE_PART = 16, 32  # episodes that the policy sees at a time on the CPU; in rollouts of LARGE and more
LARGE = 256
GROUPS = 2  # that take turns on a GPU
PER_EPISODE = ("proxy", "stuck")  # fields of a rollout without a time axis


@dataclass(frozen=True, eq=False)
class Plan:
    """How B episodes of T steps are to be played."""

    draw: Tensor  # [B, T] uniform in [0, 1): where in the distribution over cells each action lies
    temperature: Tensor  # [B] of that distribution; at 0 the likeliest cell is taken
    follow: Tensor  # [B, T] actions prescribed where the mask allows them; -1 leaves the choice to the policy
    style: Tensor | None = None  # [B, 2K] instead of the policy's own

    @classmethod
    def sampled(cls, batch: int, steps: int, generator: torch.Generator) -> Plan:
        """Every action drawn from the policy."""
        return cls(torch.rand((batch, steps), generator=generator), torch.ones(batch), _free(batch, steps))

    @classmethod
    def greedy(cls, batch: int, steps: int, style: Tensor | None = None) -> Plan:
        """Every action the likeliest."""
        return cls(torch.zeros(batch, steps), torch.zeros(batch), _free(batch, steps), style)

    def __len__(self) -> int:
        return len(self.draw)

    def part(self, first: int, last: int) -> Plan:
        """Episodes first..last-1."""
        return self._each(lambda x: x[first:last])

    def to(self, device: torch.device) -> Plan:
        """The same on a device."""
        return self._each(lambda x: x.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Plan:
        style = None if self.style is None else change(self.style)
        return Plan(change(self.draw), change(self.temperature), change(self.follow), style)


def _free(batch: int, steps: int) -> Tensor:
    return torch.full((batch, steps), -1)


@dataclass(frozen=True, eq=False)
class Rollout:
    """T steps of B episodes: what was seen where the policy runs, everything else on the CPU."""

    maps: Tensor  # [T, B, K, R, C]
    scalars: Tensor  # [T, B, S]
    mask: Tensor  # [T, B, R*C]
    action: Tensor  # [T, B]
    log_prob: Tensor  # [T, B] of the action
    value: Tensor  # [T, B]
    reward: Tensor  # [T, B]
    proxy: Tensor  # [B] at the end, float64
    stuck: Tensor  # [B] steps at which no cell fitted

    def part(self, first: int, last: int) -> Rollout:
        """Episodes first..last-1."""
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        return Rollout(**{name: x[first:last] if name in PER_EPISODE else x[:, first:last]
                          for name, x in columns.items()})  # fmt: skip


class Player(Protocol):
    """Plays the episodes of a plan with rows of `policy.encode` [T, 3E]."""

    def __call__(self, policy: PlacementPolicy, embedding: Tensor, plan: Plan) -> Rollout: ...


def play(policy: PlacementPolicy, embedding: Tensor, plan: Plan, episodes: EpisodeBatch) -> Rollout:
    """Play all episodes to the end as planned, with rows of `policy.encode` [T, 3E] and the threads of `episodes`.

    The policy is on the device of `embedding`.  Raises `LegalizationError` as `EpisodeBatch` does, and `OutOfTimeError`
    when the clock of the episodes cut some of them; those that ended legal count.
    """
    if embedding.device.type != "cpu":
        return play_in_turns(policy, embedding, plan, episodes)
    # oneDNN then need not reorder the weights at every step.
    policy = deepcopy(policy).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    parts = parts_of(episodes.batch)
    helpers = max(1, episodes.threads // len(parts))  # where there are more threads than parts
    return _play(policy, embedding, plan, episodes, parts, min(episodes.threads, len(parts)), helpers, staged=False)


def parts_of(batch: int) -> list[tuple[int, int]]:
    """The first episode of each part of a rollout, and the one after its last."""
    size = PART if batch < LARGE else LARGE_PART
    return [(first, min(first + size, batch)) for first in range(0, batch, size)]


def play_in_turns(policy: PlacementPolicy, embedding: Tensor, plan: Plan, episodes: EpisodeBatch) -> Rollout:
    """As `play`, on any device: groups take turns at the policy and at all threads of `episodes`."""
    groups = split_range(episodes.batch, GROUPS)
    return _play(policy, embedding, plan, episodes, groups, len(groups), episodes.threads, staged=True)


def _play(
    policy: PlacementPolicy, embedding: Tensor, plan: Plan, episodes: EpisodeBatch, groups: list[tuple[int, int]],
    players: int, threads: int, *, staged: bool,
) -> Rollout:  # fmt: skip
    """Episodes first..last-1 of each group in lockstep, so many groups at a time, each on so many threads."""
    record, stop = new_record(episodes, embedding.device), Event()
    with one_thread_each(players) as pool:
        jobs = [
            pool.submit(
                _play_group, policy, embedding, plan.part(*group), episodes.part(*group, threads), record.part(*group),
                stop, staged,
            )
            for group in groups
        ]  # fmt: skip
        try:
            ended = [job.result() for job in as_completed(jobs)]
        except BaseException:
            stop.set()
            raise
    episodes.tally()
    if not all(ended):
        raise OutOfTimeError("the budget was used up before all episodes had ended")
    return replace(record, **{name: getattr(record, name).cpu() for name in ("action", "log_prob", "value")})


@contextmanager
def one_thread_each(count: int) -> Iterator[ThreadPoolExecutor]:
    """Threads in which torch uses no further ones; elsewhere it uses as many as before."""
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        # What a thread sets holds for that thread, and for those that have not used torch yet.
        torch.set_num_threads(before)


def new_record(episodes: EpisodeBatch, device: torch.device) -> Rollout:
    """A rollout to be filled.

    What the policy sees stays where it runs: learning needs it there, and 128 episodes of 133 steps on a grid of 500
    cells take half a gigabyte.
    """
    shape, (rows, cols) = (episodes.steps, episodes.batch), episodes.netlist.grid
    return Rollout(
        maps=torch.empty((*shape, len(MAP_NAMES), rows, cols), device=device),
        scalars=torch.empty((*shape, len(SCALAR_NAMES)), device=device),
        mask=torch.empty((*shape, rows * cols), dtype=torch.bool, device=device),
        action=torch.empty(shape, dtype=torch.int64, device=device),
        log_prob=torch.empty(shape, device=device),
        value=torch.empty(shape, device=device),
        reward=torch.empty(shape),
        proxy=torch.empty(episodes.batch, dtype=torch.float64),
        stuck=torch.empty(episodes.batch, dtype=torch.int64),
    )


@torch.inference_mode()
def _play_group(
    policy: PlacementPolicy, embedding: Tensor, plan: Plan, episodes: EpisodeBatch, record: Rollout, stop: Event,
    staged: bool,
) -> bool:  # fmt: skip
    """Play episodes in lockstep, unless told to stop, and fill their record; whether all came to their end.

    The environment writes what it sees into the record itself or, `staged`, into memory from which it is copied there.
    """
    plan, rows = plan.to(embedding.device), embedding.unsqueeze(1).expand(-1, episodes.batch, -1).unbind()
    seen = list(zip(record.maps.unbind(), record.scalars.unbind(), record.mask.unbind(), strict=True))
    pinned = embedding.device.type == "cuda"
    stage = [torch.empty(x.shape, dtype=x.dtype, pin_memory=pinned) for x in seen[0]] if staged else None
    outs = [written_to(stage or seen[t], t) for t in range(episodes.steps)]
    steps: list[tuple[Tensor, Tensor, Tensor]] = []
    rewards = record.reward.numpy()
    episodes.reset(outs[0])
    for t, (maps, scalars, mask) in enumerate(seen):
        if stop.is_set():
            return False
        if stage:
            for x, source in zip(seen[t], stage, strict=True):
                x.copy_(source, non_blocking=True)
        log_probs, value = policy(rows[t], maps, scalars, mask, plan.style)
        action = decide(log_probs, mask, plan, t)
        steps.append((action, log_probs.gather(1, action[:, None]).squeeze(1), value))
        following, reward = episodes.step(on_host(action).numpy(), outs[min(t + 1, episodes.steps - 1)])
        rewards[t] = reward
        if following is None and episodes.cut:
            return False
    for x, column in zip((record.action, record.log_prob, record.value), zip(*steps, strict=True), strict=True):
        x.copy_(torch.stack(column))
    record.proxy.copy_(torch.tensor([cost.proxy for cost in episodes.costs], dtype=torch.float64))
    record.stuck.copy_(torch.from_numpy(episodes.stuck))
    return True


def written_to(memory: Sequence[Tensor], t: int) -> Observation:
    """An observation of step t whose maps, scalars and mask are in memory of the CPU."""
    maps, scalars, mask = (x.numpy() for x in memory)
    return Observation(maps, scalars, mask, t)


def on_host(found: Tensor) -> Tensor:
    """The tensor on the CPU; waits for a GPU without keeping a core busy."""
    if found.device.type == "cpu":
        return found
    copied = torch.empty(found.shape, dtype=found.dtype, pin_memory=True).copy_(found, non_blocking=True)
    done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
    done.record()
    done.synchronize()
    return copied


def decide(log_probs: Tensor, mask: Tensor, plan: Plan, t: int) -> Tensor:
    """[B] actions at step t: as prescribed where that is allowed, otherwise chosen."""
    chosen, prescribed = choose(log_probs, plan.draw[:, t], plan.temperature), plan.follow[:, t]
    allowed = mask.gather(1, prescribed.clamp_min(0)[:, None]).squeeze(1)
    return torch.where((prescribed >= 0) & allowed, prescribed, chosen)


def choose(log_probs: Tensor, draw: Tensor, temperature: Tensor) -> Tensor:
    """One action a row [B] by inverting the cumulative distribution at `draw` [B]; the likeliest at temperature 0.

    That the draws are given makes an action depend on its own row alone, whatever rows are played with it.
    """
    greedy = temperature == 0
    heat = torch.where(greedy, 1.0, temperature)[:, None]
    cumulative = (log_probs / heat).softmax(dim=1).cumsum(dim=1, dtype=torch.float64)
    # Single-precision draws stay below 1 by more than the sum rounds: a cell of probability 0 is never found.
    sought = draw.double()[:, None] * cumulative[:, -1:]
    sampled = torch.searchsorted(cumulative, sought, right=True).squeeze(1)
    return torch.where(greedy, log_probs.argmax(dim=1), sampled)
