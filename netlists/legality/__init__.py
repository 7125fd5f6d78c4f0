"""Legality: whether a netlist can be placed at all, and what is wrong with a placement.

May import `netlists.netlist`, `placement`, `rows` and `tolerance`.  Begin with `verdict`, which all commands use.
"""
