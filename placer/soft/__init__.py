"""Soft macros: placed around given hard macros, by forces, then one by one.

Imports cost.  Begin with `force_directed`; `node_nets` merges nets to what both need.
"""
