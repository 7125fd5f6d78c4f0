"""A placement run, from netlist to result; its folder; many runs as a sweep.

Imports every other folder of the placer except `commands`.  Begin with `pipeline`; the methods are in `methods`.
"""
