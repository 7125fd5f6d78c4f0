"""A placement run, from netlist to result; its folder; many runs as a sweep.

Imports every method of the placer.  Begin with `pipeline`.
"""
