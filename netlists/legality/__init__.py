"""Legality: whether a netlist can be placed at all, and what is wrong with a placement.

Imports the netlist, placements and rows.  Begin with `verdict`, which every command and report uses.
"""
