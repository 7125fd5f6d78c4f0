"""Rollouts: batches of episodes played by a policy, according to a plan that holds all that is random in them.

A `Player` plays a plan: `play` in this process, or the actors of `placer.agent.ray_rollouts` on a cluster.

On the CPU, threads play parts of `PART` or `LARGE_PART` episodes, each from the reset to the end, with a policy that
runs on one thread, so that no thread waits for another.  Rounding in the policy depends on how many episodes it sees at
a time, so the size of the parts follows from the number of episodes alone.  Further threads help with the steps of the
environment.  With smaller parts 16 threads would wait for the interpreter, which only one thread at a time may use: it
takes half a millisecond per step, regardless of the number of episodes.

On a GPU a few large groups take turns: while the policy decides for one of them, all threads step the episodes of the
others.
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

from netlists.errors import DivergedError
from netlists.runtime.clock import OutOfTimeError
from placer.agent.policy import PlacementPolicy
from placer.environment.env import EpisodeBatch, Observation, split_range
from placer.environment.features import MAP_NAMES, SCALAR_NAMES

PART = 16
"""Episodes that the policy sees at a time on the CPU, in rollouts of fewer than `LARGE` episodes."""

LARGE_PART = 32
"""The same in rollouts of `LARGE` and more episodes."""

LARGE = 256
"""Episodes of a large rollout, at least."""

GROUPS = 2
"""Groups of episodes that take turns on a GPU."""

PER_EPISODE = ("proxy", "stuck")
"""Fields of a rollout without a time axis."""

FREE = -1
"""Instead of a prescribed action: the policy decides."""

NO_ACTION = -1
"""Instead of an action: the probabilities of the policy are no numbers."""


@dataclass(frozen=True, eq=False)
class Plan:
    """How B episodes of T steps will be played."""

    draw: Tensor  # [B, T] uniform in [0, 1): where in the cumulative distribution over cells each action lies
    temperature: Tensor  # [B] of that distribution; at 0 the most probable cell is taken
    follow: Tensor  # [B, T] actions that are taken if the mask allows them, or `FREE`
    style: Tensor | None = None  # [B, 2K] instead of the policy's own

    @classmethod
    def sampled(cls, batch: int, steps: int, generator: torch.Generator) -> Plan:
        """A plan in which every action is drawn from the policy."""
        return cls(torch.rand((batch, steps), generator=generator), torch.ones(batch), _free(batch, steps))

    @classmethod
    def greedy(cls, batch: int, steps: int, style: Tensor | None = None) -> Plan:
        """A plan in which every action is the most probable one, with weights `style` [B, 2K] if there are any."""
        return cls(torch.zeros(batch, steps), torch.zeros(batch), _free(batch, steps), style)

    def __len__(self) -> int:
        return len(self.draw)

    def part(self, first: int, last: int) -> Plan:
        """Episodes first..last-1."""
        return self._each(lambda x: x[first:last])

    def to(self, device: torch.device) -> Plan:
        """The plan on a device."""
        return self._each(lambda x: x.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Plan:
        """The plan with a function applied to each tensor."""
        style = None if self.style is None else change(self.style)
        return Plan(change(self.draw), change(self.temperature), change(self.follow), style)


def _free(batch: int, steps: int) -> Tensor:
    """[B, T] no prescribed actions."""
    return torch.full((batch, steps), FREE)


@dataclass(frozen=True, eq=False)
class Rollout:
    """T steps of B episodes: the features on the device of the policy, everything else on the CPU."""

    maps: Tensor  # [T, B, K, R, C]
    scalars: Tensor  # [T, B, S]
    mask: Tensor  # [T, B, R*C]
    action: Tensor  # [T, B]
    log_prob: Tensor  # [T, B] of the action
    value: Tensor  # [T, B]
    reward: Tensor  # [T, B]
    proxy: Tensor  # [B] at the end, float64
    stuck: Tensor  # [B] steps at which the macro fitted in no cell

    def part(self, first: int, last: int) -> Rollout:
        """Episodes first..last-1."""
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        return Rollout(**{name: x[first:last] if name in PER_EPISODE else x[:, first:last]
                          for name, x in columns.items()})  # fmt: skip


class Player(Protocol):
    """Plays the episodes of a plan with the rows [T, 3E] of `policy.encode`."""

    def __call__(self, policy: PlacementPolicy, embedding: Tensor, plan: Plan) -> Rollout: ...


def play(policy: PlacementPolicy, embedding: Tensor, plan: Plan, episodes: EpisodeBatch) -> Rollout:
    """Play all episodes to the end as planned, on the threads of `episodes`.

    `embedding` holds the features [T, 3E] of `policy.encode`; the policy is on its device.  Raises `LegalizationError`
    as `EpisodeBatch` does, `DivergedError` if the policy gives no probabilities, and `OutOfTimeError` if the clock of
    the episodes ended some of them early; the others have legal placements.
    """
    if embedding.device.type != "cpu":
        return play_in_turns(policy, embedding, plan, episodes)
    # In this memory format oneDNN need not reorder the weights at every step.
    policy = deepcopy(policy).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    parts = parts_of(episodes.batch)
    threads = max(1, episodes.threads // len(parts))  # of each part
    return _play(policy, embedding, plan, episodes, parts, min(episodes.threads, len(parts)), threads, staged=False)


def parts_of(batch: int) -> list[tuple[int, int]]:
    """The index range (first, last + 1) of the episodes of each part of a rollout."""
    size = PART if batch < LARGE else LARGE_PART
    return [(first, min(first + size, batch)) for first in range(0, batch, size)]


def play_in_turns(policy: PlacementPolicy, embedding: Tensor, plan: Plan, episodes: EpisodeBatch) -> Rollout:
    """As `play`, on any device: groups take turns with the policy and with all threads of `episodes`.

    `embedding` holds the features [T, 3E] of `policy.encode`.
    """
    groups = split_range(episodes.batch, GROUPS)
    return _play(policy, embedding, plan, episodes, groups, len(groups), episodes.threads, staged=True)


def _play(
    policy: PlacementPolicy, embedding: Tensor, plan: Plan, episodes: EpisodeBatch, groups: list[tuple[int, int]],
    players: int, threads: int, *, staged: bool,
) -> Rollout:  # fmt: skip
    """Play each group (first, last + 1) in lockstep, `players` groups at a time, each with `threads` threads."""
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
            complete = [job.result() for job in as_completed(jobs)]
        except BaseException:
            stop.set()
            raise
    episodes.tally()
    if not all(complete):
        raise OutOfTimeError("the budget was used up before all episodes had ended")
    return replace(record, **{name: getattr(record, name).cpu() for name in ("action", "log_prob", "value")})


@contextmanager
def one_thread_each(count: int) -> Iterator[ThreadPoolExecutor]:
    """A pool of threads in which torch uses no further threads; elsewhere it uses as many as before."""
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        # A setting holds for the thread that makes it and for those that have not used torch yet.
        torch.set_num_threads(before)


def new_record(episodes: EpisodeBatch, device: torch.device) -> Rollout:
    """An empty rollout.

    The features stay on the device of the policy, where learning needs them; 128 episodes of 133 steps on a grid of 500
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
    """Play episodes in lockstep until `stop` is set, and fill their record; returns whether they reached their end.

    The environment writes its features into the record or, with `staged`, into memory from which they are copied there.
    """
    plan, rows = plan.to(embedding.device), embedding.unsqueeze(1).expand(-1, episodes.batch, -1).unbind()
    features = list(zip(record.maps.unbind(), record.scalars.unbind(), record.mask.unbind(), strict=True))
    pinned = embedding.device.type == "cuda"
    stage = [torch.empty(x.shape, dtype=x.dtype, pin_memory=pinned) for x in features[0]] if staged else None
    outs = [observation_in(stage or features[t], t) for t in range(episodes.steps)]
    steps: list[tuple[Tensor, Tensor, Tensor]] = []
    rewards = record.reward.numpy()
    episodes.reset(outs[0])
    for t, (maps, scalars, mask) in enumerate(features):
        if stop.is_set():
            return False
        if stage:
            for x, source in zip(features[t], stage, strict=True):
                x.copy_(source, non_blocking=True)
        log_probs, value = policy(rows[t], maps, scalars, mask, plan.style)
        action = decide(log_probs, mask, plan, t)
        log_prob = log_probs.gather(1, action.clamp_max(mask.shape[1] - 1)[:, None]).squeeze(1)
        steps.append((action, log_prob, value))
        # An index that is no action must not reach the kernels; to ask a GPU for it apart would take a second wait.
        taken = on_host(torch.where(log_prob.isnan(), NO_ACTION, action)).numpy()
        if taken.min(initial=0) == NO_ACTION:
            raise DivergedError(f"the policy has diverged: at step {t} its probabilities are no numbers; use other "
                                "weights, or train again with a lower learning rate")  # fmt: skip
        following, reward = episodes.step(taken, outs[min(t + 1, episodes.steps - 1)])
        rewards[t] = reward
        if following is None and episodes.cut:
            return False
    for x, column in zip((record.action, record.log_prob, record.value), zip(*steps, strict=True), strict=True):
        x.copy_(torch.stack(column))
    record.proxy.copy_(torch.tensor([cost.proxy for cost in episodes.costs], dtype=torch.float64))
    record.stuck.copy_(torch.from_numpy(episodes.stuck))
    return True


def observation_in(memory: Sequence[Tensor], t: int) -> Observation:
    """An observation of step t whose features use the memory of tensors on the CPU.

    These are maps [B, K, R, C], scalars [B, S] and the mask [B, R*C].
    """
    maps, scalars, mask = (x.numpy() for x in memory)
    return Observation(maps, scalars, mask, t)


def on_host(action: Tensor) -> Tensor:
    """The indices `action` [B] on the CPU; waits for a GPU without keeping a core busy."""
    if action.device.type == "cpu":
        return action
    copy = torch.empty(action.shape, dtype=action.dtype, pin_memory=True).copy_(action, non_blocking=True)
    event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
    event.record()
    event.synchronize()
    return copy


def decide(log_probs: Tensor, mask: Tensor, plan: Plan, t: int) -> Tensor:
    """[B] actions at step t: the prescribed ones if the mask allows them, otherwise those of the policy.

    `log_probs` [B, R*C] are logarithms of probabilities, `mask` [B, R*C] are the cells that are allowed.
    """
    action, prescribed = choose(log_probs, plan.draw[:, t], plan.temperature), plan.follow[:, t]
    allowed = mask.gather(1, prescribed.clamp_min(0)[:, None]).squeeze(1)
    return torch.where((prescribed != FREE) & allowed, prescribed, action)


def choose(log_probs: Tensor, draw: Tensor, temperature: Tensor) -> Tensor:
    """[B] one action per row: the inverse of the cumulative distribution at `draw` [B], from 0 to 1.

    `log_probs` [B, R*C] are logarithms of probabilities, which `temperature` [B] divides; at 0 the most probable action
    is taken.  As draws are arguments, an action depends on its own row alone, regardless of the other rows.
    """
    greedy = temperature == 0
    heat = torch.where(greedy, 1.0, temperature)[:, None]
    cumulative = (log_probs / heat).softmax(dim=1).cumsum(dim=1, dtype=torch.float64)
    # Single-precision draws are below 1 by more than the rounding of the sum: no cell of probability 0 is taken.
    quantile = draw.double()[:, None] * cumulative[:, -1:]
    sample = torch.searchsorted(cumulative, quantile, right=True).squeeze(1)
    return torch.where(greedy, log_probs.argmax(dim=1), sample)
