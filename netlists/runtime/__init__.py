"""What every command needs: kernels and their cache, whole output files, exit codes, the clock, devices, Ray.

Imports errors and the array types of `netlists.netlist`.  Begin with `command`.
"""
