"""The barrier: no thread passes before the last arrives, sees old data, or waits for an ended one; the counter."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numba import njit

from netlists.netlist import Ints
from netlists.runtime.barrier import LINE, give_up, meet, new_barrier, take


@njit(nogil=True)
def count_up(arrivals: Ints, me: int, rounds: int, board: Ints) -> int:
    """Write the number of each round, meet, and count how often the number of another thread is an old one."""
    wrong = 0
    for i in range(rounds):
        board[me * LINE] = i
        if not meet(arrivals, me):
            return -1
        for k in range(0, board.size, LINE):
            wrong += board[k] != i
        if not meet(arrivals, me):
            return -1
    return wrong


@pytest.mark.parametrize("threads", [1, 2, 3, 16, 64])
def test_every_thread_sees_what_the_others_wrote(threads: int) -> None:
    arrivals, board = new_barrier(threads), np.full(threads * LINE, -1)
    with ThreadPoolExecutor(threads) as pool:
        jobs = [pool.submit(count_up, arrivals, me, 200, board) for me in range(threads)]
        assert [job.result() for job in jobs] == [0] * threads
    assert set(arrivals[::LINE]) == {400}


def test_no_thread_waits_for_one_that_has_ended() -> None:
    arrivals, board = new_barrier(3), np.zeros(3 * LINE, dtype=np.int64)
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(count_up, arrivals, me, 10, board) for me in range(2)]
        assert not any(job.done() for job in jobs)
        give_up(arrivals, 2)
        assert [job.result() for job in jobs] == [-1, -1]


@njit(nogil=True)
def take_all(counter: Ints, owner: Ints, me: int) -> None:
    """Take numbers until all are taken, and count how often each was."""
    number: int = take(counter)  # type: ignore[call-arg]
    while number < owner.size:
        owner[number] += 1 + me
        number = take(counter)


def test_every_number_is_taken_by_one_thread() -> None:
    counter, owner = np.zeros(1, dtype=np.int64), np.zeros(100_000, dtype=np.int64)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda me: take_all(counter, owner, me), range(4)))
    assert counter[0] == owner.size + 4
    assert set(owner) <= {1, 2, 3, 4}
