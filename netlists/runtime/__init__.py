"""What every command needs: exit codes, progress, the clock, whole output files, compiled kernels, devices, Ray.

May import `netlists.errors` and the array types of `netlists.netlist`.  Begin with `command`.
"""
