"""Generated netlists: random ones with the structure of real chips, and ones whose optimal placement is known.

May import `netlists.netlist`, `placement` and `formats`.  Begin with `generate`, which also writes the bundled designs.
"""
