"""What each thread of a team does: search some regions on a copy of its own, then merge what all of them changed.

A round: every member tries changes in its regions and puts its macros on the board; all meet; each takes over the
others' macros, adds up its share of the cost of the new placement, and makes the cost of all shares.  Everybody sees
the same numbers to the last bit, so that each decides alone, and as the others do, how the next round goes.

Hard macros of two members can end in the same place.  Then the later member takes back all its hard moves of the round:
where they were they are free, as the others had to keep clear of those places.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from netlists.netlist import Bools, Floats, Ints
from netlists.runtime.barrier import meet
from netlists.runtime.kernel import kernel
from placer.annealing.metropolis import ACCEPTED, search
from placer.annealing.moves import Movers
from placer.annealing.regions import hand_of, split
from placer.cost.arrays import Orientations
from placer.cost.fresh import add_up, reset, stand, take
from placer.cost.parts import widen
from placer.cost.state import PROXY, State

REGIONS = 16  # at least, also for fewer members, of whom each then searches several in turn
DEAL_ROUNDS = 32  # rounds with the same regions
MUST = 0.25  # of a round's trials each member makes, even when another one is through
LEAST, MOST = 8, 256  # trials in a region a round
BEGIN = 64
SMALLEST = 8  # macros in a region
# Members disturb each other when together they gain less than each of them thought.  More than this makes rounds
# shorter, less of it longer: a part of the temperature per accepted change, and of what they thought to gain.
DISTURBED, LOST = 0.3, 0.3
SHORTER, LONGER = 0.8, 1.05
MEMORY = 0.95  # of the last rounds' disturbance, a round

# Columns of `Board.claim`
GAINED, CHANGED = range(2)
# Entries of `Board.word`, for all members by the first: part of the search over, levels of cells and of edges
DONE, CELLS_LEVEL, EDGES_LEVEL = range(3)
# Entries of `Board.memory`, from one call of `work` to the next: trials of each member so far and, in a region a round
MADE, TRIALS, DISTURBANCE, ALLOWANCE = range(4)
# Columns of a schedule
SOFT, HARD, WIDE = range(3)


class Hands(NamedTuple):
    """A member's macros by region."""

    soft: Ints
    hard: Ints
    soft_start: Ints  # [regions + 1] region k has soft[soft_start[k]:soft_start[k + 1]]
    hard_start: Ints


class Board(NamedTuple):
    """What members share."""

    position: Floats  # [V, 2] centers in µm, of the placement that all agree on or, before a merge, will agree on
    orientation: Orientations  # [V]
    owner: Ints  # [V] the member that may move the macro
    claim: Floats  # [members, 8] what each has gained in the round, and how many changes it accepted
    sums: Floats  # [members, S] shares of the cost, see `cost.fresh`
    total: Floats  # [S]
    word: Floats  # [3]
    over: Ints  # [1] how many rounds somebody is through with
    clock: Floats  # [1] part of the search over, from outside; above 1 to end it
    arrivals: Ints  # see `netlists.runtime.barrier`
    memory: Floats  # [4]
    lowest: Floats  # [1] proxy of the best placement so far
    best_position: Floats  # [V, 2]
    best_orientation: Orientations  # [V]


@njit(cache=True, nogil=True)
def work(
    state: State,
    board: Board,
    me: int,
    allowed: Movers,
    rng: np.random.Generator,
    dealer: np.random.Generator,
    hope: Floats,
    statistics: Floats,
    schedule: Floats,
    trials: int,
    done: float,
    until: float,
) -> None:
    """Search as member `me` from when a part `done` of the search is over to a part `until`, or until a member is gone.

    `schedule` [., 3] has the temperatures of soft and hard macros and the breadth at even parts of the search.  With
    `trials` above 0 each member makes as many in the whole search, and nothing depends on time; else the search is over
    as far as `board.clock` says.  The dealers of all members draw the same numbers.
    """
    members, memory = board.sums.shape[0], board.memory.copy()
    each = regions_of_each(members, allowed)
    base_position, base_orientation = board.position.copy(), board.orientation.copy()
    state.position[:], state.orientation[:] = board.position, board.orientation
    state.level[:] = 0.0
    state.breadth[0] = 1.0
    reset(state)
    rounds, row = 0, -1
    if not meet(board.arrivals, me):  # all have read the board before anybody writes on it
        return
    hands = deal(state, board, me, allowed, dealer, each)
    while done < until:
        reached = int(min(done, 1.0) * (len(schedule) - 1))
        if reached != row:
            row = reached
            widen(state, 1.0)
            if me == 0:
                remember(state, board)
            widen(state, schedule[row, WIDE])
        phase = schedule[row]
        before, accepted = state.parts[PROXY], statistics[:, ACCEPTED].sum()
        count = int(memory[TRIALS]) * each
        if trials > 0:
            count = min(count, trials - int(memory[MADE]))
        search_regions(state, board, me, allowed, hands, rng, count, phase, hope, statistics, trials == 0, rounds)
        memory[MADE] += count
        board.claim[me, GAINED] = state.parts[PROXY] - before
        board.claim[me, CHANGED] = statistics[:, ACCEPTED].sum() - accepted
        publish(state, board, hands)
        if me == 0:
            board.word[DONE] = max(board.clock[0], memory[MADE] / trials if trials > 0 else 0.0)
            board.word[CELLS_LEVEL], board.word[EDGES_LEVEL] = state.level[0], state.level[1]
        if not meet(board.arrivals, me):
            return
        done = board.word[DONE]
        state.level[0], state.level[1] = board.word[CELLS_LEVEL], board.word[EDGES_LEVEL]
        gained, changed = board.claim[:, GAINED].sum(), board.claim[:, CHANGED].sum()
        adopt(state, board, allowed, base_position, base_orientation)
        add_up(state, board.sums[me], me, members)
        if not meet(board.arrivals, me):
            return
        sum_up(board.sums, board.total, me * board.total.size // members, (me + 1) * board.total.size // members)
        if not meet(board.arrivals, me):
            return
        take(state, board.total)
        learn(memory, state.parts[PROXY] - before - gained, DISTURBED * phase[SOFT] * changed + LOST * abs(gained))
        if me == 0 and state.breadth[0] == 1.0:
            remember(state, board)
        rounds += 1
        if rounds % DEAL_ROUNDS == 0:
            hands = deal(state, board, me, allowed, dealer, each)
    if me == 0:
        widen(state, 1.0)
        remember(state, board)
        board.position[:], board.orientation[:], board.memory[:] = state.position, state.orientation, memory


@kernel
def sum_up(sums: Floats, total: Floats, first: int, last: int) -> None:
    """Fill some entries of the `total` [S] with the sums over the members' shares [members, S]."""
    for i in range(first, last):
        total[i] = sums[0, i]
    for k in range(1, sums.shape[0]):
        for i in range(first, last):
            total[i] += sums[k, i]


@njit(cache=True, nogil=True)
def remember(state: State, board: Board) -> None:
    """Keep the placement, whose proxy is that of the state, if it is the best so far."""
    if state.parts[PROXY] < board.lowest[0]:
        board.lowest[0] = state.parts[PROXY]
        board.best_position[:], board.best_orientation[:] = state.position, state.orientation


@njit(cache=True, nogil=True)
def regions_of_each(members: int, allowed: Movers) -> int:
    """How many regions each member searches in a round: small ones, but not smaller than SMALLEST."""
    most = (allowed.soft.size + allowed.hard.size) // SMALLEST // members
    return max(1, min((REGIONS + members - 1) // members, most))


@njit(cache=True, nogil=True)
def deal(state: State, board: Board, me: int, allowed: Movers, dealer: np.random.Generator, each: int) -> Hands:
    """The member's share of the macros, by regions; its name is put on them."""
    regions, first = board.sums.shape[0] * each, me * each
    soft, soft_start = split(allowed.soft, state.position, np.pi * dealer.random(), regions, first, first + each)
    hard, hard_start = split(allowed.hard, state.position, np.pi * dealer.random(), regions, first, first + each)
    hands = Hands(
        soft[soft_start[first] : soft_start[first + each]],
        hard[hard_start[first] : hard_start[first + each]],
        soft_start[first : first + each + 1] - soft_start[first],
        hard_start[first : first + each + 1] - hard_start[first],
    )
    for v in hands.soft:
        board.owner[v] = me
    for v in hands.hard:
        board.owner[v] = me
    return hands


@njit(cache=True, nogil=True)
def search_regions(
    state: State,
    board: Board,
    me: int,
    allowed: Movers,
    hands: Hands,
    rng: np.random.Generator,
    trials: int,
    phase: Floats,
    hope: Floats,
    statistics: Floats,
    hurry: bool,
    rounds: int,
) -> None:
    """Trials spread evenly over the member's regions; in a `hurry` not all once another one is through."""
    each = hands.soft_start.size - 1
    regions = board.sums.shape[0] * each
    must = int(MUST * trials) if hurry else trials
    made = 0
    for i in range(each):
        k = (i + rounds) % each  # a hurry leaves out others every time
        soft = hands.soft[hands.soft_start[k] : hands.soft_start[k + 1]]
        hard = hands.hard[hands.hard_start[k] : hands.hard_start[k + 1]]
        if soft.size + hard.size == 0:
            continue
        if made >= must and board.over[0] > rounds:
            return
        movers = hand_of(allowed, soft, hard, regions)
        count = trials * (i + 1) // each - trials * i // each
        made += search(
            state, movers, rng, count, phase[SOFT], phase[HARD], hope, statistics, board.over, rounds, must - made
        )
    board.over[0] = rounds + 1


@njit(cache=True, nogil=True)
def publish(state: State, board: Board, hands: Hands) -> None:
    """Put the member's macros on the board."""
    for nodes in (hands.soft, hands.hard):
        for v in nodes:
            board.position[v, 0], board.position[v, 1] = state.position[v, 0], state.position[v, 1]
            board.orientation[v] = state.orientation[v]


@njit(cache=True, nogil=True)
def adopt(state: State, board: Board, allowed: Movers, base_position: Floats, base_orientation: Orientations) -> None:
    """Take over all macros from the board but for hard ones that are taken back; the base becomes the same."""
    lost = losers(state.arrays.size_um, board, allowed, base_position)
    for nodes in (allowed.soft, allowed.hard):
        for v in nodes:
            if not (state.is_hard[v] and lost[board.owner[v]]):
                base_position[v, 0], base_position[v, 1] = board.position[v, 0], board.position[v, 1]
                base_orientation[v] = board.orientation[v]
            x, y, turn = base_position[v, 0], base_position[v, 1], base_orientation[v]
            if state.position[v, 0] != x or state.position[v, 1] != y or state.orientation[v] != turn:
                state.position[v, 0], state.position[v, 1], state.orientation[v] = x, y, turn
                stand(state, v)


@njit(cache=True, nogil=True)
def losers(size: Floats, board: Board, allowed: Movers, base: Floats) -> Bools:
    """[members] who takes back its hard moves: the later one of two members whose macros came too close."""
    lost = np.zeros(board.sums.shape[0], dtype=np.bool_)
    moved = np.empty(allowed.hard.size, dtype=np.int64)
    count = 0
    for v in allowed.hard:
        moved[count] = v
        count += board.position[v, 0] != base[v, 0] or board.position[v, 1] != base[v, 1]
    for i in range(count):
        v = moved[i]
        for j in range(i):
            u = moved[j]
            if (
                board.owner[u] != board.owner[v]
                and abs(board.position[v, 0] - board.position[u, 0]) < (size[v, 0] + size[u, 0]) / 2 + allowed.gap_um
                and abs(board.position[v, 1] - board.position[u, 1]) < (size[v, 1] + size[u, 1]) / 2 + allowed.gap_um
            ):
                lost[max(board.owner[u], board.owner[v])] = True
    return lost


@njit(cache=True, nogil=True)
def learn(memory: Floats, disturbance: float, allowance: float) -> None:
    """Make rounds shorter or longer after one that brought so much less than its members claimed."""
    memory[DISTURBANCE] = MEMORY * memory[DISTURBANCE] + (1 - MEMORY) * disturbance
    memory[ALLOWANCE] = MEMORY * memory[ALLOWANCE] + (1 - MEMORY) * allowance
    factor = SHORTER if memory[DISTURBANCE] > memory[ALLOWANCE] else LONGER
    memory[TRIALS] = min(max(memory[TRIALS] * factor, LEAST), MOST)
