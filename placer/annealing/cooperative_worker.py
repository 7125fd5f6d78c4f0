"""What each thread of a cooperative search does: search its regions on its own copy, then merge all threads' changes.

A round: every thread tries moves in its regions and writes its macros to the shared arrays; all meet at a barrier; each
copies the macros of the others, sums its share of the cost of the new placement, and derives the cost from the sum of
all shares.  All threads see the same numbers to the last bit, so that each of them can decide by itself how the next
round goes and comes to the same decision as the others.

Hard macros of two threads can end up in the same place.  Then the thread with the higher number undoes all its hard
moves of the round: the old positions of its macros are free, as the other threads had to keep clear of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from netlists.legality.rules import keep_apart
from netlists.netlist import Bools, Floats, Ints
from netlists.runtime.barrier import meet
from netlists.runtime.kernel import kernel
from placer.annealing.metropolis import ACCEPTED, search
from placer.annealing.moves import Moves
from placer.annealing.regions import moves_in_region, split_nodes
from placer.cost.arrays import Orientations
from placer.cost.recompute import recompute, set_from_sums, sum_share, update_pins
from placer.cost.state import FULLEST_CELLS, PROXY, WORST_EDGES, CostState
from placer.cost.terms import set_breadth

REGIONS = 16
"""Number of regions at least; with fewer threads each of them searches several, one after the other."""

SMALLEST_REGION = 8
"""Macros in a region at least."""

ROUNDS_PER_SPLIT = 32
"""Rounds with the same regions."""

LEAST_ROUND_FRACTION = 0.25
"""Fraction of a round's trials that each thread makes even if another one has finished the round."""

LEAST_TRIALS = 8
"""Trials per region and round at least."""

MOST_TRIALS = 256
"""Trials per region and round at most."""

FIRST_TRIALS = 64
"""Trials per region in the first round."""

# Threads disturb each other if together they gain less than each of them has computed.  Rounds become shorter while the
# loss exceeds an allowance, and longer while it does not.
ALLOWED_PER_CHANGE = 0.6
"""Part of the allowance: this fraction of the temperature of soft macros per accepted move."""

ALLOWED_PER_GAIN = 0.6
"""Part of the allowance: this fraction of the gain that the threads have computed."""

MANY_THREADS = 32
"""Threads beyond which the allowance falls in proportion: 64 with all of it end 2.1% above one thread after as many
trials on ariane133_ng45, and 1.3% with half of it."""

SHORTER = 0.8
"""Factor of the trials per round if the loss exceeds the allowance."""

LONGER = 1.05
"""Factor of the trials per round if it does not."""

MEMORY = 0.95
"""Factor per round of the moving averages of the loss and the allowance."""

CLAIM_WIDTH = 8
"""Columns of `SharedArrays.claims`: one cache line per thread."""
CLAIMED_GAIN = 0
"""Column of `SharedArrays.claims`: change of the proxy in the round as the thread has computed it."""
CLAIMED_CHANGES = 1
"""Column of `SharedArrays.claims`: number of moves that the thread accepted in the round."""

FRACTION_DONE = 0
"""Entry of `SharedArrays.announcement`: the fraction of the search that is over."""
CELL_THRESHOLD = 1
"""Entry of `SharedArrays.announcement`: `CostState.thresholds[FULLEST_CELLS]` for all threads."""
EDGE_THRESHOLD = 2
"""Entry of `SharedArrays.announcement`: `CostState.thresholds[WORST_EDGES]` for all threads."""
ANNOUNCEMENTS = 3
"""Number of entries of `SharedArrays.announcement`."""

TRIALS_MADE = 0
"""Entry of `SharedArrays.memory`: trials of each thread so far."""
ROUND_TRIALS = 1
"""Entry of `SharedArrays.memory`: trials per region in the next round, not rounded."""
LOSS = 2
"""Entry of `SharedArrays.memory`: moving average of the proxy lost because threads disturbed each other."""
ALLOWANCE = 3
"""Entry of `SharedArrays.memory`: moving average of the loss that is allowed, in proxy."""
MEMORIES = 4
"""Number of entries of `SharedArrays.memory`."""

SOFT_TEMPERATURE = 0
"""Column of a schedule: temperature of soft macros, in proxy."""
HARD_TEMPERATURE = 1
"""Column of a schedule: temperature of hard macros, in proxy."""
BREADTH = 2
"""Column of a schedule: see `CostState.breadth`."""


class Regions(NamedTuple):
    """The macros of one thread by region; G regions."""

    soft: Ints  # [M] soft macros
    hard: Ints  # [M] hard macros
    soft_start: Ints  # [G+1] region k has soft[soft_start[k]:soft_start[k+1]]
    hard_start: Ints  # [G+1]


class SharedArrays(NamedTuple):
    """The arrays that the threads of a cooperative search share; W threads."""

    position_um: Floats  # [V, 2] centers that all threads agree on or, before a merge, will agree on
    orientation: Orientations  # [V]
    owner: Ints  # [V] the thread that may move the macro
    claims: Floats  # [W, CLAIM_WIDTH] columns CLAIMED_GAIN, CLAIMED_CHANGES
    sums: Floats  # [W, S] shares of the cost, see `cost.recompute`
    total: Floats  # [S] their sum
    announcement: Floats  # [ANNOUNCEMENTS] of the first thread to all: FRACTION_DONE, CELL_THRESHOLD, EDGE_THRESHOLD
    finished_rounds: Ints  # [1] number of rounds that some thread has finished
    clock: Floats  # [1] fraction of the search that is over, set from outside; above 1 to end it
    arrivals: Ints  # [W * LINE] see `netlists.runtime.barrier`
    memory: Floats  # [MEMORIES] from one call of `work` to the next: TRIALS_MADE, ROUND_TRIALS, LOSS, ALLOWANCE
    best_proxy: Floats  # [1] of the best placement so far
    best_position_um: Floats  # [V, 2]
    best_orientation: Orientations  # [V]


@njit(cache=True, nogil=True)
def work(
    state: CostState,
    shared: SharedArrays,
    me: int,
    allowed: Moves,
    rng: np.random.Generator,
    region_rng: np.random.Generator,
    congestion_gain: Floats,
    statistics: Floats,
    schedule: Floats,
    trials: int,
    fraction: float,
    until: float,
) -> None:
    """Search as thread number `me` while the fraction of the search that is over goes from `fraction` to `until`.

    `schedule` [F, 3] has the temperatures of soft and hard macros, in proxy, and the breadth at evenly spaced fractions
    of the search.  With `trials` above 0 each thread makes so many in the whole search, and nothing depends on time;
    otherwise `shared.clock` says what fraction is over.  `congestion_gain` [1] and `statistics` [NUM_KINDS, STATISTICS]
    are those of `metropolis.search`.  The `region_rng` of all threads must draw the same numbers.  Returns early if a
    thread has failed.
    """
    threads, memory = shared.sums.shape[0], shared.memory.copy()
    per_thread = count_regions_per_thread(threads, allowed)
    base_position, base_orientation = shared.position_um.copy(), shared.orientation.copy()
    start_from_shared(state, shared)
    rounds, row = int(np.int64(0)), int(np.int64(-1))  # for literals Numba would compile the callees once more
    if not meet(shared.arrivals, me):  # all have read the shared arrays before any thread writes to them
        return
    regions = assign_regions(state, shared, me, allowed, region_rng, per_thread)
    while fraction < until:
        row = enter_phase(state, shared, me, schedule, fraction, row)
        phase, before, accepted = schedule[row], state.terms[PROXY], statistics[:, ACCEPTED].sum()
        count = int(memory[ROUND_TRIALS]) * per_thread
        if trials > 0:
            count = min(count, trials - int(memory[TRIALS_MADE]))
        search_regions(
            state, shared, me, allowed, regions, rng, count, phase, congestion_gain, statistics, trials == 0, rounds
        )
        memory[TRIALS_MADE] += count
        shared.claims[me, CLAIMED_GAIN] = state.terms[PROXY] - before
        shared.claims[me, CLAIMED_CHANGES] = statistics[:, ACCEPTED].sum() - accepted
        publish(state, shared, me, regions, memory[TRIALS_MADE] / trials if trials > 0 else 0.0)
        if not meet(shared.arrivals, me):
            return
        fraction = shared.announcement[FRACTION_DONE]
        gain, changes = shared.claims[:, CLAIMED_GAIN].sum(), shared.claims[:, CLAIMED_CHANGES].sum()
        if not merge(state, shared, me, allowed, base_position, base_orientation):
            return
        allowance = ALLOWED_PER_CHANGE * phase[SOFT_TEMPERATURE] * changes + ALLOWED_PER_GAIN * abs(gain)
        allowance *= min(1.0, MANY_THREADS / threads)
        adapt_round_length(memory, state.terms[PROXY] - before - gain, allowance)
        if me == 0 and state.breadth[0] == 1.0:
            record_best(state, shared)
        rounds += 1
        if rounds % ROUNDS_PER_SPLIT == 0:
            regions = assign_regions(state, shared, me, allowed, region_rng, per_thread)
    if me == 0:
        leave_result(state, shared, memory)


@njit(cache=True, nogil=True)
def start_from_shared(state: CostState, shared: SharedArrays) -> None:
    """Copy the shared placement and compute its cost, with the breadth of the proxy."""
    state.position_um[:], state.orientation[:] = shared.position_um, shared.orientation
    state.thresholds[:] = 0.0
    state.breadth[0] = 1.0
    recompute(state)


@njit(cache=True, nogil=True)
def enter_phase(state: CostState, shared: SharedArrays, me: int, schedule: Floats, fraction: float, row: int) -> int:
    """The row of `schedule` [F, 3] for a fraction of the search; if it is not `row`, its breadth applies from now on.

    The schedule has temperatures, in proxy, and breadths.  Before the breadth changes the placement is compared with
    the best so far by the proxy itself.
    """
    reached = int(min(fraction, 1.0) * (len(schedule) - 1))
    if reached != row:
        set_breadth(state, 1.0)
        if me == 0:
            record_best(state, shared)
        set_breadth(state, schedule[reached, BREADTH])
    return reached


@njit(cache=True, nogil=True)
def merge(
    state: CostState,
    shared: SharedArrays,
    me: int,
    allowed: Moves,
    base_position: Floats,
    base_orientation: Orientations,
) -> bool:
    """Take over the changes of all threads and compute the cost of the result together; false if a thread has failed.

    `base_position` [V, 2], centers in µm, and `base_orientation` [V] are the placement before the round and become the
    one after it.
    """
    threads, size = shared.sums.shape[0], shared.total.size
    state.thresholds[FULLEST_CELLS] = shared.announcement[CELL_THRESHOLD]
    state.thresholds[WORST_EDGES] = shared.announcement[EDGE_THRESHOLD]
    adopt_changes(state, shared, allowed, base_position, base_orientation)
    sum_share(state, shared.sums[me], me, threads)
    if not meet(shared.arrivals, me):
        return False
    add_shares(shared.sums, shared.total, me * size // threads, (me + 1) * size // threads)
    if not meet(shared.arrivals, me):
        return False
    set_from_sums(state, shared.total)
    return True


@kernel
def add_shares(sums: Floats, total: Floats, first: int, last: int) -> None:
    """Fill the entries first..last-1 of `total` [S] with the sums over the shares `sums` [W, S] of all threads.

    Values and units are those of `recompute.sum_share`.
    """
    for i in range(first, last):
        total[i] = sums[0, i]
    for k in range(1, sums.shape[0]):
        for i in range(first, last):
            total[i] += sums[k, i]


@njit(cache=True, nogil=True)
def record_best(state: CostState, shared: SharedArrays) -> None:
    """Keep the placement of the state, whose breadth must be 1, if its proxy is the lowest so far."""
    if state.terms[PROXY] < shared.best_proxy[0]:
        shared.best_proxy[0] = state.terms[PROXY]
        shared.best_position_um[:], shared.best_orientation[:] = state.position_um, state.orientation


@njit(cache=True, nogil=True)
def leave_result(state: CostState, shared: SharedArrays, memory: Floats) -> None:
    """Leave the placement and the memory [MEMORIES], numbers of trials and proxies, to the next call of `work`."""
    set_breadth(state, 1.0)
    record_best(state, shared)
    shared.position_um[:], shared.orientation[:], shared.memory[:] = state.position_um, state.orientation, memory


@njit(cache=True, nogil=True)
def count_regions_per_thread(threads: int, allowed: Moves) -> int:
    """How many regions each thread searches per round: small ones, but not smaller than SMALLEST_REGION."""
    most = (allowed.soft.size + allowed.hard.size) // SMALLEST_REGION // threads
    return max(1, min((REGIONS + threads - 1) // threads, most))


@njit(cache=True, nogil=True)
def assign_regions(
    state: CostState,
    shared: SharedArrays,
    me: int,
    allowed: Moves,
    region_rng: np.random.Generator,
    per_thread: int,
) -> Regions:
    """The thread's part of all macros, by region; it becomes the owner of these macros."""
    count, first = shared.sums.shape[0] * per_thread, me * per_thread
    last = first + per_thread
    soft, soft_start = split_nodes(allowed.soft, state.position_um, np.pi * region_rng.random(), count, first, last)
    hard, hard_start = split_nodes(allowed.hard, state.position_um, np.pi * region_rng.random(), count, first, last)
    regions = Regions(
        soft[soft_start[first] : soft_start[last]],
        hard[hard_start[first] : hard_start[last]],
        soft_start[first : last + 1] - soft_start[first],
        hard_start[first : last + 1] - hard_start[first],
    )
    for v in regions.soft:
        shared.owner[v] = me
    for v in regions.hard:
        shared.owner[v] = me
    return regions


@njit(cache=True, nogil=True)
def search_regions(
    state: CostState,
    shared: SharedArrays,
    me: int,
    allowed: Moves,
    regions: Regions,
    rng: np.random.Generator,
    trials: int,
    phase: Floats,
    congestion_gain: Floats,
    statistics: Floats,
    timed: bool,
    rounds: int,
) -> None:
    """Make trials, distributed evenly over the thread's regions.

    `phase` [3] is a row of the schedule: temperatures in proxy, and the breadth.  `congestion_gain` [1] and
    `statistics` [NUM_KINDS, STATISTICS] are those of `metropolis.search`.  If the search is `timed`, not all trials are
    made once another thread has finished the round.
    """
    per_thread = regions.soft_start.size - 1
    count = shared.sums.shape[0] * per_thread
    least_trials = int(LEAST_ROUND_FRACTION * trials) if timed else trials
    made = 0
    for i in range(per_thread):
        k = (i + rounds) % per_thread  # other regions are left out every time
        soft = regions.soft[regions.soft_start[k] : regions.soft_start[k + 1]]
        hard = regions.hard[regions.hard_start[k] : regions.hard_start[k + 1]]
        if soft.size + hard.size == 0:
            continue
        if made >= least_trials and shared.finished_rounds[0] > rounds:
            return
        moves = moves_in_region(allowed, soft, hard, count)
        region_trials = trials * (i + 1) // per_thread - trials * i // per_thread
        made += search(
            state, moves, rng, region_trials, phase[SOFT_TEMPERATURE], phase[HARD_TEMPERATURE], congestion_gain,
            statistics, shared.finished_rounds, rounds, least_trials - made,
        )  # fmt: skip
    shared.finished_rounds[0] = rounds + 1


@njit(cache=True, nogil=True)
def publish(state: CostState, shared: SharedArrays, me: int, regions: Regions, fraction: float) -> None:
    """Write the positions and orientations of the thread's macros to the shared arrays.

    The first thread also announces what all need to agree on; `fraction` is how much of all trials is over.
    """
    for nodes in (regions.soft, regions.hard):
        for v in nodes:
            shared.position_um[v, 0], shared.position_um[v, 1] = state.position_um[v, 0], state.position_um[v, 1]
            shared.orientation[v] = state.orientation[v]
    if me == 0:
        shared.announcement[FRACTION_DONE] = max(shared.clock[0], fraction)
        shared.announcement[CELL_THRESHOLD] = state.thresholds[FULLEST_CELLS]
        shared.announcement[EDGE_THRESHOLD] = state.thresholds[WORST_EDGES]


@njit(cache=True, nogil=True)
def adopt_changes(
    state: CostState, shared: SharedArrays, allowed: Moves, base_position: Floats, base_orientation: Orientations
) -> None:
    """Copy all macros from the shared arrays, except hard macros whose moves are undone; the base becomes the same.

    `base_position` [V, 2], centers in µm, and `base_orientation` [V] are the placement before the round.
    """
    undone = find_conflicts(state.arrays.size_um, shared, allowed, base_position, base_orientation)
    for nodes in (allowed.soft, allowed.hard):
        for v in nodes:
            if not (state.is_hard[v] and undone[shared.owner[v]]):
                base_position[v, 0], base_position[v, 1] = shared.position_um[v, 0], shared.position_um[v, 1]
                base_orientation[v] = shared.orientation[v]
            x, y, orientation = base_position[v, 0], base_position[v, 1], base_orientation[v]
            if state.position_um[v, 0] != x or state.position_um[v, 1] != y or state.orientation[v] != orientation:
                state.position_um[v, 0], state.position_um[v, 1], state.orientation[v] = x, y, orientation
                update_pins(state, v)


@njit(cache=True, nogil=True)
def find_conflicts(
    size_um: Floats, shared: SharedArrays, allowed: Moves, base_position: Floats, base_orientation: Orientations
) -> Bools:
    """[W] whether a thread undoes its hard moves: the higher one of two threads whose macros came too close.

    `size_um` [V, 2] has the sizes, `base_position` [V, 2] the centers before the round, in µm, and `base_orientation`
    [V] the orientations.
    """
    undone = np.zeros(shared.sums.shape[0], dtype=np.bool_)
    moved = np.empty(allowed.hard.size, dtype=np.int64)
    count = 0
    position, owner, gap = shared.position_um, shared.owner, allowed.gap_um
    for v in allowed.hard:
        moved[count] = v
        count += (
            position[v, 0] != base_position[v, 0]
            or position[v, 1] != base_position[v, 1]
            or shared.orientation[v] != base_orientation[v]
        )
    for i in range(count):
        v = moved[i]
        for j in range(i):
            u = moved[j]
            if owner[u] == owner[v]:
                continue
            if allowed.rules.active:
                clash = not keep_apart(
                    allowed.rules, size_um, v, position[v, 0], position[v, 1], shared.orientation[v], u,
                    position[u, 0], position[u, 1], shared.orientation[u],
                )  # fmt: skip
            else:
                clash = (
                    abs(position[v, 0] - position[u, 0]) < (size_um[v, 0] + size_um[u, 0]) / 2 + gap
                    and abs(position[v, 1] - position[u, 1]) < (size_um[v, 1] + size_um[u, 1]) / 2 + gap
                )
            if clash:
                undone[max(owner[u], owner[v])] = True
    return undone


@njit(cache=True, nogil=True)
def adapt_round_length(memory: Floats, loss: float, allowance: float) -> None:
    """Make rounds shorter or longer after one that gained so much less, in proxy, than its threads claimed.

    `memory` [MEMORIES] holds numbers of trials and averages of the loss and the allowance, in proxy.
    """
    memory[LOSS] = MEMORY * memory[LOSS] + (1 - MEMORY) * loss
    memory[ALLOWANCE] = MEMORY * memory[ALLOWANCE] + (1 - MEMORY) * allowance
    factor = SHORTER if memory[LOSS] > memory[ALLOWANCE] else LONGER
    memory[ROUND_TRIALS] = min(max(memory[ROUND_TRIALS] * factor, LEAST_TRIALS), MOST_TRIALS)
