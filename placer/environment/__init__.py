"""Macro placement as an environment: each step places one hard macro on a grid cell in which it fits.

Imports cost, soft and legalization.  Begin with `env`; `heuristics` plays episodes without learning.
"""
