"""What a design costs on a network: technology, devices, cycles and energy, metrics.

Imports templates and workloads.  Begin with `evaluation` for one design, `cost` for many.
"""
