"""Search by simulated annealing on the exact cost, by one thread, several, or a Ray cluster.

Imports cost and legalization.  Begin with `refine`; `moves` says what is tried, `metropolis` what is accepted.
"""
