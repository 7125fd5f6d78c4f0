"""Macro placement as an environment: one hard macro per step, on a grid cell where it fits.

Imports cost, soft and legalization.  Begin with `env`; `heuristics` plays it without learning.
"""
