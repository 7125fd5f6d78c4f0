"""Search by simulated annealing on the exact cost: by one thread, by several, or on a Ray cluster.

`moves` has what is tried and `metropolis` what is accepted.  `refine` improves a good placement, with the threads of
`cooperative` in `regions` and several searches under `go_with_the_winners`; `ray_searches` runs these on other nodes;
`screening` chooses the start to refine.  `baseline` is classical annealing from scratch.

Imports `placer.cost`, `placer.legalization` and `placer.soft`.  Begin reading with `refine`.
"""
