"""What a design costs on a network: technology, devices, cycles and energy, metrics.

Imports `dse.templates` and `dse.workloads`.  Begin with `evaluation` for one design, `cost` for many; `technology` has
the prices with their sources.
"""
